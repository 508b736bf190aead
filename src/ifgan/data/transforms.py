"""What training varies in an image: flip, rotation, crop (paper §4.2), zoom, and a blank rectangle."""

import math
from dataclasses import dataclass

import numpy as np

from ifgan.config import Config
from ifgan.faces.model_input import Augmentation, working_side

_ERASED_AREA, _ERASED_RATIO = (0.02, 1 / 3), 3.3


@dataclass(frozen=True)
class AugmentationPolicy:
    """The ranges to draw from. ``rotation_deg``: angles are uniform in plus or minus this; ``zoom``: sizes in 1 plus or
    minus this; ``erase``: share of the images that lose a rectangle, a fiftieth to a third of their area and at most
    3.3 times as long as wide (Zhong et al., Random Erasing, https://arxiv.org/abs/1708.04896).
    """

    flip: bool
    rotation_deg: float
    random_crop: bool
    size_px: int
    zoom: float = 0.0
    erase: float = 0.0

    @classmethod
    def from_config(cls, config: Config) -> "AugmentationPolicy":
        """The policy of a run."""
        asked = config.preprocess
        return cls(
            *(asked.flip, asked.rotation_deg, asked.random_crop, asked.image_size),
            zoom=asked.scale_jitter,
            erase=asked.random_erasing,
        )

    def draw(self, rng: np.random.Generator) -> Augmentation:
        """One augmentation. Always consumes ten draws, so that switching one off leaves the others as they were."""
        flip, angle, left, top, zoom, erase, *rectangle = rng.random(10)
        room = working_side(self.size_px) - self.size_px + 1
        return Augmentation(
            flip=self.flip and flip < 0.5,
            angle_deg=(2 * angle - 1) * self.rotation_deg,
            zoom=1 + (2 * zoom - 1) * self.zoom,
            crop_left_px=int(left * room) if self.random_crop else None,
            crop_top_px=int(top * room) if self.random_crop else None,
            blank=_rectangle(rectangle, self.size_px) if erase < self.erase else None,
        )


def _rectangle(draws: list[float], side: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in pixels, inside the image, from four draws of [0, 1)."""
    area = _ERASED_AREA[0] + draws[0] * (_ERASED_AREA[1] - _ERASED_AREA[0])
    ratio = _ERASED_RATIO ** (2 * draws[1] - 1)
    width, height = (max(1, min(side, round(side * math.sqrt(area * r)))) for r in (ratio, 1 / ratio))
    left, top = int(draws[2] * (side - width + 1)), int(draws[3] * (side - height + 1))
    return left, top, left + width, top + height
