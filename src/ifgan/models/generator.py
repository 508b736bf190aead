"""The generator G: a U-Net with three self-attention modules. Paper §3.1, Fig. 3.

G redraws a subject's expressive face I_SE as the average subject's face with the same expression, I_AE.
After U-Net, https://arxiv.org/abs/1505.04597, and pix2pix's generator, https://arxiv.org/abs/1611.07004. Ours has as
many stride-2 levels as the picture allows (224 -> 7 in five; pix2pix's eight need 256), and no dropout, because
dropout at test time (pix2pix) would make a face's picture differ from call to call.

Letters: B batch, C channels, S side of the picture in pixels.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from ifgan.models.attention import SelfAttention
from ifgan.models.encoders import backbone_encoder, unet_encoder, widths
from ifgan.models.layers import init_weights

Upsampling = Literal["transpose", "nearest"]
Place = Literal["encoder", "skip", "decoder"]
PLACES: tuple[Place, ...] = ("encoder", "skip", "decoder")  # Fig. 3: one on each


class Generator(nn.Module):
    """U-Net from (B, 3, S, S) to (B, 3, S, S), both in [-1, 1].

    Args:
        encoder: "unet", or the name of a timm backbone that encodes in its place (encoders.py), with the weights that
            ``pretrained`` names. Raises InputError when they can't be had.
        width: channels after the first level; the next ones have 2, 4, 8, 8, ... times as many.
        levels: stride-2 levels; S must be divisible by 2 ** levels.
        attention_level: the level whose maps get attention (2 = S/4, i.e. 56x56 at 224), on the encoding path, its skip
            and the decoding path; 0 for none.
    """

    def __init__(
        self,
        *,
        encoder: str = "unet",
        pretrained: str = "none",
        width: int = 64,
        levels: int = 5,
        attention_level: int = 2,
        upsampling: Upsampling = "transpose",
    ) -> None:
        super().__init__()
        if levels < 2 or not 0 <= attention_level < levels:
            raise ValueError(f"attention_level {attention_level} of {levels} levels; expected 0 <= it < levels >= 2")
        unet = encoder == "unet"
        made = unet_encoder(width, levels) if unet else backbone_encoder(encoder, pretrained, levels)
        skips, channels = made.channels, widths(width, levels)  # of each level, on the encoding and the decoding path
        self.attention_level = attention_level
        self.down = made.levels
        self.up = nn.ModuleList(  # up[i] leads from level i + 2 to level i + 1, and is met in reverse
            _up(skips[level] + (0 if level == levels - 1 else channels[level]), channels[level - 1], upsampling)
            for level in range(1, levels)
        )
        self.out = nn.Sequential(nn.ReLU(), _upsample(skips[0] + channels[0], 3, upsampling), nn.Tanh())
        attended = {"encoder": skips, "skip": skips, "decoder": channels}
        self.attention = nn.ModuleDict(
            {
                place: SelfAttention(attended[place][attention_level - 1])
                for place in (PLACES if attention_level else ())
            }
        )
        for part in (self,) if made.fresh else (self.up, self.out, self.attention):
            init_weights(part)

    def forward(self, image: Tensor) -> Tensor:
        """image: (B, 3, S, S) in [-1, 1] -> the average face with its expression, the same shape and range."""
        return self.out(self._features(image))  # (B, C, S/2, S/2) -> (B, 3, S, S)

    def attention_rows(self, image: Tensor, positions: Tensor, *, place: Place = "decoder") -> Tensor:
        """Attention maps of one module for some query positions of its feature map (Fig. 6 shows the decoder's).

        image: (B, 3, S, S); positions: (Q,) long, row * W + column -> (B, Q, H, W).
        Raises KeyError when the generator has no such module.
        """
        inputs: list[Tensor] = []
        hook = self.attention[place].register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
        try:
            self._features(image)
        finally:
            hook.remove()
        return self.attention[place].rows(inputs[0], positions)  # type: ignore[operator]

    def _features(self, image: Tensor) -> Tensor:
        x, skips = image, []
        for level, block in enumerate(self.down, start=1):
            x = self._attend("encoder", level, block(x))  # (B, C, S / 2**level, S / 2**level)
            skips.append(self._attend("skip", level, x))
        x = skips.pop()
        for level in range(len(skips), 0, -1):
            x = self._attend("decoder", level, self.up[level - 1](x))  # (B, C, S / 2**level, S / 2**level)
            x = torch.cat([x, skips.pop()], dim=1)  # (B, C + C of the encoder, S / 2**level, S / 2**level)
        return x

    def _attend(self, place: Place, level: int, x: Tensor) -> Tensor:
        return self.attention[place](x) if level == self.attention_level and place in self.attention else x


def _up(before: int, after: int, upsampling: Upsampling) -> nn.Sequential:
    """ReLU, up-sampling, normalisation: doubles the side."""
    return nn.Sequential(nn.ReLU(), _upsample(before, after, upsampling), nn.BatchNorm2d(after))


def _upsample(before: int, after: int, upsampling: Upsampling) -> nn.Module:
    """pix2pix's 4x4 transposed convolution, or nearest neighbour and a 3x3 one (no checkerboard)."""
    if upsampling == "transpose":
        return nn.ConvTranspose2d(before, after, 4, 2, 1)
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, 1, 1))
