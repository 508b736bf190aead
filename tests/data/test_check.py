"""A planted fault of each kind is found; a clean set is clean."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ifgan.cli import main
from ifgan.data.check import check
from ifgan.data.folds import Fold, make_folds
from ifgan.data.leaks import fingerprint_of, near_pairs, same_pixels
from ifgan.data.sample import read_manifest, write_manifest
from ifgan.data.splits import folds_of
from ifgan.errors import InputError
from ifgan.faces.picture import open_picture
from ifgan.files import read_json

SPLIT = {"s00": "train", "s01": "train", "s02": "validation", "s03": "test"}


@pytest.fixture
def folder(tmp_path, build):
    return build.prepared_set(tmp_path / "set", build.people(4))


@pytest.fixture
def official(tmp_path, build):
    samples = [replace(sample, split=SPLIT[sample.subject]) for sample in build.people(4)]
    return build.prepared_set(tmp_path / "official", samples)


def change(folder, index, **fields):
    samples = read_manifest(folder)
    samples[index] = replace(samples[index], **fields)
    write_manifest(folder, samples)


def copy(folder, source, target, make=lambda image: image):
    samples = read_manifest(folder)
    image = make(open_picture(folder / samples[source].image))
    Image.fromarray(image).save(folder / samples[target].image)


def test_a_clean_set(folder, official):
    report = check(folder, folds_of(read_manifest(folder), number=4))
    assert (report.problems, report.warnings, report.failed) == ((), (), False)
    assert report.counts["expressions"] == {"anger": 4, "happiness": 4}
    assert report.fold_sizes == ({"train": 4, "validation": 2, "test": 2},) * 4
    assert "no problem found" in report.text() and "fold 3" in report.text()
    assert check(official).problems == ()


def test_the_command_counts_every_subject(folder, tmp_path):
    assert main(["check", str(folder), "--json", str(tmp_path / "check.json")]) == 0
    content = read_json(tmp_path / "check.json")
    assert content["counts"]["per_subject"] == dict.fromkeys(("s00", "s01", "s02", "s03"), 2)
    assert content["problems"] == [] and content["counts"]["pictures"] == 8


def test_missing_unreadable_and_wrong_size(folder):
    samples = read_manifest(folder)
    (folder / samples[0].image).unlink()
    (folder / samples[1].image).write_bytes(b"\x89PNG cut")
    Image.new("RGB", (48, 48)).save(folder / samples[2].image)
    (problem,) = check(folder).problems
    assert problem.startswith("can't be used (3)")
    assert all(sample.image in problem for sample in samples[:3])
    assert "is 48x48, expected 256x256" in problem and str(folder) not in problem


def test_a_subject_in_two_parts_of_the_official_split(official):
    change(official, 0, split="test")
    assert any("s00 (test, train)" in problem for problem in check(official).problems)


def test_the_same_picture_in_train_and_test(official):
    copy(official, 0, 6)
    (problem,) = check(official).problems
    assert "s00_anger.png (split train) = images/s03_anger.png (split test)" in problem


def test_the_same_picture_under_two_subjects(folder):
    copy(folder, 0, 6)
    assert any("(subject s00) = images/s03_anger.png (subject s03)" in problem for problem in check(folder).problems)


def test_the_same_picture_twice_in_a_part_is_a_warning(folder):
    copy(folder, 0, 1)
    report = check(folder)
    assert report.problems == () and "twice in a part (1)" in report.warnings[0]


@pytest.mark.parametrize(
    "make",
    [
        lambda image: (image * 0.8 + 20).astype(np.uint8),  # darker
        lambda image: np.asarray(Image.fromarray(image).resize((90, 90)).resize((256, 256))),  # saved smaller
        lambda image: np.clip(image + np.random.default_rng(0).normal(0, 4, image.shape), 0, 255).astype(np.uint8),
    ],
)
def test_nearly_the_same_picture_across_the_split_is_a_warning(official, make):
    copy(official, 0, 6, make)
    report = check(official)
    assert report.problems == ()
    assert "s00_anger.png (split train) ~ images/s03_anger.png (split test)" in report.warnings[0]


def test_different_people_are_not_nearly_the_same(drawn):
    looks = [fingerprint_of(drawn.draw_face(seed, expression="fear")[0]) for seed in range(30)]
    assert len(near_pairs(looks, [str(seed) for seed in range(30)])) <= 1
    assert same_pixels(looks) == []


def test_near_pairs_equals_the_plain_double_loop():
    rng = np.random.default_rng(1)
    images = [
        np.asarray(Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((256, 256))) for _ in "12345"
    ]
    images += [np.clip(images[i % 5].astype(int) + i, 0, 255).astype(np.uint8) for i in range(150)]
    looks, parts = [fingerprint_of(image) for image in images], [str(i % 3) for i in range(len(images))]

    def near(a, b):
        x, y = (look.grey.astype(float) - look.grey.mean() for look in (a, b))
        bits = sum(bin(int(v)).count("1") for v in a.signs ^ b.signs)
        return bits <= 16 and x @ y >= 0.99 * np.sqrt((x @ x) * (y @ y)) and a.digest != b.digest

    n = range(len(images))
    expected = [(i, j) for i in n for j in n if i < j and parts[i] != parts[j] and near(looks[i], looks[j])]
    assert near_pairs(looks, parts) == expected != []


def test_flat_pictures_are_no_near_pairs():
    looks = [fingerprint_of(np.full((256, 256, 3), value, np.uint8)) for value in (0, 90)]
    assert near_pairs(looks, ["a", "b"]) == [] and near_pairs([], []) == []


def test_faulty_folds(folder):
    folds = [Fold(("s00", "s01"), ("s02",), ("s03", "s00"), 0), Fold(("s01",), ("s02",), ("s00",), 1)]
    text = "\n".join(check(folder, folds).problems)
    assert "fold 0: subject s00 is in train and in test" in text
    assert "folds 0 and 1: both test subject s00" in text
    assert "'s03', who is in no part" in text


def test_an_expression_without_training_pictures(official):
    change(official, 6, expression="contempt")
    assert any("no training image shows contempt" in problem for problem in check(official).problems)


def test_listed_twice_and_not_listed(folder, build):
    samples = read_manifest(folder)
    write_manifest(folder, [*samples, samples[0]])
    build.save(folder / "images" / "stray.png", build.noise(0))
    report = check(folder)
    assert any("listed more than once (1)" in problem for problem in report.problems)
    assert any("images/stray.png" in warning for warning in report.warnings)


def test_no_prepared_set(tmp_path):
    with pytest.raises(InputError, match="prepared set"):
        check(tmp_path)


def test_folds_that_deal_more_people_than_the_set_has(folder):
    """As CK+'s public ones: 118 people, of whom 106 show one of the six expressions. Training reads them too."""
    people = sorted({sample.subject for sample in read_manifest(folder)})
    dealt = make_folds([*people, "s90", "s91"], number=3)
    report = check(folder, dealt)
    assert not any("s90" in problem for problem in report.problems)
    assert "in the folds, but not in the set (2): s90, s91" in report.warnings
