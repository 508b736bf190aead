"""The discriminator D: a conditional PatchGAN. Paper §3.1, Fig. 2; pix2pix, https://arxiv.org/abs/1611.07004.

D sees the tuple {I_SE, face} as six channels and judges each patch of it; with three stride-2 layers a patch is
70x70 pixels. Ours ends in logits, for a loss that is stable in half precision.
"""

import torch
from torch import Tensor, nn

from ifgan.models.layers import init_weights


class Discriminator(nn.Module):
    """PatchGAN over pairs. ``width``: channels of the first layer."""

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        blocks: list[nn.Module] = [nn.Conv2d(6, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for before, after, stride in ((width, 2 * width, 2), (2 * width, 4 * width, 2), (4 * width, 8 * width, 1)):
            blocks += [nn.Conv2d(before, after, 4, stride, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
        self.patches = nn.Sequential(*blocks, nn.Conv2d(8 * width, 1, 4, 1, 1))
        init_weights(self)

    def forward(self, image: Tensor, face: Tensor) -> Tensor:
        """image, face: (B, 3, S, S) in [-1, 1] -> (B, 1, P, P) logits, positive for real; P = 26 at S = 224."""
        return self.patches(torch.cat([image, face], dim=1))  # (B, 6, S, S) -> (B, 1, P, P)
