"""JAFFE: 213 images of ten Japanese women, six expressions and neutral (layout and counts: docs/data/jaffe.md).

A name tells all: ``KA.AN1.39.tiff`` is subject KA, anger, first repetition, image 39. Images may lie anywhere below
ROOT, converted ones too. The label is what the woman was asked to pose, not what the owner's 60 raters saw.
The paper doesn't use this set.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ifgan.data.readers.base import Reading, SourcePicture
from ifgan.errors import InputError, some_of
from ifgan.faces.picture import PICTURE_SUFFIXES
from ifgan.files import existing_folder, files_below
from ifgan.labels import BASIC, canonical

SUBJECTS = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")
SUFFIXES = (".tiff", ".tif", ".png", ".jpg", ".jpeg")  # of the same image in several formats the first is taken
FILE_NAME = re.compile(
    rf"(?P<subject>{'|'.join(SUBJECTS)})\.(?P<expression>AN|DI|FE|HA|NE|SA|SU)(?P<repetition>\d*)\.(?P<number>\d+)"
    rf"(?P<suffix>{'|'.join(map(re.escape, SUFFIXES))})",
    re.IGNORECASE,
)
PICTURES = {  # as commonly reported
    "anger": 30,
    "disgust": 29,
    "fear": 32,
    "happiness": 31,
    "sadness": 31,
    "surprise": 30,
    "neutral": 30,
}


def read_jaffe(root: Path, *, neutral: bool = False) -> Reading:
    """The images of the six expressions below ``root``; ``neutral`` adds the neutral ones.

    Raises InputError when no image of the set is found.
    """
    root = existing_folder(root)
    wanted = (*BASIC, "neutral") if neutral else BASIC
    everything, left_aside = _pictures(root)
    pictures = [picture for picture in everything if picture.expression in wanted]
    return Reading(
        dataset="jaffe",
        items=pictures,
        total=len(pictures),
        expected=_expected(wanted),
        notes=(*left_aside, *_missing(pictures, wanted)),
    )


def _pictures(root: Path) -> tuple[list[SourcePicture], list[str]]:
    """Every image once, in the order of names; what was left aside."""
    chosen: dict[str, SourcePicture] = {}
    twice, odd = [], []
    for path in sorted(files_below(root), key=_order):
        relative = path.relative_to(root).as_posix()
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            odd += [relative] if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") else []
            continue
        picture = _picture(path, relative, match)
        if chosen.setdefault(picture.name, picture) is not picture:
            twice.append(relative)
    if not chosen:
        raise InputError(f"{root}: no JAFFE image below it; expected files such as KA.AN1.39.tiff")
    notes = [f"left aside, the same image again: {some_of(twice)}"] if twice else []
    return list(chosen.values()), notes + ([f"left aside, not a JAFFE name: {some_of(odd)}"] if odd else [])


def _order(path: Path) -> tuple[str, int, Path]:
    suffix = path.suffix.lower()
    return path.stem.upper(), SUFFIXES.index(suffix) if suffix in SUFFIXES else len(SUFFIXES), path


def _picture(path: Path, relative: str, match: re.Match[str]) -> SourcePicture:
    subject, expression = match["subject"].upper(), match["expression"].upper()
    return SourcePicture(
        image=path,
        name=f"{subject}_{expression}{match['repetition']}_{match['number']}",
        source=relative,
        dataset="jaffe",
        subject=subject,
        sequence=expression,
        frame=match["repetition"],
        expression=canonical(expression),
        gender="female",
    )


def _expected(wanted: Sequence[str]) -> dict[str, Any]:
    per_expression = {name: PICTURES[name] for name in wanted}
    return {"pictures": sum(per_expression.values()), "subjects": len(SUBJECTS), "expressions": per_expression}


def _missing(pictures: list[SourcePicture], wanted: Sequence[str]) -> list[str]:
    """Who is missing, and whose images of an expression are missing altogether."""
    found = {(picture.subject, picture.expression) for picture in pictures}
    present = {subject for subject, _ in found}
    absent = [subject for subject in SUBJECTS if subject not in present]
    gaps = [f"{s} {name}" for s in SUBJECTS if s in present for name in wanted if (s, name) not in found]
    findings = (("missing subjects", absent), ("no image of", gaps))
    return [f"{what}: {some_of(names)}" for what, names in findings if names]
