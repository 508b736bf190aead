"""RAF-DB: the owner's layout and the Kaggle mirror with the full counts, on generated trees, and what goes wrong.

Counts by split and code: the owner's list (list_patition_label.txt); which image shows what is made up here.
"""

import os
from collections import Counter

import numpy as np
import pytest

from ifgan.data.check import check
from ifgan.data.counts import count, differences
from ifgan.data.prepare import prepare
from ifgan.data.readers import READERS
from ifgan.data.readers.base import Rejected, SourcePicture
from ifgan.data.readers.rafdb import read_rafdb
from ifgan.data.sample import read_manifest
from ifgan.data.splits import split_samples
from ifgan.errors import InputError
from ifgan.faces.picture import open_picture

CODED = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")  # the codes 1 to 7
COUNTS = {"train": (1290, 281, 717, 4772, 1982, 705, 2524), "test": (329, 74, 160, 1185, 478, 162, 680)}
LIST = "EmoLabel/list_patition_label.txt"
POINTS = ((150.5, 80.25), (90.0, 82.0), (121.0, 110.0), (140.0, 140.0), (95.0, 141.5))  # eye and mouth: right first
SORTED = [(90.0, 82.0), (150.5, 80.25), (121.0, 110.0), (95.0, 141.5), (140.0, 140.0)]
SMALL = {"train_00001": 5, "train_00002": 4, "test_0001": 7, "test_0002": 1}
# What a small copy can't help saying.
ALWAYS = ("missing, neither image nor label", "_manu_attri.txt file: no gender")


def full_labels():
    """Name -> code, the owner's numbers of each."""
    labels = {}
    for split, digits in (("train", 5), ("test", 4)):
        codes = np.repeat(np.arange(1, 8), COUNTS[split])
        np.random.default_rng(digits).shuffle(codes)
        labels |= {f"{split}_{i:0{digits}d}": int(code) for i, code in enumerate(codes, start=1)}
    return labels


