"""The images of one run: who trains, who validates, who is tested, and the average faces of those who train.
Paper §4.1 (folds), §4.3 (averages, additional training data).
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ifgan.config import Config
from ifgan.data.averages import average_faces
from ifgan.data.folds import Fold, read_folds
from ifgan.data.leaks import Leak, hash_of_all, leaks_between
from ifgan.data.pairs import FacePairs, LocatedSample
from ifgan.data.sample import Sample, read_manifest
from ifgan.data.splits import folds_of, split_samples, subsample_subjects
from ifgan.data.transforms import AugmentationPolicy
from ifgan.errors import InputError, some_of
from ifgan.faces.model_input import InputForm
from ifgan.labels import in_order

_HELD_OUT = ("validation", "test")
Parts = dict[str, list[LocatedSample]]
WhatOfLeaks = Literal["stop", "drop"]


@dataclass(frozen=True)
class RunData:
    """A run's images by split, its labels in the canonical order, and (256, 256, 3) uint8 averages by label."""

    parts: Parts
    labels: tuple[str, ...]
    averages: dict[str, np.ndarray]
    record: dict[str, Any] = field(default_factory=dict)

    def pairs(self, split: str, config: Config, *, augmented: bool | None = None) -> FacePairs:
        """The pairs of one split; only training pairs are augmented, unless ``augmented`` says otherwise."""
        augmented = split == "train" if augmented is None else augmented
        policy = AugmentationPolicy.from_config(config) if augmented else None
        form = InputForm.from_settings(dict(config.preprocess))
        return FacePairs(
            *(self.parts[split], self.labels, self.averages, config.preprocess.image_size),
            policy=policy,
            form=form,
            seed=config.run.seed,
            votes=config.classifier.targets == "votes" and split == "train",
        )

    def describe(self) -> str:
        """Counts per split and class."""
        lines = []
        for split, located in self.parts.items():
            expressions = [item.sample.expression for item in located]
            counts = ", ".join(f"{name} {expressions.count(name)}" for name in self.labels)
            people = len({item.sample.subject for item in located} - {""})
            lines.append(f"{split}: {len(located)} images of {people or 'unknown'} subjects ({counts})")
        if self.record["fold"] is None:
            lines.append("parts: the set's official split; --fold takes one of the folds instead")
        return "\n".join(lines + [f"left out: {sentence}" for sentence in self.record.get("left_out", [])])


@dataclass(frozen=True)
class SplitChoice:
    """How a set is split: fold number ``fold`` of ``folds`` dealt by ``rule``, or of those in the file ``file``;
    ``fold`` None: the set's official split, or fold 0 where it has none. ``train_subjects``: only so many people of the
    training part, or all.
    """

    fold: int | None = None
    rule: str = "step"
    folds: int = 10
    file: Path | None = None
    train_subjects: int | None = None


def load_run_data(
    folder: Path,
    choice: SplitChoice,
    *,
    extra: tuple[Path, ...] = (),
    averages_from: tuple[Path, ...] = (),
    leaks: WhatOfLeaks = "stop",
    seed: int = 0,
) -> RunData:
    """Read a prepared set and split it. Images of ``extra`` sets join the training part, never another.

    Average faces are those of the set's own training part (§4.3: "in its training set"), or of the sets
    ``averages_from``, as the paper's for RAF-DB. Whoever validates or is tested is left out of all others, known by
    data set and subject id. ``leaks``: what becomes of an image that trains or is averaged and is held out too, or
    nearly (`ifgan.data.leaks`), or that validates and is tested: the run stops, or the image is dropped.

    Raises InputError when the set has neither subjects nor an official split, the fold number is out of range, a
    subject is in two parts, an expression has no average face, and for leaks.
    """
    samples = read_manifest(folder)
    fold = _fold(folder, samples, choice)
    dealt = split_samples(samples, fold, seed=seed)
    if choice.train_subjects is not None:
        dealt["train"] = subsample_subjects(dealt["train"], choice.train_subjects, seed=seed)
    parts = _located(folder, dealt)
    labels = in_order({sample.expression for sample in samples})
    joined, dropped_labels = _joined(extra, labels, parts)
    validation = parts["validation"]
    parts["validation"], dropped = _without_leaks(validation, parts["test"], "validation", leaks)
    held_out = [*parts["validation"], *parts["test"]]
    parts["train"], more_dropped = _without_leaks(parts["train"] + joined, held_out, "training", leaks)
    averages, others = _averages(averages_from, labels, parts, folder, leaks)
    for split in ("train", "validation"):
        if not parts[split]:
            raise InputError(f"{folder}: no {split} images are left")
    left_out = _unknown(choice.file, samples) + dropped_labels + dropped + more_dropped + others
    record = _record(folder, choice, fold, extra, averages_from, parts, left_out)
    gone = [item.sample.image for item in validation if item not in parts["validation"]] if dropped else []
    return RunData(parts, labels, averages, record | {"validation_dropped": gone})


