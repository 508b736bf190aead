"""FER2013 in its three forms, with small tables of the owner's shape."""

import numpy as np
import pytest
from PIL import Image

from ifgan.data.prepare import prepare
from ifgan.data.readers import read
from ifgan.data.readers.base import Rejected, SourcePicture
from ifgan.data.sample import read_manifest
from ifgan.errors import InputError
from ifgan.faces.align import TEMPLATE_XY_PX, similarity_from_landmarks, transform_points
from ifgan.faces.detect import FaceDetector
from ifgan.faces.picture import open_picture

USAGE = ("Training", "PublicTest", "PrivateTest")
CLASSES = np.array(["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"])


def pictures(number=7):
    return np.random.default_rng(0).integers(0, 256, (number, 48, 48), dtype=np.uint8)


def row(emotion, image, usage):
    return str(emotion), " ".join(map(str, image.ravel())), usage


def write_csv(path, rows, header="emotion,pixels,Usage", order=(0, 1, 2)):
    lines = [header, *(",".join(cells[i] for i in order) for cells in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows():
    return [row(i, image, USAGE[i % 3]) for i, image in enumerate(pictures())]


def write_npz(path, **changes):
    arrays = {
        "images": pictures(),
        "labels": np.arange(7, dtype=np.uint8),
        "usage": np.array([USAGE[i % 3] for i in range(7)]),
        "classes": CLASSES,
    }
    arrays |= changes
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def test_the_three_forms_give_the_same_pictures(tmp_path):
    forms = ("csv", "icml", "npz")
    for form in forms:
        (tmp_path / form).mkdir()
    write_csv(tmp_path / "csv" / "fer2013.csv", rows())
    write_csv(tmp_path / "icml" / "icml_face_data.csv", rows(), "emotion, Usage, pixels", order=(0, 2, 1))
    write_npz(tmp_path / "npz" / "any.npz")
    read_rows = [list(read("fer2013", tmp_path / form).items) for form in forms]
    for index, same in enumerate(zip(*read_rows, strict=True)):
        assert {(p.name, p.expression, p.split) for p in same} == {
            (f"row{index:07d}", same[0].expression, ("train", "validation", "test")[index % 3])
        }
        for picture in same:
            assert np.array_equal(picture.image, np.repeat(pictures()[index][..., None], 3, axis=2))
    assert [p.expression for p in read_rows[0]] == [
        "anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral",
    ]  # fmt: skip


def test_malformed_rows_are_rejected_with_line_and_reason(tmp_path):
    good = rows()[0]
    bad = {
        "found 2303": (good[0], good[1].rsplit(" ", 1)[0], good[2]),
        "from 0 to 255": (good[0], "256" + good[1][good[1].index(" ") :], good[2]),
        "whole numbers": (good[0], "x" + good[1][good[1].index(" ") :], good[2]),
        "code from 0 to 6": ("7", good[1], good[2]),
        "Usage 'Holiday'": (good[0], good[1], "Holiday"),
        "Usage ''": (good[0], good[1], ""),
    }
    path = write_csv(tmp_path / "fer2013.csv", [good, *bad.values(), good])
    with open(path, "a", encoding="utf-8") as file:
        file.write("3\n")
    items = list(read("fer2013", path).items)
    assert [isinstance(item, SourcePicture) for item in items] == [True] + [False] * 6 + [True, False]
    for line, (item, reason) in enumerate(zip(items[1:7], bad, strict=True), start=3):
        assert isinstance(item, Rejected) and reason in item.reason and f"line {line}" in item.file
    assert "1 cells" in items[-1].reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"usage": None}, "usage"),
        ({"classes": np.array(["angry", "hungry"] * 4)}, "hungry"),
        ({"images": pictures().astype(np.float32)}, "float32"),
        ({"labels": np.zeros(3)}, "3 labels"),
        ({"usage": np.array([None] * 7, dtype=object)}, "without pickled objects"),  # never unpickled
    ],
)
def test_npz_of_another_shape(tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        read("fer2013", write_npz(tmp_path / "x.npz", **changes))


def test_npz_label_out_of_range_is_one_rejected_picture(tmp_path):
    items = list(read("fer2013", write_npz(tmp_path / "x.npz", labels=np.array([9, 1, 2, 3, 4, 5, 6]))).items)
    assert [isinstance(item, Rejected) for item in items] == [True] + [False] * 6


def test_missing_column_missing_file_and_broken_archive(tmp_path):
    with pytest.raises(InputError, match=r"fer2013\.csv"):
        read("fer2013", tmp_path)
    with pytest.raises(InputError, match="column 'usage' is missing"):
        read("fer2013", write_csv(tmp_path / "fer2013.csv", [], header="emotion,pixels"))
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"cut\.npz"):
        read("fer2013", tmp_path / "cut.npz")


