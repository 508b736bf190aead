"""CK+: videos of posed expressions from neutral to peak, 327 of them labelled (§4.1; layout: docs/data/ckplus.md).

The paper takes the last three frames of the 309 videos that show one of the six expressions: 927 images. Only names
count, ``S005_001_00000011.png`` and ``S005_001_00000011_emotion.txt``, wherever they lie below ROOT. The label's file
bears the number of the last frame, the peak: the three frames that end there are taken, and a missing one is never
replaced by an earlier one, which would be weaker than what the paper used.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ifgan.data.readers.base import Reading, Rejected, SourcePicture
from ifgan.errors import InputError, some_of
from ifgan.files import existing_folder, files_below
from ifgan.labels import BASIC

FILE_NAME = re.compile(
    r"(?P<subject>S\d{3})_(?P<sequence>\d{3})_(?P<frame>\d{8})(?P<ending>\.png|_emotion\.txt)", re.IGNORECASE
)
LAST = 3  # frames of a sequence (§4.1)
SHORTEST = LAST + 1  # frames: the first one is neutral, so it can't be one of the last
SEQUENCES = {  # in the order of the owner's codes 1 to 7
    "anger": 45,
    "contempt": 18,
    "disgust": 59,
    "fear": 25,
    "happiness": 69,
    "sadness": 28,
    "surprise": 83,
}
CODES: dict[float, str] = dict(enumerate(SEQUENCES, start=1))
UNLABELLED = 266  # of 593 sequences
# The people with a labelled sequence: 106 show some of the six expressions, 12 contempt and nothing else.
_NUMBERS = (5, 10, 11, 14, 22, 26, 28, 29, 32, 34, 35, 37, 42, 44, 45, 46, *range(50, 103), *range(105, 118))
SUBJECTS = tuple(f"S{i:03d}" for i in (*_NUMBERS, 119, 122, *range(124, 139), *range(501, 507), 999))
CONTEMPT_SUBJECTS = tuple(f"S{i:03d}" for i in (139, 147, 148, 149, 151, *range(154, 159), 160, 895))
Key = tuple[str, str]  # (subject, sequence), e.g. ("S005", "001")


@dataclass(frozen=True)
class _Label:
    """What an emotion file says: the expression and, by its name, the number of the last frame."""

    expression: str
    last: int

    def wanted(self, neutral: bool) -> dict[int, str]:
        """Frame number -> expression. Frames count from 1; a short sequence has no neutral one."""
        first = {1: "neutral"} if neutral and self.last >= SHORTEST else {}
        return first | dict.fromkeys(range(max(1, self.last - LAST + 1), self.last + 1), self.expression)


@dataclass(frozen=True)
class _Files:
    """The files of every sequence, and the names that were left aside."""

    frames: dict[Key, dict[int, Path]] = field(default_factory=dict)
    emotions: dict[Key, list[Path]] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)


def read_ckplus(root: Path, *, contempt: bool = False, neutral: bool = False) -> Reading:
    """The last three frames of the labelled sequences below ``root``.

    ``contempt`` adds the sequences of contempt, ``neutral`` the first frame of every sequence that is used. A label
    in doubt is rejected with its sequence. Raises InputError when no frame or no emotion file is found.
    """
    root = existing_folder(root)
    files = _find(root)
    labels, rejected = _labels(root, files.emotions)
    expressions = (*BASIC, "contempt") if contempt else BASIC
    used = {key: label for key, label in labels.items() if label.expression in expressions}
    pictures = [
        _picture(root, key, files.frames[key][frame], frame, expression)
        for key, label in used.items()
        for frame, expression in label.wanted(neutral).items()
        if frame in files.frames.get(key, {})
    ]
    subjects = SUBJECTS + (CONTEMPT_SUBJECTS if contempt else ())
    return Reading(
        dataset="ckplus",
        items=[*rejected, *pictures],
        total=len(rejected) + len(pictures),
        expected=_expected(expressions, neutral, len(subjects)),
        notes=(*_left_aside(files), *_people(pictures, subjects), *_gaps(files.frames, used, neutral)),
    )


def _find(root: Path) -> _Files:
    """Frames and emotion files by sequence, in the order of their names."""
    files = _Files()
    for path in sorted(files_below(root), key=lambda path: (path.name.upper(), path)):
        relative = path.relative_to(root).as_posix()
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            looks_alike = path.name.lower().endswith((".png", "_emotion.txt")) and not path.name.startswith(".")
            files.odd.extend([relative] if looks_alike else [])
            continue
        key = (match["subject"].upper(), match["sequence"])
        if match["ending"].lower() != ".png":
            files.emotions.setdefault(key, []).append(path)
        elif files.frames.setdefault(key, {}).setdefault(int(match["frame"]), path) != path:
            files.twice.append(relative)
    for found, example in ((files.frames, "S005_001_00000011.png"), (files.emotions, "S005_001_00000011_emotion.txt")):
        if not found:
            raise InputError(f"{root}: no CK+ file such as {example} below it; frames and emotion files are needed")
    return files


def _labels(root: Path, emotions: dict[Key, list[Path]]) -> tuple[dict[Key, _Label], list[Rejected]]:
    """The label of every sequence whose emotion files can be understood and, if it has several, agree."""
    labels: dict[Key, _Label] = {}
    rejected: list[Rejected] = []
    for key, paths in emotions.items():
        said: dict[_Label, str] = {}
        for path in paths:
            relative = path.relative_to(root).as_posix()
            try:
                said.setdefault(_label(path), relative)
            except ValueError as error:
                rejected.append(Rejected(relative, str(error)))
        if len(said) == 1:
            labels[key] = next(iter(said))
        rejected += [
            Rejected(file, f"disagrees with {next(iter(said.values()))}; the sequence is left out")
            for file in list(said.values())[1:]
        ]
    return labels, rejected


def _label(path: Path) -> _Label:
    """The owner writes one number, ``"   3.0000000e+00\\n"``. Raises ValueError that says what was found."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"can't be read as UTF-8 text ({error.__class__.__name__})") from error
    try:
        expression = CODES[float(text)]  # 3.0 finds 3; 3.5 and nan find nothing
    except (ValueError, KeyError) as error:
        raise ValueError(f"expected one number from 1 to {max(CODES)}, found {text.strip()[:30]!r}") from error
    return _Label(expression, int(path.name.split("_")[2]))


