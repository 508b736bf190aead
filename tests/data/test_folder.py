"""The folder reader: both layouts, and every way a label table can be wrong."""

import pytest

from ifgan.data.prepare import prepare
from ifgan.data.readers import read
from ifgan.data.readers.base import Rejected, SourcePicture
from ifgan.errors import InputError
from ifgan.files import safe_name


@pytest.fixture
def root(tmp_path, build):
    for index, name in enumerate(("a.png", "b.jpg", "sub/c.bmp")):
        build.save(tmp_path / "set" / name, build.noise(index))
    return tmp_path / "set"


def table(root, text, encoding="utf-8"):
    (root / "labels.csv").write_bytes(text.encode(encoding))
    return list(read("folder", root).items)


def test_expression_folders_with_synonyms(tmp_path, build):
    for index, name in enumerate(("Happy/1.jpg", "happiness/1.jpg", "angry/x y é.PNG", "angry/.DS_Store", "sad/n.txt")):
        if name.endswith(("jpg", "PNG")):
            build.save(tmp_path / name, build.noise(index))
        else:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
    reading = read("folder", tmp_path)
    pictures = list(reading.items)
    assert sorted(p.expression for p in pictures) == ["anger", "happiness", "happiness"]
    assert len({p.name for p in pictures}) == 3
    assert "sad/n.txt" in reading.notes[0] and ".DS_Store" not in reading.notes[0]


def test_pictures_that_lie_elsewhere_are_told(tmp_path, build):
    """Beside the folders or deeper, they show nobody knows what."""
    for name in ("a.png", "sad/1.png", "sad/more/2.png"):
        build.save(tmp_path / name, build.noise(0))
    reading = read("folder", tmp_path)
    assert [picture.source for picture in reading.items] == ["sad/1.png"]
    assert reading.notes == ("left aside, not in an expression's folder itself (2): a.png, sad/more/2.png",)


def test_unknown_expression_folder_is_named(tmp_path, build):
    build.save(tmp_path / "posing" / "a.png", build.noise(0))
    with pytest.raises(InputError, match=r"posing: unknown expression 'posing'"):
        read("folder", tmp_path)


def test_folders_of_a_split_hold_those_of_the_expressions(tmp_path, build):
    """As copies of FER2013 and RAF-DB are handed round; one file's name in two parts is two images."""
    for name in ("Train/happy/1.png", "Train/sad/1.png", "val/happy/1.png", "test/happy/1.png", "test/2.png"):
        build.save(tmp_path / name, build.noise(0))
    reading = read("folder", tmp_path)
    pictures = list(reading.items)
    assert [(p.split, p.expression) for p in pictures] == [
        ("train", "happiness"),
        ("train", "sadness"),
        ("test", "happiness"),
        ("validation", "happiness"),
    ]
    assert len({p.name for p in pictures}) == 4
    assert reading.notes == ("left aside, not in an expression's folder itself (1): test/2.png",)


def test_parts_of_a_split_beside_expressions_are_refused(tmp_path, build):
    for name in ("happy/1.png", "test/happy/1.png"):
        build.save(tmp_path / name, build.noise(0))
    with pytest.raises(InputError, match="test is a part of a split, happy beside it isn't"):
        read("folder", tmp_path)


def test_numbers_in_a_part_of_a_split_name_no_expression(tmp_path, build):
    """Copies count in different orders."""
    build.save(tmp_path / "train" / "1" / "a.png", build.noise(0))
    with pytest.raises(InputError, match=r"train.1: unknown expression '1'"):
        read("folder", tmp_path)


def test_empty_folder(tmp_path):
    with pytest.raises(InputError, match="no images"):
        read("folder", tmp_path)


def test_table_with_byte_order_mark_crlf_spaces_and_backslashes(root):
    text = "\ufeffImage, Subject ,expression,split\r\na.png,anna,Happy,Training\r\nsub\\c.bmp,ben,sad,val\r\n\r\n"
    first, second = table(root, text)
    assert (first.subject, first.expression, first.split) == ("anna", "happiness", "train")
    assert (second.source, second.expression, second.split) == ("sub/c.bmp", "sadness", "validation")