def touch(path, content=b""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def fill(folder, contents):
    """Files by name. In a full copy equal ones are links of one: making 15,339 files takes 15 times as long."""
    folder.mkdir(parents=True, exist_ok=True)
    first = {}
    for name, content in contents.items():
        same = first.setdefault(content, name)
        if same == name or len(contents) < 100:
            (folder / name).write_bytes(content)
        else:
            os.link(folder / same, folder / name)


def attributes(index=0, delimiter="\t", end="\n", points=POINTS, codes=None):
    """An annotation file: five points, then gender, race and age."""
    codes = codes or (index % 3, index % 3, index % 5)
    return end.join([*(f"{x:.6f}{delimiter}{y:.6f}" for x, y in points), *map(str, codes)]) + end


def rows(labels):
    return "".join(f"{name}.jpg {code}\n" for name, code in labels.items())


def owners(base, labels, annotated=True):
    """The owner's folders, filled with empty images: a reader opens none."""
    touch(base / LIST, rows(labels))
    fill(base / "Image/aligned", {f"{name}_aligned.jpg": b"" for name in labels})
    fill(base / "Image/original", {f"{name}.jpg": b"" for name in labels})
    if annotated:
        delimiters, ends = ("\t", " ", ", ", ";", " \t"), ("\n", "\r\n")
        contents = [attributes(i, delimiters[i % 5], ends[i % 2]).encode() for i in range(30)]
        files = {f"{name}_manu_attri.txt": contents[i % 30] for i, name in enumerate(labels)}
        fill(base / "Annotation/manual", files)
    touch(base / "Annotation/auto/train_00001_auto_attri.txt", "1\t2\n" * 37)
    touch(base / "Annotation/boundingbox/train_00001_boundingbox.txt", "1 2 3 4\n")
    touch(base / "Image/aligned/.DS_Store")
    return base


def kaggle(root, labels, tables=True, folders=True):
    for split in ("train", "test"):
        mine = {name: code for name, code in labels.items() if name.startswith(split)}
        for code in sorted(set(mine.values())):
            folder = root / f"DATASET/{split}/{code}" if folders else root / split
            fill(folder, {f"{name}_aligned.jpg": b"" for name in mine if mine[name] == code})
        table = "image,label\n" + "".join(f"{name}_aligned.jpg,{code}\n" for name, code in mine.items())
        touch(root / f"{split}_labels.csv", table) if tables else None
    return root


@pytest.fixture(scope="module")
def full_copy(tmp_path_factory):
    return owners(tmp_path_factory.mktemp("raf") / "basic", full_labels()).parent


@pytest.fixture(scope="module")
def full_crops(full_copy):
    return read_rafdb(full_copy)


@pytest.fixture(scope="module")
def full_photographs(full_copy):
    return read_rafdb(full_copy, images="original")


@pytest.fixture
def root(tmp_path):
    return owners(tmp_path, SMALL)


def pictures(reading):
    return [item for item in reading.items if isinstance(item, SourcePicture)]


def labels_of(reading):
    return [(item.name, item.expression, item.split) for item in pictures(reading)]


def rejected(reading):
    return {item.file: item.reason for item in reading.items if isinstance(item, Rejected)}


def notes(reading):
    return [note for note in reading.notes if not any(words in note for words in ALWAYS)]


@pytest.mark.parametrize(
    ("which", "ending"),
    [("full_crops", "aligned/test_0007_aligned.jpg"), ("full_photographs", "original/test_0007.jpg")],
)
def test_a_full_copy_gives_the_owners_counts_and_nothing_to_say(request, which, ending):
    reading = request.getfixturevalue(which)
    found = pictures(reading)
    samples = [picture.sample() for picture in found]
    assert len(found) == reading.total == len({sample.image for sample in samples}) == 15339
    for split, numbers in COUNTS.items():
        by_expression = Counter(sample.expression for sample in samples if sample.split == split)
        assert by_expression == dict(zip(CODED, numbers, strict=True))
    assert differences(reading.expected, count(samples)) == [] and reading.notes == ()
    assert reading.expected["splits"] == {"train": 12271, "test": 3068}
    assert {(sample.subject, sample.dataset) for sample in samples} == {("", "rafdb")}
    assert reading.aligned is (which == "full_crops")
    assert next(p for p in found if p.name == "test_0007").source == f"basic/Image/{ending}"
    assert {p.name: CODED.index(p.expression) + 1 for p in found} == full_labels()


def test_the_manual_points_of_a_photograph_are_sorted_by_side_whatever_the_delimiter(full_crops, full_photographs):
    points = [picture.landmarks_xy_px for picture in pictures(full_photographs)]
    assert len(points) == 15339  # among them tabs, blanks, commas and semicolons, LF and CRLF
    assert all(np.array_equal(xy, SORTED) for xy in points)
    assert all(picture.landmarks_xy_px is None for picture in pictures(full_crops))


def test_faces_are_found_where_asked(root):
    reading = read_rafdb(root, images="original", landmarks="detect")
    assert [picture.landmarks_xy_px for picture in pictures(reading)] == [None] * 4
    assert not reading.aligned and pictures(reading)[1].gender == "female"  # the rest of the annotation is used


def test_gender_race_and_age_are_words(tmp_path):
    owners(tmp_path, SMALL)
    codes = {"train_00001": (0, 1, 0), "train_00002": (1, 2, 1), "test_0001": (2, 0, 4), "test_0002": (1, 0, 3)}
    for name, three in codes.items():
        touch(tmp_path / f"Annotation/manual/{name}_manu_attri.txt", attributes(codes=three))
    assert {p.name: (p.gender, p.ethnicity, p.age) for p in pictures(read_rafdb(tmp_path))} == {
        "train_00001": ("male", "African-American", "0-3"),
        "train_00002": ("female", "Asian", "4-19"),
        "test_0001": ("", "Caucasian", "70+"),
        "test_0002": ("female", "Caucasian", "40-69"),
    }
    touch(tmp_path / "Annotation/manual/test_0002_manu_attri.txt", attributes(codes=(0, 0, 2)))
    assert pictures(read_rafdb(tmp_path))[-1].age == "20-39"


def test_the_validation_part_is_cut_from_train_alike_in_expressions_and_test_stays(full_crops):
    samples = [picture.sample() for picture in pictures(full_crops)]
    parts = split_samples(samples, seed=3)
    assert parts == split_samples(samples, seed=3)
    chosen = {sample.image for sample in parts["validation"]}
    assert chosen != {sample.image for sample in split_samples(samples, seed=4)["validation"]}
    assert parts["test"] == [sample for sample in samples if sample.split == "test"] and len(parts["test"]) == 3068
    assert {sample.split for sample in parts["validation"]} == {"train"}
    assert not chosen & {sample.image for sample in parts["train"]}
    assert len(parts["train"]) + len(parts["validation"]) == 12271
    cut = Counter(sample.expression for sample in parts["validation"])
    assert set(cut) == set(CODED)
    for name, number in zip(CODED, COUNTS["train"], strict=True):
        assert abs(cut[name] - number / 10) <= 0.5


def test_the_kaggle_mirror_gives_the_same_samples(full_crops, tmp_path):
    reading = read_rafdb(kaggle(tmp_path, full_labels()))
    assert labels_of(reading) == labels_of(full_crops)
    assert reading.aligned and not rejected(reading)
    assert reading.notes == ("15339 of 15339 images have no _manu_attri.txt file: no gender, age, ethnicity",)


@pytest.mark.parametrize("shape", [{"tables": False}, {"folders": False}])
def test_the_mirrors_tables_or_folders_suffice(root, tmp_path_factory, shape):
    reading = read_rafdb(kaggle(tmp_path_factory.mktemp("mirror"), SMALL, **shape))
    assert labels_of(reading) == labels_of(read_rafdb(root)) and len(pictures(reading)) == 4
    assert not rejected(reading) and not notes(reading)


def test_table_and_folder_must_agree(tmp_path):
    kaggle(tmp_path, SMALL)
    touch(tmp_path / "train_labels.csv", "image,label\ntrain_00001_aligned.jpg,6\ntrain_00002_aligned.jpg,4\n")
    (tmp_path / "DATASET/train/1").mkdir()
    (tmp_path / "DATASET/test/1/test_0002_aligned.jpg").rename(tmp_path / "DATASET/train/1/test_0002_aligned.jpg")
    reading = read_rafdb(tmp_path)
    assert rejected(reading) == {
        "DATASET/train/5/train_00001_aligned.jpg": "train_labels.csv line 2 says 6, "
        "DATASET/train/5/train_00001_aligned.jpg says 5",
        "DATASET/train/1/test_0002_aligned.jpg": "DATASET/train/1/test_0002_aligned.jpg puts it in train, "
        "its name in test",
    }
    assert [picture.name for picture in pictures(reading)] == ["train_00002", "test_0001"]


def test_both_layouts_side_by_side_are_one_set_and_a_contradiction_is_rejected(tmp_path):
    owners(tmp_path / "basic", SMALL)
    kaggle(tmp_path / "mirror", SMALL | {"test_0001": 2})
    reading = read_rafdb(tmp_path)
    ((file, reason),) = rejected(reading).items()
    assert file == "basic/Image/aligned/test_0001_aligned.jpg"
    assert "basic/EmoLabel/list_patition_label.txt line 3 says 7" in reason and "says 2" in reason
    assert pictures(reading)[0].source == "basic/Image/aligned/train_00001_aligned.jpg"
    assert any("the same image again: mirror/DATASET/" in note for note in reading.notes)


@pytest.mark.parametrize("code", ["0", "8", "-1", "5.0", "x", "05"])
def test_a_label_that_is_none_is_one_rejected_picture(root, code):
    touch(root / LIST, rows(SMALL | {"train_00002": code}))
    reading = read_rafdb(root)
    assert rejected(reading) == {
        "Image/aligned/train_00002_aligned.jpg": f"{LIST} line 2: expected a label from 1 to 7, found {code!r}"
    }
    assert len(pictures(reading)) == 3 and reading.total == 4


def test_a_row_without_picture_a_picture_without_row_and_odd_names(root):
    (root / "Image/aligned/test_0001_aligned.jpg").unlink()
    touch(root / "Image/aligned/train_00003_aligned.jpg")
    touch(root / "Image/aligned/train_4_aligned.jpg")
    touch(root / "__MACOSX/Image/aligned/._train_00001_aligned.jpg")
    reading = read_rafdb(root)
    assert rejected(reading) == {"test_0001_aligned.jpg": f"no such image, but {LIST} line 3 lists it"}
    assert notes(reading) == [
        "left aside, not a RAF-DB name: Image/aligned/train_4_aligned.jpg",
        "left aside, images without a label: Image/aligned/train_00003_aligned.jpg",
    ]
    (missing,) = (note for note in reading.notes if note.startswith("missing"))
    assert "label: train_00004, train_00005," in missing and "15329 more" in missing


def test_names_beyond_the_last_are_mentioned(root):
    owners(root, SMALL | {"train_12271": 1, "train_12272": 1, "test_3069": 2})
    reading = read_rafdb(root)
    assert notes(reading) == ["names that RAF-DB doesn't have: test_3069, train_12272"]
    assert len(pictures(reading)) == 7


def test_rows_twice_and_rows_that_are_none(root):
    more = "train_00001.jpg 5\ntrain_00002.jpg 3\ntrain_00002\nhello 5\n\ntrain_00001.jpg 5 5\n"
    touch(root / LIST, rows(SMALL) + more)
    reading = read_rafdb(root)
    assert notes(reading) == ["listed more than once: train_00001 (line 5, first 1), train_00002 (line 6, first 2)"]
    found = rejected(reading)
    assert found.pop("Image/aligned/train_00002_aligned.jpg") == f"{LIST} line 2 says 4, {LIST} line 6 says 3"
    assert list(found) == [f"{LIST} line {n}" for n in (7, 8, 10)]
    assert all("'train_00001.jpg 5', found" in reason for reason in found.values())
    assert len(labels_of(reading)) == len(set(labels_of(reading))) == 3


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + rows(SMALL).replace("\n", "\r\n"),
        rows(SMALL).replace(" ", "\t"),
        rows(SMALL).replace(" ", " , ").replace("\n", " \n\n"),
        rows(SMALL).replace(".jpg", "_aligned.jpg").rstrip(),
    ],
)
def test_lists_as_editors_leave_them(root, text):
    before = labels_of(read_rafdb(root))
    touch(root / LIST, text)
    reading = read_rafdb(root)
    assert labels_of(reading) == before and len(before) == 4
    assert not rejected(reading) and not notes(reading)