def _picture(root: Path, key: Key, path: Path, frame: int, expression: str) -> SourcePicture:
    subject, sequence = key
    return SourcePicture(
        image=path,
        name=f"{subject}_{sequence}_{frame:08d}",
        source=path.relative_to(root).as_posix(),
        dataset="ckplus",
        subject=subject,
        sequence=sequence,
        frame=f"{frame:08d}",
        expression=expression,
    )


def _expected(expressions: Sequence[str], neutral: bool, subjects: int) -> dict[str, Any]:
    per_expression = {name: LAST * SEQUENCES[name] for name in expressions}
    per_expression |= {"neutral": sum(SEQUENCES[name] for name in expressions)} if neutral else {}
    return {"pictures": sum(per_expression.values()), "subjects": subjects, "expressions": per_expression}


def _left_aside(files: _Files) -> list[str]:
    unlabelled = len(files.frames.keys() - files.emotions.keys())
    notes = _listed("left aside, the same frame again", files.twice) + _listed("left aside, not a CK+ name", files.odd)
    if unlabelled != UNLABELLED:
        notes.append(f"sequences without an emotion file: {unlabelled}; a full copy has {UNLABELLED}")
    return notes


def _people(pictures: Iterable[SourcePicture], subjects: Sequence[str]) -> list[str]:
    found = {picture.subject for picture in pictures}
    absent = [subject for subject in subjects if subject not in found]
    extra = sorted(found - set(subjects))
    return _listed("missing subjects", absent) + _listed("subjects that CK+ has no such label of", extra)


def _gaps(frames: dict[Key, dict[int, Path]], used: dict[Key, _Label], neutral: bool) -> list[str]:
    """Sequences that are used but not whole."""
    absent, missing, short, later = [], [], [], []
    for key, label in used.items():
        name, there = "_".join(key), frames.get(key, {})
        absent += [] if there else [name]
        missing += [f"{name}_{n:08d}" for n in label.wanted(neutral) if there and n not in there]
        short += [name] if label.last < SHORTEST else []
        later += [f"{name}_{n:08d}" for n in sorted(there) if n > label.last]
    return (
        _listed("labelled sequences without frames", absent)
        + _listed("missing frames", missing)
        + _listed(f"sequences of fewer than {SHORTEST} frames, none of them neutral", short)
        + _listed("left aside, frames after the labelled one", later)
    )


def _listed(what: str, names: list[str]) -> list[str]:
    return [f"{what}: {some_of(names)}"] if names else []
