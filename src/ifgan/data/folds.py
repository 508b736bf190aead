"""Who is trained on, who chooses the epoch, who is tested: splits as data. Paper §4.1, subject-exclusive 10-fold.

The subjects are dealt into ``number`` parts by a named rule; for fold k, part k is tested, part k + 1 (cyclically)
validates, the other eight train. So every subject is tested exactly once and never trained on in that fold. The paper
doesn't say how its folds were dealt; public code disagrees, hence the names (docs/choices.md):

- ``step``      sorted ids, subject i goes to part i mod number (the CK+ convention "ID ascending, interval 10");
- ``block``     sorted ids in contiguous parts whose sizes differ by at most one;
- ``balanced``  subjects with most pictures first, each to the part where it keeps expressions most even.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ifgan.data.sample import Sample
from ifgan.errors import InputError
from ifgan.files import read_json, write_json
from ifgan.labels import EXPRESSIONS, in_order
from ifgan.seeds import numpy_rng

RULES = ("step", "block", "balanced")
SubjectCounts = Mapping[str, Mapping[str, int]]  # subject -> expression -> pictures


@dataclass(frozen=True)
class Fold:
    """The subject ids of each part, sorted, and the fold's number from 0."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    index: int = 0

    def split_of(self) -> dict[str, str]:
        """Subject id -> train, validation or test."""
        return {subject: split for split in ("train", "validation", "test") for subject in getattr(self, split)}


def make_folds(
    subjects: Iterable[str], rule: str = "step", number: int = 10, counts: SubjectCounts | None = None
) -> list[Fold]:
    """Deal ``subjects`` (repeats are ignored) into folds. ``balanced`` needs ``counts``.

    Raises InputError for an unknown rule, an empty subject id, fewer than three folds or fewer subjects than folds.
    """
    ids = sorted(set(subjects))
    if "" in ids:
        raise InputError("subject-exclusive folds need a subject id for every picture (or prepare --subjects-unknown)")
    if rule not in RULES:
        raise InputError(f"folds: rule {rule!r} is unknown; expected one of {', '.join(RULES)}")
    if number < 3:
        raise InputError(f"folds: {number} is too few; training, validation and test need one part each")
    if len(ids) < number:
        raise InputError(f"folds: {len(ids)} subjects can't make {number} folds; at least one subject a fold is needed")
    parts = _parts(ids, rule, number, counts)
    return [_fold(parts, k) for k in range(number)]


def folds_of(samples: Iterable[Sample], rule: str = "step", number: int = 10) -> list[Fold]:
    """The folds of a set's subjects.

    Raises InputError as make_folds does, and when an expression of the set is missing from a fold's training part.
    """
    samples = list(samples)
    counts: dict[str, Counter[str]] = {}
    for sample in samples:
        counts.setdefault(sample.subject, Counter())[sample.expression] += 1
    folds = make_folds(counts, rule, number, counts)
    for fold in folds:
        split_samples(samples, fold)
    return folds


def _parts(ids: list[str], rule: str, number: int, counts: SubjectCounts | None) -> list[list[str]]:
    if rule == "step":
        return [ids[k::number] for k in range(number)]
    if rule == "block":
        return [part.tolist() for part in np.array_split(np.array(ids), number)]
    if counts is None:
        raise InputError("folds: the rule 'balanced' needs the pictures of every subject")
    return _balanced(ids, number, counts)


def _balanced(ids: list[str], number: int, counts: SubjectCounts) -> list[list[str]]:
    """Greedy: the next subject goes where the summed squares of expression shares and of people stay smallest."""
    table = np.array([[counts[subject].get(name, 0) for name in EXPRESSIONS] for subject in ids], dtype=float)
    # Pictures and people are evened out as well.
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
    """The folds in ``path``, ours or somebody else's. ``subjects``: the set's, to be compared.

    Raises InputError for a broken file, for parts that share a subject, for a subject tested twice, and, given
    ``subjects``, for an unknown subject or one that no fold tests.
    """
    content = read_json(path)
    try:
        folds = [_read_fold(fold, index) for index, fold in enumerate(content["folds"])]
    except (KeyError, TypeError) as error:
        raise InputError(
            f'{path}: expected {{"rule", "dataset", "folds": [{{"train": [ids], "validation": …, "test": …}}]}}'
        ) from error
    faults = fold_faults(folds, subjects)
    if faults:
        raise InputError(f"{path}: {faults[0]}")
    return folds


