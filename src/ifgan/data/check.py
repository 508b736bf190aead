"""Is a prepared set fit for training, and does its protocol keep people apart? Paper §4.1 (subject-exclusive).

Problems make results wrong: images that can't be read, a subject or the very same image in two parts, folds that
share a subject, an expression without training images. Warnings are for the user to judge: nearly the same image
in two parts, the same image twice in one part, an image that the manifest doesn't list.

The parts are those of the official split where there is one; otherwise every subject is a part of its own, since
folds may deal any two subjects apart.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ifgan.data.counts import Counts, count
from ifgan.data.folds import Fold, fold_faults
from ifgan.data.leaks import Fingerprint, fingerprint_of, near_pairs, same_pixels
from ifgan.data.sample import SPLITS, Sample, read_manifest
from ifgan.data.splits import split_samples
from ifgan.errors import InputError, PictureError, some_of
from ifgan.faces.align import ALIGNED_SHAPE
from ifgan.faces.picture import open_picture
from ifgan.progress import track
from ifgan.workers import map_in_order

Seen = list[tuple[Sample, Fingerprint]]


@dataclass(frozen=True)
class CheckReport:
    """Counts, what is wrong, what to look at, and how many images each part of each fold has."""

    folder: Path
    counts: Counts
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    fold_sizes: tuple[dict[str, int], ...] = ()

    @property
    def failed(self) -> bool:
        """Something is wrong: exit status 1."""
        return bool(self.problems)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"folder": str(self.folder)}

    def text(self) -> str:
        """Some lines for people."""
        counts = self.counts
        lines = [f"{self.folder}: {counts['pictures']} images of {counts['subjects'] or 'unknown'} people"]
        for what in ("expressions", "splits"):
            lines += [f"  {what}: {_numbers(counts[what])}"] if counts[what] else []
        each = sorted(counts["per_subject"].values())
        lines += [f"  images of a subject: {each[0]} to {each[-1]}, median {each[len(each) // 2]}"] if each else []
        lines += [f"  fold {index}: {_numbers(sizes)}" for index, sizes in enumerate(self.fold_sizes)]
        lines += [f"  problem: {sentence}" for sentence in self.problems]
        lines += [f"  warning: {sentence}" for sentence in self.warnings]
        return "\n".join(lines if self.problems else [*lines, "  no problem found"])


def _numbers(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items())


def check(folder: Path, folds: list[Fold] | None = None, *, workers: int | None = None) -> CheckReport:
    """Look at every image of the prepared set ``folder``, and at how its split or the ``folds`` part it.

    Raises InputError only when there is no manifest to look at; everything else is in the report.
    """
    folder = Path(folder)
    samples = read_manifest(folder)
    folds, absent = _of_the_set(samples, folds or [])
    faults, seen = _seen(folder, samples, workers)
    leaks, twice = _same_pictures(seen)
    problems = [
        *_finding("can't be used", faults),
        *_finding("is listed more than once", _repeated(sample.image for sample in samples)),
        *_finding("subject in two parts of the official split", _shared_subjects(samples)),
        *(_fold_problems(samples, folds) if folds else _split_problems(samples)),
        *_finding("the same image in two parts", leaks),
    ]
    warnings = [
        *_finding("the same image twice in a part", twice),
        *_finding("nearly the same image in two parts", _near_pictures(seen)),
        *_finding("in images/, but not in the manifest", _unlisted(folder, samples)),
        *_finding("in the folds, but not in the set", absent),
    ]
    sizes = tuple(_sizes(samples, fold) for fold in folds)
    return CheckReport(folder, count(samples), tuple(problems), tuple(warnings), sizes)


def _finding(what: str, cases: list[str]) -> list[str]:
    """One sentence for one kind of finding, with its number and the first cases; nothing when there are none."""
    return [f"{what} ({len(cases)}): {some_of(cases)}"] if cases else []


def _seen(folder: Path, samples: list[Sample], workers: int | None) -> tuple[list[str], Seen]:
    """Why images can't be used, and a look at the others."""

    def look(sample: Sample) -> Fingerprint | str:
        path = folder / sample.image
        try:
            image = open_picture(path)
        except PictureError as error:
            return f"{sample.image}: {str(error).removeprefix(f'{path}: ')}"
        if image.shape != ALIGNED_SHAPE:
            return f"{sample.image}: is {image.shape[1]}x{image.shape[0]}, expected 256x256"
        return fingerprint_of(image)

    looks = list(track(map_in_order(look, samples, workers), "check", len(samples)))
    faults = [found for found in looks if isinstance(found, str)]
    return faults, [(s, found) for s, found in zip(samples, looks, strict=True) if isinstance(found, Fingerprint)]


def _part(sample: Sample) -> str:
    return f"split {sample.split}" if sample.split else f"subject {sample.subject}"


def _same_pictures(seen: Seen) -> tuple[list[str], list[str]]:
    """Equal images in two parts (leaks), and within one."""
    leaks: list[str] = []
    twice: list[str] = []
    for group in same_pixels([look for _, look in seen]):
        samples = [seen[index][0] for index in group]
        across = len({_part(sample) for sample in samples}) > 1
        (leaks if across else twice).append(some_of((f"{s.image} ({_part(s)})" for s in samples), 3, " = "))
    return leaks, twice


def _near_pictures(seen: Seen) -> list[str]:
    pairs = near_pairs([look for _, look in seen], [_part(sample) for sample, _ in seen])
    return [f"{a.image} ({_part(a)}) ~ {b.image} ({_part(b)})" for a, b in ((seen[i][0], seen[j][0]) for i, j in pairs)]


def _repeated(names: Iterable[str]) -> list[str]:
    once: set[str] = set()
    again: dict[str, None] = {}
    for name in names:
        if name in once:
            again[name] = None
        once.add(name)
    return list(again)


def _shared_subjects(samples: list[Sample]) -> list[str]:
    splits: dict[str, set[str]] = {}
    for sample in samples:
        if sample.subject and sample.split:
            splits.setdefault(sample.subject, set()).add(sample.split)
    return [f"{subject} ({', '.join(sorted(parts))})" for subject, parts in splits.items() if len(parts) > 1]


def _split_problems(samples: list[Sample]) -> list[str]:
    return _excluded_because(samples, None) if any(sample.split for sample in samples) else []


def _of_the_set(samples: list[Sample], folds: list[Fold]) -> tuple[list[Fold], list[str]]:
    """The folds as training reads them, without people whom the set doesn't have, and who these are."""
    known = {sample.subject for sample in samples}
    return [fold.among(known) for fold in folds], sorted({name for fold in folds for name in fold.split_of()} - known)


def _fold_problems(samples: list[Sample], folds: list[Fold]) -> list[str]:
    faults = fold_faults(folds, {sample.subject for sample in samples})
    return _finding("folds", faults) + [fault for fold in folds for fault in _excluded_because(samples, fold)]


def _excluded_because(samples: list[Sample], fold: Fold | None) -> list[str]:
    try:
        split_samples(samples, fold)
    except InputError as error:
        return [str(error)]
    return []


def _sizes(samples: list[Sample], fold: Fold) -> dict[str, int]:
    split_of = fold.split_of()
    found = [split_of.get(sample.subject, "in no part") for sample in samples]
    return {split: found.count(split) for split in dict.fromkeys((*SPLITS, *found))}


def _unlisted(folder: Path, samples: list[Sample]) -> list[str]:
    listed = {sample.image for sample in samples}
    paths = sorted(path for path in (folder / "images").glob("*") if not path.name.startswith("."))
    return [f"images/{path.name}" for path in paths if f"images/{path.name}" not in listed]
