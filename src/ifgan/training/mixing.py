"""Images mixed in pairs while training: mixup, https://arxiv.org/abs/1710.09412. Not in the paper; an option.

Here the average face is mixed with the image: what G should draw of two people in equal parts is the average subject
halfway between their expressions.
"""

import torch
from torch import Tensor

from ifgan.data.pairs import Batch


def mixed(batch: Batch, alpha: float) -> Batch:
    """Every image with another of the batch (or itself), in shares from Beta(alpha, alpha); where that is 0,
    the batch as it is.
    """
    if alpha == 0:
        return batch
    device, count = batch.image.device, len(batch.image)
    share = torch.distributions.Beta(alpha, alpha).sample((count,)).to(device)  # (B,) in [0, 1]
    other = torch.randperm(count, device=device)
    return Batch(*(_between(tensor, tensor[other], share) for tensor in batch))


def _between(one: Tensor, other: Tensor, share: Tensor) -> Tensor:
    share = share.view(-1, *(1,) * (one.ndim - 1))
    return share * one + (1 - share) * other
