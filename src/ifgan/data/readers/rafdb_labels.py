"""RAF-DB's files and what they say of each image: the owner's list, the Kaggle mirror's tables and folders.

The three are read alike and must agree: an image of two minds is left out. The set's ``compound`` part has the same
file names for other images with other codes, so it is never mixed in.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ifgan.data.readers.base import Rejected
from ifgan.errors import InputError
from ifgan.faces.picture import PICTURE_SUFFIXES
from ifgan.files import walk

ANNOTATION = "_manu_attri.txt"
FILE_NAME = re.compile(
    rf"(?P<name>train_\d{{5}}|test_\d{{4}})(?P<ending>_aligned\.jpg|\.jpg|{re.escape(ANNOTATION)})", re.IGNORECASE
)
LISTS = ("list_patition_label.txt", "list_partition_label.txt")  # the owner's file is misspelt, the readme isn't always
TABLES = ("train_labels.csv", "test_labels.csv")  # Kaggle
_DELIMITER = re.compile(r"[\t ,;]+")
CODES = {
    "1": "surprise",
    "2": "fear",
    "3": "disgust",
    "4": "happiness",
    "5": "sadness",
    "6": "anger",
    "7": "neutral",
}
COMPOUND_CODES = {"8", "9", "10", "11"}  # of 11
Claims = dict[tuple[str, str], str]  # (split, code) -> where it says so, the first time


@dataclass(frozen=True)
class Files:
    """What lies below the root, as paths relative to it: the set's files by ending and name, and the rest."""

    named: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)


@dataclass
class Labels:
    """Per image what its sources say; rows that aren't understood or occur again."""

    claims: dict[str, Claims] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    again: list[str] = field(default_factory=list)


def find_files(root: Path) -> Files:
    """One walk that opens nothing: a full copy has some 77,000 files."""
    files = Files()
    for folder, folders, names in walk(root):
        place = Path(folder).relative_to(root).as_posix()
        prefix = "" if place == "." else f"{place}/"
        files.aside.extend(prefix + name for name in folders if name.lower() == "compound")
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")) and name.lower() != "compound")
        for name in sorted(names):
            match = FILE_NAME.fullmatch(name)
            if match is not None:
                by_name = files.named.setdefault(match["ending"].lower(), {})
                by_name.setdefault(match["name"].lower(), []).append(prefix + name)
            elif name.lower() in (*LISTS, *TABLES):
                files.labels.append(prefix + name)
            elif name.lower().endswith(PICTURE_SUFFIXES) and not name.startswith("."):
                files.odd.append(prefix + name)
    return files


def split_of(name: str) -> str:
    """``"train_00001"`` -> ``"train"``."""
    return name.partition("_")[0]


def read_labels(root: Path, files: Files, pictures: Mapping[str, list[str]]) -> Labels:
    """What lists, tables and folders say of every image, whether it is there or not.

    Raises InputError for a list or table that can't be read as one, for the compound set's, and without any label.
    """
    labels = Labels()
    for relative in files.labels:
        _read_file(root, relative, labels)
    for name, paths in pictures.items():
        for path in paths:
            *_, split, code, _ = ("", "", *PurePosixPath(path).parts)
            if split.lower() in ("train", "test") and code.isdigit():
                labels.claims.setdefault(name, {}).setdefault((split.lower(), code), path)
    if not labels.claims:
        raise InputError(f"{root}: no label list; expected {_expected_list(root, pictures)}")
    return labels


def expression_of(name: str, claims: Claims) -> str:
    """Raises ValueError that names the two sources that disagree, or the code that is none."""
    for (split, _), where in claims.items():
        if split != split_of(name):
            raise ValueError(f"{where} puts it in {split}, its name in {split_of(name)}")
    (_, code), *others = claims
    where = claims[split_of(name), code]
    if others:
        raise ValueError(f"{where} says {code}, {claims[others[0]]} says {others[0][1]}")
    if code not in CODES:
        raise ValueError(f"{where}: expected a label from 1 to {len(CODES)}, found {code!r}")
    return CODES[code]


def _read_file(root: Path, relative: str, labels: Labels) -> None:
    file = PurePosixPath(relative).name.lower()
    split_of_table = split_of(file) if file in TABLES else ""
    understood: dict[str, int] = {}
    codes: set[str] = set()
    for line, cells in _rows(root / relative):
        match = FILE_NAME.fullmatch(cells[0]) if len(cells) == 2 else None
        where = f"{relative} line {line}"
        if match is None or match["ending"].lower() == ANNOTATION:
            found = " ".join(cells)[:60]
            labels.rejected.append(Rejected(where, f"expected a row such as 'train_00001.jpg 5', found {found!r}"))
            continue
        name, code = match["name"].lower(), cells[1]
        codes.add(code)
        labels.again.extend([f"{name} (line {line}, first {understood[name]})"] if name in understood else [])
        understood.setdefault(name, line)
        labels.claims.setdefault(name, {}).setdefault((split_of_table or split_of(name), code), where)
    if not understood:
        raise InputError(f"{root / relative}: no row such as 'train_00001.jpg 5' in it")
    if codes >= COMPOUND_CODES:
        raise InputError(f"{root / relative}: has labels up to 11, as the compound set; expected the basic set's list")


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Line number and cells of every row, of a table the columns image and label. BOM and CRLF are fine."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read as UTF-8 text ({error})") from error
    rows = [(number, _DELIMITER.split(line.strip())) for number, line in enumerate(lines, start=1) if line.strip()]
    if path.suffix.lower() != ".csv":
        return rows
    header = [cell.lower() for cell in rows[0][1]] if rows else []
    for column in ("image", "label"):
        if column not in header:
            raise InputError(f"{path}: column {column!r} is missing; expected image,label")
    image, label = header.index("image"), header.index("label")
    return [(n, [cells[image], cells[label]] if len(cells) == len(header) else cells) for n, cells in rows[1:]]


def _expected_list(root: Path, pictures: Mapping[str, list[str]]) -> Path:
    """Where the owner puts the list: beside the folder Image."""
    parents = PurePosixPath(next(iter(pictures.values()))[0]).parents
    base = next((folder.parent for folder in parents if folder.name == "Image"), PurePosixPath())
    return root / base / "EmoLabel" / LISTS[0]
