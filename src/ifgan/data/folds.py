"""Who is trained on, who validates, who is tested: splits as data. Paper §4.1, subject-exclusive 10-fold.

The subjects are dealt into ``number`` parts by a named rule; for fold k, part k is tested, part k + 1 (cyclically)
validates, the other eight train. So every subject is tested exactly once and never trained on in that fold. The paper
doesn't say how its folds were dealt; public code disagrees, hence the names (docs/choices.md):

- ``step``      sorted ids, subject i goes to part i mod number (the CK+ convention "ID ascending, interval 10");
- ``block``     sorted ids in contiguous parts whose sizes differ by at most one;
- ``balanced``  subjects with most images first, each to the part where it keeps expressions most even.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ifgan.data.sample import SPLITS
from ifgan.errors import InputError
from ifgan.files import read_json, write_json
from ifgan.labels import EXPRESSIONS

RULES = ("step", "block", "balanced")
SubjectCounts = Mapping[str, Mapping[str, int]]  # subject -> expression -> images


@dataclass(frozen=True)
class Fold:
    """The subject ids of each part, sorted, and the fold's number from 0."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    index: int = 0

    def split_of(self) -> dict[str, str]:
        """Subject id -> train, validation or test."""
        return {subject: split for split in SPLITS for subject in getattr(self, split)}

    def among(self, subjects: set[str]) -> "Fold":
        """The same fold without anybody else."""
        train, validation, test = (
            tuple(subject for subject in part if subject in subjects)
            for part in (self.train, self.validation, self.test)
        )
        return Fold(train, validation, test, self.index)


def make_folds(
    subjects: Iterable[str], rule: str = "step", number: int = 10, counts: SubjectCounts | None = None
) -> list[Fold]:
    """Deal ``subjects`` (repeats are ignored) into folds. ``balanced`` needs ``counts``.

    Raises InputError for an unknown rule, an empty subject id, fewer than three folds or fewer subjects than folds.
    """
    ids = sorted(set(subjects))
    if "" in ids:
        raise InputError("subject-exclusive folds need a subject id for every image (or prepare --subjects-unknown)")
    if rule not in RULES:
        raise InputError(f"folds: rule {rule!r} is unknown; expected one of {', '.join(RULES)}")
    if number < 3:
        raise InputError(f"folds: {number} is too few; training, validation and test need one part each")
    if len(ids) < number:
        raise InputError(f"folds: {len(ids)} subjects can't make {number} folds; at least one subject a fold is needed")
    parts = _parts(ids, rule, number, counts)
    return [_fold(parts, k) for k in range(number)]


def _parts(ids: list[str], rule: str, number: int, counts: SubjectCounts | None) -> list[list[str]]:
    if rule == "step":
        return [ids[k::number] for k in range(number)]
    if rule == "block":
        return [part.tolist() for part in np.array_split(np.array(ids), number)]
    if counts is None:
        raise InputError("folds: the rule 'balanced' needs the images of every subject")
    return _balanced(ids, number, counts)


def _balanced(ids: list[str], number: int, counts: SubjectCounts) -> list[list[str]]:
    """Greedy: the next subject goes where the summed squares of expression shares and of people stay smallest."""
    table = np.array([[counts[subject].get(name, 0) for name in EXPRESSIONS] for subject in ids], dtype=float)
    # Images and people are evened out as well.
    table = np.hstack([table, table.sum(axis=1, keepdims=True), np.ones((len(ids), 1))])  # (subjects, expressions + 2)
    share = table / np.maximum(table.sum(axis=0), 1)  # a rare expression weighs as much as a common one
    load = np.zeros((number, share.shape[1]))
    parts: list[list[str]] = [[] for _ in range(number)]
    for i in sorted(range(len(ids)), key=lambda i: (-share[i].sum(), ids[i])):
        growth = ((load + share[i]) ** 2 - load**2).sum(axis=1)  # (number,)
        # While as many subjects are left as parts are empty, only empty parts may take one.
        left, empty = len(ids) - sum(map(len, parts)), [not part for part in parts]
        allowed = np.array(empty) if left <= sum(empty) else np.ones(number, dtype=bool)
        k = int(np.argmin(np.where(allowed, growth, np.inf)))
        parts[k].append(ids[i])
        load[k] += share[i]
    return parts


def _fold(parts: list[list[str]], k: int) -> Fold:
    validation = (k + 1) % len(parts)
    train = [subject for j, part in enumerate(parts) if j not in (k, validation) for subject in part]
    return Fold(tuple(sorted(train)), tuple(sorted(parts[validation])), tuple(sorted(parts[k])), k)


def write_folds(path: Path, folds: list[Fold], rule: str, dataset: str) -> None:
    """Folds as JSON, with the rule and the set they were made for."""
    write_json(path, {"rule": rule, "number": len(folds), "dataset": dataset, "folds": [asdict(f) for f in folds]})


def read_folds(path: Path, subjects: Iterable[str] | None = None) -> list[Fold]:
    """The folds in ``path``, ours or somebody else's. ``subjects``: the set's; others are left out, since public folds
    of CK+ deal 118 people, of whom 106 show one of the six expressions.

    Raises InputError for a broken file, for parts that share a subject or are empty, for a subject tested twice, and,
    given ``subjects``, for one that no fold tests.
    """
    content = read_json(path)
    try:
        folds = [_read_fold(fold, index) for index, fold in enumerate(content["folds"])]
    except (KeyError, TypeError) as error:
        raise InputError(
            f'{path}: expected {{"rule", "dataset", "folds": [{{"train": [ids], "validation": …, "test": …}}]}}'
        ) from error
    if subjects is not None:
        known = set(subjects)
        folds = [fold.among(known) for fold in folds]
        subjects = known
    faults = fold_faults(folds, subjects) + _empty_parts(folds)
    if faults:
        raise InputError(f"{path}: {faults[0]}")
    return folds


def _empty_parts(folds: list[Fold]) -> list[str]:
    parts = ((fold, split) for fold in folds for split in SPLITS)
    return [
        f"fold {fold.index}: its {split} part is empty; 8 train, 1 validates and 1 is tested"
        for fold, split in parts
        if not getattr(fold, split)
    ]


def _read_fold(fold: Mapping[str, list[str]], index: int) -> Fold:
    parts = {split: fold[split] for split in SPLITS}
    if not all(isinstance(ids, list) for ids in parts.values()):
        raise TypeError("a part is no list")  # a string would be read as ids of one letter
    return Fold(**{split: tuple(map(str, ids)) for split, ids in parts.items()}, index=index)


def fold_faults(folds: list[Fold], subjects: Iterable[str] | None = None) -> list[str]:
    """What makes these folds unfit for a subject-exclusive protocol; empty when nothing does."""
    faults = [] if folds else ["holds no fold"]
    known = None if subjects is None else set(subjects)
    tested: dict[str, int] = {}
    for fold in folds:
        seen: dict[str, str] = {}
        for split in SPLITS:
            for subject in getattr(fold, split):
                if subject in seen:
                    faults.append(f"fold {fold.index}: subject {subject} is in {seen[subject]} and in {split}")
                seen[subject] = split
                if known is not None and subject not in known:
                    faults.append(f"fold {fold.index}: subject {subject} is not in the data set")
        for subject in dict.fromkeys(fold.test):
            if subject in tested:
                faults.append(f"folds {tested[subject]} and {fold.index}: both test subject {subject}")
            tested[subject] = fold.index
    untested = sorted((known or set()) - tested.keys())
    return faults + ([f"subject {untested[0]} is tested in no fold"] if untested else [])
