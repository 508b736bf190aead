"""What is used after training: an image in, its average face and its expression out (`IFGAN`), or its expression alone
(`Baseline`); and the expression classifier E.
Paper §3.1, §4.3, Fig. 2: "only G and E are employed during testing".

E is any timm backbone, ResNet-101 by default. It reads the pair {I_SE, average face} as six channels (Eq. 4), or, as
the baseline, I_SE alone. A stem of three channels becomes one of six by timm's rule: halved and repeated, so that
both images weigh the same. Images come in [-1, 1], the generator's range; the ImageNet normalisation is a buffer in
here, so that no caller can use another one and gradients flow through it to G.
"""

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from ifgan.config import Config
from ifgan.errors import InputError
from ifgan.header import Redraw
from ifgan.models.backbones import IMAGENET_MEAN, IMAGENET_STD, leave_out_pooling, make_backbone
from ifgan.models.generator import Generator
from ifgan.models.mixture import Mixture


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
        images: int = 2,
        pretrained: str = "imagenet",
        stem_pooling: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.backbone = make_backbone(backbone, pretrained, in_chans=3 * images, num_classes=0)  # -> (B, F)
        if not stem_pooling:
            leave_out_pooling(self.backbone, backbone)
        self.images = images
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(cast(int, self.backbone.head_hidden_size), classes)  # num_features is before the head
        nn.init.normal_(self.head.weight, 0.0, 0.01)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN * images).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD * images).view(1, -1, 1, 1))

    def forward(self, *images: Tensor) -> tuple[Tensor, Tensor]:
        """One or two (B, 3, S, S) images in [-1, 1] -> logits (B, classes) and features (B, F)."""
        x = torch.cat(images, dim=1)  # (B, 3 or 6, S, S)
        features = self.backbone(((x + 1) / 2 - self.mean) / self.std)  # (B, F)
        return self.head(self.dropout(features)), features


class Baseline(nn.Module):
    """E on the image alone, what IF-GAN is compared with (§4.4); and the interface of both."""

    plain: ClassVar[str] = "image"  # of `inputs`, what is read without test-time augmentation

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def networks(self) -> dict[str, nn.Module]:
        """Those that learn, by name; the discriminator isn't used after training."""
        return {"classifier": self.classifier}

    def draw(self, image: Tensor) -> Tensor | None:
        """G's drawing of images (B, 3, S, S) in [-1, 1], the same form; None where there is no generator."""
        return None

    def image_alone(self, image: Tensor) -> tuple[Tensor, ...]:
        """What E takes of images that nothing is drawn of."""
        return (image,)

    def inputs(self, image: Tensor, face: Tensor | None) -> dict[str, tuple[Tensor, ...]]:
        """What E may read of images and their drawings, by name: ``image``."""
        return {"image": self.image_alone(image)}

    def given_out(self, face: Tensor | None) -> Tensor | None:
        """The drawing as users get it."""
        return face

    def forward(self, image: Tensor) -> SystemOutput:
        """image: (B, 3, S, S) in [-1, 1]. Without test-time augmentation, which is `predict`'s."""
        face = self.draw(image)
        return SystemOutput(self.given_out(face), *self.classifier(*self.inputs(image, face)[self.plain]))


class IFGAN(Baseline):
    """G draws the average face, E reads the pair {I_SE, average face}.

    ``redraw``: whether the face that is given out is G's drawing, or its ``mixture``; ``reads_mixture``: the same of
    what E reads.
    """

    plain: ClassVar[str] = "pair"

    def __init__(
        self,
        classifier: Classifier,
        generator: Generator,
        mixture: Mixture,
        *,
        redraw: Redraw = "free",
        reads_mixture: bool = False,
    ) -> None:
        super().__init__(classifier)
        self.generator = generator
        self.mixture = mixture
        self.redraw = redraw
        self.reads_mixture = reads_mixture

    def networks(self) -> dict[str, nn.Module]:
        """``classifier`` and ``generator``."""
        return {"classifier": self.classifier, "generator": self.generator}

    def draw(self, image: Tensor) -> Tensor:
        """Images (B, 3, S, S) in [-1, 1] -> their average faces, the same form."""
        return cast(Tensor, self.generator(image))

    def as_read(self, face: Tensor) -> Tensor:
        """What E reads of G's drawing (B, 3, S, S): itself, or with ``reads_mixture`` its nearest mixture."""
        return self.mixture(face.float()) if self.reads_mixture else face

    def image_alone(self, image: Tensor) -> tuple[Tensor, ...]:
        """A pair whose average half is blank: mid grey, 0."""
        return image, torch.zeros_like(image)

    def inputs(self, image: Tensor, face: Tensor | None) -> dict[str, tuple[Tensor, ...]]:
        """``pair``, ``image`` and ``generated``: both halves of a pair, or one of them and the other blank."""
        assert face is not None
        face = self.as_read(face)
        return {"pair": (image, face), "image": self.image_alone(image), "generated": (torch.zeros_like(image), face)}

    def given_out(self, face: Tensor | None) -> Tensor | None:
        """The drawing, or its nearest mixture of average faces."""
        return self.mixture(face.float()) if face is not None and self.redraw == "mixture" else face


System = Baseline | IFGAN


def predict(system: System, image: Tensor, config: Config) -> SystemOutput:
    """What ``system`` says of images (B, 3, S, S) in [-1, 1] with test-time augmentation: E reads several inputs of
    each, by ``tta_inputs`` and ``tta_flip``; log-probabilities are averaged. The baseline has one input, the image. G
    draws once; features are those of the first input. Not in the paper, where E reads the pair once.
    """
    asked = config.classifier
    face = system.draw(image)
    found = system.inputs(image, face)
    inputs = [found[name] for name in asked.tta_inputs if name in found] or [found[system.plain]]
    if asked.tta_flip:
        inputs += [tuple(half.flip(-1) for half in halves) for halves in inputs]
    logits, features = zip(*(system.classifier(*halves) for halves in inputs), strict=True)
    return SystemOutput(system.given_out(face), _mean_log_probabilities(logits), features[0])


def _mean_log_probabilities(logits: tuple[Tensor, ...]) -> Tensor:
    """(B, N) logits each -> (B, N), their mean as log-probabilities; one alone stays as it is."""
    if len(logits) == 1:
        return logits[0]
    return torch.stack([one.float().log_softmax(1) for one in logits]).mean(0)