def test_the_list_by_its_other_name_and_by_both(root):
    before = labels_of(read_rafdb(root))
    touch(root / "EmoLabel/list_partition_label.txt", rows(SMALL))
    both = read_rafdb(root)
    assert labels_of(both) == before and not notes(both)
    (root / LIST).unlink()
    assert labels_of(read_rafdb(root)) == before


def test_a_table_with_more_columns_in_another_order(tmp_path):
    kaggle(tmp_path, SMALL, folders=False)
    touch(tmp_path / "test_labels.csv", "\ufeff,Label,Image\r\n0,7,test_0001_aligned.jpg\r\n1,1,test_0002_aligned.jpg")
    assert labels_of(read_rafdb(tmp_path))[2:] == [("test_0001", "neutral", "test"), ("test_0002", "surprise", "test")]
    touch(tmp_path / "test_labels.csv", "picture,label\ntest_0001_aligned.jpg,7\n")
    with pytest.raises(InputError, match=r"test_labels\.csv: column 'image' is missing"):
        read_rafdb(tmp_path)
    touch(tmp_path / "test_labels.csv", "image,label\ntrain_00001_aligned.jpg,5\n")
    assert "puts it in test, its name in train" in rejected(read_rafdb(tmp_path))["train/train_00001_aligned.jpg"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (attributes().replace("90.000000", "left"), "could not convert string to float: 'left'"),
        (attributes(codes=(3, 0, 0)), "gender, race and age ('3')"),
        (attributes(codes=(0, 0, 5)), "gender, race and age ('5')"),
        (attributes().replace("90.000000", "nan"), "isn't finite"),
        (attributes(points=POINTS[:4]), "found 11"),
        ("", "found 0"),
        (b"\xff\xfe\x00", "UTF-8 text"),
    ],
)
def test_an_annotation_that_is_none_matters_only_where_its_points_are_needed(root, content, words):
    file = "Annotation/manual/train_00001_manu_attri.txt"
    touch(root / file, content)
    for options in ({}, {"images": "original", "landmarks": "detect"}):
        reading = read_rafdb(root, **options)
        assert not rejected(reading) and len(pictures(reading)) == 4
        (note,) = notes(reading)
        assert f"{file}: " in note and words in note
        assert (pictures(reading)[0].gender, pictures(reading)[1].gender) == ("", "female")
    reason = rejected(read_rafdb(root, images="original"))["Image/original/train_00001.jpg"]
    assert reason.startswith(file) and words in reason
    assert len(pictures(read_rafdb(root, images="original"))) == 3


