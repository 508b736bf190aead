"""Average faces: the plain mean of exactly the training images."""

import numpy as np
import pytest
from PIL import Image

from ifgan.data.averages import average_faces as average_located
from ifgan.data.averages import read_averages, write_averages
from ifgan.data.sample import read_manifest
from ifgan.data.splits import folds_of, split_samples
from ifgan.errors import InputError, PictureError
from ifgan.faces.picture import open_picture


def average_faces(folder, samples, **options):
    return average_located(((folder, sample) for sample in samples), **options)


@pytest.fixture
def folder(tmp_path, build):
    return build.prepared_set(tmp_path / "set", build.people(6))


def test_plain_mean_in_canonical_order(folder):
    samples = read_manifest(folder)
    averages = average_faces(folder, reversed(samples))
    assert list(averages) == ["anger", "happiness"]
    stack = np.stack([open_picture(folder / s.image) for s in samples if s.expression == "anger"])
    expected = np.rint(stack.astype(np.float64).mean(axis=0)).astype(np.uint8)
    assert np.array_equal(averages["anger"], expected)


def test_the_same_bits_whatever_the_order_and_the_workers(folder):
    samples = read_manifest(folder)
    one, many = average_faces(folder, samples, workers=1), average_faces(folder, samples[::-1], workers=5)
    assert all(np.array_equal(one[name], many[name]) for name in one)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_poisoned_picture_outside_training_changes_nothing_and_is_not_even_opened(folder, part):
    samples = read_manifest(folder)
    parts = split_samples(samples, folds_of(samples, number=3)[1])
    before = average_faces(folder, parts["train"])
    for sample in parts[part]:
        (folder / sample.image).write_bytes(b"poison")
    after = average_faces(folder, parts["train"])
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_poisoned_training_picture_does_change_the_average(folder):
    samples = read_manifest(folder)
    before = average_faces(folder, samples)["anger"]
    Image.new("RGB", (256, 256), "magenta").save(folder / samples[0].image)
    assert not np.array_equal(before, average_faces(folder, samples)["anger"])


def test_written_averages_read_back_equal(folder, tmp_path):
    averages = average_faces(folder, read_manifest(folder))
    write_averages(tmp_path / "averages", averages)
    again = read_averages(tmp_path / "averages")
    assert list(again) == list(averages)
    assert all(np.array_equal(again[name], averages[name]) for name in averages)


def test_what_cannot_be_averaged_is_named(folder, tmp_path):
    samples = read_manifest(folder)
    with pytest.raises(InputError, match="no training image"):
        average_faces(folder, [])
    Image.new("RGB", (64, 64)).save(folder / samples[3].image)
    with pytest.raises(PictureError, match=r"s01_happiness\.png: is 64x64"):
        average_faces(folder, samples)
    with pytest.raises(InputError, match="holds no average face"):
        read_averages(tmp_path)
