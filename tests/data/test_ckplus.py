"""CK+: the true 327 sequences on a generated tree with the owner's names, and what copies do to them.

facts/ckplus_labelled_sequences.csv lists the labelled sequences, worked out from public lists that agree: labels from
Open-Debin/Emotion-FAN, WuJie1010/Facial-Expression-Recognition.Pytorch and donydchen/FMPN-FER, last frames from the
latter two, fold_step10 from the first, fold_block_fmpn from the last. The unlabelled sequences aren't in it: here they
have numbers that are free.
"""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ifgan.data.counts import count, differences
from ifgan.data.folds import Fold, fold_faults, make_folds
from ifgan.data.prepare import prepare
from ifgan.data.readers.base import Rejected, SourcePicture
from ifgan.data.readers.ckplus import CONTEMPT_SUBJECTS, SUBJECTS, read_ckplus
from ifgan.errors import InputError
from ifgan.labels import canonical

FACTS = Path(__file__).parent / "facts" / "ckplus_labelled_sequences.csv"
CODES = {"Angry": 1, "Contempt": 2, "Disgust": 3, "Fear": 4, "Happy": 5, "Sad": 6, "Surprise": 7}
OWNERS = ("cohn-kanade-images", "Emotion")
COUNTS = {"anger": 45, "disgust": 59, "fear": 25, "happiness": 69, "sadness": 28, "surprise": 83}


