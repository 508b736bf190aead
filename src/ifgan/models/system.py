"""What is used after training: a picture in, its average face and its expression out. Paper Fig. 2: "only G and E
are employed during testing".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ifgan.errors import InputError
from ifgan.models.classifier import Classifier, ClassifierInput
from ifgan.models.generator import Generator
from ifgan.models.mixture import Mixture

Redraw = Literal["free", "mixture"]


@dataclass(frozen=True)
class SystemOutput:
    """average_face: (B, 3, S, S) in [-1, 1], or None for the baseline; logits: (B, classes); features: (B, F)."""

    average_face: Tensor | None
    logits: Tensor
    features: Tensor


def to_probabilities(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Of logits (B, N) the calibrated probabilities, as float32. Raises InputError where they are not finite."""
    probabilities = logits.float().div(temperature).softmax(1)
    if not probabilities.isfinite().all():
        raise InputError("the model's output is not finite; its weights are broken")
    return probabilities


class System(nn.Module):
    """G and E together, or E alone for the baseline (generator None).

    ``classifier_input`` says what E reads: the pair {I_SE, average face}, or the generated face alone, and never
    the picture; ``classifier_views``: of a pair both halves, or one and the other blank;
    ``corners_px``: four crops more, so far from the middle; ``mirror``: everything mirrored too. ``redraw``: whether
    the face that is given out is G's drawing, or its ``mixture``; ``read_mixture``: the same of what E reads.
    """

    def __init__(
        self,
        classifier: Classifier,
        generator: Generator | None,
        mixture: Mixture | None,
        *,
        classifier_input: ClassifierInput = "pair",
        classifier_views: tuple[str, ...] = ("pair",),
        corners_px: int = 0,
        mirror: bool = False,
        redraw: Redraw = "free",
        read_mixture: bool = False,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.generator = generator
        self.mixture = mixture
        self.classifier_input = classifier_input
        self.classifier_views = classifier_views
        self.corners_px = corners_px
        self.mirror = mirror
        self.redraw = redraw
        self.read_mixture = read_mixture

    def forward(self, image: Tensor) -> SystemOutput:
        """image: (B, 3, S, S) in [-1, 1]."""
        face = None if self.generator is None else self.generator(image)  # (B, 3, S, S)
        read = [self._read(*pair) for pair in self._crops(image, None if face is None else self.as_read(face))]
        logits = read[0][0] if len(read) == 1 else _mean_log_probabilities(*(logits for logits, _ in read))
        if face is not None and self.mixture is not None and self.redraw == "mixture":
            face = self.mixture(face.float())
        return SystemOutput(face, logits, read[0][1])

    def as_read(self, face: Tensor) -> Tensor:
        """What E reads of G's drawing (B, 3, S, S): itself, or with ``read_mixture`` its nearest mixture."""
        return self.mixture(face.float()) if self.read_mixture and self.mixture is not None else face

    def _crops(self, image: Tensor, face: Tensor | None) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The pictures as they came, then the others that are read. As in training, the average face stays where it is
        when the picture is cropped elsewhere, and is mirrored with it.
        """
        reach = self.corners_px
        corners = [(x, y) for y in (-reach, reach) for x in (-reach, reach)] if reach else []
        for x, y in [(0, 0), *corners]:
            crop = shifted(image, x, y)
            yield crop, face
            if self.mirror:
                yield crop.flip(-1), None if face is None else face.flip(-1)

    def _read(self, image: Tensor, face: Tensor | None) -> tuple[Tensor, Tensor]:
        """logits (B, classes), or the mean log-probabilities of several views; features (B, F) of the first view."""
        if face is None or self.classifier_input != "pair":
            return self.classifier(*pictures_for_classifier(image, face, self.classifier_input))
        halves = {
            "pair": (image, face),
            "picture": (image, torch.zeros_like(face)),
            "generated": (torch.zeros_like(image), face),
        }
        read = [self.classifier(*halves[view]) for view in self.classifier_views]
        if len(read) == 1:
            return read[0]
        return _mean_log_probabilities(*(logits for logits, _ in read)), read[0][1]


def shifted(image: Tensor, right_px: int, down_px: int) -> Tensor:
    """(B, 3, S, S) -> the same of a crop so many pixels to the right and down; beyond the picture its edge repeats."""
    reach, side = max(abs(right_px), abs(down_px)), image.shape[-1]
    padded = F.pad(image, (reach,) * 4, mode="replicate")
    left, top = reach + right_px, reach + down_px
    return padded[..., top : top + side, left : left + side]


def _mean_log_probabilities(*readings: Tensor) -> Tensor:
    """(B, classes) logits each -> (B, classes), their mean as log-probabilities."""
    return torch.stack([logits.float().log_softmax(1) for logits in readings]).mean(0)


def pictures_for_classifier(
    image: Tensor, face: Tensor | None, classifier_input: ClassifierInput
) -> tuple[Tensor, ...]:
    """What E reads of a picture and of its (real or generated) average face, each (B, 3, S, S)."""
    if face is None:
        return (image,)
    return (image, face) if classifier_input == "pair" else (face,)
