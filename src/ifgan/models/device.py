"""Where networks work."""

from itertools import chain

import torch
from torch import nn

from ifgan.errors import InputError, one_line


def fastest_device() -> torch.device:
    """The GPU, where there is one and Accelerate's ``ACCELERATE_USE_CPU`` doesn't keep off it, as in training."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    from accelerate.utils import parse_flag_from_env  # not for those who only read pictures: it takes a second

    return torch.device("cpu" if parse_flag_from_env("ACCELERATE_USE_CPU") else "cuda")


def device_named(name: torch.device | str) -> torch.device:
    """Of "auto" the fastest, otherwise what torch calls so, as "cuda:1". Raises InputError where there is none."""
    if name == "auto":
        return fastest_device()
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name}: there is none here ({one_line(error)})") from error
    return device


def device_of(network: nn.Module) -> torch.device:
    """Where its weights, or a network's without any, its buffers lie."""
    return next(chain(network.parameters(), network.buffers())).device
