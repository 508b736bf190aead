"""The one function that makes a model input from an aligned face, in training and prediction alike. Paper §4.2. (Images
that lie on a GPU are cropped there, by data/on_device.py, to the same pixels but for rounding.)

Aligned face -> its form (`InputForm`) -> square of 256/224 times its size -> flip, rotation, zoom
-> crop of the model's size -> float32 in [-1, 1]. The paper's 256 and 224 give the square 256; a model of 96 pixels
works on 110.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ifgan.errors import PictureError


@dataclass(frozen=True)
class InputForm:
    """What a model sees of an aligned face. The default changes nothing.

    ``center_crop_zoom``: the middle 1/center_crop_zoom of it; ``grey``: without colour (Rec. 601 luma);
    ``downsample_px``: no finer than so many pixels a side, 0 for as it is; ``hist_equalize``: each channel's values
    spread evenly over 0 to 255. All for images; average faces are only framed. Not in the paper.
    """

    center_crop_zoom: float = 1.0
    grey: bool = False
    downsample_px: int = 0
    hist_equalize: bool = False

    @classmethod
    def from_settings(cls, preprocess: Mapping[str, Any]) -> "InputForm":
        """That of a model, from its section ``preprocess``."""
        return cls(**{field.name: preprocess[field.name] for field in fields(cls)})

    def __call__(self, aligned_hwc_uint8: np.ndarray) -> np.ndarray:
        """An image's: (side, side, 3) uint8 RGB to the same of a smaller side. Raises PictureError like `shrink`."""
        framed = self.frame(aligned_hwc_uint8)
        if not (self.grey or self.downsample_px or self.hist_equalize):
            return framed
        picture = Image.fromarray(framed)
        if self.grey:
            picture = picture.convert("L")
        if 0 < self.downsample_px < picture.width:
            picture = picture.resize((self.downsample_px, self.downsample_px), Image.Resampling.BILINEAR)
        if self.hist_equalize:
            picture = ImageOps.equalize(picture)
        return np.asarray(picture.convert("RGB"))

    def frame(self, aligned_hwc_uint8: np.ndarray) -> np.ndarray:
        """An average face's, its middle: (side, side, 3) uint8 RGB to a smaller side. Raises PictureError."""
        _check(aligned_hwc_uint8)
        side = len(aligned_hwc_uint8)
        cut = round(side * (1 - 1 / self.center_crop_zoom) / 2)
        return np.ascontiguousarray(aligned_hwc_uint8[cut : side - cut, cut : side - cut])


@dataclass(frozen=True)
class Augmentation:
    """What training varies. The default changes nothing and crops the centre, as testing does (§4.2).

    ``angle_deg`` turns the image counter-clockwise about its centre, ``zoom`` enlarges it so many times.
    ``crop_left_px`` and ``crop_top_px`` lie in [0, working_side(size) - size]; None is the centre. Order: flip, rotate
    and zoom, crop; then ``blank`` (left, top, right, bottom in pixels) becomes mid grey, 0.
    """

    flip: bool = False
    angle_deg: float = 0.0
    zoom: float = 1.0
    crop_left_px: int | None = None
    crop_top_px: int | None = None
    blank: tuple[int, int, int, int] | None = None


_NO_AUGMENTATION = Augmentation()


def working_side(size_px: int) -> int:
    """The side that a crop of ``size_px`` is taken from: 224 -> 256 as in the paper, 96 -> 110."""
    return round(size_px * 256 / 224)


def shrink(aligned_hwc_uint8: np.ndarray, size_px: int) -> np.ndarray:
    """(side, side, 3) uint8 with side = working_side(size_px), antialiased.

    An image that has this side already is returned as it is: so a cache of shrunken images gives the same
    bits as the images themselves. Raises PictureError for anything but a square HWC uint8 RGB array.
    """
    _check(aligned_hwc_uint8)
    side = working_side(size_px)
    if len(aligned_hwc_uint8) == side:
        return aligned_hwc_uint8
    return np.asarray(Image.fromarray(aligned_hwc_uint8).resize((side, side), Image.Resampling.BILINEAR))


def _check(picture: np.ndarray) -> None:
    shape = picture.shape
    if picture.dtype != np.uint8 or len(shape) != 3 or shape[0] != shape[1] or shape[2] != 3:
        raise PictureError(f"an aligned face must be square HWC uint8 RGB, got {picture.dtype} {shape}")


def to_model_input(
    aligned_hwc_uint8: np.ndarray, size_px: int = 224, augmentation: Augmentation = _NO_AUGMENTATION
) -> np.ndarray:
    """(3, size, size) float32 in [-1, 1] from an aligned face (square HWC uint8 RGB of any side).

    Raises PictureError for another array, ValueError for a crop that leaves the image.
    """
    square = shrink(aligned_hwc_uint8, size_px)
    left, top = crop_corner(size_px, augmentation)
    if augmentation.flip:
        square = square[:, ::-1]
    if augmentation.angle_deg or augmentation.zoom != 1:
        crop = _turned_crop(square, augmentation, left, top, size_px)
    else:
        crop = square[top : top + size_px, left : left + size_px]
    image = crop.transpose(2, 0, 1).astype(np.float32, order="C")  # (3, size, size), memory of its own
    image /= 127.5
    image -= 1
    if augmentation.blank is not None:
        x0, y0, x1, y1 = augmentation.blank
        image[:, y0:y1, x0:x1] = 0
    return image


def to_picture(image_chw: np.ndarray) -> np.ndarray:
    """(height, width, 3) uint8 from (3, height, width) float32 in [-1, 1]; values beyond are clipped."""
    pixels = ((image_chw + 1) * np.float32(127.5)).round().clip(0, 255)
    return np.ascontiguousarray(pixels.astype(np.uint8).transpose(1, 2, 0))


def crop_corner(size_px: int, augmentation: Augmentation) -> tuple[int, int]:
    """Left and top of the crop in pixels. Raises ValueError for one that leaves the image."""
    room = working_side(size_px) - size_px
    centre = room // 2
    left = centre if augmentation.crop_left_px is None else augmentation.crop_left_px
    top = centre if augmentation.crop_top_px is None else augmentation.crop_top_px
    if not (0 <= left <= room and 0 <= top <= room):
        raise ValueError(f"crop corner ({left}, {top}) is outside 0..{room}")
    return left, top


def _turned_crop(square: np.ndarray, augmentation: Augmentation, left: int, top: int, size_px: int) -> np.ndarray:
    """The crop of the rotated and zoomed square, in one bilinear step; what lies outside repeats the edge."""
    side, angle = len(square), math.radians(augmentation.angle_deg)
    cosine, sine = math.cos(angle) / augmentation.zoom, math.sin(angle) / augmentation.zoom
    padding = max(0, math.ceil(side / 2 * (abs(cosine) + abs(sine) - 1))) + 1
    padded = np.pad(square, ((padding, padding), (padding, padding), (0, 0)), mode="edge")
    centre = side / 2  # out (x, y) -> in: R / zoom (x + left - centre, y + top - centre) + centre + padding
    dx, dy = left - centre, top - centre
    to_padded = (
        *(cosine, -sine, cosine * dx - sine * dy + centre + padding),
        *(sine, cosine, sine * dx + cosine * dy + centre + padding),
    )
    picture = Image.fromarray(padded)
    return np.asarray(
        picture.transform((size_px, size_px), Image.Transform.AFFINE, to_padded, Image.Resampling.BILINEAR)
    )