def recorded_run_data(folder: Path, record: dict[str, Any], averages: dict[str, np.ndarray], *, seed: int) -> RunData:
    """The set's own images of a run again, from what it recorded of its split; images of other sets, which only
    train, are not needed. Raises InputError when they are not the run's.
    """
    samples = read_manifest(folder)
    if record["dataset"] not in ("", *(sample.dataset for sample in samples)):
        raise InputError(f"{folder}: is not of {record['dataset']}, as the set that the run was trained on")
    fold = None if record["fold"] is None else Fold(**{k: _plain(v) for k, v in record["fold"].items()})
    dealt = split_samples(samples, fold, seed=seed)
    if number := record["choice"]["train_subjects"]:
        dealt["train"] = subsample_subjects(dealt["train"], number, seed=seed)
    parts = _located(folder, dealt)
    gone = set(record["validation_dropped"])
    parts["validation"] = [item for item in parts["validation"] if item.sample.image not in gone]
    labels = in_order({sample.expression for sample in samples})
    found = {split: sorted({item.sample.subject for item in part}) for split, part in parts.items()}
    for split in _HELD_OUT:
        same = found[split] == record["subjects"][split] and len(parts[split]) == record["pictures"][split]
        marks = record["sources"][split], _mark(parts[split])
        if not same or (all(marks) and len(set(marks)) > 1):
            advice = "give the set that it was trained on, or --people all"
            raise InputError(f"{folder}: its {split} images are not the run's; {advice}")
    return RunData(parts, labels, averages, record)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _fold(folder: Path, samples: list[Sample], choice: SplitChoice) -> Fold | None:
    if choice.fold is None and choice.file is None and all(sample.split for sample in samples):
        return None
    if choice.file is not None:
        folds = read_folds(choice.file, {sample.subject for sample in samples})
    else:
        folds = folds_of(samples, choice.rule, choice.folds)
    index = choice.fold or 0
    if not 0 <= index < len(folds):
        raise InputError(f"{folder}: fold {index} of {len(folds)}; expected 0 to {len(folds) - 1}")
    return folds[index]


def _located(folder: Path, split: dict[str, list[Sample]]) -> Parts:
    return {name: [LocatedSample(folder, sample) for sample in part] for name, part in split.items()}


def _joined(folders: Iterable[Path], labels: tuple[str, ...], parts: Parts) -> tuple[list[LocatedSample], list[str]]:
    """Images of other sets that show one of ``labels``, without people who are held out; who was left out."""
    held_out = {
        (item.sample.dataset, item.sample.subject)
        for split in ("validation", "test")
        for item in parts[split]
        if item.sample.subject
    }
    found = [LocatedSample(folder, s) for folder in folders for s in read_manifest(folder) if s.expression in labels]
    kept = [item for item in found if (item.sample.dataset, item.sample.subject) not in held_out]
    gone = len(found) - len(kept)
    return kept, [f"{gone} images of other sets that show people who are held out"] if gone else []


def _without_leaks(
    part: list[LocatedSample], held_out: list[LocatedSample], name: str, what: WhatOfLeaks
) -> tuple[list[LocatedSample], list[str]]:
    """A part without images that are held out from it too. Raises InputError when they are to stop the run."""
    found = leaks_between([item.path for item in part], [item.path for item in held_out])
    if not found:
        return part, []
    cases = some_of((_describe_leak(leak, part, held_out) for leak in found), 3)
    if what == "stop":
        raise InputError(f"{name} images are held out too ({len(found)}): {cases}; --leaks drop leaves them out")
    gone = {leak.training for leak in found}
    kept = [item for index, item in enumerate(part) if index not in gone]
    return kept, [f"{len(gone)} {name} images that are held out too: {cases}"]


def _describe_leak(leak: Leak, train: list[LocatedSample], held_out: list[LocatedSample]) -> str:
    one, other = train[leak.training].sample.image, held_out[leak.held_out].sample.image
    return f"{one} {'=' if leak.exact else '~'} {other}"


def _unknown(file: Path | None, samples: list[Sample]) -> list[str]:
    """How many people somebody else's folds name whom the set doesn't have."""
    named = set() if file is None else {subject for fold in read_folds(file) for subject in fold.split_of()}
    unknown = named - {sample.subject for sample in samples}
    return [f"{len(unknown)} people of the folds' file who are not in the set"] if unknown else []


def _averages(
    folders: tuple[Path, ...], labels: tuple[str, ...], parts: Parts, own: Path, leaks: WhatOfLeaks
) -> tuple[dict[str, np.ndarray], list[str]]:
    dropped_labels: list[str] = []
    dropped: list[str] = []
    if not folders:
        shown = [item for item in parts["train"] if item.folder == own]
    else:
        shown, dropped_labels = _joined(folders, labels, parts)
        shown, dropped = _without_leaks(shown, [*parts["validation"], *parts["test"]], "averaged", leaks)
    averages = average_faces((item.folder, item.sample) for item in shown)
    if missing := [name for name in labels if name not in averages]:
        where = f"none of {some_of(map(str, folders))}" if folders else f"no training image of {own}"
        raise InputError(f"average faces: {where} shows {missing[0]}")
    return averages, dropped_labels + dropped


def _mark(part: list[LocatedSample]) -> str:
    return hash_of_all(item.path for item in part)


def _record(  # noqa: PLR0917
    folder: Path,
    choice: SplitChoice,
    fold: Fold | None,
    extra: tuple[Path, ...],
    averages_from: tuple[Path, ...],
    parts: Parts,
    left_out: list[str],
) -> dict[str, Any]:
    """What a run folder keeps of its split."""
    file = None if choice.file is None else choice.file.name
    return {
        "data": folder.resolve().name,  # as tests on other sets call it, so that a link can't hide which set it is
        "dataset": parts["test"][0].sample.dataset if parts["test"] else "",
        "extra": [other.resolve().name for other in extra],
        "averages_from": [other.resolve().name for other in averages_from],
        "choice": asdict(choice) | {"file": file, "fold": None if fold is None else fold.index},
        "fold": None if fold is None else asdict(fold),
        "pictures": {name: len(part) for name, part in parts.items()},
        "subjects": {name: sorted({item.sample.subject for item in part}) for name, part in parts.items()},
        "sources": {name: _mark(parts[name]) for name in _HELD_OUT},
        "left_out": left_out,
    }
