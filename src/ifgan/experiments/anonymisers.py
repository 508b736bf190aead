"""Images of the same people with more or less of them left: as they are, blurred, pixelated, redrawn by G, that as
a mixture of average faces, and the average face itself, which shows nobody.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2.functional import gaussian_blur

from ifgan.data.pairs import FacePairs
from ifgan.errors import InputError
from ifgan.models.device import device_of
from ifgan.models.generator import Generator
from ifgan.models.mixture import Mixture

_BATCH = 64


@dataclass(frozen=True)
class PlainAnonymizers:
    """The anonymisers that anybody has. ``blur``: standard deviation of the Gaussian as a share of the image's side;
    ``blocks``: how many squares of one colour a side has.
    """

    blur: float = 1 / 16
    blocks: int = 12

    def __post_init__(self) -> None:
        """Raises InputError for a blur of no or more than half a side, and for no blocks."""
        if not 0 < self.blur <= 0.5:
            raise InputError(f"blur {self.blur}: expected a share of the image's side, above 0 and at most 0.5")
        if self.blocks < 1:
            raise InputError(f"blocks {self.blocks}: expected at least 1")


def views_of(pairs: FacePairs, generator: Generator, mixture: Mixture, plain: PlainAnonymizers) -> dict[str, Tensor]:
    """Name to images, (M, 3, S, S) in [-1, 1] each, in the order of ``pairs``; all of them in the 256 steps that a
    image file has, since that is what would be handed on.
    """
    items = [pairs[0, index] for index in range(len(pairs))]
    inputs = torch.stack([item.image for item in items])
    generated = redrawn(generator, inputs)
    views = {
        "input": inputs,
        "blurred": blurred(inputs, plain.blur),
        "pixelated": pixelated(inputs, plain.blocks),
        "generated": generated,
        "mixture": mixture(generated.to(device_of(mixture))).cpu(),
        "average face": torch.stack([item.average for item in items]),
    }
    return {name: quantized_8bit(images) for name, images in views.items()}


def quantized_8bit(images: Tensor) -> Tensor:
    """The nearest images with 8 bits a channel, in [-1, 1] again."""
    return images.add(1.0).mul(127.5).round().clamp(0, 255).div(127.5).sub(1.0)


def blurred(images: Tensor, share: float) -> Tensor:
    """(M, 3, S, S) through a Gaussian with a standard deviation of ``share`` * S pixels, cut off at three of them."""
    sigma = share * images.shape[-1]
    reach = min(int(3 * sigma), images.shape[-1] - 1)  # the border is mirrored, which reaches no further
    return gaussian_blur(images, kernel_size=[2 * reach + 1] * 2, sigma=[sigma] * 2)


def pixelated(images: Tensor, blocks: int) -> Tensor:
    """(M, 3, S, S) as ``blocks`` x ``blocks`` squares of one colour each, the mean of what was there."""
    small = functional.adaptive_avg_pool2d(images, blocks)
    return functional.interpolate(small, size=images.shape[-2:], mode="nearest")


@torch.inference_mode()
def redrawn(generator: Generator, images: Tensor) -> Tensor:
    """(M, 3, S, S) as G, in evaluation mode, draws them."""
    device = device_of(generator)
    return torch.cat([generator(batch.to(device)).float().cpu() for batch in images.split(_BATCH)])