def _read_fold(fold: Mapping[str, list[str]], index: int) -> Fold:
    parts = {split: fold[split] for split in ("train", "validation", "test")}
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
        for split in ("train", "validation", "test"):
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


def split_samples(samples: Iterable[Sample], fold: Fold | None = None, *, seed: int = 0) -> dict[str, list[Sample]]:
    """The samples to train on, to validate with and to test, by the fold's subjects or, without one, by `Sample.split`.

    An official split without validation gives a tenth of its training pictures to it, drawn by ``seed``: alike in
    expressions, whole subjects where they are known, never anything from test. Raises InputError when a picture
    belongs to no part, or an expression has no training picture: it would have no average face.
    """
    samples = list(samples)
    parts: dict[str, list[Sample]] = {"train": [], "validation": [], "test": []}
    split_of = None if fold is None else fold.split_of()
    for sample in samples:
        split = sample.split if split_of is None else split_of.get(sample.subject)
        if not split:
            fault = "has no split" if fold is None else f"shows subject {sample.subject!r}, who is in no part"
            raise InputError(f"{_name(fold)}: {sample.image} {fault}")
        parts[split].append(sample)
    if fold is None and not parts["validation"]:
        parts["train"], parts["validation"] = _cut_validation(parts["train"], seed)
    _require_training_pictures(samples, parts["train"], _name(fold))
    return parts


def few_subjects(train: list[Sample], number: int, *, seed: int) -> list[Sample]:
    """The training pictures of ``number`` people, drawn by ``seed``; whoever is among few is among more.

    Raises InputError for fewer people than that, unknown ones, and when they don't show every expression.
    """
    people = sorted({sample.subject for sample in train})
    if "" in people:
        raise InputError("train_subjects: the set has pictures without subject ids; people can't be counted")
    if not 1 <= number <= len(people):
        raise InputError(f"train_subjects {number}: expected 1 to {len(people)}, the training subjects that there are")
    chosen = {people[i] for i in numpy_rng("training subjects", seed, *people).permutation(len(people))[:number]}
    kept = [sample for sample in train if sample.subject in chosen]
    _require_training_pictures(train, kept, f"train_subjects {number}")
    return kept


def _name(fold: Fold | None) -> str:
    return "the official split" if fold is None else f"fold {fold.index}"


def _require_training_pictures(samples: list[Sample], train: list[Sample], what: str) -> None:
    missing = in_order({sample.expression for sample in samples} - {sample.expression for sample in train})
    if missing:
        raise InputError(f"{what}: no training picture shows {missing[0]}, so it can have no average face")


def _cut_validation(train: list[Sample], seed: int) -> tuple[list[Sample], list[Sample]]:
    """What stays, and about a tenth: groups in random order join while no expression gets more than its tenth."""
    groups: dict[str, list[Sample]] = {}
    for sample in sorted(train, key=lambda sample: sample.image):
        groups.setdefault(sample.subject or f"picture {sample.image}", []).append(sample)
    left = {name: max(1, round(n / 10)) for name, n in Counter(s.expression for s in train).items() if n > 1}
    chosen: set[str] = set()
    names = list(groups)
    for i in numpy_rng("validation part", seed).permutation(len(names)):
        wanted = Counter(sample.expression for sample in groups[names[i]])
        if all(left.get(name, 0) >= n for name, n in wanted.items()):
            chosen.add(names[i])
            left = {name: n - wanted[name] for name, n in left.items()}
    if not chosen:
        raise InputError("the official split: no tenth can be cut from its training part; name a validation part")
    validation = [sample for name in names if name in chosen for sample in groups[name]]
    held_out = {sample.image for sample in validation}
    return [sample for sample in train if sample.image not in held_out], validation
