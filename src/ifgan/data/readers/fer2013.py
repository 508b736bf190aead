"""FER2013: 35,887 web pictures of 48x48 grey pixels, seven expressions, no people (layout: docs/data/fer2013.md).

Three forms are known: ``fer2013.csv`` (emotion,pixels,Usage), ``icml_face_data.csv`` (the same with another order and
spaces in the header), and an ``.npz`` with ``images, labels, usage, classes``. Rows are streamed. The faces are tight
crops already: they are resized to 256, or with ``align`` sought and put in the place that a photograph's face gets.
Images are named by their row, which is how FER+'s votes are joined: its own names are no row numbers.
"""

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from ifgan.data.readers.base import Reading, Rejected, SourcePicture, canonical_split
from ifgan.errors import InputError
from ifgan.faces.picture import as_picture
from ifgan.labels import canonical

SIDE_PX = 48
_SOUGHT_SIDE_PX = 192  # of 1,000 pictures MTCNN finds a face in 939, and in 933 of them as they are
# Where MTCNN finds eyes, nose and mouth corners on average (250 pictures), in shares of the side.
_USUAL_XY = np.array([(0.321, 0.382), (0.693, 0.380), (0.511, 0.592), (0.349, 0.787), (0.654, 0.786)])
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # the codes 0 to 6
FILES = ("fer2013.csv", "icml_face_data.csv")
EXPECTED = {"pictures": 35887, "splits": {"train": 28709, "validation": 3589, "test": 3589}}
COLUMNS = ("emotion", "pixels", "usage")
Items = Iterator[SourcePicture | Rejected]


def read_fer2013(root: Path, *, align: bool = False) -> Reading:
    """``root``: the file itself, or the folder that holds it. ``align``: pictures are enlarged, so that faces can be
    found, and carry the place where a face usually lies, for those in which none is.

    Training, PublicTest and PrivateTest become train, validation and test. A malformed row is a rejected picture;
    raises InputError for a missing file, column or array.
    """
    path = _file(Path(root))
    items, total = _from_npz(path) if path.suffix == ".npz" else _from_csv(path)
    if align:
        items = (item if isinstance(item, Rejected) else _enlarged(item) for item in items)
    return Reading("fer2013", items, total, EXPECTED, aligned=not align)


def _enlarged(item: SourcePicture) -> SourcePicture:
    size = (_SOUGHT_SIDE_PX, _SOUGHT_SIDE_PX)
    picture = Image.fromarray(as_picture(item.image)).resize(size, Image.Resampling.BICUBIC)
    return replace(item, image=np.asarray(picture), usual_landmarks_xy_px=_USUAL_XY * _SOUGHT_SIDE_PX)


def _file(root: Path) -> Path:
    if root.is_file():
        return root
    archives = sorted(path for path in root.glob("*.npz") if not path.name.startswith("."))
    found = [root / name for name in FILES if (root / name).is_file()] or archives
    if not found or (found[0].suffix == ".npz" and len(found) > 1):
        raise InputError(f"{root}: expected one of {', '.join(FILES)} or a single .npz file, found {len(found)}")
    return found[0]


def _from_csv(path: Path) -> tuple[Items, int]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            table = csv.reader(file)
            header = next(table, [])
            total = sum(1 for row in table if row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: can't be read as a UTF-8 table ({error})") from error
    columns = [name.strip().lower() for name in header]
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise InputError(f"{path}: column {missing[0]!r} is missing; expected emotion,pixels,Usage")
    return _csv_rows(path, *(columns.index(name) for name in COLUMNS)), total


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
    if emotion.strip() not in map(str, range(len(CLASSES))):
        return Rejected(where, f"emotion: expected a code from 0 to {len(CLASSES) - 1}, found {emotion.strip()!r}")
    return _picture(index, where, grey.reshape(SIDE_PX, SIDE_PX), CLASSES[int(emotion)], usage)


def _from_npz(path: Path) -> tuple[Items, int]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images, labels, usage, classes = (arrays[name] for name in ("images", "labels", "usage", "classes"))
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
    return _npz_rows(path, images, labels, usage, expressions), len(images)


def _npz_rows(path: Path, images: np.ndarray, labels: np.ndarray, usage: np.ndarray, expressions: list[str]) -> Items:
    for index, (grey, label, part) in enumerate(zip(images, labels.tolist(), usage.tolist(), strict=True)):
        where = f"{path.name} row {index}"
        if label in range(len(expressions)):
            yield _picture(index, where, grey, expressions[label], str(part))
        else:
            yield Rejected(where, f"label {label}: expected an index into {len(expressions)} classes")


def _picture(index: int, where: str, grey: np.ndarray, expression: str, usage: str) -> SourcePicture | Rejected:
    """``grey``: (48, 48) uint8."""
    try:
        split = canonical_split(usage)
    except ValueError:
        split = ""
    if not split:
        return Rejected(where, f"Usage {usage.strip()!r}: expected Training, PublicTest or PrivateTest")
    image = np.repeat(grey[..., None], 3, axis=2)  # (48, 48, 3)
    return SourcePicture(image, f"row{index:07d}", where, "fer2013", canonical(expression), split=split)
