"""The joint step: one update of D, then one of G and E together. Paper §3.2, Eq. 1; §4.3.

The two objectives stand side by side; each returns its total and its named parts. Gradients of the expression loss
reach G through the generated face, which is what "end-to-end" means here.
"""

import math
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor

from ifgan import losses
from ifgan.config import Config
from ifgan.data.pairs import Batch
from ifgan.errors import InputError
from ifgan.models.ifgan import IFGAN
from ifgan.training.networks import Networks, frozen, frozen_running_statistics
from ifgan.training.schedule import WHOLE, Phase
from ifgan.training.targets import mixed, softened

Parts = dict[str, Tensor]


def discriminator_objective(nets: Networks, batch: Batch, fake: Tensor) -> tuple[Tensor, Parts]:
    """Eq. 2 for D. ``fake`` (B, 3, S, S) comes detached: D's update must not move G.

    Real and fake pass separately, as in pix2pix, so that D's batch statistics of fakes are those that G meets.
    """
    assert nets.discriminator is not None
    real_logits = nets.discriminator(batch.image, batch.average)  # (B, 1, P, P)
    fake_logits = nets.discriminator(batch.image, fake)  # (B, 1, P, P)
    loss = losses.discriminator_loss(real_logits.float(), fake_logits.float())
    return loss, {"discriminator": loss}


def joint_objective(
    nets: Networks, batch: Batch, fake: Tensor | None, config: Config, phase: Phase = WHOLE
) -> tuple[Tensor, Parts, Tensor, Tensor]:
    """Eq. 1 for G and E: the total, its unweighted parts, and E's features (M, F) with their labels (M,); M is 0, and
    E is not run at all, where neither of its losses has a weight, or it has to wait.
    """
    parts: Parts = {}
    label = batch.target.argmax(1)  # (B,), to whose centre a feature goes
    labels, features = label[:0], nets.centers.values[:0]
    if (config.losses.softmax or config.losses.island) and phase.classifier != "nothing":
        logits, features, passes = classify(nets, batch, fake, config, phase)
        labels = label.repeat(passes)  # real pairs first, then fake ones
        parts["softmax"] = losses.expression_loss(logits, batch.target, passes=passes, weights=nets.label_weights)
        parts["island"] = losses.island_loss(
            features,
            labels,
            nets.centers.values,
            alpha=config.losses.island_alpha,
            reduction=config.losses.island_reduction,
        )
    if fake is not None:
        parts["l1"] = losses.l1_loss(fake, batch.average)
        if nets.plain_discriminator is not None and phase.discriminator:
            verdict = nets.plain_discriminator(batch.image, fake).float()  # (B, 1, P, P)
            parts["gan"] = losses.generator_loss(verdict, saturating=config.losses.saturating_gan)
    weights = {name: getattr(config.losses, name) for name in parts}
    return losses.weighted_sum(parts, weights), parts, features, labels


def classify(
    nets: Networks, batch: Batch, fake: Tensor | None, config: Config, phase: Phase = WHOLE
) -> tuple[Tensor, Tensor, int]:
    """E on real and fake pairs (Eq. 4): logits (passes * B, N), features (passes * B, F), passes.

    They go through it in one batch and share one set of batch statistics, which fits both; in two batches neither set
    fits the other's.
    """
    if fake is None or phase.classifier == "images":
        return *nets.classifier(*nets.system.image_alone(batch.image)), 1
    fake = cast(IFGAN, nets.system).as_read(fake)
    fake = fake if config.losses.end_to_end else fake.detach()  # E reads what G draws, but doesn't teach it
    real_pair, fake_pair = (blanked(batch.image, face, config) for face in (batch.average, fake))
    together = [torch.cat(images) for images in zip(real_pair, fake_pair, strict=True)]  # (2B, 3, S, S) each
    return *nets.classifier(*together), 2


def blanked(image: Tensor, face: Tensor, config: Config) -> tuple[Tensor, Tensor]:
    """The pairs (B, 3, S, S) each, with the average half of a random ``average_dropout`` of them set to mid grey, 0,
    and the image half of another ``image_dropout`` of them; never both halves of one.
    """
    if config.classifier.average_dropout == config.classifier.image_dropout == 0:
        return image, face
    draw = torch.rand(len(face), 1, 1, 1, device=face.device)  # (B, 1, 1, 1) in [0, 1)
    return image * (draw < 1 - config.classifier.image_dropout), face * (draw >= config.classifier.average_dropout)


def train_step(  # noqa: PLR0917
    nets: Networks, batch: Batch, config: Config, accelerator: Accelerator, step: int, phase: Phase = WHOLE
) -> dict[str, float]:
    """One update of D, then one of G and E, then one of the centres. Returns the unweighted losses.

    Raises InputError that names the step and the terms when a loss is not finite; nothing is updated by it.
    """
    if config.preprocess.mixup:
        batch = mixed(batch, config.preprocess.mixup)
    if config.classifier.soft_labels:
        with accelerator.autocast():
            rising = 1.0 if nets.teachers else phase.done  # teachers know from the start
            batch = softened(nets, batch, config.classifier.soft_labels * rising)
    fake = None if nets.generator is None else nets.generator(batch.image).float()  # (B, 3, S, S) in [-1, 1]
    parts: Parts = {}
    if nets.discriminator is not None and fake is not None and phase.discriminator:
        total, d_parts = discriminator_objective(nets, batch, fake.detach())
        parts |= d_parts
        _minimize(nets, ("discriminator",), total, d_parts, accelerator, step)
    with frozen(nets.plain_discriminator):
        total, joint_parts, features, labels = joint_objective(nets, batch, fake, config, phase)
        _minimize(nets, ("generator", "classifier"), total, joint_parts, accelerator, step)
    if len(labels):
        sums = nets.centers.class_sums(features, labels)  # (N, F + 1)
        nets.centers.update(accelerator.reduce(sums, "sum"))
    return _floats(parts | joint_parts, accelerator)


def _minimize(  # noqa: PLR0917
    nets: Networks, names: tuple[str, ...], total: Tensor, parts: Parts, accelerator: Accelerator, step: int
) -> None:
    values = _floats(parts, accelerator)
    if not all(math.isfinite(value) for value in values.values()):
        terms = ", ".join(f"{name} {value:g}" for name, value in values.items())
        raise InputError(f"step {step}: a loss is not finite ({terms}); lower the learning rate or check the data")
    optimizers = [nets.optimizers[name] for name in names if name in nets.optimizers]
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    with frozen_running_statistics(nets.system.classifier):
        accelerator.backward(total)
    for optimizer in optimizers:
        optimizer.step()


def _floats(parts: Parts, accelerator: Accelerator) -> dict[str, float]:
    """All losses to Python in one transfer, as means over the processes: so they all see it when one isn't finite."""
    values = torch.stack([value.detach().float() for value in parts.values()])
    return dict(zip(parts, accelerator.reduce(values, "mean").tolist(), strict=True))
