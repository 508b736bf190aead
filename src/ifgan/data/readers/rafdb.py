"""RAF-DB, basic: 15,339 web photographs, six expressions and neutral, no people (§4.1; layout: docs/data/rafdb.md).

Only names count, ``train_00001_aligned.jpg`` or ``train_00001.jpg``, wherever they lie below ROOT; a name tells the
official split. Labels: rafdb_labels.py. The paper takes the owner's crops (§4.2). The split has no validation part,
and none is cut here: `ifgan.data.splits.split_samples` does that.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ifgan.data.readers.base import Reading, Rejected, SourcePicture
from ifgan.data.readers.rafdb_labels import (
    ANNOTATION,
    CODES,
    Files,
    Labels,
    expression_of,
    find_files,
    read_labels,
    split_of,
)
from ifgan.errors import InputError, some_of
from ifgan.files import existing_folder

COUNTS = {  # in the order of the codes 1 to 7
    "train": (1290, 281, 717, 4772, 1982, 705, 2524),
    "test": (329, 74, 160, 1185, 478, 162, 680),
}
NAMES = {
    "train": [f"train_{number:05d}" for number in range(1, sum(COUNTS["train"]) + 1)],
    "test": [f"test_{number:04d}" for number in range(1, sum(COUNTS["test"]) + 1)],
}
ENDINGS = {"aligned": "_aligned.jpg", "original": ".jpg"}
GENDERS = {"0": "male", "1": "female", "2": ""}  # 2: unsure
ETHNICITIES = {"0": "Caucasian", "1": "African-American", "2": "Asian"}
AGES = {"0": "0-3", "1": "4-19", "2": "20-39", "3": "40-69", "4": "70+"}
Images = Literal["aligned", "original"]
Landmarks = Literal["manual", "detect"]


@dataclass(frozen=True, eq=False)
class Annotation:
    """What the owner's annotators say of an image. ``landmarks_xy_px``: (5, 2) in the photograph, as SourcePicture."""

    landmarks_xy_px: np.ndarray | None = None
    gender: str = ""
    ethnicity: str = ""
    age: str = ""


@dataclass(frozen=True, eq=False)
class _Opened:
    """The set's files and what they say. ``broken``: annotations that aren't understood, and why."""

    root: Path
    ending: str
    pictures: Mapping[str, list[str]]
    labels: Labels
    with_points: bool
    annotations: dict[str, Annotation] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    def items(self) -> Iterator[SourcePicture | Rejected]:
        """Rows that aren't understood, then one item for every labelled name, train first."""
        yield from self.labels.rejected
        for name in sorted(self.labels.claims, key=lambda name: (split_of(name) != "train", name)):
            file = self.pictures[name][0] if name in self.pictures else name + self.ending
            try:
                yield self._picture(name, file)
            except ValueError as error:
                yield Rejected(file, str(error))

    def _picture(self, name: str, file: str) -> SourcePicture:
        claims = self.labels.claims[name]
        expression = expression_of(name, claims)
        if name not in self.pictures:
            raise ValueError(f"no such image, but {next(iter(claims.values()))} lists it")
        if self.with_points and name not in self.annotations:
            raise ValueError(self.broken.get(name, f"has no landmarks, {name}{ANNOTATION} is missing"))
        said = self.annotations.get(name, Annotation())
        return SourcePicture(
            image=self.root / file,
            name=name,
            source=file,
            dataset="rafdb",
            expression=expression,
            split=split_of(name),
            age=said.age,
            gender=said.gender,
            ethnicity=said.ethnicity,
            landmarks_xy_px=said.landmarks_xy_px if self.with_points else None,
        )


