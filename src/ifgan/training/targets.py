"""What is taught beside the manifest's labels. Neither is in the paper; both are options.

Mixup (https://arxiv.org/abs/1710.09412): images mixed in pairs. Here the average face is mixed with the image: what G
should draw of two people in equal parts is the average subject halfway between their expressions.

Labels softened by what is known already: readings of each training image become part of its label. They are the
run's own running mean's (self-distillation from a mean teacher, https://arxiv.org/abs/1703.01780; against noisy labels:
https://arxiv.org/abs/2007.00151), or those of other runs' checkpoints (distillation, https://arxiv.org/abs/1503.02531,
of the very pixels that the student sees, https://arxiv.org/abs/2106.05237).
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from ifgan.config import Config
from ifgan.data.pairs import Batch
from ifgan.errors import InputError
from ifgan.faces.model_input import InputForm
from ifgan.models.checkpoint import load_trained
from ifgan.models.ifgan import predict, to_probabilities
from ifgan.training.networks import Networks, Teacher


def softened(nets: Networks, batch: Batch, share: float) -> Batch:
    """The batch with targets (B, N): ``1 - share`` of each its own, ``share`` the mean of what the teachers read, or
    without one what the averaged E says of the image alone; where that share is 0, the batch as it is.
    """
    if share == 0:
        return batch
    with torch.inference_mode():
        read = torch.stack([reader(batch.image) for reader in nets.teachers or (_averaged(nets),)]).mean(0)  # (B, N)
    return batch._replace(target=torch.lerp(batch.target, read.clone(), share))


def load_teachers(config: Config, labels: tuple[str, ...], device: torch.device) -> tuple[Teacher, ...]:
    """The readers in the checkpoints ``classifier.teachers``, with their own temperatures, inputs and image sizes.
    Raises InputError for one that can't be read, has other labels, or sees faces in another form (see `InputForm`).
    """
    return tuple(_teacher(Path(file), config, labels, device) for file in config.classifier.teachers)


def _teacher(file: Path, config: Config, labels: tuple[str, ...], device: torch.device) -> Teacher:
    trained = load_trained(file, device)
    if trained.labels != labels:
        raise InputError(f"classifier.teachers: {file} knows {', '.join(trained.labels)}; expected {', '.join(labels)}")
    if trained.form != InputForm.from_settings(dict(config.preprocess)):
        raise InputError(f"classifier.teachers: {file} sees faces in another form (see preprocess)")
    side = trained.config.preprocess.image_size

    def read(image: Tensor) -> Tensor:
        if image.shape[-1] != side:
            image = F.interpolate(image, size=(side, side), mode="bilinear", antialias=True)
        return to_probabilities(predict(trained.system, image, trained.config).logits, trained.temperature)

    return read


def _averaged(nets: Networks) -> Teacher:
    teacher = nets.tested.eval()
    return lambda image: teacher.classifier(*teacher.image_alone(image))[0].float().softmax(1)


def mixed(batch: Batch, alpha: float) -> Batch:
    """Every image with another of the batch (or itself), in shares from Beta(alpha, alpha); where that is 0,
    the batch as it is.
    """
    if alpha == 0:
        return batch
    device, count = batch.image.device, len(batch.image)
    share = torch.distributions.Beta(alpha, alpha).sample((count,)).to(device)  # (B,) in [0, 1]
    other = torch.randperm(count, device=device)
    return Batch(*(_between(tensor, tensor[other], share) for tensor in batch))


def _between(one: Tensor, other: Tensor, share: Tensor) -> Tensor:
    share = share.view(-1, *(1,) * (one.ndim - 1))
    return share * one + (1 - share) * other
