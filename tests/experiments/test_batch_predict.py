"""The batch command: what Recognizer says, a line an image, in order; one bad file loses no other."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from drawn_faces import draw_face, on_canvas
from ifgan import Recognizer
from ifgan.cli import main
from ifgan.errors import InputError
from ifgan.experiments.batch_predict import Outputs, predict_files
from ifgan.faces.align import align_face
from ifgan.faces.detect import FaceDetector
from ifgan.faces.model_input import to_model_input
from ifgan.models.checkpoint import save_trained
from ifgan.models.torch_engine import TorchEngine
from tiny_model import tiny_trained

FACE_KEYS = ["box", "landmarks", "score", "turned", "expression", "confidence", "probabilities"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten images in two folders: every third broken, one without a face, one with three."""
    root = tmp_path_factory.mktemp("pictures")
    for index in range(10):
        faces = [draw_face(index + 10 * n, 110) for n in range({4: 0, 6: 3}.get(index, 1))]
        canvas, _ = on_canvas(faces, 160, 400, [(10 + 125 * n, 20) for n in range(len(faces))])
        path = root / f"{'ab'[index % 2]}" / f"{index // 2}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(canvas).save(path)
        if index % 3 == 2:  # a/1, b/2 and a/4
            path.write_bytes(path.read_bytes()[: (index - 2) * 50])
    return root


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_batch_command_gives_what_the_recognizer_gives(
    recognizer: Recognizer, model: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(folder), "--model", str(model)]) == 1
    found = lines(capsys.readouterr().out)
    assert [line["image"] for line in found] == [str(path) for path in sorted(folder.rglob("*.png"))]
    assert sum(line["error"] is not None for line in found) == 3
    for line in found:
        assert list(line) == ["image", "faces", "error"]
        if line["error"]:
            assert line["faces"] == [] and line["error"].startswith(line["image"])
            continue
        expected = [face.to_dict() for face in recognizer(line["image"])]
        assert [list(face) for face in line["faces"]] == [FACE_KEYS] * len(expected)
        for face, other in zip(line["faces"], expected, strict=True):
            assert {**face, "confidence": 0, "probabilities": 0} == {**other, "confidence": 0, "probabilities": 0}
            assert face["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
    assert sorted(len(line["faces"]) for line in found if not line["error"]) == [0, 1, 1, 1, 1, 1, 3]


def test_broken_files_lose_no_other(model: Path, folder: Path, tmp_path: Path) -> None:
    broken = [folder / name for name in ("a/1.png", "b/2.png", "a/4.png")]
    whole = [path for path in sorted(folder.rglob("*.png")) if path not in broken]
    arguments = ["predict", "--model", str(model), "--json"]
    main([*arguments, str(tmp_path / "all.jsonl"), str(folder), str(tmp_path / "absent.png")])
    assert main([*arguments, str(tmp_path / "whole.jsonl"), *map(str, whole)]) == 0
    everything = lines((tmp_path / "all.jsonl").read_text())
    assert everything[-1]["error"] == f"{tmp_path / 'absent.png'}: no such file"
    kept = [line for line in everything if line["error"] is None]
    alone = lines((tmp_path / "whole.jsonl").read_text())
    assert [line["image"] for line in kept] == [line["image"] for line in alone] == [str(path) for path in whole]
    assert [[face["box"] for face in line["faces"]] for line in kept] == [
        [face["box"] for face in line["faces"]] for line in alone
    ]


def test_one_picture_and_the_batch_read_the_same_crop_bit_for_bit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    trained = tiny_trained()
    trained.system.generator.register_forward_pre_hook(lambda module, inputs: seen.extend(inputs[0]))
    monkeypatch.setattr(Recognizer, "from_pretrained", lambda *args, **options: Recognizer(TorchEngine(trained)))
    whole = [folder / "a" / f"{number}.png" for number in (0, 2, 3)]
    predict_files(whole, "any", Outputs(str(tmp_path / "out.jsonl")), workers=0)
    batch, alone = list(seen), []
    for path in whole:
        seen.clear()
        Recognizer(TorchEngine(trained))(path)
        alone += seen
    by_hand, detector = [], FaceDetector()
    for path in whole:
        image = np.array(Image.open(path))
        crops = [align_face(image, np.array(face.landmarks_xy_px)) for face in detector([image])[0]]
        by_hand += [torch.from_numpy(to_model_input(crop, 32)) for crop in crops]
    assert len(batch) == len(alone) == len(by_hand) == 4
    for one, two, three in zip(batch, alone, by_hand, strict=True):
        assert torch.equal(one, two) and torch.equal(one, three)


def test_only_the_most_prominent_face(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, _ = on_canvas([draw_face(1, 120), draw_face(2, 190)], 260, 420, [(10, 20), (180, 40)])
    Image.fromarray(photo).save(tmp_path / "a.png")
    main(["predict", str(tmp_path / "a.png"), "--model", str(model)])
    main(["predict", str(tmp_path / "a.png"), "--model", str(model), "--one"])
    every, one = lines(capsys.readouterr().out)
    assert len(every["faces"]) == 2 and one["faces"][0]["box"] == every["faces"][0]["box"] and len(one["faces"]) == 1


def test_redrawn_faces_of_same_named_files_do_not_collide(model: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    main(["predict", str(folder), "--model", str(model), "--faces", str(tmp_path / "faces"), "--json", str(out)])
    named = [face["average_face"] for line in lines(out.read_text()) for face in line["faces"]]
    assert len(named) == len(set(named)) == 8
    assert sorted(named) == sorted(map(str, (tmp_path / "faces").iterdir()))
    recognizer = Recognizer.from_pretrained(model)
    for line in lines(out.read_text()):
        for face, own in zip(line["faces"], recognizer(line["image"]) if not line["error"] else [], strict=True):
            saved, direct = np.asarray(Image.open(face["average_face"])), np.asarray(own.average_face)
            assert np.abs(saved.astype(int) - direct).max() <= 1


def test_a_baseline_redraws_no_faces(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_trained(tmp_path / "b.safetensors", tiny_trained("baseline"))
    (face,) = Recognizer.from_pretrained(tmp_path / "b.safetensors")(folder / "a" / "0.png")
    assert face.average_face is None
    arguments = ["predict", str(folder), "--model", str(tmp_path / "b.safetensors")]
    assert main([*arguments, "--faces", str(tmp_path / "f")]) == 2
    assert "redraws no faces" in capsys.readouterr().err and not (tmp_path / "f").exists()


def test_file_and_standard_output_say_the_same(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict", str(folder), "--model", str(model)]
    assert main([*arguments, "--json", str(tmp_path / "new" / "out.jsonl")]) == 1
    assert capsys.readouterr().out == ""
    main([*arguments, "--json", "-"])
    assert (tmp_path / "new" / "out.jsonl").read_text() == capsys.readouterr().out
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.jsonl"]


def test_a_crash_leaves_the_old_file_whole_and_keeps_what_was_known(
    model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Recognizer.stream

    def broken_off(*args: object, **options: object) -> Iterator[object]:
        yield next(stream(*args, **options))
        raise InputError("the machine is on fire")

    out = tmp_path / "out.jsonl"
    out.write_text("old\n")
    monkeypatch.setattr(Recognizer, "stream", broken_off)
    assert main(["predict", str(folder), "--model", str(model), "--json", str(out)]) == 2
    assert out.read_text() == "old\n"
    (part,) = tmp_path.glob("out.jsonl.*.part")
    assert len(lines(part.read_text())) == 1


def test_output_that_cannot_be_written(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for out in ("/dev/full", str(tmp_path / "file" / "out.jsonl"), str(tmp_path)):
        assert main(["predict", str(folder), "--model", str(model), "--json", out]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith(f"ifgan predict: {out}: can't be written (")


def test_folders(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "._photo.jpg").write_bytes(b"what macOS leaves beside photo.jpg")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / ".thumbnails").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / ".thumbnails" / "a.png")
    assert main(["predict", str(tmp_path), "--model", str(model)]) == 1
    (line,) = lines(capsys.readouterr().out)
    assert line["image"] == str(tmp_path) and line["error"].startswith(f"{tmp_path}: holds no image")
    Image.new("RGB", (64, 64)).save(tmp_path / "folder.png" / "A.JPEG")
    assert main(["predict", str(tmp_path), "--model", str(model)]) == 0
    assert lines(capsys.readouterr().out) == [
        {"image": str(tmp_path / "folder.png" / "A.JPEG"), "faces": [], "error": None}
    ]


def test_a_file_name_of_another_encoding(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / b"caf\xe9.png".decode("utf-8", "surrogateescape")
    Image.new("RGB", (64, 64)).save(path)
    assert main(["predict", str(tmp_path), "--model", str(model)]) == 0
    assert lines(capsys.readouterr().out)[0]["image"] == str(path)


def test_no_photograph_is_written_over(model: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--json *.jpg`` reads like a switch; a list of lines may lie beside the images, but not be one."""
    photo = folder / "a" / "0.png"
    before = photo.read_bytes()
    assert main(["predict", "--model", str(model), "--json", str(photo), str(folder / "b" / "0.png")]) == 2
    assert "has the name of an image" in capsys.readouterr().err
    named = folder / "named"
    named.write_bytes(before)
    try:
        assert main(["predict", "--model", str(model), str(named), "--json", str(named)]) == 2
        assert "is one of the images" in capsys.readouterr().err
        assert named.read_bytes() == photo.read_bytes() == before
    finally:
        named.unlink()


def test_redrawn_faces_below_the_pictures_are_not_read_again(model: Path, folder: Path, tmp_path: Path) -> None:
    pictures = Path(shutil.copytree(folder, tmp_path / "pictures"))
    out = pictures / "redrawn"
    options = ["--model", str(model), "--faces", str(out), "--json", str(tmp_path / "o.jsonl")]
    for _ in range(2):
        main(["predict", str(pictures), *options])
        found = lines((tmp_path / "o.jsonl").read_text())
        assert len(found) == 10 and not any(out in Path(line["image"]).parents for line in found)
    assert list(out.iterdir())


def test_what_a_folder_hides_is_told(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files of other kinds, images behind a link, and a folder that can't be looked into."""
    (tmp_path / "album").mkdir()
    (tmp_path / "far").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "album" / "a.jpg")
    Image.new("L", (64, 64)).save(tmp_path / "far" / "b.pgm")
    (tmp_path / "album" / "c.psd").touch()
    (tmp_path / "album" / "link").symlink_to(tmp_path / "far")
    assert main(["predict", str(tmp_path / "album"), "--model", str(model)]) == 0
    said = capsys.readouterr()
    assert [Path(line["image"]).name for line in lines(said.out)] == ["a.jpg", "b.pgm"]
    assert "left aside, no image's suffix: " in said.err and "c.psd" in said.err


def test_a_folder_that_cannot_be_read_is_one_failure(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the walk's own error: whoever runs this may be root, whom no folder refuses."""
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert main(["predict", str(tmp_path), "--model", str(model)]) == 1
    found = lines(capsys.readouterr().out)
    errors = {Path(line["image"]).name: line["error"] for line in found}
    assert errors == {"locked": f"{tmp_path / 'locked'}: Permission denied", "a.png": None}


def test_standard_output_by_its_name_in_a_file(
    model: Path, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """``--json /dev/stdout > out.jsonl``, where capfd holds the file; and a link as output stays one."""
    words = ["predict", str(folder / "a" / "0.png"), "--model", str(model), "--json"]
    assert main([*words, "/dev/stdout"]) == 0
    said = capfd.readouterr().out
    assert len(lines(said)) == 1
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "far.jsonl")
    assert main([*words, str(tmp_path / "link.jsonl")]) == 0
    assert (tmp_path / "link.jsonl").is_symlink()
    assert (tmp_path / "far.jsonl").read_text() == said


def test_redrawn_faces_may_go_above_the_pictures(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pictures").mkdir()
    Image.fromarray(draw_face(1, 160)[0]).save(tmp_path / "pictures" / "a.png")
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "pictures", "--model", str(model), "--faces", ".", "--json", "out.jsonl"]) == 0
    (line,) = lines((tmp_path / "out.jsonl").read_text())
    assert all(Path(face["average_face"]).exists() for face in line["faces"])


def test_a_table_has_a_row_a_face_and_one_for_an_image_without(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict", str(folder), "--model", str(model)]
    assert main([*arguments, "--csv", str(tmp_path / "t.csv"), "--json", str(tmp_path / "t.jsonl")]) == 1
    table = pd.read_csv(tmp_path / "t.csv")
    expected = []
    for line in lines((tmp_path / "t.jsonl").read_text()):
        rows = [dict(zip(("x0", "y0", "x1", "y1"), face["box"], strict=True)) | face for face in line["faces"]]
        expected += [{"image": line["image"], "face": k} | row for k, row in enumerate(rows)]
        expected += [] if rows else [{"image": line["image"], "error": line["error"]}]
    assert len(table) == len(expected) == 12 and table["error"].notna().sum() == 3
    for row, face in zip(table.to_dict("records"), expected, strict=True):
        probabilities = face.pop("probabilities", {})
        for name, value in (face | probabilities).items():
            if name not in ("box", "landmarks") and value is not None:
                assert row[name] == (pytest.approx(value) if isinstance(value, float) else value)
        assert ("expression" in face) or np.isnan(row["face"])
    capsys.readouterr()
    main([*arguments, "--csv", "-"])
    assert capsys.readouterr().out == (tmp_path / "t.csv").read_text()
    assert main([*arguments, "--csv", "-", "--json", "-"]) == 2
    assert "choose another name for the table" in capsys.readouterr().err


def test_annotated_copies_of_what_could_be_read(model: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "annotated"
    assert main(["predict", str(folder), "--model", str(model), "--json", os.devnull, "--annotate", str(out)]) == 1
    images = [np.asarray(Image.open(path)) for path in out.iterdir()]
    assert len(images) == 7 and all(image.shape[1] > 400 for image in images)


def test_ours_do_not_go_among_the_images(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder, tmp_path / "in")
    for option in ("--faces", "--annotate"):
        assert main(["predict", str(tmp_path / "in"), "--model", str(model), option, str(tmp_path / "in")]) == 2
        assert "in: is the folder of the images that are read" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main(["predict", str(tmp_path / "in"), "--model", str(model), "--faces", str(tmp_path / "file")]) == 2
    assert f"{tmp_path / 'file'}: is a file; expected a folder" in capsys.readouterr().err
