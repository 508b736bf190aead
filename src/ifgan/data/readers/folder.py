"""Anybody's images (layout: docs/data/folder.md): ``ROOT/<expression>/<file>``, ``ROOT/<part>/<expression>/<file>``, as
FER2013 and RAF-DB are mostly handed round, or ``ROOT/labels.csv``.

``labels.csv`` has the columns ``image,subject,expression[,split]``, paths relative to ROOT; the manifest's other
columns are taken over where they exist. Expressions may be any usual synonym. A word that is no expression stops the
reading, because the label table itself is in doubt; an image that is missing is one rejected image.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ifgan.data.readers.base import Reading, Rejected, SourcePicture, canonical_split, split_named
from ifgan.errors import InputError, some_of
from ifgan.faces.picture import PICTURE_SUFFIXES
from ifgan.files import existing_folder, safe_name
from ifgan.labels import canonical

FOLDER = "folder"  # the data set's name where the table doesn't give another
REQUIRED = ("image", "subject", "expression")
TAKEN_OVER = ("subject", "sequence", "frame", "intensity", "age", "gender", "ethnicity")
Row = dict[str, str]


def read_folder(root: Path) -> Reading:
    """The images of ``root``: as ``labels.csv`` lists them, else by their folders' names.

    Raises InputError for a missing column, an unknown expression or split (naming row and word), parts of a split
    beside expressions, an empty folder.
    """
    root = existing_folder(root)
    return _by_table(root) if (root / "labels.csv").exists() else _by_folder(root)


def _by_folder(root: Path) -> Reading:
    pictures: list[SourcePicture] = []
    aside: list[str] = []
    parts = _parts(root)
    for folder, split in [(folder, split) for part, split in parts for folder in _folders(part)]:
        try:
            expression = canonical(folder.name)
        except ValueError as error:
            raise InputError(f"{folder}: {error}") from error
        for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
            relative = path.relative_to(root).as_posix()
            if path.suffix.lower() in PICTURE_SUFFIXES:
                pictures.append(SourcePicture(path, safe_name(relative), relative, FOLDER, expression, split=split))
            elif not path.is_dir():
                aside.append(relative)
    if not pictures:
        raise InputError(
            f"{root}: no images; expected {root.name}/<expression>/<file>, {root.name}/train/<expression>/<file> or "
            f"{root.name}/labels.csv"
        )
    depth = 3 if parts[0][1] else 2
    notes = {"no image's suffix": aside, "not in an expression's folder itself": _elsewhere(root, depth)}
    told = tuple(f"left aside, {why} ({len(names)}): {some_of(names)}" for why, names in notes.items() if names)
    return Reading(FOLDER, pictures, len(pictures), notes=told)


def _parts(root: Path) -> list[tuple[Path, str]]:
    """The folders that hold the expressions' folders, and the part of the official split that each is: ``root`` itself
    and none, where its folders aren't named as parts.
    """
    folders = _folders(root)
    parts = [(folder, split) for folder in folders if (split := split_named(folder.name))]
    if parts and len(parts) < len(folders):
        other = next(folder.name for folder in folders if not split_named(folder.name))
        raise InputError(f"{root}: {parts[0][0].name} is a part of a split, {other} beside it isn't; expected one kind")
    return parts or [(root, "")]


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))


def _elsewhere(root: Path, depth: int) -> list[str]:
    """Images that lie beside the expressions' folders, or deeper; those in them are ``depth`` names long."""
    found = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.suffix.lower() in PICTURE_SUFFIXES)
    return [
        relative.as_posix()
        for relative in found
        if len(relative.parts) != depth and not relative.name.startswith(".") and (root / relative).is_file()
    ]


def _by_table(root: Path) -> Reading:
    path = root / "labels.csv"
    rows = _rows(path)
    if not rows:
        raise InputError(f"{path}: lists no images")
    labels = [_labels(path, line, row) for line, row in rows]  # all labels are checked before any image is opened
    return Reading(FOLDER, _listed(root, rows, labels), len(rows))


def _rows(path: Path) -> list[tuple[int, Row]]:
    """The line number and the stripped cells of every row. A byte-order mark, CRLF and ``;`` for ``,`` are fine."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        header = text.partition("\n")[0]
        delimiter = ";" if ";" in header and "," not in header else ","
        table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        columns = [name.strip().lower() for name in next(table, [])]
        rows = [(table.line_num, [cell.strip() for cell in row]) for row in table if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: can't be read as a UTF-8 table ({error})") from error
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise InputError(f"{path}: column {missing[0]!r} is missing; expected image,subject,expression[,split]")
    wide = [line for line, row in rows if len(row) > len(columns)]
    if wide:
        raise InputError(f"{path}, line {wide[0]}: has more cells than the header names columns")
    return [(line, dict(zip(columns, row + [""] * len(columns), strict=False))) for line, row in rows]


def _labels(path: Path, line: int, row: Row) -> tuple[str, str]:
    """Canonical expression and split of a row."""
    try:
        return canonical(row["expression"]), canonical_split(row.get("split", ""))
    except ValueError as error:
        raise InputError(f"{path}, line {line}: {error}") from error


def _listed(
    root: Path, rows: list[tuple[int, Row]], labels: list[tuple[str, str]]
) -> Iterator[SourcePicture | Rejected]:
    first: dict[str, int] = {}
    for (line, row), (expression, split) in zip(rows, labels, strict=True):
        image = row["image"].replace("\\", "/")  # a table written on Windows
        relative = PurePosixPath(image)
        key = relative.as_posix()
        if not image:
            yield Rejected(f"labels.csv line {line}", "names no image")
        elif relative.is_absolute() or ".." in relative.parts or ":" in image.partition("/")[0]:
            yield Rejected(image, f"labels.csv line {line}: expected a path inside {root.name}")
        elif key in first:
            yield Rejected(image, f"labels.csv line {line}: listed before, on line {first[key]}")
        elif not (root / relative).is_file():
            yield Rejected(image, f"labels.csv line {line}: no such file")
        else:
            first[key] = line
            known: dict[str, Any] = {name: row.get(name, "") for name in TAKEN_OVER}
            dataset = row.get("dataset") or FOLDER
            yield SourcePicture(root / relative, safe_name(key), key, dataset, expression, split=split, **known)
