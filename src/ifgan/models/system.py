"""What is used after training: a picture in, its average face and its expression out. Paper Fig. 2: "only G and E
are employed during testing".
"""

from dataclasses import dataclass

from torch import Tensor, nn

from ifgan.models.classifier import Classifier, ClassifierInput
from ifgan.models.generator import Generator


@dataclass(frozen=True)
class SystemOutput:
    """average_face: (B, 3, S, S) in [-1, 1], or None for the baseline; logits: (B, classes); features: (B, F)."""

    average_face: Tensor | None
    logits: Tensor
    features: Tensor


class System(nn.Module):
    """G and E together, or E alone for the baseline (generator None).

    ``classifier_input`` says what E reads: the pair {I_SE, average face}, or the generated face alone, which
    makes the prediction strictly identity-free.
    """

    def __init__(self, classifier: Classifier, generator: Generator | None, classifier_input: ClassifierInput) -> None:
        super().__init__()
        self.classifier = classifier
        self.generator = generator
        self.classifier_input = classifier_input

    def forward(self, image: Tensor) -> SystemOutput:
        """image: (B, 3, S, S) in [-1, 1]."""
        face = None if self.generator is None else self.generator(image)  # (B, 3, S, S)
        logits, features = self.classifier(*pictures_for_classifier(image, face, self.classifier_input))
        return SystemOutput(face, logits, features)


def pictures_for_classifier(
    image: Tensor, face: Tensor | None, classifier_input: ClassifierInput
) -> tuple[Tensor, ...]:
    """What E reads of a picture and of its (real or generated) average face, each (B, 3, S, S)."""
    if face is None:
        return (image,)
    return (image, face) if classifier_input == "pair" else (face,)
