"""Predictions for many files: one JSON object a line. One bad file never stops the others."""

import itertools
import json
import os
import sys
from collections.abc import Iterator
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


def predict_files(
    sources: list[Path],
    model: str,
    json_out: str = "-",
    faces: Path | None = None,
    *,
    aligned: bool = False,
    every_face: bool = True,
    min_detection: float = 0.0,
    min_face: float = 0.0,
    redraw: Redraw | None = None,
    workers: int | None = None,
    device: str = "cpu",
) -> int:
    """Write a line for every image in ``sources`` (files, or folders searched through); returns how many failed.

    ``json_out``: a file, or ``-`` for standard output. ``faces``: folder for the redrawn faces; each line then
    names its faces' files as ``average_face``. ``redraw`` and what follows: as of `Recognizer.from_pretrained`. Raises
    InputError for what concerns all images, such as an output that is one of them.
    """
    found = pictures_in(sources, apart_from=faces)
    paths = found.paths
    if found.aside:
        print(f"left aside, no image's suffix: {some_of(found.aside)}", file=sys.stderr)
    _refuse_inputs(json_out, paths)
    recognizer = Recognizer.from_pretrained(
        model, aligned=aligned, redraw=redraw, device=device, min_detection=min_detection, min_face=min_face
    )
    if faces is not None and not recognizer.redraws:
        raise InputError(f"{model}: a baseline, which redraws no faces; expected a model with a generator for --faces")
    results = recognizer.stream(paths, every_face=every_face, workers=workers)
    failed = 0
    with _output(json_out) as out:
        if not out.isatty():  # on a terminal the lines are the progress
            results = track(results, "predict", len(paths))
        for path, result in itertools.chain(found.unread.items(), zip(paths, results, strict=True)):
            failed += result.error is not None
            line = json.dumps(_line(path, result, faces))  # ASCII: any file name can be written to any terminal
            with _named(json_out):
                print(line, file=out, flush=True)
    return failed


@dataclass
class Found:
    """Images to read; folders that can't be looked into, each with its sentence; files of other kinds."""

    paths: list[Path] = field(default_factory=list)
    unread: dict[Path, PictureFaces] = field(default_factory=dict)
    aside: list[str] = field(default_factory=list)


def pictures_in(sources: list[Path], *, apart_from: Path | None = None) -> Found:
    """Named files as they are, and the images of named folders, in the order of their names, through links too, but
    not those below ``apart_from``, where redrawn faces go. A folder without is told as one that can't be looked into.
    """
    found = Found()
    for source in sources:
        if os.path.isdir(source):  # unlike Path's, false for what may not be looked at
            _search(source, found, apart_from)
        else:
            found.paths.append(source)
    return found


def _search(folder: Path, found: Found, apart_from: Path | None) -> None:
    own = None if apart_from is None else apart_from.resolve()
    if own is not None and folder.resolve() not in own.parents:
        own = None  # beside the images, or in their very folder
    pictures: list[Path] = []
    unread: dict[Path, PictureFaces] = {}

    def note(error: OSError) -> None:
        unread[Path(error.filename)] = PictureFaces(error=f"{error.filename}: {error.strerror}")

    for place, below, names in walk(folder, note):
        below[:] = [name for name in below if not name.startswith(".")]
        resolved = Path(place).resolve()
        if own is not None and (resolved == own or own in resolved.parents):
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


def _refuse_inputs(json_out: str, paths: list[Path]) -> None:
    """``--json *.jpg`` reads like a switch, and would write over the first photograph."""
    if json_out != "-" and Path(json_out).suffix.lower() in PICTURE_SUFFIXES:
        raise InputError(f"{json_out}: has the name of an image; --json takes the file to write")
    if os.path.exists(json_out) and any(os.path.exists(path) and os.path.samefile(json_out, path) for path in paths):
        raise InputError(f"{json_out}: is one of the images; choose another name")


def _line(path: Path, result: PictureFaces, folder: Path | None) -> dict[str, Any]:
    faces = [prediction.to_dict() for prediction in result.faces]
    for number, (face, prediction) in enumerate(zip(faces, result.faces, strict=True)):
        if folder is not None and prediction.average_face is not None:
            file = folder / f"{safe_name(str(path))}_{number}.png"
            write_bytes(file, to_png(prediction.average_face))
            face["average_face"] = str(file)
    return {"image": str(path), "faces": faces, "error": result.error}


@contextmanager
def _output(name: str) -> Iterator[TextIO]:
    """Standard output for ``-``, else the file, which takes its name when all lines are written.

    Until then they are in ``<name>.part``, where a crash leaves them, and leaves an older file as it was.
    """
    if name == "-" or _is_standard_output(name):
        yield sys.stdout
        return
    path = Path(name).resolve()  # a link stays one
    special = path.exists() and not path.is_file()  # a pipe: nothing to rename over
    part = path if special else path.with_name(f"{path.name}.part")
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