def test_missing_annotations_are_counted(root):
    for name in ("train_00001", "test_0002"):
        (root / f"Annotation/manual/{name}_manu_attri.txt").unlink()
    reading = read_rafdb(root)
    assert any(note.startswith("2 of 4 images have no _manu_attri.txt") for note in reading.notes)
    assert not rejected(reading)
    assert rejected(read_rafdb(root, images="original")) == {
        f"Image/original/{name}.jpg": f"has no landmarks, {name}_manu_attri.txt is missing"
        for name in ("train_00001", "test_0002")
    }


def test_the_compound_set_has_the_same_names_and_is_never_mixed_in(root):
    compound = {f"train_{i:05d}": i for i in range(1, 12)}
    before = labels_of(read_rafdb(root))
    owners(root / "compound", compound)
    reading = read_rafdb(root)
    assert labels_of(reading) == before
    assert notes(reading) == ["left aside, the compound set with other labels: compound"]
    with pytest.raises(InputError, match=r"list_patition_label\.txt: has labels up to 11, as the compound set"):
        read_rafdb(root / "compound")


@pytest.mark.parametrize(("base", "place"), [("", ""), ("RAF-DB/basic", "RAF-DB/basic/")])
def test_a_missing_list_is_named_by_its_place(tmp_path, base, place):
    owners(tmp_path / base, SMALL)
    (tmp_path / place / LIST).unlink()
    with pytest.raises(InputError, match=f"no label list; expected .*{tmp_path.name}/{place}{LIST}"):
        read_rafdb(tmp_path)


