"""What generator and discriminator share. After pix2pix, https://arxiv.org/abs/1611.07004.

`norm="batch"` is pix2pix's layer; at its batch of one it equals `norm="instance"`, at the paper's batch of 50 not.
"""

from typing import Literal

from torch import nn

Norm = Literal["batch", "instance", "none"]


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """The normalisation over (B, channels, H, W) that a name stands for."""
    match norm:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "instance":
            return nn.InstanceNorm2d(channels, affine=True)
        case "none":
            return nn.Identity()
    raise ValueError(f"norm {norm!r}; expected batch, instance or none")


def init_weights(network: nn.Module) -> None:
    """pix2pix's start: convolutions N(0, 0.02) with zero bias, normalisation scales N(1, 0.02)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d) and module.weight is not None:
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)