def test_aligned_crops_lie_where_a_photographs_face_does_and_none_is_lost(tmp_path, drawn):
    """A drawn face is found at the template; one too flat for the detector is put there by where faces usually lie."""
    face = np.asarray(Image.fromarray(drawn.draw_face(1, 220)[0]).convert("L").resize((48, 48), Image.Resampling.BOX))
    images = np.stack([face, np.full((48, 48), 90, np.uint8), *pictures(5)])
    report = prepare("fer2013", write_npz(tmp_path / "x.npz", images=images), tmp_path / "out", align=True)
    assert report.counts["pictures"] == 7 and not report.failed
    found = FaceDetector()([open_picture(tmp_path / "out/images/row0000000.png")])[0][0]
    assert np.abs(np.array(found.landmarks_xy_px)[:3] - TEMPLATE_XY_PX).max() < 6
    assert (open_picture(tmp_path / "out/images/row0000001.png") == 90).all()


def test_usual_landmarks_are_a_face_in_the_middle():
    """Eyes level, nose between them, close to the template's shape."""
    from ifgan.faces.align import USUAL_XY

    matrix = similarity_from_landmarks(USUAL_XY * 192)
    assert np.abs(transform_points(matrix, USUAL_XY * 192)[:3] - TEMPLATE_XY_PX).max() < 8
    assert abs(np.arctan2(matrix[1, 0], matrix[0, 0])) < np.radians(1)


def test_prepared_without_detection_and_compared_with_the_owners_counts(tmp_path):
    report = prepare("fer2013", write_csv(tmp_path / "fer2013.csv", rows()), tmp_path / "out")
    assert report.counts["pictures"] == 7 and not report.failed
    assert "expected 28709 train images, found 3" in report.text()
    image = open_picture(tmp_path / "out/images/row0000000.png")
    assert image.shape == (256, 256, 3)
    # The picture is the enlarged one, not a crop of it: reduced again it is close to the source.
    assert np.abs(image[2::16, 2::16, 0].mean() - pictures()[0].mean()) < 10


def test_a_table_as_windows_leaves_it(tmp_path):
    """Doubled ends of lines, a header in quotes, and what macOS leaves beside an archive."""
    (tmp_path / "plain").mkdir()
    write_csv(tmp_path / "plain" / "fer2013.csv", rows())
    text = (
        (tmp_path / "plain" / "fer2013.csv").read_text().replace("emotion,pixels,Usage", '"emotion","pixels","Usage"')
    )
    (tmp_path / "fer2013.csv").write_bytes((text + "\n").replace("\n", "\r\r\n").encode())
    found, plain = read("fer2013", tmp_path), read("fer2013", tmp_path / "plain")
    assert found.total == plain.total == 7
    assert [p.name for p in found.items] == [p.name for p in plain.items] == [f"row{index:07d}" for index in range(7)]
    (tmp_path / "archive").mkdir()
    write_npz(tmp_path / "archive" / "fer.npz")
    (tmp_path / "archive" / "._fer.npz").write_bytes(b"macOS")
    assert read("fer2013", tmp_path / "archive").total == 7


VOTES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")


def votes_csv(path, counts, usage=None):
    usage = usage or [USAGE[i % 3] for i in range(len(counts))]
    names = [f"fer{2 * i:07d}.png" for i in range(len(counts))]  # FER+'s names are no row numbers
    lines = [f"{part},{name}," + ",".join(map(str, row)) for part, name, row in zip(usage, names, counts, strict=True)]
    path.write_text("\n".join([",".join(("Usage", "Image name", *VOTES)), *lines]) + "\n")
    return path


def ten(**counts):
    return [counts.get(name, 0) for name in VOTES]


COUNTS = [
    ten(anger=9, neutral=1),  # as FER2013 says
    ten(contempt=6, neutral=2, disgust=2),  # another expression, which FER2013 does not have
    ten(neutral=4, sadness=4, fear=2),  # no majority; of the tied none is FER2013's
    ten(happiness=3, surprise=3, neutral=4),  # FER2013's is not the most voted
    ten(NF=8, neutral=2),  # not a face
    ten(unknown=4, surprise=4, neutral=1, anger=1),  # as many don't know
    ten(neutral=5, sadness=1, fear=1, anger=1, disgust=1, happiness=1),  # single votes count nothing
]
FOUND = {  # rule: expression of each row, or none
    "original": ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"),
    "majority": ("anger", "contempt", "", "", "", "", "neutral"),
    "probabilistic": ("anger", "contempt", "sadness", "neutral", "", "surprise", "neutral"),
}


