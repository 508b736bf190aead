"""Labels softened by what the run already knows: the running mean of the weights reads each training picture, and its
probabilities become part of the label (self-distillation from a mean teacher, https://arxiv.org/abs/1703.01780; against
noisy labels: https://arxiv.org/abs/2007.00151). Not in the paper; an option.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from ifgan.data.pairs import Batch
from ifgan.models.system import System, pictures_for_classifier
from ifgan.training.networks import Networks


def softened(nets: Networks, batch: Batch, share: float) -> Batch:
    """The batch with labels (B, N): ``1 - share`` of each its own, ``share`` what the averaged E says of the picture
    alone (of its drawn face, where E reads nothing else); where that is 0, the batch as it is.
    """
    if share == 0:
        return batch
    classes = len(nets.centers.values)
    own = F.one_hot(batch.label, classes).float() if batch.label.ndim == 1 else batch.label  # (B, N)
    teacher = nets.tested.eval()
    with torch.inference_mode():
        logits, _ = teacher.classifier(*_read_by(teacher, batch.image))
        read = logits.float().softmax(1)  # (B, N)
    return batch._replace(label=torch.lerp(own, read.clone(), share))


def _read_by(system: System, image: Tensor) -> tuple[Tensor, ...]:
    """What its E takes, of pictures (B, 3, S, S) in [-1, 1] alone: a pair has a blank average half, mid grey, 0."""
    if system.generator is None:
        return pictures_for_classifier(image, None, system.classifier_input)
    face = torch.zeros_like(image) if system.classifier_input == "pair" else system.generator(image)
    return pictures_for_classifier(image, face, system.classifier_input)
