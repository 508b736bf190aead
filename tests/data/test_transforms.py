"""What training varies in an image, as the library Pillow does it too, one by one and all together."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from scipy import ndimage, stats

from drawn_faces import draw_face
from ifgan.data.pairs import FacePairs, LocatedSample
from ifgan.data.sample import Sample
from ifgan.data.transforms import AugmentationPolicy, Drawn, augmented
from ifgan.faces.model_input import to_model_input, to_picture

FACE = draw_face(2)[0]
NOTHING = Drawn(0, 0, 1, 16, 16)
NO_BLANK = {f"blank_{side}_px": 0 for side in ("left", "top", "right", "bottom")}


def varied(face: np.ndarray, **changes: Any) -> torch.Tensor:
    """(3, 224, 224) of one 256-pixel face."""
    pictures = torch.from_numpy(face.transpose(2, 0, 1).copy())[None]
    return augmented(pictures, torch.tensor([NOTHING._replace(**changes)]), 224)[0]


def as_picture_of(image: torch.Tensor) -> np.ndarray:
    return to_picture(image.numpy())


def test_a_flip_undoes_itself_and_is_a_mirror() -> None:
    torch.testing.assert_close(varied(FACE, flip=1), varied(FACE).flip(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(varied(FACE), torch.from_numpy(to_model_input(FACE)), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("left", "top"), [(0, 0), (32, 0), (5, 29), (32, 32)])
def test_crops_are_where_they_are_asked_for(left: int, top: int) -> None:
    cropped = as_picture_of(varied(FACE, left_px=left, top_px=top))
    assert (cropped == FACE[top : top + 224, left : left + 224]).all()


def test_rotation_is_counter_clockwise_about_the_centre() -> None:
    turned = as_picture_of(varied(FACE, angle_deg=90))
    assert np.abs(turned.astype(int) - np.rot90(FACE)[16:240, 16:240]).max() <= 1
    reference = np.asarray(Image.fromarray(FACE).rotate(5, Image.Resampling.BILINEAR))[16:240, 16:240]
    ours = as_picture_of(varied(FACE, angle_deg=5))
    inside = np.s_[20:-20, 20:-20]  # at the edge Pillow puts black, we repeat the picture
    assert np.abs(ours[inside].astype(int) - reference[inside]).max() <= 2


def test_rotation_brings_no_black_corners() -> None:
    plain = np.full((256, 256, 3), 180, np.uint8)
    for corner in (0, 32):
        turned = varied(plain, angle_deg=-5, left_px=corner, top_px=corner)
        assert (as_picture_of(turned) == 180).all()


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_zoom_is_about_the_centre_and_agrees_with_pillow(factor: float) -> None:
    ours = as_picture_of(varied(FACE, zoom=factor))
    side = 256 / factor
    box = ((256 - side) / 2, (256 - side) / 2, (256 + side) / 2, (256 + side) / 2)
    reference = np.asarray(
        Image.fromarray(FACE).transform((256, 256), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR)
    )
    inside = np.s_[30:-30, 30:-30]  # below 1 the edge is repeated, where Pillow puts black
    assert np.abs(ours.astype(int) - reference[16:240, 16:240])[inside].max() <= 1


def test_a_blank_rectangle_is_mid_grey_and_all_else_is_left() -> None:
    place = {"blank_left_px": 10, "blank_top_px": 20, "blank_right_px": 50, "blank_bottom_px": 90}
    whole, erased = varied(FACE), varied(FACE, **place)
    inside = torch.zeros(224, 224, dtype=torch.bool)
    inside[20:90, 10:50] = True
    assert (erased[:, inside] == 0).all() and torch.equal(erased[:, ~inside], whole[:, ~inside])


def test_a_policy_erases_as_often_and_as_much_as_it_says_and_draws_all_else_alike() -> None:
    """Areas uniform from a fiftieth to a third of the image; rectangles inside it, lying and standing."""
    rngs = [np.random.default_rng(seed) for seed in range(2000)]
    drawn = [AugmentationPolicy(True, 5, True, 96, zoom=0.1, erase=0.4).draw(rng) for rng in rngs]
    without = [
        AugmentationPolicy(True, 5, True, 96, zoom=0.1).draw(np.random.default_rng(seed)) for seed in range(2000)
    ]
    assert [one._replace(**NO_BLANK) for one in drawn] == without
    boxes = np.array([one[5:9] for one in drawn if one.blank_right_px])
    assert abs(len(boxes) / 2000 - 0.4) < 0.04
    assert boxes.min() >= 0 and boxes.max() <= 96
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    areas = width * height / 96**2
    assert 0.01 < areas.min() < 0.03 and 0.30 < areas.max() < 0.36 and abs(areas.mean() - (0.02 + 1 / 3) / 2) < 0.02
    assert abs((width > height).mean() - 0.5) < 0.08 and (width / height).max() > 2.5


def test_a_policy_draws_what_4_2_says() -> None:
    drawn = [AugmentationPolicy(True, 5, True, 224).draw(np.random.default_rng(seed)) for seed in range(3000)]
    columns = np.array([(one.flip, one.angle_deg, one.left_px, one.top_px) for one in drawn], float).T
    flips, angles, lefts, tops = columns
    assert abs(flips.mean() - 0.5) < 0.04
    assert stats.kstest(angles, stats.uniform(-5, 10).cdf).pvalue > 1e-3
    assert set(lefts) == set(tops) == set(range(33))  # 256 - 224, both ends
    assert np.abs(np.corrcoef(columns) - np.eye(4)).max() < 0.08  # none tells of another


def test_an_average_face_is_mirrored_with_its_picture_and_otherwise_left_alone(tmp_path: Path) -> None:
    right, down = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    ramp = np.stack([right, down, down], axis=2)  # redder to the right
    Image.fromarray(ramp).save(tmp_path / "a.png")
    located = [LocatedSample(tmp_path, Sample("a.png", "toy", "s0", "", "", "fear"))]
    pairs = FacePairs(located, ("fear",), {"fear": ramp}, 96, policy=AugmentationPolicy(True, 5, True, 96))
    straight, flips, pictures = torch.from_numpy(to_model_input(ramp, 96)), [], set()
    for epoch in range(40):
        image, average, _ = pairs[epoch, 0]
        flips.append(bool(image[0, :, 0].mean() > image[0, :, -1].mean()))
        assert torch.equal(average, straight.flip(-1) if flips[-1] else straight)
        pictures.add(image.numpy().tobytes())
    assert 8 < sum(flips) < 32 and len(pictures) > 30  # every epoch varies it anew


@pytest.mark.parametrize("sigma_px", [0.5, 1.5, 4.4])
def test_blur_is_a_gaussian_s(sigma_px: float) -> None:
    ours = as_picture_of(varied(FACE, blur_px=sigma_px)).astype(int)
    reference = ndimage.gaussian_filter(FACE[16:240, 16:240].astype(float), (sigma_px, sigma_px, 0), mode="nearest")
    assert np.abs(ours - reference).max() < 2


def test_a_policy_blurs_as_often_and_as_much_as_it_says_and_draws_all_else_alike() -> None:
    drawn, without = (
        [AugmentationPolicy(True, 5, True, 96, blur=share).draw(np.random.default_rng(seed)) for seed in range(2000)]
        for share in (0.3, 0)
    )
    assert [one._replace(blur_px=0) for one in drawn] == without
    blurs = np.array([one.blur_px for one in drawn if one.blur_px])
    assert abs(len(blurs) / 2000 - 0.3) < 0.04 and stats.kstest(blurs, stats.uniform(0, 1.92).cdf).pvalue > 1e-3


def test_images_of_a_batch_are_varied_each_by_itself(tmp_path: Path) -> None:
    """Alone or among others, in fp32's rounding: a resumed run, one with loaders and one over machines see the same."""
    located = []
    for number in range(6):
        noise = np.random.default_rng(number).integers(0, 256, (256, 256, 3), dtype=np.uint8)
        Image.fromarray(noise).filter(ImageFilter.GaussianBlur(4)).save(tmp_path / f"{number}.png")
        located.append(LocatedSample(tmp_path, Sample(f"{number}.png", "toy", f"s{number}", "", "", "fear")))
    policy = AugmentationPolicy(True, 20, True, 64, zoom=0.2, erase=0.5, blur=0.5)
    pairs = FacePairs(located, ("fear",), {"fear": FACE}, 64, policy=policy, seed=3)
    keys = [(epoch, index) for epoch in range(3) for index in range(6)]
    together = pairs.batch(pairs.rows(keys), torch.device("cpu"))
    for place, key in enumerate(keys):
        for one, many in zip(pairs[key], together, strict=True):
            torch.testing.assert_close(one, many[place], atol=1e-5, rtol=0)
