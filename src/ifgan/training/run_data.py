"""The pictures of one run: who trains, who validates, who is tested, and the average faces of those who train.
Paper §4.1 (folds), §4.3 (averages, additional training data).
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ifgan.config import Config
from ifgan.data.averages import average_located_faces
from ifgan.data.folds import Fold, folds_of, split_samples
from ifgan.data.pairs import FacePairs, LocatedSample
from ifgan.data.sample import read_manifest
from ifgan.data.transforms import AugmentationPolicy
from ifgan.errors import InputError
from ifgan.labels import in_order


@dataclass(frozen=True)
class RunData:
    """A run's pictures by split, its labels in the canonical order, and (256, 256, 3) uint8 averages by label."""

    parts: dict[str, list[LocatedSample]]
    labels: tuple[str, ...]
    averages: dict[str, np.ndarray]
    record: dict[str, Any] = field(default_factory=dict)

    def pairs(self, split: str, config: Config) -> FacePairs:
        """The pairs of one split; only training pairs are augmented."""
        policy = AugmentationPolicy.from_config(config) if split == "train" else None
        samples = self.parts[split]
        return FacePairs(samples, self.labels, self.averages, config.image_size, policy=policy, seed=config.seed)

    def describe(self) -> str:
        """Counts per split and class."""
        lines = []
        for split, located in self.parts.items():
            expressions = [item.sample.expression for item in located]
            counts = ", ".join(f"{name} {expressions.count(name)}" for name in self.labels)
            people = len({item.sample.subject for item in located})
            lines.append(f"{split}: {len(located)} pictures of {people} subjects ({counts})")
        return "\n".join(lines)


@dataclass(frozen=True)
class SplitChoice:
    """How a set is split: fold number ``fold`` of ``folds`` dealt by ``rule``; None: the set's official split."""

    fold: int | None = None
    rule: str = "step"
    folds: int = 10


def load_run_data(folder: Path, choice: SplitChoice, *, extra: tuple[Path, ...] = (), seed: int = 0) -> RunData:
    """Read a prepared set and split it. Pictures of ``extra`` sets join the training part, never another.

    Raises InputError when the set has neither subjects nor an official split, or the fold number is out of range.
    """
    samples = read_manifest(folder)
    fold = _fold(folder, samples, choice)
    split = split_samples(samples, fold, seed=seed)
    parts = {name: [LocatedSample(folder, sample) for sample in part] for name, part in split.items()}
    labels = in_order({sample.expression for sample in samples})
    for other in extra:
        parts["train"] += [LocatedSample(other, s) for s in read_manifest(other) if s.expression in labels]
    averages = average_located_faces((item.folder, item.sample) for item in parts["train"])
    record = {
        "data": folder.name,
        "extra": [other.name for other in extra],
        "choice": asdict(choice),
        "pictures": {name: len(part) for name, part in parts.items()},
        "subjects": {name: sorted({item.sample.subject for item in part}) for name, part in parts.items()},
    }
    return RunData(parts, labels, averages, record)


def _fold(folder: Path, samples: list, choice: SplitChoice) -> Fold | None:
    if choice.fold is None and all(sample.split for sample in samples):
        return None
    folds = folds_of(samples, choice.rule, choice.folds)
    index = choice.fold or 0
    if not 0 <= index < len(folds):
        raise InputError(f"{folder}: fold {index} of {len(folds)}; expected 0 to {len(folds) - 1}")
    return folds[index]
