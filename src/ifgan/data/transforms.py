"""What training varies in an image: flip, rotation, crop (paper §4.2), zoom, blur and a blank rectangle.

What is drawn is a row of numbers an image (`Drawn`); what is done with it is one function on tensors, for a batch, on
any device.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ifgan.config import Config
from ifgan.faces.model_input import centre_corner, working_side

Row = dict[str, Tensor]
_ERASED_AREA, _ERASED_RATIO = (0.02, 1 / 3), 3.3
_BLUR = 0.02  # of the input's side: the largest standard deviation; a face of 40 pixels seen at 96 has half of that


class Drawn(NamedTuple):
    """What becomes of one image, in this order: mirrored (``flip`` 1), turned counter-clockwise about its centre and
    enlarged ``zoom`` times, cropped with the corner (``left_px``, ``top_px``), blurred by a Gaussian of ``blur_px``;
    then the rectangle from (``blank_left_px``, ``blank_top_px``) to (``blank_right_px``, ``blank_bottom_px``) becomes
    mid grey, 0. Corners lie in [0, working_side(size) - size].
    """

    flip: float
    angle_deg: float
    zoom: float
    left_px: float
    top_px: float
    blank_left_px: float = 0.0
    blank_top_px: float = 0.0
    blank_right_px: float = 0.0
    blank_bottom_px: float = 0.0
    blur_px: float = 0.0


@dataclass(frozen=True)
class AugmentationPolicy:
    """The ranges to draw from. ``rotation_deg``: angles are uniform in plus or minus this; ``zoom``: sizes in 1 plus or
    minus this; ``erase``: share of the images that lose a rectangle, a fiftieth to a third of their area and at most
    3.3 times as long as wide (Zhong et al., Random Erasing, https://arxiv.org/abs/1708.04896); ``blur``: share of those
    that are blurred, as enlarged small faces are.
    """

    flip: bool
    rotation_deg: float
    random_crop: bool
    size_px: int
    zoom: float = 0.0
    erase: float = 0.0
    blur: float = 0.0

    @classmethod
    def from_config(cls, config: Config) -> "AugmentationPolicy":
        """The policy of a run."""
        asked = config.preprocess
        return cls(
            *(asked.flip, asked.rotation_deg, asked.random_crop, asked.image_size),
            zoom=asked.scale_jitter,
            erase=asked.random_erasing,
            blur=asked.random_blur,
        )

    def draw(self, rng: np.random.Generator) -> Drawn:
        """One augmentation. Always consumes twelve draws, so that switching one off leaves the others as they were."""
        flip, angle, left, top, zoom, erase, *rectangle, blur, strength = rng.random(12).tolist()
        room, centre = working_side(self.size_px) - self.size_px + 1, centre_corner(self.size_px)
        return Drawn(
            float(self.flip and flip < 0.5),
            (2 * angle - 1) * self.rotation_deg,
            1 + (2 * zoom - 1) * self.zoom,
            *((int(left * room), int(top * room)) if self.random_crop else (centre, centre)),
            *(_rectangle(rectangle, self.size_px) if erase < self.erase else (0, 0, 0, 0)),
            blur_px=_BLUR * self.size_px * strength if blur < self.blur else 0.0,
        )


def _rectangle(draws: list[float], side: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in pixels, inside the image, from four draws of [0, 1)."""
    area = _ERASED_AREA[0] + draws[0] * (_ERASED_AREA[1] - _ERASED_AREA[0])
    ratio = _ERASED_RATIO ** (2 * draws[1] - 1)
    width, height = (max(1, min(side, round(side * math.sqrt(area * r)))) for r in (ratio, 1 / ratio))
    left, top = int(draws[2] * (side - width + 1)), int(draws[3] * (side - height + 1))
    return left, top, left + width, top + height


def augmented(pictures: Tensor, drawn: Tensor, size_px: int) -> Tensor:
    """(B, 3, W, W) uint8 with W = working_side(size_px), and rows of `Drawn`, (B, 10) float32 -> (B, 3, size, size)
    float32 in [-1, 1]. One bilinear step; what lies outside repeats the edge.
    """
    row = dict(zip(Drawn._fields, drawn.unbind(1), strict=True))  # (B,) each
    grid = F.affine_grid(_maps(row, size_px), [len(drawn), 3, size_px, size_px], align_corners=False)
    crops = F.grid_sample(pictures.float(), grid, padding_mode="border", align_corners=False)
    return _blurred(crops / 127.5 - 1, row["blur_px"]) * _kept(row, size_px)


def _maps(row: Row, size_px: int) -> Tensor:
    """(B, 2, 3): from places in the crop to those in the image, both from -1 to 1."""
    side, angle = working_side(size_px), row["angle_deg"] * (math.pi / 180)
    cosine, sine = angle.cos() / row["zoom"], angle.sin() / row["zoom"]
    x, y = ((corner + size_px / 2) * 2 / side - 1 for corner in (row["left_px"], row["top_px"]))  # the crop's centre
    share = size_px / side
    across = torch.stack([cosine * share, -sine * share, cosine * x - sine * y], dim=1)  # (B, 3)
    down = torch.stack([sine * share, cosine * share, sine * x + cosine * y], dim=1)  # (B, 3)
    return torch.stack([across * (1 - 2 * row["flip"][:, None]), down], dim=1)


def _blurred(images: Tensor, sigma_px: Tensor) -> Tensor:
    """(B, 3, S, S), each by its own Gaussian, cut at three times the largest; edges are repeated."""
    chosen = sigma_px.nonzero()[:, 0]
    if not len(chosen):
        return images
    radius = math.ceil(3 * _BLUR * images.shape[-1])
    place = torch.arange(-radius, radius + 1, device=images.device)
    kernel = torch.exp(-((place / sigma_px[chosen, None]) ** 2) / 2)  # (C, K)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)  # (3C, K)
    some = F.pad(images[chosen], (radius,) * 4, mode="replicate").flatten(0, 1)[None]  # (1, 3C, S + 2r, S + 2r)
    some = F.conv2d(
        F.conv2d(some, kernel[:, None, None], groups=len(kernel)), kernel[:, None, :, None], groups=len(kernel)
    )
    return images.index_copy(0, chosen, some.view(-1, *images.shape[1:]))


def _kept(row: Row, size_px: int) -> Tensor:
    """(B, 1, S, S): 0 in the blank rectangle, else 1."""
    place = torch.arange(size_px, device=row["flip"].device)
    across = (place >= row["blank_left_px"][:, None]) & (place < row["blank_right_px"][:, None])  # (B, S)
    down = (place >= row["blank_top_px"][:, None]) & (place < row["blank_bottom_px"][:, None])  # (B, S)
    return 1 - (across[:, None, None, :] & down[:, None, :, None]).float()
