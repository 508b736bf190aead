"""Predictions for many files: one JSON object a line, a table, images. One bad file never stops the others."""

import csv
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from ifgan.errors import InputError, some_of
from ifgan.faces.picture import PICTURE_SUFFIXES, to_png
from ifgan.files import safe_name, walk, write_bytes
from ifgan.header import Redraw
from ifgan.predict import PictureFaces, Recognizer
from ifgan.progress import track


@dataclass(frozen=True)
class Outputs:
    """What is written. ``json``: a line an image, into a file or ``-`` for standard output, which it is where neither
    is given; ``csv``: the same as a table, a row a face; ``faces``: folder for the redrawn faces, which each line then
    names as ``average_face``; ``annotated``: folder for copies of the images that tell what was read.
    """

    json: str | None = None
    csv: str | None = None
    faces: Path | None = None
    annotated: Path | None = None

    @property
    def lines(self) -> str | None:
        """Where JSON goes."""
        return "-" if self.json is None and self.csv is None else self.json


def predict_files(
    sources: list[Path],
    model: str,
    outputs: Outputs = Outputs(),
    *,
    aligned: bool = False,
    every_face: bool = True,
    min_detection: float = 0.0,
    min_face: float = 0.0,
    redraw: Redraw | None = None,
    workers: int | None = None,
    device: str = "cpu",
) -> int:
    """Write what ``outputs`` asks for of every image in ``sources`` (files, or folders searched through); returns how
    many failed. ``redraw`` and what follows: as of `Recognizer.from_pretrained`. Raises InputError for what concerns
    all images, such as an output that is one of them.
    """
    folders = [folder for folder in (outputs.faces, outputs.annotated) if folder is not None]
    _refuse_folders(sources, folders)
    found = pictures_in(sources, apart_from=folders)
    paths = found.paths
    if found.aside:
        print(f"left aside, no image's suffix: {some_of(found.aside)}", file=sys.stderr)
    for name in (outputs.lines, outputs.csv):
        if name is not None:
            _refuse_inputs(name, paths)
    if outputs.lines is not None and outputs.lines == outputs.csv:
        raise InputError(f"{outputs.csv}: is where the JSON lines go; choose another name for the table")
    recognizer = Recognizer.from_pretrained(
        model, aligned=aligned, redraw=redraw, device=device, min_detection=min_detection, min_face=min_face
    )
    if outputs.faces is not None and not recognizer.redraws:
        raise InputError(f"{model}: a baseline, which redraws no faces; expected a model with a generator for --faces")
    results = recognizer.stream(paths, every_face=every_face, workers=workers)
    if not ("-" in (outputs.lines, outputs.csv) and sys.stdout.isatty()):  # there they are the progress
        results = track(results, "predict", len(paths))
    failed = 0
    with _json_lines(outputs.lines) as write_line, _table(outputs.csv, recognizer.labels) as write_rows:
        for path, result in itertools.chain(found.unread.items(), zip(paths, results, strict=True)):
            failed += result.error is not None
            write_line(_line(path, result, outputs.faces))
            write_rows(path, result)
            if outputs.annotated is not None and result.error is None:
                write_bytes(outputs.annotated / f"{safe_name(str(path))}.png", to_png(result.plot()))
    return failed


@dataclass
class Found:
    """Images to read; folders that can't be looked into, each with its sentence; files of other kinds."""

    paths: list[Path] = field(default_factory=list)
    unread: dict[Path, PictureFaces] = field(default_factory=dict)
    aside: list[str] = field(default_factory=list)


def pictures_in(sources: list[Path], *, apart_from: Sequence[Path] = ()) -> Found:
    """Named files as they are, and the images of named folders, in the order of their names, through links too, but
    not those below ``apart_from``, where ours go. A folder without is told as one that can't be looked into.
    """
    found = Found()
    for source in sources:
        if os.path.isdir(source):  # unlike Path's, false for what may not be looked at
            _search(source, found, apart_from)
        else:
            found.paths.append(source)
    return found


