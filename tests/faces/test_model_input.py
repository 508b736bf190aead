"""One function makes the model input: training, prediction and a prepared set give the same bits for an image."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from drawn_faces import draw_face, on_canvas
from ifgan.data.pairs import FacePairs, LocatedSample
from ifgan.data.prepare import prepare
from ifgan.data.sample import read_manifest
from ifgan.errors import PictureError
from ifgan.faces.align import align_face
from ifgan.faces.detect import FaceDetector
from ifgan.faces.model_input import InputForm, shrink, to_model_input, to_picture, working_side
from ifgan.models.torch_engine import TorchEngine
from ifgan.predict import Recognizer
from tiny_model import tiny_trained

FACE = draw_face(2)[0]


def as_tensor(*args: Any, **options: Any) -> torch.Tensor:
    return torch.from_numpy(to_model_input(*args, **options))


def as_picture_of(image: torch.Tensor) -> np.ndarray:
    return to_picture(image.numpy())


def what_the_network_reads(picture: Path, **config: Any) -> torch.Tensor:
    trained = tiny_trained(**config)
    seen: list[torch.Tensor] = []
    trained.system.generator.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    Recognizer(TorchEngine(trained))(picture)
    return seen[0]  # (1, 3, S, S)


@pytest.mark.parametrize(
    ("size_px", "form"),
    [(32, {}), (96, {"center_crop_zoom": 1.25, "grey": True, "downsample_px": 64}), (224, {"downsample_px": 48})],
)
def test_training_prediction_and_prepared_set_give_the_same_bits(
    tmp_path: Path, detector: FaceDetector, size_px: int, form: dict[str, Any]
) -> None:
    canvas, _ = on_canvas([draw_face(1, 200, "happiness")], 320, 400, [(90, 50)])
    path = tmp_path / "in" / "happy" / "a.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(canvas).save(path)
    prepare("folder", tmp_path / "in", tmp_path / "out", subjects_unknown=True)
    located = [LocatedSample(tmp_path / "out", sample) for sample in read_manifest(tmp_path / "out")]
    averages = {"happiness": np.zeros((256, 256, 3), np.uint8)}
    pairs = FacePairs(located, ("happiness",), averages, size_px, form=InputForm(**form))
    (face,) = detector([canvas])[0]
    by_hand = as_tensor(InputForm(**form)(align_face(canvas, np.array(face.landmarks_xy_px))), size_px)
    assert torch.equal(by_hand, what_the_network_reads(path, image_size=size_px, **form)[0])
    for _ in range(2):  # read, then from the cache
        assert torch.equal(by_hand, pairs[0, 0].image)


def test_the_centre_224_of_256_in_minus_one_to_one() -> None:
    tensor = as_tensor(FACE)
    assert tensor.shape == (3, 224, 224) and tensor.dtype == torch.float32 and tensor.is_contiguous()
    expected = torch.from_numpy(FACE[16:240, 16:240].astype(np.float32)).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(tensor, expected, atol=1e-6, rtol=0)
    ends = np.zeros((256, 256, 3), np.uint8)
    ends[:, 128:] = 255
    assert set(as_tensor(ends).unique().tolist()) == {-1.0, 1.0}


def test_every_level_survives_the_round_trip() -> None:
    levels = np.resize(np.arange(256, dtype=np.uint8), (256, 256, 3))
    assert (as_picture_of(as_tensor(levels)) == levels[16:240, 16:240]).all()
    beyond = torch.tensor([-7.0, 7.0]).expand(3, 4, 2)
    assert set(as_picture_of(beyond).ravel().tolist()) == {0, 255}


@pytest.mark.parametrize(("size_px", "side"), [(224, 256), (112, 128), (96, 110), (32, 37)])
def test_other_sizes_keep_the_papers_proportion(size_px: int, side: int) -> None:
    assert working_side(size_px) == side
    assert as_tensor(FACE, size_px).shape == (3, size_px, size_px)
    small = shrink(FACE, size_px)
    assert small.shape == (side, side, 3)
    assert torch.equal(as_tensor(small, size_px), as_tensor(FACE, size_px))  # what the cache relies on


def test_a_form_is_a_closeup_without_colour_or_detail() -> None:
    assert (InputForm()(FACE) == FACE).all()
    assert (InputForm(center_crop_zoom=2)(FACE) == FACE[64:192, 64:192]).all()
    grey = InputForm(grey=True)(FACE)
    assert (grey == grey[..., :1]).all()
    assert np.abs(grey[..., 0] - FACE @ (0.299, 0.587, 0.114)).max() <= 1  # Rec. 601
    assert (InputForm(grey=True)(grey) == grey).all()
    stripes = np.repeat(np.tile(np.array([0, 255], np.uint8), 128)[None, :, None], 256, 0).repeat(3, 2)
    assert np.ptp(InputForm(downsample_px=64)(stripes)[:, 2:-2]) <= 3  # finer than it may see: one even grey
    coarse = InputForm(downsample_px=64)
    assert coarse(FACE).shape == (64, 64, 3) and (coarse(coarse(FACE)) == coarse(FACE)).all()


def test_equalised_pictures_forget_their_contrast() -> None:
    form = InputForm(grey=True, hist_equalize=True)
    grey = FACE[..., :1].repeat(3, 2) // 4 * 4
    flat, bright = grey // 2 + 60, np.uint8(np.sqrt(grey / 255.0) * 255)  # both keep values apart that are apart
    assert (form(grey) == form(flat)).all() and (form(grey) == form(bright)).all()
    even = np.tile(np.arange(256, dtype=np.uint8), (256, 1))[..., None].repeat(3, 2)  # each value equally often
    assert (form(even) == even).all()
    assert abs(form(FACE)[..., 0].std() - 256 / np.sqrt(12)) < 8  # that of a uniform distribution
    assert (form(np.full_like(FACE, 90)) == 90).all()  # nothing to spread
    colour = InputForm(hist_equalize=True)(FACE)
    assert (colour != colour[..., :1]).any()


def test_average_faces_are_framed_and_keep_colour_and_detail() -> None:
    form = InputForm(center_crop_zoom=2, grey=True, downsample_px=16)
    pairs = FacePairs([], ("happiness",), {"happiness": FACE}, 112, form=form)
    expected = as_tensor(FACE[64:192, 64:192], 112)
    assert torch.equal(pairs.average_inputs()[0], expected)
    assert torch.equal(pairs.only([]).average_inputs()[0], expected)  # not framed a second time


def test_the_picture_itself_is_left_alone() -> None:
    before = FACE.copy()
    as_tensor(FACE).zero_()
    assert (before == FACE).all()


@pytest.mark.parametrize("wrong", [FACE[:, :100], FACE[..., 0], FACE.astype(np.float32)])
def test_only_square_rgb_is_accepted(wrong: np.ndarray) -> None:
    with pytest.raises(PictureError, match="square HWC uint8 RGB"):
        as_tensor(wrong)
