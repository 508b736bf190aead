"""Where networks work."""

from itertools import chain

import torch
from accelerate.utils import parse_flag_from_env
from torch import nn


def fastest_device() -> torch.device:
    """The GPU, where there is one and Accelerate's ``ACCELERATE_USE_CPU`` doesn't keep off it, as in training."""
    gpu = torch.cuda.is_available() and not parse_flag_from_env("ACCELERATE_USE_CPU")
    return torch.device("cuda" if gpu else "cpu")


def device_of(network: nn.Module) -> torch.device:
    """Where its weights, or a network's without any, its buffers lie."""
    return next(chain(network.parameters(), network.buffers())).device