def _search(folder: Path, found: Found, apart_from: Sequence[Path]) -> None:
    own = {place.resolve() for place in apart_from if folder.resolve() in place.resolve().parents}
    pictures: list[Path] = []
    unread: dict[Path, PictureFaces] = {}

    def note(error: OSError) -> None:
        unread[Path(error.filename)] = PictureFaces(error=f"{error.filename}: {error.strerror}")

    for place, below, names in walk(folder, note):
        below[:] = [name for name in below if not name.startswith(".")]
        resolved = Path(place).resolve()
        if own & {resolved, *resolved.parents}:
            continue
        for name in names:
            path = Path(place) / name
            if name.startswith("."):  # other programs' (``._photo.jpg`` of macOS)
                continue
            if path.suffix.lower() in PICTURE_SUFFIXES:
                pictures.append(path)
            else:
                found.aside.append(str(path))
    if not pictures and not unread:
        expected = f"expected files ending in {', '.join(PICTURE_SUFFIXES)}"
        unread[folder] = PictureFaces(error=f"{folder}: holds no image; {expected}")
    found.paths += sorted(pictures)
    found.unread |= unread


def _refuse_folders(sources: list[Path], folders: Sequence[Path]) -> None:
    """Ours among the images would be read as images the next time."""
    for folder in folders:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file; expected a folder")
        for source in sources:
            if os.path.isdir(source) and folder.resolve() == source.resolve():
                raise InputError(f"{folder}: is the folder of the images that are read; choose another")


def _refuse_inputs(json_out: str, paths: list[Path]) -> None:
    """``--json *.jpg`` reads like a switch, and would write over the first photograph."""
    if json_out != "-" and Path(json_out).suffix.lower() in PICTURE_SUFFIXES:
        raise InputError(f"{json_out}: has the name of an image; --json takes the file to write")
    if os.path.exists(json_out) and any(os.path.exists(path) and os.path.samefile(json_out, path) for path in paths):
        raise InputError(f"{json_out}: is one of the images; choose another name")


def _line(path: Path, result: PictureFaces, folder: Path | None) -> dict[str, Any]:
    line = result.to_dict() | {"image": str(path)}
    for number, (face, prediction) in enumerate(zip(line["faces"], result.faces, strict=True)):
        if folder is not None and prediction.average_face is not None:
            file = folder / f"{safe_name(str(path))}_{number}.png"
            write_bytes(file, to_png(prediction.average_face))
            face["average_face"] = str(file)
    return line


@contextmanager
def _json_lines(name: str | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """What writes an object as a line, of ASCII: any file name can be written to any terminal."""
    if name is None:
        yield lambda line: None
        return
    with _output(name) as out:

        def write(line: dict[str, Any]) -> None:
            with _named(name):
                print(json.dumps(line), file=out, flush=True)

        yield write


@contextmanager
def _table(name: str | None, labels: Sequence[str]) -> Iterator[Callable[[Path, PictureFaces], None]]:
    """What writes an image's faces as rows, below a heading."""
    if name is None:
        yield lambda path, result: None
        return
    columns = list(PictureFaces().rows(labels)[0])
    with _output(name) as out:
        rows = csv.DictWriter(out, columns, lineterminator="\n")

        def write(path: Path, result: PictureFaces) -> None:
            image = str(path).encode("utf-8", "backslashreplace").decode()
            with _named(name):
                rows.writerows(row | {"image": image} for row in result.rows(labels))
                out.flush()

        with _named(name):
            rows.writeheader()
        yield write


@contextmanager
def _output(name: str) -> Iterator[TextIO]:
    """Standard output for ``-``, else the file, which takes its name when all lines are written.

    Until then they are in ``<name>.<process>.part``, where a crash leaves them, and leaves an older file as it was.
    """
    if name == "-" or _is_standard_output(name):
        yield sys.stdout
        return
    path = Path(name).resolve()  # a link stays one
    special = path.exists() and not path.is_file()  # a pipe: nothing to rename over
    part = path if special else path.with_name(f"{path.name}.{os.getpid()}.part")
    with _named(name):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(part, "w", encoding="utf-8")  # noqa: SIM115  closed below, where its errors get its name
    try:
        yield file
    except BaseException:
        with suppress(OSError):  # the disk may be full; what went wrong first is what to report
            file.close()
        raise
    with _named(name):
        file.close()
        if not special:
            os.replace(part, path)


def _is_standard_output(name: str) -> bool:
    """``/dev/stdout``, also where it leads to a file."""
    try:
        return os.path.samestat(os.stat(name), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):  # no such file yet; a standard output that is none
        return False


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # the reader has seen enough; the command line knows
        raise
    except OSError as error:
        where = "standard output" if name == "-" else name
        raise InputError(f"{where}: can't be written ({error.strerror or error})") from error
