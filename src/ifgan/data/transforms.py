"""What training varies in a picture: flip, rotation, crop. Paper §4.2."""

from dataclasses import dataclass

import numpy as np

from ifgan.config import Config
from ifgan.faces.model_input import Augmentation, working_side


@dataclass(frozen=True)
class AugmentationPolicy:
    """The ranges to draw from. ``rotation_deg``: angles are uniform in plus or minus this."""

    flip: bool
    rotation_deg: float
    random_crop: bool
    size_px: int

    @classmethod
    def from_config(cls, config: Config) -> "AugmentationPolicy":
        """The policy of a run."""
        return cls(config.flip, config.rotation_deg, config.random_crop, config.image_size)

    def draw(self, rng: np.random.Generator) -> Augmentation:
        """One augmentation. Always consumes four draws, so that switching one off leaves the others as they were."""
        flip, angle, left, top = rng.random(4)
        room = working_side(self.size_px) - self.size_px + 1
        return Augmentation(
            flip=self.flip and flip < 0.5,
            angle_deg=(2 * angle - 1) * self.rotation_deg,
            crop_left_px=int(left * room) if self.random_crop else None,
            crop_top_px=int(top * room) if self.random_crop else None,
        )
