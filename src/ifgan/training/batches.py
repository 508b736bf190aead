"""Which images make which batch: a function of (seed, epoch), so that a resumed run goes on as if never stopped."""

from collections.abc import Iterator

import torch

from ifgan.errors import InputError
from ifgan.seeds import torch_rng

Key = tuple[int, int]  # (epoch, index)


def steps_per_epoch(pictures: int, batch_size: int) -> int:
    """Whole batches only: a rest of one image breaks batch normalisation. Each epoch leaves out another rest."""
    return max(pictures // batch_size, 1)


class EpochBatches:
    """Batches of keys of one epoch, this process's share of each; ``first`` skips steps that are done already."""

    def __init__(
        self,
        pictures: int,
        batch_size: int,
        *,
        seed: int,
        epoch: int,
        first: int = 0,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        batch_size = min(batch_size, pictures)
        if batch_size % processes:
            raise InputError(f"optimizer.batch_size {batch_size} is not divisible by {processes} processes")
        self.steps = steps_per_epoch(pictures, batch_size)
        self.epoch, self.first, self.rank, self.processes = epoch, first, rank, processes
        order = torch.randperm(pictures, generator=torch_rng("order", seed, epoch)).tolist()
        self.batches = [order[i * batch_size : (i + 1) * batch_size] for i in range(self.steps)]

    def __len__(self) -> int:
        return self.steps - self.first

    def __iter__(self) -> Iterator[list[Key]]:
        for batch in self.batches[self.first :]:
            yield [(self.epoch, index) for index in batch[self.rank :: self.processes]]
