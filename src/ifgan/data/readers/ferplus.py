"""FER+: ten voters' labels for FER2013's images (Barsoum et al., ICMI 2016, https://arxiv.org/abs/1608.01041; the table
is ``fer2013new.csv`` of microsoft/FERPlus, MIT).

The table's rows are those of ``fer2013.csv``, in its order: votes are joined **by row**. Its image names are no row
numbers; only FER+'s own folders (``FER2013Train/fer0000000.png`` with ``label.csv``) go by name.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ifgan.errors import InputError
from ifgan.labels import EXPRESSIONS

LabelRule = Literal["original", "majority", "probabilistic"]
COLUMNS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
_ORDER = [COLUMNS.index(name) for name in EXPRESSIONS]
_VOTERS = 10
_CHANCE = 0.4  # joined by a wrong key, label and majority agree on 0.18 of the images; by row, on 0.63
_ENOUGH = 200


@dataclass(frozen=True)
class Votes:
    """``counts``: (N, 10) in the order of COLUMNS; ``usage``: of each row, or empty."""

    counts: np.ndarray
    usage: tuple[str, ...]
    source: str

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd and does no harm: the owner's own table has one row of nine votes."""
        odd = int((self.counts.sum(axis=1) != _VOTERS).sum())
        return (f"{self.source}: {odd} rows do not hold {_VOTERS} votes",) if odd else ()

    def check(self, labels: list[str], usage: list[str]) -> None:
        """Raise InputError where the rows can't be those of FER2013's images with these ``labels`` (empty strings where
        unknown) and ``usage``: another number, another part, or labels that agree with the voters no better than by
        chance.
        """
        if len(self.counts) != len(labels):
            raise InputError(f"{self.source}: {len(self.counts)} rows of votes for {len(labels)} images")
        for row, (theirs, ours) in enumerate(zip(self.usage or usage, usage, strict=True)):
            if theirs and theirs.strip().lower() != ours.strip().lower():
                where = f"{self.source}, row {row + 1}"
                raise InputError(
                    f"{where}: Usage {theirs.strip()!r}, the image's is {ours.strip()!r}; not the same rows"
                )
        most = [most_voted(row, label) for row, label in zip(self.counts, labels, strict=True)]
        both = [one == other for one, other in zip(most, labels, strict=True) if one and other and one != "contempt"]
        if len(both) >= _ENOUGH and np.mean(both) < _CHANCE:
            raise InputError(
                f"{self.source}: votes and labels agree on {np.mean(both):.2f} of the images; expected more than half: "
                "the rows are not in the images' order"
            )


def read_votes(path: Path) -> Votes:
    """``fer2013new.csv``. Raises InputError for another table, a cell that is no number, a row without a vote."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: can't be read as a UTF-8 table ({error})") from error
    header = [name.strip() for name in rows[0]] if rows else []
    if missing := [name for name in ("Usage", *COLUMNS) if name not in header]:
        raise InputError(f"{path}: column {missing[0]!r} is missing; expected fer2013new.csv of FER+")
    places = [header.index(name) for name in COLUMNS]
    counts = []
    for line, row in enumerate(rows[1:], start=2):
        cells = [row[place] if place < len(row) else "" for place in places]
        counts.append(parse_votes(cells, f"{path}, line {line}"))
    usage = tuple(row[header.index("Usage")] for row in rows[1:])
    return Votes(np.array(counts, dtype=int).reshape(-1, len(COLUMNS)), usage, Path(path).name)


def parse_votes(cells: list[str], where: str) -> list[int]:
    """Ten counts. Raises InputError that says ``where``."""
    try:
        counts = [int(float(cell)) for cell in cells]
    except ValueError as error:
        raise InputError(f"{where}: expected ten numbers of votes, found {','.join(cells)}") from error
    if len(counts) != len(COLUMNS) or min(counts) < 0 or not 0 < sum(counts) <= _VOTERS:
        raise InputError(f"{where}: expected ten numbers of votes, ten together; found {','.join(cells)}")
    return counts


def most_voted(counts: np.ndarray, original: str) -> str:
    """The expression with most votes, of equals FER2013's own label, else the first in the canonical order; empty where
    no expression has more votes than "unknown" and "not a face" each.
    """
    known = counts[_ORDER]
    best = known.max()
    if best == 0 or best < counts[-2:].max():
        return ""
    tied = [name for name, count in zip(EXPRESSIONS, known, strict=True) if count == best]
    return original if original in tied else tied[0]


def majority(counts: np.ndarray) -> str:
    """FER+'s majority rule: single votes count nothing, more than half of the others is needed, unknown and not a face
    are none; empty where there is none.
    """
    kept = np.where(counts > 1, counts, 0)
    best = int(kept.argmax())
    if 2 * kept[best] <= kept.sum() or best >= len(COLUMNS) - 2:
        return ""
    return COLUMNS[best]


def voted(counts: np.ndarray, original: str, rule: LabelRule) -> tuple[str, str]:
    """(expression or an empty string, votes of the eight expressions in the canonical order as text)."""
    chosen = {"original": original, "majority": majority(counts), "probabilistic": most_voted(counts, original)}
    return chosen[rule], " ".join(str(count) for count in counts[_ORDER])