@pytest.mark.parametrize("rule", FOUND)
@pytest.mark.parametrize("form", ["csv", "npz"])
def test_votes_are_joined_by_row_and_give_labels_by_rule(tmp_path, rule, form):
    votes = votes_csv(tmp_path / "fer2013new.csv", COUNTS)
    if form == "csv":
        reading = read("fer2013", write_csv(tmp_path / "fer2013.csv", rows()), votes=votes, labels=rule)
    else:
        order = list(reversed(range(10)))
        arrays = {"votes": np.array(COUNTS, np.uint8)[:, order], "vote_columns": np.array(VOTES)[order]}
        reading = read("fer2013", write_npz(tmp_path / "x.npz", **arrays), labels=rule)
    items = {item.name: item for item in reading.items}
    expected = {f"row{index:07d}": name for index, name in enumerate(FOUND[rule]) if name}
    assert {name: item.expression for name, item in items.items()} == expected
    assert items["row0000000"].votes == "9 0 0 0 0 0 1 0"
    left_out = FOUND[rule].count("")
    assert (f"{left_out} images left out: no label by the rule {rule}" in reading.notes) == bool(left_out)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_one_part_alone_is_that_of_the_whole(tmp_path, part):
    path = write_csv(tmp_path / "fer2013.csv", rows())
    whole, alone = read("fer2013", path), read("fer2013", path, part=part)
    expected = [(item.name, item.expression) for item in whole.items if item.split == part]
    assert [(item.name, item.expression) for item in alone.items] == expected and alone.total == len(expected)


def test_votes_reach_the_manifest(tmp_path):
    votes = votes_csv(tmp_path / "fer2013new.csv", COUNTS)
    report = prepare("fer2013", write_csv(tmp_path / "fer2013.csv", rows()), tmp_path / "out", votes=votes)
    assert not report.failed
    assert [(s.expression, s.votes) for s in read_manifest(tmp_path / "out")] == [
        ("anger", "9 0 0 0 0 0 1 0"), ("contempt", "0 2 0 0 0 0 2 6"), ("neutral", "1 1 1 1 1 0 5 0"),
    ]  # fmt: skip
    assert str(tmp_path) not in (tmp_path / "out" / "prepare.json").read_text()


def test_ferplus_s_own_folders_go_by_name(tmp_path):
    for part, folder in enumerate(("FER2013Train", "FER2013Valid", "FER2013Test")):
        (tmp_path / folder).mkdir()
        Image.fromarray(pictures()[part]).save(tmp_path / folder / f"fer{part:07d}.png")
        row = ",".join(map(str, COUNTS[part]))
        (tmp_path / folder / "label.csv").write_text(f'fer{part:07d}.png,"(0, 0, 48, 48)",{row}\n')
    items = list(read("fer2013", tmp_path, labels="probabilistic").items)
    assert [(i.name, i.expression, i.split) for i in items] == [
        ("fer0000000", "anger", "train"), ("fer0000001", "contempt", "validation"), ("fer0000002", "sadness", "test"),
    ]  # fmt: skip
    assert (items[0].image[..., 0] == pictures()[0]).all()
    with pytest.raises(InputError, match="don't hold FER2013's labels"):
        read("fer2013", tmp_path, labels="original")


def test_votes_that_cannot_be_these_images_are_refused(tmp_path):
    table = write_csv(tmp_path / "fer2013.csv", rows())
    for counts, usage, words in (
        (COUNTS[:5], None, "5 rows of votes for 7 images"),
        (COUNTS, ["Training"] * 7, "row 2: Usage 'Training', the image's is 'PublicTest'"),
        ([*COUNTS[:6], ten()], None, "line 8: expected ten numbers of votes, ten together"),
        ([*COUNTS[:6], [*ten()[:9], "x"]], None, "line 8: expected ten numbers of votes, found"),
    ):
        with pytest.raises(InputError, match=words):
            read("fer2013", table, votes=votes_csv(tmp_path / "v.csv", counts, usage))
    (tmp_path / "v.csv").write_text("Usage,neutral\n")
    with pytest.raises(InputError, match="column 'happiness' is missing"):
        read("fer2013", table, votes=tmp_path / "v.csv")
    with pytest.raises(InputError, match=r"needs FER\+'s votes"):
        read("fer2013", table, labels="majority")


def test_votes_in_another_order_are_noticed(tmp_path):
    """Joined by number instead of by row, label and majority agree no better than by chance."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 7, 400)
    order = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    counts = [ten(**{order[code]: 8, "unknown": 2}) for code in codes]
    table = write_csv(tmp_path / "fer2013.csv", [row(code, pictures(1)[0], "Training") for code in codes])
    whole = votes_csv(tmp_path / "v.csv", counts, ["Training"] * 400)
    assert read("fer2013", table, votes=whole).total == 400
    shuffled = votes_csv(tmp_path / "w.csv", [counts[i] for i in rng.permutation(400)], ["Training"] * 400)
    with pytest.raises(InputError, match=r"agree on 0\.\d\d of the images; expected more than half"):
        read("fer2013", table, votes=shuffled)


def test_a_row_of_nine_votes_is_told(tmp_path):
    votes = votes_csv(tmp_path / "v.csv", [*COUNTS[:6], ten(neutral=9)])
    reading = read("fer2013", write_csv(tmp_path / "fer2013.csv", rows()), votes=votes)
    assert "v.csv: 1 rows do not hold 10 votes" in reading.notes