def test_other_columns_are_taken_over(root):
    (picture,) = table(root, "image,subject,expression,age,gender,mood\na.png,anna,fear,31,female,odd\n")
    assert (picture.age, picture.gender) == ("31", "female")


def test_bad_rows_are_rejected_and_the_others_read(root):
    rows = ["absent.png", "../secret.png", "/etc/passwd", "C:\\x.png", "", ".", "a.png", "a.png", "b.jpg"]
    items = table(root, "image,subject,expression\n" + "".join(f"{row},s,fear\n" for row in rows))
    reasons = [item.reason for item in items if isinstance(item, Rejected)]
    assert [item.source for item in items if isinstance(item, SourcePicture)] == ["a.png", "b.jpg"]
    for reason, part in zip(
        reasons, ["no such", "inside", "inside", "inside", "no image", "no such", "on line 8"], strict=True
    ):
        assert part in reason
    assert "line 2" in reasons[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,subject,expression\na.png,s,fear\nb.jpg,s,hungry\n", ["line 3", "'hungry'"]),
        ("image,subject,expression\na.png,s,\n", ["line 2", "''"]),
        ("image,subject,expression,split\na.png,s,fear,later\n", ["line 2", "'later'"]),
        ("image,expression\na.png,fear\n", ["column 'subject' is missing"]),
        ("image,subject\na.png,s\n", ["column 'expression' is missing"]),
        ("image,subject,expression\n", ["lists no images"]),
        ("", ["column 'image' is missing"]),
        ("image,subject,expression\na.png,s,fear,extra,more\n", ["line 2", "more cells"]),
    ],
)
def test_a_table_in_doubt_stops_the_reading(root, text, words):
    with pytest.raises(InputError) as error:
        table(root, text)
    assert all(word in str(error.value) for word in [*words, "labels.csv"])


def test_a_table_that_is_no_utf8(root):
    with pytest.raises(InputError, match="UTF-8"):
        table(root, "image,subject,expression\na.png,José,fear\n", encoding="latin-1")


def test_names_are_portable_and_tell_paths_apart():
    paths = ["a/b.jpg", "a__b.jpg", "a/b.png", "A/b.jpg", "ä/b.jpg", "ö/b.jpg", "." * 9, "x" * 300 + "/b.jpg"]
    names = [safe_name(path) for path in paths]
    assert len({name.lower() for name in names}) == len(paths)
    assert all(name.isascii() and len(name) < 100 and not name.startswith(".") for name in names)


def test_without_subjects_each_picture_may_count_as_a_person(tmp_path, build):
    for index in range(3):
        build.save(tmp_path / "in" / "fear" / f"{index}.png", build.noise(index))
    known = prepare("folder", tmp_path / "in", tmp_path / "known", aligned=True)
    unknown = prepare("folder", tmp_path / "in", tmp_path / "unknown", aligned=True, subjects_unknown=True)
    assert known.counts["subjects"] == 0
    assert unknown.counts["subjects"] == 3


def test_what_macos_packs_beside_the_folders_is_left_aside(tmp_path, build):
    build.save(tmp_path / "happy" / "1.png", build.noise(0))
    build.save(tmp_path / "__MACOSX" / "happy" / "._1.png", build.noise(1))
    assert [p.source for p in read("folder", tmp_path).items] == ["happy/1.png"]


def test_a_table_may_name_the_data_set_of_its_people(root):
    first, second = table(root, "image,subject,expression,dataset\na.png,anna,fear,mine\nsub/c.bmp,anna,sad,\n")
    assert (first.sample().dataset, second.sample().dataset) == ("mine", "folder")


@pytest.mark.parametrize("word", ["None", "calm"])
def test_words_that_are_no_synonym_of_neutral(root, word):
    """AffectNet tells "None" from neutral, RAVDESS calm."""
    with pytest.raises(InputError, match=f"unknown expression '{word}'"):
        table(root, f"image,subject,expression\na.png,anna,{word}\n")
