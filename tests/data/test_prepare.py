"""Preparing: resumable, idempotent, one bad image loses no other, nothing half-written."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
import weakref

import numpy as np
import pytest
from PIL import Image

from ifgan.data.prepare import prepare
from ifgan.data.readers import READERS
from ifgan.data.readers.base import Reading, SourcePicture
from ifgan.data.sample import read_manifest
from ifgan.errors import InputError
from ifgan.faces.picture import open_picture

TEMPLATE = np.array([(94.0, 88.0), (162.0, 88.0), (128.0, 124.0)])


@pytest.fixture
def root(tmp_path, build):
    for index in range(12):
        build.save(tmp_path / "in" / ("happy", "sad")[index % 2] / f"{index}.png", build.noise(index))
    return tmp_path / "in"


def test_the_prepared_folder(root, tmp_path):
    report = prepare("folder", root, tmp_path / "out", aligned=True)
    samples = read_manifest(tmp_path / "out")
    assert [s.expression for s in samples] == ["happiness"] * 6 + ["sadness"] * 6
    assert all(open_picture(tmp_path / "out" / s.image).shape == (256, 256, 3) for s in samples)
    about = json.loads((tmp_path / "out/prepare.json").read_text())
    assert about["counts"]["expressions"] == report.counts["expressions"] == {"happiness": 6, "sadness": 6}
    assert about["complete"] and about["rejected"] == [] and about["versions"]["numpy"] == np.__version__
    assert str(tmp_path) not in (tmp_path / "out/prepare.json").read_text()  # the folder may move
    assert not report.failed


def test_a_second_run_changes_no_byte_and_says_the_same(root, tmp_path, build):
    (root / "sad" / "broken.png").write_bytes(b"no image")
    first = prepare("folder", root, tmp_path / "out", aligned=True)
    before = build.contents(tmp_path / "out")
    picture = tmp_path / "out" / read_manifest(tmp_path / "out")[0].image
    written = picture.stat().st_mtime_ns
    second = prepare("folder", root, tmp_path / "out", aligned=True)
    assert build.contents(tmp_path / "out") == before
    assert second.text() == first.text()
    assert picture.stat().st_mtime_ns == written  # not even written again


def test_the_number_of_workers_changes_no_byte(root, tmp_path, build):
    for workers in (1, 5):
        prepare("folder", root, tmp_path / str(workers), aligned=True, workers=workers)
    assert build.contents(tmp_path / "1") == build.contents(tmp_path / "5")


def test_bad_pictures_are_listed_and_lose_no_other(root, tmp_path):
    (root / "sad" / "text.png").write_text("hello")
    whole = (root / "sad" / "1.png").read_bytes()
    (root / "sad" / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (1, 1)).save(root / "sad" / "dot.png")
    report = prepare("folder", root, tmp_path / "out", aligned=True)
    assert report.counts["pictures"] == 12 and report.failed
    assert [r.file for r in report.rejected] == ["sad/cut.png", "sad/dot.png", "sad/text.png"]
    assert not any(str(tmp_path) in r.reason for r in report.rejected)
    assert all(r.file in report.text() for r in report.rejected)
    assert [r["file"] for r in json.loads((tmp_path / "out/prepare.json").read_text())["rejected"]] == [
        r.file for r in report.rejected
    ]


def test_a_repaired_picture_joins_on_the_next_run(root, tmp_path, build):
    (root / "sad" / "late.png").write_bytes(b"half a download")
    assert prepare("folder", root, tmp_path / "out", aligned=True).failed
    build.save(root / "sad" / "late.png", build.noise(99))
    report = prepare("folder", root, tmp_path / "out", aligned=True)
    assert report.counts["pictures"] == 13 and not report.failed


KILLED = """
import sys
from ifgan.data import prepare as module
real = module._png
def slow(*arguments):
    import time; time.sleep(0.05); return real(*arguments)
