"""Everything that a run must remember to go on bit for bit: weights, centres, Adam's moments, where it stood.

No random state is kept: every draw is seeded by its purpose and its place (seed, epoch, step).
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ifgan.errors import InputError
from ifgan.models.tensor_file import read_tensors, write_tensors
from ifgan.training.networks import Networks


@dataclass
class Progress:
    """Where a run stands. ``epoch`` counts from 0; ``step`` within it; ``sums`` are the epoch's losses so far."""

    epoch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    best_epoch: int = -1
    best_accuracy: float = -1.0
    best_loss: float = float("inf")


def save_state(path: Path, nets: Networks, progress: Progress) -> None:
    """All of it in one file, all or nothing."""
    tensors = {
        f"{part}.{name}": t for part, module in nets.modules().items() for name, t in module.state_dict().items()
    }
    for part, optimizer in nets.optimizers.items():
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{part}.{index}.{name}": tensor for name, tensor in moments.items()}
    write_tensors(path, tensors, {"progress": asdict(progress) | {"best_loss": repr(progress.best_loss)}})


def load_state(path: Path, nets: Networks) -> Progress:
    """Put the networks and optimizers back as `save_state` saw them. Raises InputError for a broken file and
    for one of other networks.
    """
    tensors, header = read_tensors(path)
    for part, module in nets.modules().items():
        try:
            module.load_state_dict(_below(tensors, f"{part}."))
        except RuntimeError as error:
            what = str(error).splitlines()[-1].strip()
            raise InputError(f"{path}: is of other networks, or of another version of ifgan ({what})") from error
    for part, optimizer in nets.optimizers.items():
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in _below(tensors, f"optimizer.{part}.").items():
            index, name = key.split(".", 1)
            parameter = optimizer.param_groups[0]["params"][int(index)]
            state.setdefault(int(index), {})[name] = _laid_out_like(parameter, tensor)
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    values: dict[str, Any] = header["progress"]
    return Progress(**values | {"best_loss": float(values["best_loss"])})


def _laid_out_like(parameter: Tensor, tensor: Tensor) -> Tensor:
    """A moment in its parameter's memory layout (channels last, say): the fused Adam walks both as flat memory."""
    return tensor if tensor.shape != parameter.shape else torch.empty_like(parameter).copy_(tensor).detach()


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
