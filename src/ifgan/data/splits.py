"""Which images train, validate and are tested: by a fold's subjects, or as an official split says. Paper §4.1."""

from collections import Counter
from collections.abc import Iterable
from itertools import combinations

from ifgan.data.folds import Fold, make_folds
from ifgan.data.sample import Sample
from ifgan.errors import InputError
from ifgan.labels import in_order
from ifgan.seeds import numpy_rng


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


def split_samples(samples: Iterable[Sample], fold: Fold | None = None, *, seed: int = 0) -> dict[str, list[Sample]]:
    """The samples to train on, to validate with and to test, by the fold's subjects or, without one, by `Sample.split`.

    An official split without validation gives a tenth of its training images to it, drawn by ``seed``: alike in
    expressions, whole subjects where they are known, never anything from test. Raises InputError when an image
    belongs to no part, a subject to two, or an expression has no training image: it would have no average face.
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
    people = {split: {sample.subject for sample in part} - {""} for split, part in parts.items()}
    for one, other in combinations(parts, 2):
        if shared := sorted(people[one] & people[other]):
            raise InputError(f"{_name(fold)}: subject {shared[0]} is in {one} and in {other}")
    if fold is None and not parts["validation"]:
        parts["train"], parts["validation"] = _cut_validation(parts["train"], seed)
    _require_training_pictures(samples, parts["train"], _name(fold))
    return parts


def subsample_subjects(train: list[Sample], number: int, *, seed: int) -> list[Sample]:
    """The training images of ``number`` people, drawn by ``seed``; whoever is among few is among more.

    Raises InputError for fewer people than that, unknown ones, and when they don't show every expression.
    """
    people = sorted({sample.subject for sample in train})
    if "" in people:
        raise InputError("--train-subjects: the set has images without subject ids; people can't be counted")
    if not 1 <= number <= len(people):
        raise InputError(
            f"--train-subjects {number}: expected 1 to {len(people)}, the training subjects that there are"
        )
    chosen = {people[i] for i in numpy_rng("training subjects", seed, *people).permutation(len(people))[:number]}
    kept = [sample for sample in train if sample.subject in chosen]
    _require_training_pictures(train, kept, f"--train-subjects {number}")
    return kept


def _name(fold: Fold | None) -> str:
    return "the official split" if fold is None else f"fold {fold.index}"


def _require_training_pictures(samples: list[Sample], train: list[Sample], what: str) -> None:
    missing = in_order({sample.expression for sample in samples} - {sample.expression for sample in train})
    if missing:
        raise InputError(f"{what}: no training image shows {missing[0]}, so it can have no average face")


def _cut_validation(train: list[Sample], seed: int) -> tuple[list[Sample], list[Sample]]:
    """What stays, and about a tenth: groups in random order join while no expression gets more than its tenth."""
    groups: dict[str, list[Sample]] = {}
    for sample in sorted(train, key=lambda sample: sample.image):
        groups.setdefault(sample.subject or f"image {sample.image}", []).append(sample)
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
