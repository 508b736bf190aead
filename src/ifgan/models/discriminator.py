"""The discriminator D: a conditional PatchGAN. Paper §3.1, Fig. 2; pix2pix, https://arxiv.org/abs/1611.07004.

D sees the tuple {I_SE, face} as six channels and judges each patch of it; with three stride-2 layers a patch is
70x70 pixels. Ours ends in logits, for a loss that is stable in half precision.
"""

import torch
from torch import Tensor, nn

from ifgan.models.layers import Norm, init_weights, norm_layer


class Discriminator(nn.Module):
    """PatchGAN over pairs.

    Args:
        width: channels of the first layer.
        layers: stride-2 layers: 1, 2, 3, 4 judge patches of 16, 34, 70, 142 pixels.
    """

    def __init__(self, *, width: int = 64, layers: int = 3, norm: Norm = "batch") -> None:
        super().__init__()
        blocks: list[nn.Module] = [nn.Conv2d(6, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        before = width
        for layer in range(1, layers + 1):
            after = min(2**layer, 8) * width
            stride = 2 if layer < layers else 1
            blocks += [nn.Conv2d(before, after, 4, stride, 1), norm_layer(norm, after), nn.LeakyReLU(0.2)]
            before = after
        self.patches = nn.Sequential(*blocks, nn.Conv2d(before, 1, 4, 1, 1))
        init_weights(self)

    def forward(self, image: Tensor, face: Tensor) -> Tensor:
        """image, face: (B, 3, S, S) in [-1, 1] -> (B, 1, P, P) logits, positive for real; P = 26 at S = 224."""
        return self.patches(torch.cat([image, face], dim=1))  # (B, 6, S, S) -> (B, 1, P, P)
