"""One image of a prepared set, and the manifest that lists them (§4.1; the form is in docs/one_image.md)."""

import csv
import io
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from ifgan.errors import InputError
from ifgan.files import write_text
from ifgan.labels import EXPRESSIONS

SPLITS = ("train", "validation", "test")
UNKNOWN = "unknown-"  # begins the ids that --subjects-unknown gives, one an image
HeldOut = Literal["validation", "test"]


@dataclass(frozen=True)
class Sample:
    """One row of ``manifest.csv``. Empty string where a value is unknown.

    ``image`` is relative to the prepared folder; the image it names is an aligned 256x256 face.
    ``expression`` is a canonical name; ``split`` is train, validation, test or empty (folds decide). ``votes``: how
    many raters chose each of EXPRESSIONS, eight numbers.
    """

    image: str
    dataset: str
    subject: str
    sequence: str
    frame: str
    expression: str
    intensity: str = ""
    split: str = ""
    age: str = ""
    gender: str = ""
    ethnicity: str = ""
    votes: str = ""


COLUMNS = tuple(field.name for field in fields(Sample))


def read_manifest(folder: Path) -> list[Sample]:
    """The samples of a prepared set, in the manifest's order.

    Raises InputError for a missing or empty manifest, a missing column or an unknown expression or split.
    """
    path = Path(folder) / "manifest.csv"
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: can't be read; is {folder} a prepared set? (ifgan prepare)") from error
    if not rows:
        raise InputError(f"{path}: lists no images")
    missing = [name for name in COLUMNS if name not in rows[0] and name != "votes"]  # few sets have them
    if missing:
        raise InputError(f"{path}: column {missing[0]!r} is missing; expected {','.join(COLUMNS)}")
    samples = [Sample(**{name: row.get(name) or "" for name in COLUMNS}) for row in rows]
    for line, sample in enumerate(samples, start=2):
        if sample.expression not in EXPRESSIONS:
            raise InputError(f"{path}, line {line}: expression {sample.expression!r} is not a canonical name")
        if sample.split not in ("", *SPLITS):
            raise InputError(f"{path}, line {line}: split {sample.split!r}; expected {', '.join(SPLITS)} or nothing")
        if sample.votes and not re.fullmatch(r"\d+( \d+){7}", sample.votes):
            raise InputError(f"{path}, line {line}: votes {sample.votes!r}; expected eight numbers, or nothing")
    return samples


def write_manifest(folder: Path, samples: list[Sample]) -> None:
    """Write ``manifest.csv`` of a prepared set, all or nothing."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(sample) for sample in samples)
    write_text(Path(folder) / "manifest.csv", text.getvalue())