def read_rafdb(root: Path, *, images: Images = "aligned", landmarks: Landmarks = "manual") -> Reading:
    """The labelled images below ``root``: the owner's crops (``aligned``) or the photographs (``original``).

    ``landmarks``, for photographs only: the owner's five points (``manual``), or those of found faces (``detect``).
    Raises InputError for another option, and without an image, a label list or, where they are needed, landmarks.
    """
    for option, value, kind in (("images", images, Images), ("landmarks", landmarks, Landmarks)):
        if value not in get_args(kind):
            raise InputError(f"{option}: {value!r}; expected {' or '.join(get_args(kind))}")
    root = existing_folder(root)
    files = find_files(root)
    pictures = files.named.get(ENDINGS[images], {})
    if not pictures:
        raise InputError(f"{root}: no RAF-DB image below it; expected files such as train_00001{ENDINGS[images]}")
    with_points = images == "original" and landmarks == "manual"
    if with_points and ANNOTATION not in files.named:
        raise InputError(f"{root}: no file such as train_00001{ANNOTATION} below it; needed for landmarks manual")
    labels = read_labels(root, files, pictures)
    opened = _Opened(root, ENDINGS[images], pictures, labels, with_points)
    _annotate(opened, files.named.get(ANNOTATION, {}))
    items = list(opened.items())
    return Reading(
        dataset="rafdb",
        items=items,
        total=len(items),
        expected=_expected(),
        notes=(*_differences(files, pictures, labels), *_annotation_notes(opened)),
        aligned=images == "aligned",
    )


def _annotate(opened: _Opened, files: Mapping[str, list[str]]) -> None:
    """Reads the annotations of the labelled images; others are of no use."""
    for name in opened.labels.claims.keys() & files.keys():
        relative = files[name][0]
        try:
            opened.annotations[name] = _annotation(opened.root / relative)
        except ValueError as error:
            opened.broken[name] = f"{relative}: {error}"


def _annotation(path: Path) -> Annotation:
    """Five points, then the codes of gender, ethnicity and age. Raises ValueError that says what was found."""
    try:
        cells = re.findall(r"[^\s,;]+", path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"can't be read as UTF-8 text ({error.__class__.__name__})") from error
    if len(cells) != 13:
        raise ValueError(f"expected five points and three codes, 13 numbers in all, found {len(cells)}")
    try:
        x, y = list(map(float, cells[0:10:2])), list(map(float, cells[1:10:2]))
        gender, ethnicity, age = GENDERS[cells[10]], ETHNICITIES[cells[11]], AGES[cells[12]]
    except (ValueError, KeyError) as error:
        raise ValueError(f"expected five points and the codes of gender, race and age ({error})") from error
    if not all(map(math.isfinite, (*x, *y))):
        raise ValueError("expected five points, found a coordinate that isn't finite")
    points = list(zip(x, y, strict=True))
    # Whichever side the owner names first, here the one on the left of the image comes first.
    eyes, mouth = sorted(points[:2]), sorted(points[3:])
    return Annotation(np.array([*eyes, points[2], *mouth]), gender, ethnicity, age)  # (5, 2)


def _expected() -> dict[str, Any]:
    both = [sum(numbers) for numbers in zip(*COUNTS.values(), strict=True)]
    return {
        "pictures": sum(both),
        "expressions": dict(zip(CODES.values(), both, strict=True)),
        "splits": {split: sum(numbers) for split, numbers in COUNTS.items()},
    }


def _differences(files: Files, pictures: Mapping[str, list[str]], labels: Labels) -> list[str]:
    """What is extra or left aside, and what is missing from images and labels alike."""
    full = [name for names in NAMES.values() for name in names]
    findings = {
        "left aside, the compound set with other labels": files.aside,
        "left aside, not a RAF-DB name": files.odd,
        "left aside, the same image again": [path for paths in pictures.values() for path in paths[1:]],
        "left aside, images without a label": [pictures[name][0] for name in pictures if name not in labels.claims],
        "listed more than once": labels.again,
        "names that RAF-DB doesn't have": sorted(labels.claims.keys() - set(full)),
        "missing, neither image nor label": [n for n in full if n not in labels.claims and n not in pictures],
    }
    return [f"{what}: {some_of(names)}" for what, names in findings.items() if names]


def _annotation_notes(opened: _Opened) -> list[str]:
    names = opened.labels.claims.keys()
    missing = len(names - opened.annotations.keys() - opened.broken.keys())
    broken = some_of((opened.broken[name] for name in sorted(opened.broken)), between="; ")
    return [
        *([f"{missing} of {len(names)} images have no {ANNOTATION} file: no gender, age, ethnicity"] * bool(missing)),
        *([f"annotations that can't be used: {broken}"] * bool(broken)),
    ]
