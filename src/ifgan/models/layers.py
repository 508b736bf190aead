"""What generator and discriminator share. After pix2pix, https://arxiv.org/abs/1611.07004."""

from torch import nn


def init_weights(network: nn.Module) -> None:
    """pix2pix's start: convolutions N(0, 0.02) with zero bias, normalisation scales N(1, 0.02)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)
