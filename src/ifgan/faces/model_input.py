"""What makes a model input from an aligned face. Paper §4.2.

Aligned face -> its form (`InputForm`) -> square of 256/224 times its size (`shrink`) -> centre crop of the model's size
-> float32 in [-1, 1]. The paper's 256 and 224 give the square 256; a model of 96 pixels works on 110. Training crops
the same square elsewhere (data/transforms.py).
"""

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
    if picture.dtype != np.uint8 or len(shape) != 3 or shape[0] != shape[1] or shape[2] != 3 or not shape[0]:
        raise PictureError(f"an aligned face must be square HWC uint8 RGB, got {picture.dtype} {shape}")


def to_model_input(aligned_hwc_uint8: np.ndarray, size_px: int = 224) -> np.ndarray:
    """(3, size, size) float32 in [-1, 1], the centre crop, from an aligned face (square HWC uint8 RGB of any side).

    Raises PictureError for another array.
    """
    corner = centre_corner(size_px)
    crop = shrink(aligned_hwc_uint8, size_px)[corner : corner + size_px, corner : corner + size_px]
    image = crop.transpose(2, 0, 1).astype(np.float32, order="C")  # (3, size, size), memory of its own
    image /= 127.5
    image -= 1
    return image


def input_transform(form: InputForm, size_px: int, side: int) -> np.ndarray:
    """(2, 3): from pixels of an aligned face, ``side`` large, to those of the model input and so of a drawing."""
    middle = side - 2 * round(side * (1 - 1 / form.center_crop_zoom) / 2)
    scale, corner = working_side(size_px) / middle, centre_corner(size_px)
    shift = -scale * (side - middle) / 2 - corner
    return np.array([(scale, 0.0, shift), (0.0, scale, shift)])


def centre_corner(size_px: int) -> int:
    """Left and top of the centre crop in pixels."""
    return (working_side(size_px) - size_px) // 2


def to_picture(image_chw: np.ndarray) -> np.ndarray:
    """(height, width, 3) uint8 from (3, height, width) float32 in [-1, 1]; values beyond are clipped."""
    pixels = ((image_chw + 1) * np.float32(127.5)).round().clip(0, 255)
    return np.ascontiguousarray(pixels.astype(np.uint8).transpose(1, 2, 0))
