"""JAFFE's names and counts, on generated files with the owner's names."""

import pytest

from ifgan.data.counts import count, differences
from ifgan.data.prepare import prepare
from ifgan.data.readers.jaffe import SUBJECTS, read_jaffe
from ifgan.errors import InputError

COUNTS = {"AN": 30, "DI": 29, "FE": 32, "HA": 31, "SA": 31, "SU": 30, "NE": 30}


def owners_names(ending="tiff"):
    """213 names: three repetitions a person and expression, some four and one two, so that the totals are right."""
    repetitions = {(subject, code): 3 for subject in SUBJECTS for code in COUNTS}
    repetitions |= {("KA", "HA"): 4, ("KM", "FE"): 4, ("NA", "FE"): 4, ("TM", "SA"): 4, ("KL", "DI"): 2}
    pictures = [(*key, i) for key, number in repetitions.items() for i in range(1, number + 1)]
    return [f"{s}.{code}{i}.{n}.{ending}" for n, (s, code, i) in enumerate(pictures, start=1)]


def touch(root, *names):
    """Empty files: a reader opens no image."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def samples(reading):
    return [picture.sample() for picture in reading.items]


@pytest.mark.parametrize(("neutral", "pictures"), [(False, 183), (True, 213)])
def test_a_full_copy_gives_the_known_counts_and_nothing_to_say(tmp_path, neutral, pictures):
    touch(tmp_path, *(f"jaffedbase/jaffe/{name}" for name in owners_names()))
    touch(tmp_path, "README_FIRST.txt", "jaffe/A_README_FIRST.txt", "ratings.xls", ".DS_Store", "._KA.AN1.39.tiff")
    reading = read_jaffe(tmp_path, neutral=neutral)
    found = count(samples(reading))
    assert len(owners_names()) == 213
    assert (found["pictures"], found["subjects"], reading.total) == (pictures, 10, pictures)
    assert list(found["expressions"].values()) == [n for code, n in COUNTS.items() if neutral or code != "NE"]
    assert differences(reading.expected, found) == [] and reading.notes == ()
    assert reading.expected["pictures"] == pictures
    assert len({sample.image.lower() for sample in samples(reading)}) == pictures


def test_name_tells_subject_expression_and_repetition(tmp_path):
    touch(tmp_path, "KA.AN1.39.tiff")
    (picture,) = read_jaffe(tmp_path).items
    assert (picture.name, picture.source, picture.dataset) == ("KA_AN1_39", "KA.AN1.39.tiff", "jaffe")
    assert (picture.subject, picture.sequence, picture.frame) == ("KA", "AN", "1")
    assert (picture.expression, picture.gender) == ("anger", "female")


@pytest.mark.parametrize("ending", ["tif", "TIFF", "jpg", "jpeg", "png"])
def test_converted_and_nested_copies_read_the_same(tmp_path, ending):
    touch(tmp_path / "owner", *owners_names())
    touch(tmp_path / "copy", *(f"{name[:2]}/pictures/{name}" for name in owners_names(ending)))
    copy = read_jaffe(tmp_path / "copy", neutral=True)
    assert samples(copy) == samples(read_jaffe(tmp_path / "owner", neutral=True))
    assert copy.notes == ()


def test_a_repetition_may_have_no_number(tmp_path):
    touch(tmp_path, "KM.SU.14.tiff", "km.su1.15.tiff")
    assert [p.name for p in read_jaffe(tmp_path).items] == ["KM_SU_14", "KM_SU1_15"]


def test_of_the_same_picture_the_owners_format_is_taken(tmp_path):
    touch(tmp_path, "KA.AN1.39.jpg", "z/KA.AN1.39.tiff", "a/KA.AN1.39.png")
    reading = read_jaffe(tmp_path)
    assert [p.source for p in reading.items] == ["z/KA.AN1.39.tiff"]
    assert "left aside, the same image again: a/KA.AN1.39.png, KA.AN1.39.jpg" in reading.notes


def test_missing_and_odd_pictures_are_named(tmp_path):
    kept = [name for name in owners_names() if not name.startswith(("KL.", "UY.FE", "UY.NE"))]
    touch(tmp_path, *kept, "XX.AN1.1.tiff", "figure.png")
    notes = "\n".join(read_jaffe(tmp_path).notes)
    assert "missing subjects: KL" in notes
    assert "no image of: UY fear" in notes and "UY neutral" not in notes
    assert "not a JAFFE name: figure.png, XX.AN1.1.tiff" in notes
    assert "UY fear, UY neutral" in "\n".join(read_jaffe(tmp_path, neutral=True).notes)


@pytest.mark.parametrize("name", ["F0001_AN04WH_F2D.bmp", "README_FIRST.txt"])
def test_wrong_root(tmp_path, name):
    touch(tmp_path, name)
    with pytest.raises(InputError, match=r"no JAFFE image .* KA.AN1.39.tiff"):
        read_jaffe(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_jaffe(tmp_path / "absent")


def test_grey_tiffs_are_prepared_and_a_broken_one_is_rejected(tmp_path, build):
    for index, name in enumerate(("KA.AN1.39", "KA.NE1.26")):
        build.save(tmp_path / f"in/{name}.tiff", build.noise(index, 256)[..., 0])
    touch(tmp_path / "in", "KL.HA1.158.tiff")
    report = prepare("jaffe", tmp_path / "in", tmp_path / "out", aligned=True, neutral=True)
    assert report.counts["per_subject"] == {"KA": 2}
    assert [item.file for item in report.rejected] == ["KL.HA1.158.tiff"]