def test_wrong_roots_and_options(root, tmp_path_factory):
    with pytest.raises(InputError, match="no such folder"):
        read_rafdb(root / "absent")
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(InputError, match=r"such as train_00001_aligned\.jpg"):
        read_rafdb(empty)
    with pytest.raises(InputError, match=r"such as train_00001\.jpg"):
        read_rafdb(kaggle(empty, SMALL), images="original")
    with pytest.raises(InputError, match=r"train_00001_manu_attri\.txt below it; needed for landmarks manual"):
        read_rafdb(owners(tmp_path_factory.mktemp("bare"), SMALL, annotated=False), images="original")
    for content, words in (("hello\n", "no row such as"), (b"\xff\xfe", "UTF-8 text")):
        touch(root / LIST, content)
        with pytest.raises(InputError, match=rf"list_patition_label\.txt: .*{words}"):
            read_rafdb(root)
    for options in ({"images": "cropped"}, {"landmarks": "auto"}):
        ((name, value),) = options.items()
        with pytest.raises(InputError, match=f"{name}: '{value}'; expected "):
            read_rafdb(root, **options)


def test_crops_are_prepared_whole_and_photographs_by_the_owners_points(tmp_path, monkeypatch, build, drawn):
    monkeypatch.setitem(READERS, "rafdb", read_rafdb)
    source = tmp_path / "basic"
    owners(source, SMALL, annotated=False)
    for index, name in enumerate(SMALL):
        face, points = drawn.draw_face(index, size=128)
        canvas, (landmarks,) = drawn.on_canvas([(face, points)], 240, 300, [(40 + 10 * index, 60)])
        build.save(source / f"Image/aligned/{name}_aligned.jpg", face[14:114, 14:114])
        build.save(source / f"Image/original/{name}.jpg", canvas)
        touch(source / f"Annotation/manual/{name}_manu_attri.txt", attributes(points=landmarks[[1, 0, 2, 4, 3]]))
    touch(source / "Image/aligned/test_0002_aligned.jpg", b"no image")

    crops = prepare("rafdb", source, tmp_path / "crops")
    assert crops.counts["splits"] == {"train": 2, "test": 1}
    assert [item.file for item in crops.rejected] == ["Image/aligned/test_0002_aligned.jpg"]
    assert "expected 12271 train images, found 2" in crops.text()
    small = open_picture(source / "Image/aligned/train_00001_aligned.jpg")
    large = open_picture(tmp_path / "crops/images/train_00001.png")
    assert large.shape == (256, 256, 3) and abs(large.mean() - small.mean()) < 2  # the whole crop, enlarged
    assert check(tmp_path / "crops").problems == (
        "the official split: no tenth can be cut from its training part; name a validation part",
    )  # two pictures can't; an official split without people is no fault

    photographs = prepare("rafdb", source, tmp_path / "photographs", images="original")
    assert [sample.gender for sample in read_manifest(tmp_path / "photographs")] == ["male"] * 4
    assert not photographs.failed
    for index, name in enumerate(SMALL):
        expected, _ = drawn.draw_face(index)
        aligned = open_picture(tmp_path / f"photographs/images/{name}.png")
        assert np.abs(aligned[60:200, 70:190].astype(int) - expected[60:200, 70:190]).mean() < 14


@pytest.mark.slow
def test_the_commands_on_a_full_copy(tmp_path, build, drawn, capsys):
    labels = full_labels()
    root = owners(tmp_path / "RAF-DB" / "basic", labels)
    for person, (name, code) in enumerate(labels.items()):
        path = root / "Image/aligned" / f"{name}_aligned.jpg"
        path.unlink()  # empty, and a link of all others
        build.save(path, build.photograph(drawn, person, CODED[code - 1], 100, shade=0.4))
    text = build.prepared_and_checked(capsys, "rafdb", str(root.parent), "--out", str(tmp_path / "set"))
    assert "rafdb: 15339 images" in text
    assert "train 12271, test 3068" in text
    both = {name: one + other for name, one, other in zip(CODED, *COUNTS.values(), strict=True)}
    assert all(f"{name} {number}" in text for name, number in both.items())
