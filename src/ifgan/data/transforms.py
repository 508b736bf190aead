"""What training varies in a picture: flip, rotation, crop (paper §4.2), and zoom."""

from dataclasses import dataclass

import numpy as np

from ifgan.config import Config
from ifgan.faces.model_input import Augmentation, working_side


@dataclass(frozen=True)
class AugmentationPolicy:
    """The ranges to draw from. ``rotation_deg``: angles are uniform in plus or minus this; ``zoom``: sizes
    in 1 plus or minus this."""

    flip: bool
    rotation_deg: float
    random_crop: bool
    size_px: int
    zoom: float = 0.0

    @classmethod
    def from_config(cls, config: Config) -> "AugmentationPolicy":
        """The policy of a run."""
        return cls(config.flip, config.rotation_deg, config.random_crop, config.image_size, config.zoom)

    def draw(self, rng: np.random.Generator) -> Augmentation:
        """One augmentation. Always consumes five draws, so that switching one off leaves the others as they were."""
        flip, angle, left, top, zoom = rng.random(5)
        room = working_side(self.size_px) - self.size_px + 1
        return Augmentation(
            flip=self.flip and flip < 0.5,
            angle_deg=(2 * angle - 1) * self.rotation_deg,
            zoom=1 + (2 * zoom - 1) * self.zoom,
            crop_left_px=int(left * room) if self.random_crop else None,
            crop_top_px=int(top * room) if self.random_crop else None,
        )