module._png = slow  # time to be killed in
module.prepare("folder", sys.argv[1], sys.argv[2], aligned=True, workers=2)
"""


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.slow  # a run that is killed is asked for by default in test_fit.py
def test_killed_in_the_middle_and_run_again_equals_one_run(root, tmp_path, build):
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(root), str(out)], stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list(out.glob("images/*.png"))) >= 3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in out.glob("images/*.png")}
    assert 3 <= len(done) < 12 and not (out / "manifest.csv").exists()
    (out / "images" / ".x.png.1.tmp").write_bytes(b"what a kill while writing leaves")
    prepare("folder", root, out, aligned=True)
    prepare("folder", root, tmp_path / "unbroken", aligned=True)
    assert build.contents(out) == build.contents(tmp_path / "unbroken")
    assert all(path.stat().st_mtime_ns == written for path, written in done.items())  # not done again


def test_another_set_options_or_source_are_refused(root, tmp_path):
    out = tmp_path / "out"
    prepare("folder", root, out, aligned=True)
    with pytest.raises(InputError, match="options was"):
        prepare("folder", root, out, aligned=True, subjects_unknown=True)
    with pytest.raises(InputError, match="source was 'in' and now is 'renamed'"):
        prepare("folder", root.rename(tmp_path / "renamed"), out, aligned=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(InputError, match="no prepared set"):
        prepare("folder", tmp_path / "renamed", tmp_path / "mine", aligned=True)


def test_a_default_that_is_spelled_out_is_the_same_option(tmp_path, build):
    for index, code in enumerate(("AN", "SU")):
        build.save(tmp_path / f"in/F0001_{code}03WH_F2D.png", build.noise(index))
    first = prepare("bu3dfe", tmp_path / "in", tmp_path / "out", aligned=True)
    second = prepare("bu3dfe", tmp_path / "in", tmp_path / "out", aligned=True, levels="03,04")
    assert first == second and first.counts["pictures"] == 2


def test_out_inside_the_source_is_refused(root):
    for out in (root, root / "prepared"):
        with pytest.raises(InputError, match="inside the source"):
            prepare("folder", root, out, aligned=True)


def test_no_usable_picture_at_all(tmp_path):
    (tmp_path / "in" / "sad").mkdir(parents=True)
    (tmp_path / "in" / "sad" / "a.png").write_text("x")
    with pytest.raises(InputError, match=r"none of its 1 images .* sad/a\.png: is not an image"):
        prepare("folder", tmp_path / "in", tmp_path / "out", aligned=True)


def test_an_output_that_cannot_be_written(root, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="can't be written"):
        prepare("folder", root, tmp_path / "file" / "out", aligned=True)


def test_a_full_disk_is_one_sentence_and_leaves_no_half_picture(root, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))  # bytes: JSON passes, an image of noise not
    try:
        with pytest.raises(InputError, match=r"can't be written \(File too large\)"):
            prepare("folder", root, tmp_path / "out", aligned=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "out" / "images").iterdir()) == []


def test_aligned_takes_the_central_square(tmp_path, build):
    wide = np.zeros((100, 200, 3), np.uint8)
    wide[:, 50:150] = 255
    build.save(tmp_path / "in/sad/a.png", wide)
    prepare("folder", tmp_path / "in", tmp_path / "out", aligned=True)
    assert open_picture(tmp_path / "out" / read_manifest(tmp_path / "out")[0].image).min() == 255


def test_faces_are_found_and_aligned_and_a_picture_without_one_is_listed(tmp_path, build, drawn):
    face, _ = drawn.draw_face(1, expression="happiness")
    canvas, _ = drawn.on_canvas([(face, TEMPLATE)], 400, 500, [(150, 90)])
    build.save(tmp_path / "in/happy/face.png", canvas)
    build.save(tmp_path / "in/happy/grey.png", np.full((200, 200, 3), 128, np.uint8))
    report = prepare("folder", tmp_path / "in", tmp_path / "out")
    assert [(r.file, r.reason) for r in report.rejected] == [("happy/grey.png", "no face found")]
    aligned = open_picture(tmp_path / "out" / read_manifest(tmp_path / "out")[0].image)
    assert np.abs(aligned[60:200, 70:190].astype(int) - face[60:200, 70:190]).mean() < 12


def test_found_faces_keep_their_place_among_missing_and_finished_pictures(tmp_path, build, drawn):
    rows = ["image,subject,expression"]
    for index in range(6):
        face, _ = drawn.draw_face(index)
        if index != 2:
            build.save(tmp_path / f"in/{index}.png", face if index != 3 else np.full_like(face, 90))
        rows.append(f"{index}.png,s{index},fear")
    (tmp_path / "in/labels.csv").write_text("\n".join(rows))
    first = prepare("folder", tmp_path / "in", tmp_path / "out")
    assert [r.file for r in first.rejected] == ["2.png", "3.png"]
    before = build.contents(tmp_path / "out")
    samples = read_manifest(tmp_path / "out")
    assert [s.subject for s in samples] == ["s0", "s1", "s4", "s5"]
    for sample in (samples[0], samples[2]):
        (tmp_path / "out" / sample.image).unlink()
    assert prepare("folder", tmp_path / "in", tmp_path / "out") == first
    assert build.contents(tmp_path / "out") == before


@pytest.mark.slow
def test_worker_processes_change_no_byte(tmp_path, build, drawn):
    for index in range(30):  # enough for the pipeline to start workers
        build.save(tmp_path / f"in/fear/{index}.png", drawn.draw_face(index)[0])
    for workers in (1, 2):
        prepare("folder", tmp_path / "in", tmp_path / str(workers), workers=workers)
    assert len(read_manifest(tmp_path / "1")) == 30
    assert build.contents(tmp_path / "1") == build.contents(tmp_path / "2")


def test_the_owners_landmarks_are_used_where_there_are_some(tmp_path, monkeypatch, drawn):
    face, landmarks = drawn.draw_face(2)
    grey = np.full((200, 200, 3), 128, np.uint8)  # no detector finds a face here

    def reader(root):
        pictures = [
            SourcePicture(grey, "grey", "grey", "toy", "fear", landmarks_xy_px=landmarks),
            SourcePicture(face, "face", "face", "toy", "fear", landmarks_xy_px=TEMPLATE),
            SourcePicture(face, "swapped", "swapped", "toy", "fear", landmarks_xy_px=TEMPLATE[[1, 0, 2]]),
        ]
        return Reading("toy", pictures)

    monkeypatch.setitem(READERS, "toy", reader)
    report = prepare("toy", tmp_path / "in", tmp_path / "out")
    assert report.counts["pictures"] == 2
    assert [r.file for r in report.rejected] == ["swapped"]
    assert np.abs(open_picture(tmp_path / "out/images/face.png").astype(int) - face).max() <= 1  # on the template


def test_two_pictures_of_one_name_are_refused(tmp_path, monkeypatch, build):
    pictures = [SourcePicture(build.noise(i), name, name, "toy", "fear") for i, name in enumerate(("a", "A"))]
    monkeypatch.setitem(READERS, "toy", lambda root: Reading("toy", pictures, aligned=True))
    with pytest.raises(InputError, match="occurs twice"):
        prepare("toy", tmp_path / "in", tmp_path / "out")


def test_a_source_that_has_changed_is_prepared_again_and_no_other(root, tmp_path, build):
    """The same name, another image: its old face must not stay under its new label."""
    out = tmp_path / "out"
    prepare("folder", root, out, aligned=True)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (out / "images").iterdir()}
    changed = sorted((root / "sad").iterdir())[0]
    build.save(changed, build.noise(77))
    prepare("folder", root, out, aligned=True)
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in (out / "images").iterdir()}
    assert len([name for name in before if after[name] != before[name]]) == 1
    prepare("folder", root, tmp_path / "fresh", aligned=True)
    assert build.contents(out) == build.contents(tmp_path / "fresh")


def test_pictures_of_a_version_that_kept_no_fingerprint_stay(root, tmp_path):
    out = tmp_path / "out"
    prepare("folder", root, out, aligned=True)
    path = sorted((out / "images").iterdir())[0]
    Image.open(path).save(path, pnginfo=None)
    bare = path.read_bytes()
    prepare("folder", root, out, aligned=True)
    assert path.read_bytes() == bare


def test_finished_pictures_are_not_held_in_memory(tmp_path, monkeypatch):
    """As rows of a table, whose pixels come with them: few are alive at a time, also when all are done already."""
    alive: list[weakref.ref] = []

    def items():
        for index in range(300):
            image = np.full((64, 64, 3), index % 256, np.uint8)
            alive.append(weakref.ref(image))
            assert sum(one() is not None for one in alive) < 130  # tee keeps blocks of 57
            yield SourcePicture(image, f"p{index}", f"row {index}", "toy", "fear", landmarks_xy_px=TEMPLATE / 4)
            del image

    monkeypatch.setitem(READERS, "toy", lambda root: Reading("toy", items(), 300))
    for _ in range(2):
        assert prepare("toy", tmp_path / "in", tmp_path / "out", workers=1).counts["pictures"] == 300
        assert len(alive) == 300
        alive.clear()


def test_a_prepared_picture_that_is_broken_is_made_again(root, tmp_path, build):
    """As a copy to a full disk leaves it."""
    out = tmp_path / "out"
    prepare("folder", root, out, aligned=True)
    whole = build.contents(out)
    first, second, *_ = sorted((out / "images").iterdir())
    first.write_bytes(b"")
    second.write_bytes(second.read_bytes()[: second.stat().st_size // 2])
    prepare("folder", root, out, aligned=True)
    assert build.contents(out) == whole
