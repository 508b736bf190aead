"""What the networks are fed: a subject's face, the average face of the same expression, and the label. Paper §3.1.

Every augmentation is a function of (seed, epoch, image), never of how many were drawn before: so a resumed run, a
run with loader processes and a run over several machines see the same images.
"""

from collections import deque
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ifgan.data.sample import Sample
from ifgan.data.transforms import AugmentationPolicy, augmented
from ifgan.errors import InputError
from ifgan.faces.model_input import InputForm, centre_corner, shrink, to_model_input, working_side
from ifgan.faces.picture import open_picture
from ifgan.labels import EXPRESSIONS
from ifgan.seeds import numpy_rng
from ifgan.workers import map_in_order

CACHE_LIMIT_BYTES = 3 * 2**30
_AS_IT_IS = InputForm()
_CPU = torch.device("cpu")


class Batch(NamedTuple):
    """image, average: (B, 3, S, S) float32 in [-1, 1]; target: (B, N) float32, the share of each of the run's
    labels; 1 and zeros where an image has one label.
    """

    image: Tensor
    average: Tensor
    target: Tensor


class Row(NamedTuple):
    """What a pair is made of, small, for loaders: the shrunken picture, (3, W, W) uint8 with W = working_side(size);
    what is varied in it, a row of `Drawn`, (10,) float32, or (0,) without a policy; its label's index, and its target.
    """

    picture: Tensor
    drawn: Tensor
    label: Tensor
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


class FacePairs:
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
        self._averages: dict[str, Tensor] = {}  # by device
        picture_bytes = 3 * working_side(size_px) ** 2
        self._cache: dict[int, np.ndarray] | None = {} if len(samples) * picture_bytes <= CACHE_LIMIT_BYTES else None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        """One pair, without a batch axis."""
        return Batch(*(tensor[0] for tensor in self.batch(self.rows([key]), _CPU)))

    def row(self, epoch: int, index: int) -> Row:
        """What the pair of an image in an epoch is made of."""
        sample = self.samples[index].sample
        picture = torch.from_numpy(self._picture(index).transpose(2, 0, 1).copy())
        drawn: tuple[float, ...] = ()
        if self.policy is not None:
            name = self.samples[index].path.name
            drawn = self.policy.draw(numpy_rng("augment", self.seed, epoch, name, index))
        label = torch.tensor(self.labels.index(sample.expression))
        return Row(picture, torch.tensor(drawn, dtype=torch.float32), label, self.target(index))

    def rows(self, keys: Sequence[tuple[int, int]]) -> Row:
        """Those of several, with a batch axis."""
        return Row(*(torch.stack(tensors) for tensors in zip(*(self.row(*key) for key in keys), strict=True)))

    def batch(self, rows: Row, device: torch.device) -> Batch:
        """The pairs of rows with a batch axis, made on ``device``. The average takes the image's flip, but not its
        rotation or crop.
        """
        picture, drawn, label, target = (tensor.to(device, non_blocking=True) for tensor in rows)
        if str(device) not in self._averages:
            faces = self.average_inputs()
            self._averages[str(device)] = torch.stack([faces, faces.flip(-1)], dim=1).to(device)  # (N, 2, 3, S, S)
        average = self._averages[str(device)]
        if self.policy is None:
            corner = centre_corner(self.size_px)
            crop = picture[..., corner : corner + self.size_px, corner : corner + self.size_px]
            return Batch(crop.float().div(127.5).sub(1), average[label, 0], target)
        return Batch(augmented(picture, drawn, self.size_px), average[label, drawn[:, 0].long()], target)

    def target(self, index: int) -> Tensor:
        """(N,) float32: what a sample is to be called, shares that sum to 1."""
        sample = self.samples[index].sample
        if self.votes and sample.votes:
            counts = dict(zip(EXPRESSIONS, map(int, sample.votes.split()), strict=True))
            shares = torch.tensor([float(counts[name]) for name in self.labels])
            if shares.sum() > 0:
                return shares / shares.sum()
        return F.one_hot(torch.tensor(self.labels.index(sample.expression)), len(self.labels)).float()

    def targets(self) -> Tensor:
        """(M, N): those of all samples."""
        return torch.stack([self.target(index) for index in range(len(self))])

    def batch_of(self, indices: Sequence[int], device: torch.device = _CPU) -> Batch:
        """The pairs of the first epoch, with a batch axis, on ``device``: what is tested, where there is no policy."""
        return self.batch(self.rows([(0, index) for index in indices]), device)

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

    def _picture(self, index: int) -> np.ndarray:
        if self._cache is not None and index in self._cache:
            return self._cache[index]
        picture = shrink(self.form(open_picture(self.samples[index].path)), self.size_px)
        if self._cache is not None:
            self._cache[index] = picture
        return picture


class Rows(torch.utils.data.Dataset[Row]):
    """The rows of ``pairs``, for loaders. Indexed by (epoch, index)."""

    def __init__(self, pairs: FacePairs) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, key: tuple[int, int]) -> Row:
        """See `FacePairs.row`."""
        return self._pairs.row(*key)
