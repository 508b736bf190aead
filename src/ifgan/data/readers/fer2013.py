"""FER2013: 35,887 web images of 48x48 grey pixels, seven expressions, no people (layout: docs/data/fer2013.md).

Three forms are known: ``fer2013.csv`` (emotion,pixels,Usage), ``icml_face_data.csv`` (the same with another order and
spaces in the header), and an ``.npz`` with ``images, labels, usage, classes``. Rows are streamed. The faces are tight
crops already: they are resized to 256, or with ``align`` sought and put in the place that a photograph's face gets.
Images are named by their row, which is how FER+'s votes are joined: its own names are no row numbers. A fourth form is
FER+'s own: ``FER2013Train``, ``FER2013Valid`` and ``FER2013Test``, each with its images and ``label.csv``.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from ifgan.data.readers.base import Reading, Rejected, SourcePicture, canonical_split
from ifgan.data.readers.ferplus import COLUMNS as VOTE_COLUMNS
from ifgan.data.readers.ferplus import LabelRule, Votes, parse_votes, read_votes, voted
from ifgan.errors import InputError, PictureError
from ifgan.faces.align import USUAL_XY
from ifgan.faces.picture import as_picture
from ifgan.labels import canonical

SIDE_PX = 48
_SOUGHT_SIDE_PX = 192  # of 1,000 images MTCNN finds a face in 939, and in 933 of them as they are
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # the codes 0 to 6
FILES = ("fer2013.csv", "icml_face_data.csv")
EXPECTED = {"pictures": 35887, "splits": {"train": 28709, "validation": 3589, "test": 3589}}
_CODES = tuple(map(str, range(len(CLASSES))))
COLUMNS = ("emotion", "pixels", "usage")
_FOLDERS = {"FER2013Train": "Training", "FER2013Valid": "PublicTest", "FER2013Test": "PrivateTest"}
Items = Iterator[SourcePicture | Rejected]


@dataclass(frozen=True)
class _Source:
    """Images with FER2013's labels, in the order of their rows; ``labels``, ``usage``: of each row, before any is
    read, labels empty where unknown; ``votes``: the source's own.
    """

    items: Items
    labels: list[str]
    usage: list[str]
    votes: Votes | None = None


def read_fer2013(
    root: Path,
    *,
    align: bool = False,
    votes: Path | None = None,
    labels: LabelRule | None = None,
    part: str | None = None,
) -> Reading:
    """``root``: the file itself, or the folder that holds it. ``align``: images are enlarged, so that faces can be
    found, and carry the place where a face usually lies, for those in which none is.

    ``votes``: FER+'s table, joined by row. ``labels``: "original", FER2013's; "majority", FER+'s rule; "probabilistic",
    the expression with most votes, for training on their distribution; unset: majority where ``votes`` are given, or
    nothing else is known. Images that are nothing by that rule, such as what is not a face, are left out and counted.

    Training, PublicTest and PrivateTest become train, validation and test; ``part``: only one of these. A malformed row
    is a rejected image; raises InputError for a missing file, column or array, and for votes that can't be of these
    rows.
    """
    root = Path(root)
    folders = (root / "FER2013Train").is_dir()
    path = root if folders else _file(root)
    source = _from_folders(root) if folders else _from_npz(path) if path.suffix == ".npz" else _from_csv(path)
    found = source.votes if votes is None else read_votes(Path(votes))
    rule = labels or ("majority" if votes is not None or folders else "original")
    if found is None and rule != "original":
        raise InputError(f"labels {rule}: needs FER+'s votes; --votes fer2013new.csv")
    if folders and rule == "original":
        raise InputError(f"{root}: FER+'s folders don't hold FER2013's labels; expected majority or probabilistic")
    items, expected = source.items, EXPECTED
    notes: tuple[str, ...] = ()
    if found is not None:
        found.check(source.labels, source.usage)
        pairs = [voted(row, label, rule) for row, label in zip(found.counts, source.labels, strict=True)]
        items = _relabelled(source.items, pairs)
        gone = sum(not expression for expression, _ in pairs)
        left_out = (f"{gone} images left out: no label by the rule {rule}",) if gone else ()
        notes, expected = (*found.notes, *left_out), EXPECTED if rule == "original" else {}
    total = len(source.labels)
    if part is not None:
        total = sum(_split(usage) == part for usage in source.usage)
        items, expected = (item for item in items if isinstance(item, Rejected) or item.split == part), {}
    if align:
        items = (item if isinstance(item, Rejected) else _enlarged(item) for item in items)
    return Reading("fer2013", items, total, expected, notes, aligned=not align)


def _relabelled(items: Items, pairs: list[tuple[str, str]]) -> Items:
    """``items`` are one a row."""
    for item, (expression, votes) in zip(items, pairs, strict=True):
        if isinstance(item, Rejected):
            yield item
        elif expression:
            yield replace(item, expression=expression, votes=votes)


def _from_folders(root: Path) -> _Source:
    rows = [(folder, usage, row) for folder, usage in _FOLDERS.items() for row in _label_rows(root / folder)]
    usage = [part for _, part, _ in rows]
    counts = np.array([row[1] for _, _, row in rows], dtype=int).reshape(-1, len(VOTE_COLUMNS))
    files = [(root / folder / row[0], part) for folder, part, row in rows]
    items = (_from_file(path, path.relative_to(root).as_posix(), part) for path, part in files)
    return _Source(items, [""] * len(rows), usage, Votes(counts, (), "label.csv"))


def _label_rows(folder: Path) -> list[tuple[str, list[int]]]:
    """(image name, votes) of ``label.csv``, which has no header: name, rectangle, ten votes."""
    path = folder / "label.csv"
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: can't be read as a UTF-8 table ({error})") from error
    return [(row[0], parse_votes(row[2:], f"{path}, line {line}")) for line, row in enumerate(rows, start=1)]


def _from_file(path: Path, where: str, usage: str) -> SourcePicture | Rejected:
    try:
        grey = as_picture(path)[..., 0]
    except PictureError as error:
        return Rejected(where, str(error).removeprefix(f"{path}: "))
    item = _picture(0, where, grey, "neutral", usage)  # its label comes from the votes
    return item if isinstance(item, Rejected) else replace(item, name=path.stem)


def _enlarged(item: SourcePicture) -> SourcePicture:
    size = (_SOUGHT_SIDE_PX, _SOUGHT_SIDE_PX)
    picture = Image.fromarray(as_picture(item.image)).resize(size, Image.Resampling.BICUBIC)
    return replace(item, image=np.asarray(picture), usual_landmarks_xy_px=USUAL_XY * _SOUGHT_SIDE_PX)


def _file(root: Path) -> Path:
    if root.is_file():
        return root
    archives = sorted(path for path in root.glob("*.npz") if not path.name.startswith("."))
    found = [root / name for name in FILES if (root / name).is_file()] or archives
    if not found or (found[0].suffix == ".npz" and len(found) > 1):
        raise InputError(f"{root}: expected one of {', '.join(FILES)} or a single .npz file, found {len(found)}")
    return found[0]


def _from_csv(path: Path) -> _Source:
    labels, usage = [], []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            table = csv.reader(file)
            columns = [name.strip().lower() for name in next(table, [])]
            places = [_place(name, columns, path) for name in COLUMNS]
            for row in filter(None, table):
                code, part = (row[place].strip() if place < len(row) else "" for place in (places[0], places[2]))
                labels.append(canonical(CLASSES[int(code)]) if code in _CODES else "")
                usage.append(part)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: can't be read as a UTF-8 table ({error})") from error
    return _Source(_csv_rows(path, *places), labels, usage)


def _place(name: str, columns: list[str], path: Path) -> int:
    if name not in columns:
        raise InputError(f"{path}: column {name!r} is missing; expected emotion,pixels,Usage")
    return columns.index(name)


def _csv_rows(path: Path, emotion: int, pixels: int, usage: int) -> Items:
    with open(path, encoding="utf-8-sig", newline="") as file:
        table = csv.reader(file)
        next(table)
        try:
            for index, row in enumerate(filter(None, table)):  # Windows may have doubled the ends of lines
                where = f"{path.name} line {table.line_num}"
                if len(row) <= max(emotion, pixels, usage):
                    yield Rejected(where, f"has {len(row)} cells; expected emotion, pixels and Usage")
                else:
                    yield _from_row(index, where, row[emotion], row[pixels], row[usage])
        except (csv.Error, UnicodeDecodeError) as error:
            raise InputError(f"{path}, line {table.line_num}: can't be read as a table ({error})") from error


def _from_row(index: int, where: str, emotion: str, pixels: str, usage: str) -> SourcePicture | Rejected:
    try:
        grey = np.frombuffer(bytes(map(int, pixels.split())), np.uint8)
    except ValueError:
        return Rejected(where, "pixels: expected whole numbers from 0 to 255")
    if grey.size != SIDE_PX * SIDE_PX:
        return Rejected(where, f"pixels: expected {SIDE_PX * SIDE_PX} numbers, found {grey.size}")
    if emotion.strip() not in _CODES:
        return Rejected(where, f"emotion: expected a code from 0 to {len(CLASSES) - 1}, found {emotion.strip()!r}")
    return _picture(index, where, grey.reshape(SIDE_PX, SIDE_PX), CLASSES[int(emotion)], usage)


def _from_npz(path: Path) -> _Source:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images, labels, usage, classes = (arrays[name] for name in ("images", "labels", "usage", "classes"))
            counts = arrays["votes"] if "votes" in arrays.files else None
            columns = tuple(map(str, arrays["vote_columns"])) if "vote_columns" in arrays.files else VOTE_COLUMNS
    except KeyError as error:
        raise InputError(f"{path}: array {error.args[0]!r}; expected images, labels, usage, classes") from error
    except Exception as error:  # a broken archive raises a dozen types
        raise InputError(f"{path}: can't be read as an .npz file without pickled objects ({error})") from error
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE_PX, SIDE_PX):
        raise InputError(f"{path}: images are {images.dtype} of shape {images.shape}; expected uint8 (N, 48, 48)")
    if not len(images) == len(labels) == len(usage):
        raise InputError(f"{path}: {len(images)} images, {len(labels)} labels, {len(usage)} usage; expected as many")
    try:
        expressions = [canonical(str(word)) for word in classes]
    except ValueError as error:
        raise InputError(f"{path}: classes: {error}") from error
    known = [expressions[label] if label in range(len(expressions)) else "" for label in labels.tolist()]
    votes = None if counts is None else Votes(_counts(path, counts, columns, len(images)), (), path.name)
    return _Source(_npz_rows(path, images, labels, usage, expressions), known, [str(part) for part in usage], votes)


def _counts(path: Path, counts: np.ndarray, columns: tuple[str, ...], rows: int) -> np.ndarray:
    """(N, 10) in the order of FER+'s table."""
    if sorted(columns) != sorted(VOTE_COLUMNS) or counts.shape != (rows, len(VOTE_COLUMNS)):
        raise InputError(
            f"{path}: votes of shape {counts.shape}; expected ({rows}, {len(VOTE_COLUMNS)}) in named columns"
        )
    return counts[:, [columns.index(name) for name in VOTE_COLUMNS]].astype(int)


def _npz_rows(path: Path, images: np.ndarray, labels: np.ndarray, usage: np.ndarray, expressions: list[str]) -> Items:
    for index, (grey, label, part) in enumerate(zip(images, labels.tolist(), usage.tolist(), strict=True)):
        where = f"{path.name} row {index}"
        if label in range(len(expressions)):
            yield _picture(index, where, grey, expressions[label], str(part))
        else:
            yield Rejected(where, f"label {label}: expected an index into {len(expressions)} classes")


def _picture(index: int, where: str, grey: np.ndarray, expression: str, usage: str) -> SourcePicture | Rejected:
    """``grey``: (48, 48) uint8."""
    split = _split(usage)
    if not split:
        return Rejected(where, f"Usage {usage.strip()!r}: expected Training, PublicTest or PrivateTest")
    image = np.repeat(grey[..., None], 3, axis=2)  # (48, 48, 3)
    return SourcePicture(image, f"row{index:07d}", where, "fer2013", canonical(expression), split=split)


def _split(usage: str) -> str:
    try:
        return canonical_split(usage)
    except ValueError:
        return ""
