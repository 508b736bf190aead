"""G's encoding path: pix2pix's convolutions, or a timm backbone cut where it halves the side. Paper §3.1, Fig. 3.

The paper's U-Net starts from random weights. A backbone that has seen ImageNet is an option beyond it: G then starts
from what E starts from.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ifgan.errors import InputError
from ifgan.models.backbones import IMAGENET_MEAN, IMAGENET_STD, make_backbone, to_imagenet_range


@dataclass(frozen=True)
class Encoder:
    """``levels[i]`` halves the side: (B, channels[i - 1], H, W) -> (B, channels[i], H / 2, W / 2); the first one takes
    the picture, (B, 3, S, S) in [-1, 1].

    ``fresh``: whether its weights are still to be drawn.
    """

    levels: nn.ModuleList
    channels: tuple[int, ...]
    fresh: bool


def unet_encoder(width: int, levels: int) -> Encoder:
    """``width`` channels after the first level; the next ones have 2, 4, 8, 8, ... times as many."""
    channels = widths(width, levels)
    blocks = nn.ModuleList(
        _down(before, after, normalised=level not in (1, levels), first=level == 1)
        for level, (before, after) in enumerate(zip([3, *channels], channels, strict=False), start=1)
    )
    return Encoder(blocks, channels, fresh=True)


def widths(width: int, levels: int) -> tuple[int, ...]:
    """pix2pix's channels after level 1, 2, ..."""
    return tuple(min(2**level, 8) * width for level in range(levels))


def backbone_encoder(name: str, pretrained: str, levels: int) -> Encoder:
    """The backbone's stages of stride 2, 4, ..., 2**levels. Raises InputError when it has others, or none to be had."""
    network = _cut(name, pretrained)
    info = network.feature_info  # type: ignore[union-attr]
    strides, channels = info.reduction(), info.channels()  # type: ignore[operator,union-attr]
    if strides != [2**level for level in range(1, levels + 1)]:
        raise InputError(
            f"generator.encoder {name!r}: has stages of stride {strides}; expected {levels}, each twice as far"
        )
    stages: list[nn.Sequential] = [nn.Sequential(FromUnitRange())]
    for part, module in network.items():  # type: ignore[operator]
        stages[-1].append(module)
        if part in network.return_layers:  # type: ignore[operator]
            stages.append(nn.Sequential())
    return Encoder(nn.ModuleList(stages[:levels]), tuple(channels), fresh=False)


class FromUnitRange(nn.Module):
    """From [-1, 1] to what ImageNet's networks expect."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, 3, S, S)."""
        return to_imagenet_range(image, self.mean, self.std)


def _cut(name: str, pretrained: str) -> nn.Module:
    """timm's list of features; stages inside a sequence need it flattened, others must not be."""
    try:
        return make_backbone(name, pretrained, features_only=True, feature_cls="list")
    except InputError as error:
        if "not present in model" not in str(error):
            raise
    cut = {"feature_cls": "list", "flatten_sequential": True}
    return make_backbone(name, pretrained, features_only=True, feature_cfg=cut)


def _down(before: int, after: int, *, normalised: bool, first: bool) -> nn.Sequential:
    """LeakyReLU, 4x4 convolution of stride 2, normalisation: halves the side."""
    activation = nn.Identity() if first else nn.LeakyReLU(0.2)
    normalisation = nn.BatchNorm2d(after) if normalised else nn.Identity()
    return nn.Sequential(activation, nn.Conv2d(before, after, 4, 2, 1), normalisation)
