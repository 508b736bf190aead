"""What the networks are fed: a subject's face, the average face of the same expression, and the label. Paper §3.1.

Every augmentation is a function of (seed, epoch, image), never of how many were drawn before: so a resumed run, a
run with loader processes and a run over several machines see the same images.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ifgan.data.sample import Sample
from ifgan.data.transforms import AugmentationPolicy
from ifgan.errors import InputError
from ifgan.faces.model_input import Augmentation, InputForm, shrink, to_model_input, working_side
from ifgan.faces.picture import open_picture
from ifgan.labels import EXPRESSIONS
from ifgan.seeds import numpy_rng
from ifgan.workers import map_in_order

CACHE_LIMIT_BYTES = 3 * 2**30
_AS_IT_IS = InputForm()


class Batch(NamedTuple):
    """image, average: (B, 3, S, S) float32 in [-1, 1]; target: (B, N) float32, the share of each of the run's
    labels; 1 and zeros where an image has one label.
    """

    image: Tensor
    average: Tensor
    target: Tensor


@dataclass(frozen=True)
class LocatedSample:
    """A sample and the prepared folder that holds its image."""

    folder: Path
    sample: Sample

    @property
    def path(self) -> Path:
        """The aligned image."""
        return self.folder / self.sample.image


class FacePairs(torch.utils.data.Dataset[Batch]):
    """Pairs for training (with a policy) or testing (without). Indexed by (epoch, index).

    ``averages`` maps each label to its average face, (256, 256, 3) uint8; ``form``: what the model sees of a face;
    ``votes``: targets are the shares of raters, where a sample has them. Shrunken images are kept in memory as long
    as the whole set fits `CACHE_LIMIT_BYTES`.
    """

    def __init__(
        self,
        samples: list[LocatedSample],
        labels: tuple[str, ...],
        averages: dict[str, np.ndarray],
        size_px: int,
        *,
        policy: AugmentationPolicy | None = None,
        form: InputForm = _AS_IT_IS,
        seed: int = 0,
        votes: bool = False,
    ) -> None:
        if unknown := {s.sample.expression for s in samples} - set(labels):
            raise InputError(f"expression {sorted(unknown)[0]!r} is not among the run's labels {', '.join(labels)}")
        self.samples, self.labels, self.size_px, self.policy, self.seed = samples, labels, size_px, policy, seed
        self.form, self.votes = form, votes
        self.averages = {name: shrink(form.frame(averages[name]), size_px) for name in labels}
        picture_bytes = 3 * working_side(size_px) ** 2
        self._cache: dict[int, np.ndarray] | None = {} if len(samples) * picture_bytes <= CACHE_LIMIT_BYTES else None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        """One pair, without a batch axis. The average takes the image's flip, but not its rotation or crop."""
        epoch, index = key
        expression = self.samples[index].sample.expression
        augmentation = self.draw(epoch, index)
        image = to_model_input(self._picture(index), self.size_px, augmentation)
        average = to_model_input(self.averages[expression], self.size_px, Augmentation(flip=augmentation.flip))
        return Batch(torch.from_numpy(image), torch.from_numpy(average), self.target(index))

    def target(self, index: int) -> Tensor:
        """(N,) float32: what a sample is to be called, shares that sum to 1."""
        sample = self.samples[index].sample
        if self.votes and sample.votes:
            counts = dict(zip(EXPRESSIONS, map(int, sample.votes.split()), strict=True))
            shares = torch.tensor([float(counts[name]) for name in self.labels])
            if shares.sum() > 0:
                return shares / shares.sum()
        return F.one_hot(torch.tensor(self.labels.index(sample.expression)), len(self.labels)).float()

    def batch_of(self, indices: Sequence[int]) -> Batch:
        """The pairs of the first epoch, with a batch axis: what is tested, where there is no policy."""
        return Batch(*(torch.stack(tensors) for tensors in zip(*(self[0, index] for index in indices), strict=True)))

    def pictures(self) -> Iterator[np.ndarray]:
        """Each shrunken image, (W, W, 3) uint8 with W = working_side(size_px). Raises InputError where they are too
        many to keep.
        """
        if self._cache is None:
            limit = CACHE_LIMIT_BYTES / 2**30
            raise InputError(f"{len(self)} images of {self.size_px} pixels take more than {limit:g} GiB of memory")
        self.preload()
        return map(self._picture, range(len(self)))

    def preload(self) -> None:
        """Fill the memory of shrunken images now, on threads, where the whole set fits: loader processes, which begin
        anew each epoch, share what is there when they begin and forget what they add.
        """
        if self._cache is not None and len(self._cache) < len(self):
            deque(map_in_order(self._picture, range(len(self))), maxlen=0)

    def only(self, samples: list[LocatedSample]) -> "FacePairs":
        """Pairs like these, of other images."""
        other = copy(self)
        other.samples, other._cache = samples, None if self._cache is None else {}
        return other

    def average_inputs(self) -> Tensor:
        """(N, 3, S, S) in [-1, 1]: the average faces as the networks see them, in the labels' order."""
        faces = np.stack([to_model_input(self.averages[name], self.size_px) for name in self.labels])
        return torch.from_numpy(faces)

    def draw(self, epoch: int, index: int) -> Augmentation:
        """What is varied in an image in an epoch: nothing, without a policy."""
        if self.policy is None:
            return Augmentation()
        return self.policy.draw(numpy_rng("augment", self.seed, epoch, self.samples[index].path.name, index))

    def _picture(self, index: int) -> np.ndarray:
        if self._cache is not None and index in self._cache:
            return self._cache[index]
        picture = shrink(self.form(open_picture(self.samples[index].path)), self.size_px)
        if self._cache is not None:
            self._cache[index] = picture
        return picture
