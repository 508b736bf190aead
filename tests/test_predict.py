"""Recognizer: whatever comes in, every face gets its answer; what can't be read is one sentence."""

import dataclasses
import io
import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import functional as F

from drawn_faces import draw_face, on_canvas
from ifgan import Recognizer
from ifgan.cli import main
from ifgan.engines import find_checkpoint
from ifgan.errors import InputError, PictureError
from ifgan.experiments.evaluation import open_unseen
from ifgan.experiments.outcome import read_outcome
from ifgan.experiments.report import write_report
from ifgan.faces.align import invert_similarity
from ifgan.models.checkpoint import save_trained
from ifgan.models.torch_engine import TorchEngine
from ifgan.predict import Prediction
from ifgan.training.evaluate import evaluate
from ifgan.training.run_folder import RunFolder
from tiny_model import LABELS, tempered, tiny_trained
from tiny_runs import make_prepared

FACE_KEYS = ["box", "landmarks", "score", "turned", "expression", "confidence", "probabilities"]


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """Two faces, the larger one on the right."""
    faces = [draw_face(1, 120, "surprise"), draw_face(2, 190, "happiness")]
    return on_canvas(faces, 260, 420, [(10, 20), (180, 40)])[0]


def close(one: list[Prediction], other: list[Prediction]) -> bool:
    """The same faces at the same places; probabilities to rounding."""
    return len(one) == len(other) and all(
        (a.box, a.landmarks, a.expression) == (b.box, b.landmarks, b.expression)
        and np.allclose(list(a.probabilities.values()), list(b.probabilities.values()), atol=1e-5)
        for a, b in zip(one, other, strict=True)
    )


def test_a_model_to_hand_on_is_half_the_size_and_says_the_same(model, tmp_path, capsys):
    photo = draw_face(3, 256, "surprise")[0]
    answers = [Recognizer.from_pretrained(model, aligned=True)(photo)[0]]
    for options in ([], ["--full"]):
        out = tmp_path / f"handed-on{len(options)}.safetensors"
        assert main(["export", str(model), "--out", str(out), *options]) == 0
        assert str(out) in capsys.readouterr().out
        answers.append(Recognizer.from_pretrained(out, aligned=True)(photo)[0])
    for wrong in (["model.pt"], ["model.onnx", "--format=safetensors"]):
        assert main(["export", str(model), "--out", str(tmp_path / wrong[0]), *wrong[1:]]) == 2
        assert "ends in .onnx or .safetensors" in (said := capsys.readouterr().err) or "ends in .safetensors" in said
    half, full = ((tmp_path / f"handed-on{k}.safetensors").stat().st_size for k in (0, 1))
    assert half < 0.6 * full
    before, rounded, same = answers
    assert same == before and rounded.expression == before.expression
    assert rounded.probabilities == pytest.approx(before.probabilities, abs=0.02)
    faces = [np.asarray(answer.average_face, np.int16) for answer in answers]
    assert np.abs(faces[1] - faces[0]).max() <= 4 and np.array_equal(faces[2], faces[0])


def test_a_prediction_says_what_where_and_how_sure(recognizer: Recognizer, photo: np.ndarray) -> None:
    faces = recognizer(photo)
    assert len(faces) == 2
    for face in faces:
        assert tuple(face.probabilities) == recognizer.labels == LABELS
        assert abs(sum(face.probabilities.values()) - 1) < 1e-5
        assert face.confidence == max(face.probabilities.values()) == face.probabilities[face.expression]
        assert len(face.box) == 4 and np.shape(face.landmarks) == (5, 2)
        assert face.average_face is not None and face.average_face.size == (32, 32)
        assert list(face.to_dict()) == FACE_KEYS
        json.dumps(face.to_dict(), allow_nan=False)
        with pytest.raises(AttributeError):
            face.expression = "joy"
    assert faces[0].box[0] > 150 > faces[1].box[0]  # the larger, more central one first