def facts():
    with open(FACTS, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def touch(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write(root, subject, sequence, frames, code=None, folders=OWNERS, flat=False):
    """One sequence: empty frames (a reader opens no image) and, with ``code``, its emotion file."""
    images, emotions = (root / folder / ("" if flat else f"{subject}/{sequence}") for folder in folders)
    for frame in frames:
        touch(images / f"{subject}_{sequence}_{frame:08d}.png")
    emotions.mkdir(parents=True, exist_ok=True)  # stays empty where there is no label
    if code is not None:
        touch(emotions / f"{subject}_{sequence}_{max(frames):08d}_emotion.txt", f"   {code:.7e}\n")


def write_all(root, folders=OWNERS, flat=False):
    """A full copy: 593 sequences of 123 subjects."""
    rows = facts()
    for row in rows:
        last = int(row["last3_frames"].split()[-1])
        write(root, row["subject"], row["seq"], range(1, last + 1), CODES[row["emotion"]], folders, flat)
    subjects = sorted({row["subject"] for row in rows})
    nobody = ["S001", "S002", "S003", "S004", "S006"]  # five people have no label at all
    for index in range(266):
        subject, sequence = [*nobody, *subjects][index % 123], f"{101 + index // 123:03d}"
        write(root, subject, sequence, range(1, 5), None, folders, flat)
    return root


@pytest.fixture(scope="module")
def full_copy(tmp_path_factory):
    root = write_all(tmp_path_factory.mktemp("ck"))
    touch(root / "cohn-kanade-images" / ".DS_Store")
    touch(root / "Emotion" / "S005" / ".DS_Store")
    touch(root / "__MACOSX" / "S005" / "._S005_001_00000011.png")
    touch(root / "Landmarks/S005/001/S005_001_00000011_landmarks.txt")
    touch(root / "FACS/S005/001/S0005_001_00000011_facs.txt", "   9.0000000e+00   4.0000000e+00\n")
    return root


@pytest.fixture
def root(tmp_path):
    """Two people, two sequences each."""
    for subject in ("S005", "S010"):
        write(tmp_path, subject, "001", range(1, 12), 3)
        write(tmp_path, subject, "002", range(1, 5), 5)
    return tmp_path


def rows(reading):
    """What a reading hands over, but for where the files lie."""
    return [item.sample() for item in reading.items if isinstance(item, SourcePicture)]


def names(reading):
    return [item.name for item in reading.items if isinstance(item, SourcePicture)]


def rejected(reading):
    return [item for item in reading.items if isinstance(item, Rejected)]


@pytest.mark.parametrize(
    ("options", "sequences", "subjects", "pictures"),
    [
        ({}, 309, 106, 927),  # the paper's
        ({"contempt": True}, 327, 118, 981),
        ({"neutral": True}, 309, 106, 927 + 309),
        ({"contempt": True, "neutral": True}, 327, 118, 981 + 327),
    ],
)
def test_a_full_copy_gives_the_known_counts_and_nothing_to_say(full_copy, options, sequences, subjects, pictures):
    reading = read_ckplus(full_copy, **options)
    found = count(rows(reading))
    assert len({(row.subject, row.sequence) for row in rows(reading)}) == sequences
    assert (found["subjects"], found["pictures"], reading.total) == (subjects, pictures, pictures)
    assert reading.expected["subjects"] == subjects and reading.expected["pictures"] == pictures
    assert found["expressions"] == reading.expected["expressions"]
    assert {name: found["expressions"][name] for name in COUNTS} == {name: 3 * n for name, n in COUNTS.items()}
    assert found["expressions"].get("contempt", 0) == (54 if "contempt" in options else 0)
    assert found["expressions"].get("neutral", 0) == (sequences if "neutral" in options else 0)
    assert differences(reading.expected, found) == [] and reading.notes == ()
    assert len({row.image.lower() for row in rows(reading)}) == pictures


def test_the_frames_and_labels_are_those_of_the_public_lists(full_copy):
    expected = {
        (row["subject"], row["seq"], f"{int(frame):08d}", canonical(row["emotion"]))
        for row in facts()
        for frame in row["last3_frames"].split()
    }
    found = rows(read_ckplus(full_copy, contempt=True))
    assert {(row.subject, row.sequence, row.frame, row.expression) for row in found} == expected
    assert set(SUBJECTS) | set(CONTEMPT_SUBJECTS) == {row["subject"] for row in facts()}
    assert set(SUBJECTS) == {row["subject"] for row in facts() if row["emotion"] != "Contempt"}


@pytest.mark.parametrize(
    ("folders", "flat"),
    [
        (("extended-cohn-kanade-images/cohn-kanade-images", "Emotion_labels/Emotion"), False),
        (("a/b/c/frames", "a/labels"), True),
        (("", ""), True),  # everything in one folder
    ],
)
def test_nested_and_flat_copies_read_the_same(full_copy, tmp_path, folders, flat):
    other = read_ckplus(write_all(tmp_path, folders, flat), contempt=True, neutral=True)
    assert rows(other) == rows(read_ckplus(full_copy, contempt=True, neutral=True))
    assert other.notes == ()


def test_step_deals_the_118_subjects_as_the_public_list_does():
    published = {row["subject"]: int(row["fold_step10(1-10)"]) - 1 for row in facts()}
    folds = make_folds(published, "step")
    assert {subject: fold.index for fold in folds for subject in fold.test} == published
    # The same folds for the paper's 106 subjects: without those who show nothing but contempt.
    parts = [[tuple(s for s in part if s in SUBJECTS) for part in (f.train, f.validation, f.test)] for f in folds]
    assert fold_faults([Fold(*part, index=k) for k, part in enumerate(parts)], SUBJECTS) == []


def test_a_picture_of_the_set(root):
    picture = next(p for p in read_ckplus(root).items if p.name == "S005_001_00000011")
    assert (picture.subject, picture.sequence, picture.frame) == ("S005", "001", "00000011")
    assert (picture.expression, picture.dataset, picture.intensity, picture.split) == ("disgust", "ckplus", "", "")
    assert picture.source == "cohn-kanade-images/S005/001/S005_001_00000011.png"


def test_neutral_is_the_first_frame_and_never_one_of_the_last(tmp_path):
    for sequence, last in (("001", 4), ("002", 3), ("003", 1)):
        write(tmp_path, "S005", sequence, range(1, last + 1), 7)
    reading = read_ckplus(tmp_path, neutral=True)
    assert [row.frame[-1] + row.expression[0] for row in rows(reading)] == [
        *("1n", "2s", "3s", "4s"),
        *("1s", "2s", "3s"),
        "1s",
    ]
    assert len(set(names(reading))) == 8
    assert any("fewer than 4 frames" in note and "S005_002, S005_003" in note for note in reading.notes)
    assert not any("missing frames" in note for note in reading.notes)  # none is numbered below 1


def test_a_missing_frame_is_named_and_never_replaced(root):
    folder = root / "cohn-kanade-images/S005"
    (folder / "001/S005_001_00000010.png").unlink()
    (folder / "001/S005_001_00000005.png").unlink()  # not needed, not mentioned
    (folder / "002/S005_002_00000001.png").unlink()
    reading = read_ckplus(root, neutral=True)
    mine = [name for name in names(reading) if name.startswith("S005")]
    assert mine == [f"S005_{end}" for end in ("001_00000001", "001_00000009", "001_00000011")] + [
        f"S005_002_0000000{n}" for n in (2, 3, 4)
    ]
    assert "missing frames: S005_001_00000010, S005_002_00000001" in reading.notes


def test_frames_after_the_labelled_one_are_left_aside(root):
    touch(root / "S005_002_00000005.png")
    reading = read_ckplus(root)
    assert "S005_002_00000005" not in names(reading) and "S005_002_00000002" in names(reading)
    assert any("after the labelled one: S005_002_00000005" in note for note in reading.notes)


@pytest.mark.parametrize(
    "text",
    ["", " \n", "happy", "   0.0000000e+00\n", "8", "3.5", "-1", "nan", "inf", "3 5", "3.0000000e+00\n5.0000000e+00\n"],
)
def test_a_label_in_doubt_is_rejected_with_its_sequence_only(root, text):
    file = touch(root / "Emotion/S005/001/S005_001_00000011_emotion.txt", text)
    reading = read_ckplus(root)
    (item,) = rejected(reading)
    assert item.file == file.relative_to(root).as_posix()
    assert "from 1 to 7" in item.reason and repr(text.strip()) in item.reason
    assert {name[:8] for name in names(reading)} == {"S005_002", "S010_001", "S010_002"}
    assert reading.total == len(list(reading.items)) == 10


def test_labels_that_are_no_text(root):
    (root / "Emotion/S005/001/S005_001_00000011_emotion.txt").write_bytes(b"\xff\xfe3\x00")
    (root / "Emotion/S010/001/S010_001_00000011_emotion.txt").unlink()
    (root / "Emotion/S010/001/S010_001_00000011_emotion.txt").symlink_to("nowhere")
    assert ["UTF-8 text" in item.reason for item in rejected(read_ckplus(root))] == [True, True]


def test_labels_without_padding_with_crlf_or_a_byte_order_mark(root):
    for subject, text in (("S005", b"3"), ("S010", b"\xef\xbb\xbf  3.0000000e+00\r\n")):
        (root / f"Emotion/{subject}/001/{subject}_001_00000011_emotion.txt").write_bytes(text)
    reading = read_ckplus(root)
    assert len(names(reading)) == 12 and not rejected(reading)


def test_a_second_copy_is_left_aside_and_contradicting_labels_with_their_sequence(root):
    touch(root / "mirror/S005_001_00000011.png")
    touch(root / "mirror/S010_001_00000011_emotion.txt", "3")  # says the same
    touch(root / "mirror/S005_002_00000004_emotion.txt", "1")
    reading = read_ckplus(root)
    assert "left aside, the same frame again: mirror/S005_001_00000011.png" in reading.notes
    (item,) = rejected(reading)
    assert item.file == "mirror/S005_002_00000004_emotion.txt"
    assert "Emotion/S005/002/S005_002_00000004_emotion.txt" in item.reason
    assert {name[:8] for name in names(reading)} == {"S005_001", "S010_001", "S010_002"}


def test_what_is_missing_extra_or_odd_is_named(root):
    touch(root / "Emotion/S011/001/S011_001_00000016_emotion.txt", "7")  # its images were never unpacked
    write(root, "S200", "001", range(1, 5), 1)
    touch(root / "S0005_001_00000011_emotion.txt", "3")
    touch(root / "cohn-kanade-images/S005/montage.png")
    notes = "\n".join(read_ckplus(root).notes)
    assert "labelled sequences without frames: S011_001" in notes and "missing frames" not in notes
    assert "missing subjects: S011, S014" in notes and "S139" not in notes
    assert "no such label of: S200" in notes
    assert "not a CK+ name: cohn-kanade-images/S005/montage.png, S0005_001_00000011_emotion.txt" in notes
    assert "sequences without an emotion file: 0; a full copy has 266" in notes


def test_contempt_is_counted_only_where_asked_for(root):
    write(root, "S139", "001", range(1, 8), 2)
    touch(root / "Emotion/S147/002/S147_002_00000013_emotion.txt", "2")
    assert not any(name.startswith("S139") for name in names(read_ckplus(root, neutral=True)))
    assert not any("without frames" in note for note in read_ckplus(root).notes)
    reading = read_ckplus(root, contempt=True)
    assert [row.expression for row in rows(reading) if row.subject == "S139"] == ["contempt"] * 3
    assert "labelled sequences without frames: S147_002" in reading.notes


@pytest.mark.parametrize("file", ["anger/S010_004_00000017.png", "Emotion/S005_001_00000011_emotion.txt", "empty.txt"])
def test_wrong_root(tmp_path, file):
    """CK+48 has no emotion files; labels alone; nothing of the set."""
    touch(tmp_path / file, "3")
    missing = "00000011_emotion.txt" if file.endswith("17.png") else "00000011.png"
    with pytest.raises(InputError, match=f"no CK\\+ file such as S005_001_{missing}"):
        read_ckplus(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_ckplus(tmp_path / "absent")


def test_grey_and_colour_frames_are_prepared_side_by_side(tmp_path, build):
    """Frames are 640x490 grey or 640x480 colour."""
    write(tmp_path / "in", "S005", "001", range(1, 5), 3)
    for frame in range(1, 5):
        pixels = np.random.default_rng(frame).integers(0, 256, (490, 640), dtype=np.uint8)
        picture = pixels if frame % 2 else np.stack([pixels[:480]] * 2 + [255 - pixels[:480]], axis=-1)
        build.save(tmp_path / f"in/cohn-kanade-images/S005/001/S005_001_{frame:08d}.png", picture)
    touch(tmp_path / "in/Emotion/S010/001/S010_001_00000004_emotion.txt", "9")
    report = prepare("ckplus", tmp_path / "in", tmp_path / "out", aligned=True, neutral=True)
    assert report.counts["expressions"] == {"disgust": 3, "neutral": 1}
    assert [item.file for item in report.rejected] == ["Emotion/S010/001/S010_001_00000004_emotion.txt"]
    assert "expected 1236 images, found 4" in report.text()


@pytest.mark.slow
def test_the_commands_on_a_full_copy(tmp_path, build, drawn, capsys):
    root = write_all(tmp_path / "CK+")
    for take, row in enumerate(facts()):
        subject, sequence, frames = row["subject"], row["seq"], row["last3_frames"].split()
        who = int(subject[1:])  # one person's sequences show the same face
        for number, frame in enumerate(frames):
            picture = build.photograph(
                drawn, who, canonical(row["emotion"]), 160, level=0.8 + 0.1 * number, margin=40, take=take
            )
            grey = np.asarray(Image.fromarray(picture).convert("L")) if row["emotion"] == "Angry" else picture
            name = f"{subject}_{sequence}_{int(frame):08d}.png"
            build.save(root / "cohn-kanade-images" / subject / sequence / name, grey)
    text = build.prepared_and_checked(capsys, "ckplus", str(root), "--out", str(tmp_path / "set"))
    assert "ckplus: 927 images of 106 people" in text
    assert ", ".join(f"{name} {3 * number}" for name, number in COUNTS.items()) in text
