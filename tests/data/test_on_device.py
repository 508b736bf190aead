"""Pairs made on a device are those made of files, but for the rounding of grey values."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from ifgan.data import pairs as pairs_module
from ifgan.data.on_device import PairsOnDevice
from ifgan.data.pairs import FacePairs, LocatedSample
from ifgan.data.sample import Sample
from ifgan.data.transforms import AugmentationPolicy
from ifgan.errors import InputError
from ifgan.faces.model_input import InputForm

LABELS = ("anger", "fear")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def located(tmp_path_factory: pytest.TempPathFactory) -> list[LocatedSample]:
    """Smooth noise: half a pixel's shift shows, but no more than a few grey levels of it."""
    folder = tmp_path_factory.mktemp("set")
    for number in range(12):
        noise = np.random.default_rng(number).integers(0, 256, (256, 256, 3), dtype=np.uint8)
        Image.fromarray(noise).filter(ImageFilter.GaussianBlur(4)).save(folder / f"{number}.png")
    return [
        LocatedSample(folder, Sample(f"{number}.png", "toy", f"s{number}", "", "", LABELS[number % 2]))
        for number in range(12)
    ]


def made(located: list[LocatedSample], form: InputForm, **ranges: float) -> FacePairs:
    averages = {
        name: np.random.default_rng(99 + n).integers(0, 256, (256, 256, 3), dtype=np.uint8)
        for n, name in enumerate(LABELS)
    }
    policy = AugmentationPolicy(True, ranges["turn"], True, 64, ranges["zoom"], ranges["erase"]) if ranges else None
    return FacePairs(located, LABELS, averages, 64, policy=policy, form=form, seed=3)


@pytest.mark.parametrize("form", [InputForm(), InputForm(1.25, grey=True, downsample_px=48, hist_equalize=True)])
@pytest.mark.parametrize(
    ("ranges", "levels"),
    [
        pytest.param({}, 0.01, id="tested"),
        pytest.param({"turn": 0, "zoom": 0, "erase": 0.5}, 0.01, id="cropped, mirrored and blanked"),
        pytest.param({"turn": 20, "zoom": 0.2, "erase": 0.5}, 1.01, id="turned and zoomed, which rounds"),
    ],
)
def test_the_device_makes_what_files_give(
    form: InputForm, ranges: dict[str, float], levels: float, located: list[LocatedSample]
) -> None:
    files = made(located, form, **ranges)
    on_device = PairsOnDevice(files, CPU)
    assert len(on_device) == len(files) and torch.equal(on_device.average_inputs(), files.average_inputs())
    for epoch in range(3 if ranges else 1):
        drawn = torch.stack([on_device.draws[epoch, index] for index in range(12)])
        batch = on_device.batch(drawn)
        for index in range(12):
            image, average, target = files[epoch, index]
            assert (batch.image[index] - image).abs().max() * 127.5 < levels
            assert torch.equal(batch.average[index], average) and torch.equal(batch.target[index], target)
    ours, theirs = on_device.batch_of(range(4, 9)), files.batch_of(range(4, 9))
    assert torch.equal(ours.target, theirs.target) and torch.equal(ours.average, theirs.average)
    assert (ours.image - theirs.image).abs().max() * 127.5 < levels


def test_more_than_is_kept_in_memory_is_refused(located: list[LocatedSample], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs_module, "CACHE_LIMIT_BYTES", 1000)
    with pytest.raises(InputError, match="12 images of 64 pixels take more than"):
        PairsOnDevice(made(located, InputForm()), CPU)
