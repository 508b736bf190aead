"""The generator G: a U-Net with three self-attention modules. Paper §3.1, Fig. 3 and 4.

G redraws a subject's expressive face I_SE as the average subject's face with the same expression, I_AE. After U-Net,
https://arxiv.org/abs/1505.04597, and pix2pix's generator, https://arxiv.org/abs/1611.07004. Ours has as many stride-2
levels as the image allows (224 -> 7 in five; pix2pix's eight need 256), and no dropout, because dropout at test time
(pix2pix) would make a face's image differ from call to call. Self-attention is SAGAN's,
https://arxiv.org/abs/1805.08318. The encoding path is pix2pix's, from random weights, or beyond the paper a timm
backbone cut where it halves the side, so that G starts from what E starts from.

Letters: B batch, C channels, S side of the image in pixels; of a feature map K = C / 8 key channels, N = H*W
positions, Q asked query positions.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ifgan.errors import InputError
from ifgan.models.backbones import IMAGENET_MEAN, IMAGENET_STD, make_backbone
from ifgan.models.layers import init_weights

Upsampling = Literal["transpose", "nearest"]
Place = Literal["encoder", "skip", "decoder"]
PLACES: tuple[Place, ...] = ("encoder", "skip", "decoder")  # Fig. 3: one on each


class Generator(nn.Module):
    """U-Net from (B, 3, S, S) to (B, 3, S, S), both in [-1, 1].

    Args:
        encoder: "unet", or the name of a timm backbone that encodes in its place, with the weights that
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


# Self-attention (Fig. 4)


class SelfAttention(nn.Module):
    """``y = x + gamma * attention(x)``; gamma starts at 0, so a new module is the identity.

    Softmax over the keys, no scaling of the logits (the paper and SAGAN have none). The N x N map is never built in
    training or prediction: keys and queries are padded with zero channels to the width of the values, which changes no
    product, so that the fused kernel of `torch.nn.functional.scaled_dot_product_attention` takes them; its memory grows
    with N, not N^2. Rows of the map are computed only when `rows` is asked for them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        key_channels = max(channels // 8, 1)
        self.query = nn.Conv2d(channels, key_channels, 1)
        self.key = nn.Conv2d(channels, key_channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W) -> (B, C, H, W)."""
        query, key, value = (_positions(conv(x)) for conv in (self.query, self.key, self.value))
        padding = value.shape[-1] - query.shape[-1]
        mixed = F.scaled_dot_product_attention(
            F.pad(query, (0, padding)),  # (B, 1, N, K) -> (B, 1, N, C)
            F.pad(key, (0, padding)),
            value,
            scale=1.0,
        )  # (B, 1, N, C)
        return x + self.gamma * mixed.squeeze(1).transpose(1, 2).reshape(x.shape)  # (B, N, C) -> (B, C, H, W)

    def rows(self, x: Tensor, positions: Tensor) -> Tensor:
        """The rows of the attention map that belong to some query positions, for Fig. 6.

        x: (B, C, H, W); positions: (Q,) long, row * W + column -> (B, Q, H, W), each map sums to 1.
        """
        query = _positions(self.query(x)).squeeze(1)[:, positions]  # (B, Q, K)
        key = _positions(self.key(x)).squeeze(1)  # (B, N, K)
        attention = (query @ key.transpose(1, 2)).softmax(dim=-1)  # (B, Q, K) x (B, K, N) -> (B, Q, N)
        return attention.unflatten(-1, x.shape[-2:])  # (B, Q, H, W)


def _positions(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 1, N, C): positions as a sequence, one head."""
    return x.flatten(2).transpose(1, 2).unsqueeze(1)


# The encoding path


@dataclass(frozen=True)
class Encoder:
    """``levels[i]`` halves the side: (B, channels[i - 1], H, W) -> (B, channels[i], H / 2, W / 2); the first one takes
    the image, (B, 3, S, S) in [-1, 1].

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
        return ((image + 1) / 2 - self.mean) / self.std


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