def test_path_pil_image_array_and_list(recognizer: Recognizer, photo: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(photo).save(tmp_path / "a.png")
    faces = recognizer(photo)
    bgr = Recognizer(recognizer.engine, bgr=True)
    assert bgr(photo[..., ::-1]) == faces
    sources = [tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(photo), photo]
    sources.append((tmp_path / "a.png").read_bytes())
    for source in sources:
        assert recognizer(source).faces == faces.faces == bgr(source if source is not photo else photo[..., ::-1]).faces
    many = recognizer(sources)
    assert len(many) == 5 and all(close(one, faces) for one in many)
    assert recognizer([]) == []


def test_no_face_is_an_empty_list(recognizer: Recognizer) -> None:
    assert list(recognizer(np.full((100, 100, 3), 128, np.uint8))) == []


def test_what_cannot_be_read_raises(recognizer: Recognizer, photo: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("text")
    for source in (tmp_path / "a.jpg", [photo, tmp_path / "a.jpg"]):
        with pytest.raises(PictureError, match=r"a\.jpg: is not an image"):
            recognizer(source)


def test_aligned_faces_are_read_without_detection(model: Path) -> None:
    recognizer = Recognizer.from_pretrained(model, aligned=True)
    aligned = draw_face(3)[0]
    (face,) = recognizer(aligned)
    (direct,) = recognizer.read([aligned])
    assert face.probabilities == direct.probabilities
    assert face.box == (0, 0, 256, 256) and face.landmarks == ()
    wide = np.pad(aligned, ((0, 0), (40, 40), (0, 0)))
    assert recognizer(wide)[0].probabilities == face.probabilities  # its central square
    assert len(recognizer(np.full((100, 100, 3), 128, np.uint8))) == 1


def test_a_face_reads_the_same_alone_and_among_others(recognizer: Recognizer) -> None:
    crops = [draw_face(seed)[0] for seed in range(19)]  # more than two batches
    together = recognizer.read(crops)
    assert close(together, [recognizer.read([crop])[0] for crop in crops])
    assert len({face.confidence for face in together}) == 19


def test_lines_come_as_soon_as_they_are_known(recognizer: Recognizer, photo: np.ndarray) -> None:
    drawn = 0

    def endless() -> Iterator[np.ndarray | str]:
        nonlocal drawn
        while True:
            drawn += 1
            yield photo if drawn % 3 == 1 else "absent.png"

    results = recognizer.stream(endless(), workers=0)
    for number in range(20):
        result = next(results)
        assert (result.error is None) == (number % 3 == 0)
        assert drawn - number <= 8


def test_what_has_no_face_waits_for_nothing(recognizer: Recognizer) -> None:
    drawn = []
    results = recognizer.stream((drawn.append(n) or "absent.png" for n in range(5)), workers=0)
    for number in range(5):
        assert next(results).error == "absent.png: no such file"
        assert drawn == list(range(number + 1))


def with_header(path: Path, **changes: object) -> None:
    """Rewrite a checkpoint's header."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["ifgan"]) | changes
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, metadata={"ifgan": json.dumps(header)})


def test_models_that_cannot_be_used(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (model / "checkpoint" / "best.safetensors").read_bytes()
    names = ("cut", "empty", "foreign", "text", "format", "labels", "temperature")
    files = {name: tmp_path / f"{name}.safetensors" for name in names}
    for path in files.values():
        path.write_bytes(whole)
    files["cut"].write_bytes(whole[: len(whole) // 2])
    files["empty"].write_bytes(b"")
    files["text"].write_text("weights")
    save_file({"a": torch.zeros(1)}, files["foreign"])
    with_header(files["format"], format=99)
    with_header(files["labels"], labels=["anger"])
    with_header(files["temperature"], temperature=0)
    (tmp_path / "run").mkdir()
    expected = {
        files["cut"]: "broken or cut off",
        files["empty"]: "broken or cut off",
        files["text"]: "broken or cut off",
        files["foreign"]: "not written by ifgan",
        files["format"]: "has format 99, this version of ifgan reads format 1",
        files["labels"]: "does not fit its own configuration",
        files["temperature"]: "temperature 0; expected a number above 0",
        tmp_path / "run": "no model there",
        tmp_path / "absent.safetensors": "no model there",
    }
    for path, words in expected.items():
        with pytest.raises(InputError, match=words) as error:
            Recognizer.from_pretrained(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)
        assert main(["predict", "a.png", "--model", str(path)]) == 2
        assert words in capsys.readouterr().err


def test_confidence_is_the_tempered_one(model: Path, photo: np.ndarray, tmp_path: Path) -> None:
    cooled = tmp_path / "cooled.safetensors"
    cooled.write_bytes((model / "checkpoint" / "best.safetensors").read_bytes())
    with_header(cooled, temperature=3.0)
    answers = [Recognizer.from_pretrained(path)(photo) for path in (model, cooled)]
    assert answers[0]
    for plain, said in zip(*answers, strict=True):
        expected = tempered(np.array([list(plain.probabilities.values())]), 3.0)[0]
        np.testing.assert_allclose(list(said.probabilities.values()), expected, rtol=1e-4)
        assert said.expression == plain.expression and said.confidence == max(said.probabilities.values())


def test_weights_that_are_not_finite_are_no_answer(photo: np.ndarray) -> None:
    trained = tiny_trained()
    with torch.no_grad():
        trained.system.classifier.head.bias.fill_(float("nan"))
    with pytest.raises(InputError, match="not finite"):
        Recognizer(TorchEngine(trained))(photo)


def test_average_faces_can_be_saved(recognizer: Recognizer, photo: np.ndarray) -> None:
    file = io.BytesIO()
    recognizer(photo)[0].average_face.save(file, "PNG")
    assert Image.open(file).size == (32, 32)


def test_a_wrong_word_for_redrawing_is_refused(model: Path, tmp_path: Path) -> None:
    """Silently drawn freely, more of the person would be in the image than was asked for."""
    with pytest.raises(InputError, match="redraw 'mixtures': expected one of free, mixture"):
        Recognizer.from_pretrained(model, redraw="mixtures")
    save_trained(tmp_path / "b.safetensors", tiny_trained("baseline"))
    with pytest.raises(InputError, match="the baseline has no generator"):
        Recognizer.from_pretrained(tmp_path / "b.safetensors", redraw="mixture")


@pytest.mark.parametrize("name", ["./mine", "runs/mine", "owner/mine.safetensors", "~/mine", "/mine", "a/b/c", "mine"])
def test_what_reads_like_a_path_is_not_asked_of_the_hub(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_: pytest.fail("asked"))
    with pytest.raises(InputError, match="no model there"):
        find_checkpoint(name)


def test_a_hub_error_without_words_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: str) -> str:
        raise TimeoutError

    monkeypatch.setattr("huggingface_hub.hf_hub_download", silent)
    with pytest.raises(InputError, match=r"gave no model \(TimeoutError\)"):
        find_checkpoint("owner/model")


def test_a_model_to_hand_on_holds_no_path_of_its_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = {"classifier_weights": "/home/alice/acme/best.safetensors", "teachers": ("/home/alice/t.safetensors",)}
    trained = tiny_trained()
    config = trained.config.changed(soft_labels=0.5, **taken)
    save_trained(tmp_path / "run.safetensors", dataclasses.replace(trained, config=config))
    assert main(["export", str(tmp_path / "run.safetensors"), "--out", str(tmp_path / "out.safetensors")]) == 0
    assert b"alice" in (tmp_path / "run.safetensors").read_bytes()
    assert b"alice" not in (tmp_path / "out.safetensors").read_bytes()
    assert main(["export", str(tmp_path / "out.safetensors"), "--out", str(tmp_path / "out.safetensors")]) == 2
    assert "is the model itself" in capsys.readouterr().err


@pytest.mark.parametrize("zoom", [1.0, 1.25])
def test_a_model_from_a_file_can_be_measured(tmp_path: Path, zoom: float, capsys: pytest.CaptureFixture[str]) -> None:
    """As a run folder, on people of another set; whom it has seen nobody knows, and the report says so."""
    labels, faces = ("anger", "happiness", "sadness"), torch.rand(3, 3, 4, 4).mul(2).sub(1)
    faces = F.interpolate(faces, size=(32, 32), mode="bicubic").clamp(-1, 1)
    trained = tiny_trained(labels=labels, center_crop_zoom=zoom)
    about = {"selection": "validation", "epoch": trained.config.optimizer.epochs}
    trained = replace(trained, about=about, temperature=2.0)
    trained.system.mixture.averages.copy_(faces)
    save_trained(tmp_path / "model.safetensors", trained)
    data, run = make_prepared(tmp_path / "raw", tmp_path / "set", subjects=4), tmp_path / "run"
    manifest = pd.read_csv(data / "manifest.csv", dtype=str, keep_default_na=False)
    manifest.assign(age="30").to_csv(data / "manifest.csv", index=False)
    assert main(["export", str(tmp_path / "model.safetensors"), "--format=run", f"--out={run}"]) == 0
    pairs = open_unseen(run, data)[0].pairs
    assert (pairs.average_inputs() - faces).abs().mean() < 0.08  # through a file of another size
    for command in (["evaluate", "--people=all"], ["leakage", "--people=all"], ["audit"]):
        assert main([command[0], str(run), f"--data={data}", *command[1:]]) == 0
    outcome = read_outcome(RunFolder(run), "set")
    assert outcome is not None
    expected = evaluate(replace(trained, temperature=2.0), pairs)
    np.testing.assert_allclose(outcome.predictions.probabilities, expected.probabilities, atol=1e-6)
    assert "nobody knows whether they were seen" in write_report(run, tmp_path / "report").text()
    assert main(["export", str(tmp_path / "model.safetensors"), "--format=run", f"--out={run}"]) == 2
    capsys.readouterr()


def test_a_device_is_there_or_one_sentence(model: Path) -> None:
    assert Recognizer.from_pretrained(model, device="auto").labels
    for name in ("cuda:99", "abacus"):
        with pytest.raises(InputError, match=f"device {name}: there is none here"):
            Recognizer.from_pretrained(model, device=name)


def test_one_picture_is_no_stream_of_them(recognizer: Recognizer, photo: np.ndarray) -> None:
    """A name would be read letter by letter, an array row by row."""
    for single in ("photo.jpg", Path("photo.jpg"), photo, Image.fromarray(photo)):
        with pytest.raises(InputError, match="takes several images"):
            next(recognizer.stream(single))  # type: ignore[arg-type]
    assert len(recognizer((photo, photo))) == 2


def test_a_face_s_place_leads_into_its_drawing_and_back(recognizer: Recognizer, photo: np.ndarray) -> None:
    """The drawing's own pixels come back from the image that it was pasted into; nothing changes far from it."""
    for turned in (photo, np.ascontiguousarray(np.rot90(photo)), np.asarray(Image.fromarray(photo).rotate(20))):
        for face in recognizer(turned):
            transform, side = np.array(face.transform), face.average_face.width
            (left, _), (right, _), (_, nose), *_ = (transform @ (*point, 1) for point in face.landmarks)
            assert 0 < left < side / 2 < right < side and side / 4 < nose < 3 * side / 4
            pasted = np.asarray(face.paste_into(turned))
            assert pasted.shape == turned.shape
            inverse = invert_similarity(transform)
            middle = inverse @ (side / 2, side / 2, 1)
            seen = pasted[tuple(np.floor(middle[::-1]).astype(int))].astype(int)
            drawn = np.asarray(face.average_face)[side // 2 - 3 : side // 2 + 3, side // 2 - 3 : side // 2 + 3]
            assert (drawn.min(axis=(0, 1)) - 25 <= seen).all() and (seen <= drawn.max(axis=(0, 1)) + 25).all()
            y, x = np.mgrid[: turned.shape[0], : turned.shape[1]]
            places = transform @ np.stack([x.ravel() + 0.5, y.ravel() + 0.5, np.ones(x.size)])
            outside = ((places < -1) | (places > side + 1)).any(axis=0).reshape(x.shape)
            assert np.array_equal(pasted[outside], turned[outside]) and (pasted != turned).any()


def test_an_aligned_face_s_place_is_the_image(model: Path, photo: np.ndarray) -> None:
    (face,) = Recognizer.from_pretrained(model, aligned=True)(photo)
    x0, y0, x1, y1 = face.box
    places = np.array(face.transform) @ np.array([((x0 + x1) / 2, (y0 + y1) / 2, 1), (x0, y0, 1)]).T
    side = face.average_face.width
    np.testing.assert_allclose(places[:, 0], side / 2, atol=0.6)
    assert (places[:, 1] < 0).all() and (places[:, 1] > -side / 4).all()


def test_nothing_to_paste_is_told(recognizer: Recognizer, photo: np.ndarray) -> None:
    with pytest.raises(InputError, match="nothing to paste"):
        dataclasses.replace(recognizer(photo)[0], transform=()).paste_into(photo)


def test_faces_of_an_image_as_a_table_and_as_an_image(
    recognizer: Recognizer, photo: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(photo).save(tmp_path / "a.png")
    found = recognizer(tmp_path / "a.png")
    table = found.to_pandas()
    assert list(table["image"]) == [str(tmp_path / "a.png")] * 2 and list(table["face"]) == [0, 1]
    assert list(table["expression"]) == [face.expression for face in found]
    np.testing.assert_array_equal(table[list(LABELS)], [list(face.probabilities.values()) for face in found])
    assert found[0] is found.faces[0] and found[:1] == found.faces[:1] and len(list(found)) == len(found) == 2
    nothing = recognizer(np.full((120, 120, 3), 128, np.uint8))
    assert len(nothing) == 0 and list(nothing.rows(LABELS)[0]) == list(found.rows()[0])
    plot = np.asarray(found.plot())
    assert plot.shape[0] >= photo.shape[0] and plot.shape[1] > photo.shape[1]
    (tmp_path / "a.png").unlink()
    with pytest.raises(PictureError, match="no such file"):
        found.plot()
    assert np.array_equal(found.plot(photo), plot)
    x0, y0, x1, y1 = np.round(found[0].box).astype(int)
    assert (plot[y0 : y1 + 1, x0 : x1 + 1] != photo[y0 : y1 + 1, x0 : x1 + 1]).any()
    with pytest.raises(PictureError, match="isn't at hand"):
        dataclasses.replace(found, source=None).plot()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_camera_may_write_into_the_frame_that_it_gave(
    recognizer: Recognizer, photo: np.ndarray, workers: int
) -> None:
    frames = [np.roll(photo, 3 * step, axis=1) for step in range(26)]
    buffer = np.empty_like(photo)

    def camera() -> Iterator[np.ndarray]:
        for frame in frames:
            buffer[:] = frame
            yield buffer

    boxes = [[face.box for face in found] for found in recognizer.stream(camera(), workers=workers)]
    assert boxes == [[face.box for face in recognizer(frame)] for frame in frames]


def test_the_packaged_recognizer_can_be_sent_to_another_process(photo: np.ndarray) -> None:
    recognizer = Recognizer.from_pretrained()
    found = recognizer(photo)
    other = pickle.loads(pickle.dumps(recognizer))
    assert other(photo) == found and pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize("options", [{"min_face": float("nan")}, {"min_face": -1}, {"min_face": 9, "aligned": True}])
def test_options_that_mean_nothing_are_refused(options: dict) -> None:
    with pytest.raises(InputError, match="min_face"):
        Recognizer.from_pretrained(**options)


def test_a_generator_of_images_is_not_one(recognizer: Recognizer, photo: np.ndarray) -> None:
    with pytest.raises(PictureError, match="predict_batch and stream take several"):
        recognizer(photo for _ in range(2))
