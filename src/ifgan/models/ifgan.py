"""What is used after training: an image in, its average face and its expression out; and the expression classifier E.
Paper §3.1, §4.3, Fig. 2: "only G and E are employed during testing".

E is any timm backbone, ResNet-101 by default. It reads the pair {I_SE, average face} as six channels (Eq. 4), or, as
the baseline, I_SE alone. A stem of three channels becomes one of six by timm's rule: halved and repeated, so that
both images weigh the same. Images come in [-1, 1], the generator's range; the ImageNet normalisation is a buffer in
here, so that no caller can use another one and gradients flow through it to G.
"""

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from ifgan.errors import InputError
from ifgan.models.backbones import IMAGENET_MEAN, IMAGENET_STD, leave_out_pooling, make_backbone
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


class Classifier(nn.Module):
    """Logits and the pooled feature (on which the island loss acts, Eq. 5) of one image or of a pair.

    Args:
        images: 1 or 2, i.e. 3 or 6 input channels.
        pretrained: "imagenet", "packaged", "none" or a file (backbones.py). Raises InputError when they can't be had.
        stem_pooling: whether the stem ends in its max pooling; without it maps are twice as fine. Raises InputError for
            a backbone that has none to leave out.
        dropout: share of the features that the decision doesn't see in training; the island loss sees all.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        backbone: str = "resnet101.tv_in1k",
        classes: int = 6,
        pictures: int = 2,
        pretrained: str = "imagenet",
        stem_pooling: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.backbone = make_backbone(backbone, pretrained, in_chans=3 * pictures, num_classes=0)  # -> (B, F)
        if not stem_pooling:
            leave_out_pooling(self.backbone, backbone)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(cast(int, self.backbone.num_features), classes)
        nn.init.normal_(self.head.weight, 0.0, 0.01)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN * pictures).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD * pictures).view(1, -1, 1, 1))

    def forward(self, *pictures: Tensor) -> tuple[Tensor, Tensor]:
        """One or two (B, 3, S, S) images in [-1, 1] -> logits (B, classes) and features (B, F)."""
        x = torch.cat(pictures, dim=1)  # (B, 3 or 6, S, S)
        features = self.backbone(((x + 1) / 2 - self.mean) / self.std)  # (B, F)
        return self.head(self.dropout(features)), features


class System(nn.Module):
    """G and E together, or E alone for the baseline (generator None).

    E reads the pair {I_SE, average face}. Test-time augmentation: ``tta_inputs``, both halves of a pair, or one and the
    other blank; ``tta_flip``, everything mirrored too. ``redraw``: whether the face that is given out is G's drawing,
    or its ``mixture``; ``reads_mixture``: the same of what E reads.
    """

    def __init__(
        self,
        classifier: Classifier,
        generator: Generator | None,
        mixture: Mixture | None,
        *,
        tta_inputs: tuple[str, ...] = ("pair",),
        tta_flip: bool = False,
        redraw: Redraw = "free",
        reads_mixture: bool = False,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.generator = generator
        self.mixture = mixture
        self.tta_inputs = tta_inputs
        self.tta_flip = tta_flip
        self.redraw = redraw
        self.reads_mixture = reads_mixture

    def forward(self, image: Tensor) -> SystemOutput:
        """image: (B, 3, S, S) in [-1, 1]."""
        face = None if self.generator is None else self.generator(image)  # (B, 3, S, S)
        inputs = self._inputs(image, None if face is None else self.as_read(face))
        read = [self.classifier(*images) for images in inputs]
        logits = read[0][0] if len(read) == 1 else _mean_log_probabilities(*(logits for logits, _ in read))
        if face is not None and self.mixture is not None and self.redraw == "mixture":
            face = self.mixture(face.float())
        return SystemOutput(face, logits, read[0][1])

    def as_read(self, face: Tensor) -> Tensor:
        """What E reads of G's drawing (B, 3, S, S): itself, or with ``reads_mixture`` its nearest mixture."""
        return self.mixture(face.float()) if self.reads_mixture and self.mixture is not None else face

    def _inputs(self, image: Tensor, face: Tensor | None) -> list[tuple[Tensor, ...]]:
        """What E reads: the image alone, or each of ``tta_inputs``; with ``tta_flip`` mirrored too."""
        if face is None:
            inputs: list[tuple[Tensor, ...]] = [(image,)]
        else:
            blank = torch.zeros_like(image)
            halves = {"pair": (image, face), "image": (image, blank), "generated": (blank, face)}
            inputs = [halves[name] for name in self.tta_inputs]
        mirrored = [tuple(half.flip(-1) for half in images) for images in inputs] if self.tta_flip else []
        return inputs + mirrored


def _mean_log_probabilities(*readings: Tensor) -> Tensor:
    """(B, classes) logits each -> (B, classes), their mean as log-probabilities."""
    return torch.stack([logits.float().log_softmax(1) for logits in readings]).mean(0)
