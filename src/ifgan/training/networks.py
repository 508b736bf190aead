"""G, D, E and the centres of one run, with their optimizers. Paper Fig. 2, §4.3."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import MethodType
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ifgan.config import Config
from ifgan.losses import Centers
from ifgan.models.build import build_discriminator, build_system, check_size
from ifgan.models.ifgan import System
from ifgan.seeds import seed_for

Teacher = Callable[[Tensor], Tensor]  # images (B, 3, S, S) in [-1, 1] -> probabilities (B, N)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass
class Networks:
    """What one step trains. ``generator``, ``discriminator`` and ``classifier`` are ready for several processes;
    ``system`` and ``plain_discriminator`` are the same weights without that wrapping; ``averaged`` is the system with
    the running mean of its weights, where one is kept; ``teachers`` read training images for soft labels;
    ``label_weights``: (N,), of each label in the expression loss.
    """

    system: System
    plain_discriminator: nn.Module | None
    centers: Centers
    classifier: nn.Module
    optimizers: dict[str, torch.optim.Optimizer]
    generator: nn.Module | None = None
    discriminator: nn.Module | None = None
    averaged: AveragedModel | None = None
    teachers: tuple[Teacher, ...] = ()
    label_weights: Tensor | None = None

    @property
    def tested(self) -> System:
        """The system that is validated and kept."""
        return self.system if self.averaged is None else cast(System, self.averaged.module)

    def update_averaged(self) -> None:
        """Move the running mean of the weights, and of batch statistics, after a step."""
        if self.averaged is not None:
            self.averaged.update_parameters(self.system)

    def modules(self) -> dict[str, nn.Module]:
        """Everything whose state a checkpoint keeps."""
        found = {"system": self.system, "centers": self.centers, "discriminator": self.plain_discriminator}
        found["averaged"] = self.averaged
        return {name: module for name, module in found.items() if module is not None}

    def train(self, *, freeze_batch_statistics: bool = False) -> None:
        """Training mode; with frozen statistics, batch normalisation stays in evaluation mode."""
        for module in self.modules().values():
            module.train()
            for part in module.modules() if freeze_batch_statistics else ():
                if isinstance(part, _BATCH_NORMS):
                    part.eval()


def build_networks(config: Config, classes: int, accelerator: Accelerator) -> Networks:
    """Fresh networks from the run's seed, on the accelerator's device, in its precision. Raises InputError where they
    can't be built, or take no images of that size.
    """
    torch.manual_seed(seed_for("weights", config.run.seed))
    system = build_system(config, classes)
    discriminator = build_discriminator(config)
    check_size(config, system)
    if config.run.gradient_checkpointing:
        system.classifier.backbone.set_grad_checkpointing(True)  # type: ignore[operator]
    averaged = None
    if config.optimizer.weights_ema:  # copied before anything is wrapped
        mean = get_ema_multi_avg_fn(config.optimizer.weights_ema)
        averaged = AveragedModel(system, device=accelerator.device, multi_avg_fn=mean, use_buffers=True)
    keep_depthwise_in_fp32(system)
    features = system.classifier.head.in_features
    centers = Centers(classes, features, alpha=config.losses.island_alpha).to(accelerator.device)
    ready: dict[str, Any] = {}
    optimizers: dict[str, torch.optim.Optimizer] = {}
    learning = system.networks()
    if discriminator is not None:
        learning["discriminator"] = discriminator
    for name, module in learning.items():
        module.to(device=accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizers[name] = _adam(config, name, module)
        ready[name] = accelerator.prepare_model(module)
    return Networks(system, discriminator, centers, optimizers=optimizers, averaged=averaged, **ready)


def keep_depthwise_in_fp32(module: nn.Module) -> None:
    """Depthwise convolutions leave bfloat16 on a CPU, where their backward pass in it takes several times as long as in
    fp32 (torch 2.14); everywhere else nothing changes.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.groups == part.in_channels > 1:
            part.forward = MethodType(_forward_in_fp32, part)  # type: ignore[assignment, method-assign]


def _forward_in_fp32(convolution: nn.Module, x: Tensor) -> Tensor:
    forward = type(convolution).forward
    if x.device.type != "cpu":
        return forward(convolution, x)
    with torch.autocast("cpu", enabled=False):
        return forward(convolution, x.float())


def _adam(config: Config, name: str, module: nn.Module) -> torch.optim.Optimizer:
    """Adam of §4.3; its decay is an L2 penalty, or with ``decoupled_decay`` AdamW's (https://arxiv.org/abs/1711.05101)."""
    kind = torch.optim.AdamW if config.optimizer.decoupled_decay else torch.optim.Adam
    rate, beta1 = config.optimizer.learning_rates[name], config.optimizer.beta1
    if name != "classifier":  # G and D compete; pix2pix gives them another momentum
        beta1 = config.optimizer.generator_beta1 if config.optimizer.generator_beta1 is not None else beta1
    betas = (beta1, config.optimizer.beta2)
    return kind(module.parameters(), lr=rate, betas=betas, weight_decay=config.optimizer.weight_decay, fused=True)


@contextmanager
def frozen(module: nn.Module | None) -> Iterator[None]:
    """Within, the module's parameters want no gradient: G learns through D, D does not move."""
    parameters: list[Tensor] = [] if module is None else list(module.parameters())
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@contextmanager
def frozen_running_statistics(module: nn.Module) -> Iterator[None]:
    """Within, batch normalisation moves no running statistic: recomputed activations must not count twice."""
    norms = [part for part in module.modules() if isinstance(part, _BATCH_NORMS)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
