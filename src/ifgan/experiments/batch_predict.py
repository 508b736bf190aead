"""Predictions for many files: one JSON object a line (DESIGN §3). One bad file never stops the others."""

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from ifgan.data.readers.base import PICTURE_SUFFIXES, safe_name
from ifgan.errors import InputError
from ifgan.files import write_bytes
from ifgan.models.system import Redraw
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
    redraw: Redraw | None = None,
    workers: int | None = None,
) -> int:
    """Write a line for every picture in ``sources`` (files, or folders searched through); returns how many failed.

    ``json_out``: a file, or ``-`` for standard output. ``faces``: folder for the redrawn faces; each line then
    names its faces' files as ``average_face``. ``redraw``: as of `Recognizer.from_pretrained`. Raises InputError for
    what concerns all pictures.
    """
    paths = list(pictures_in(sources))
    recognizer = Recognizer.from_pretrained(model, aligned=aligned, redraw=redraw)
    if faces is not None and not recognizer.redraws:
        raise InputError(f"{model}: a baseline, which redraws no faces; expected a model with a generator for --faces")
    results = recognizer.stream(paths, every_face=every_face, workers=workers)
    failed = 0
    with _output(json_out) as out:
        if not out.isatty():  # on a terminal the lines are the progress
            results = track(results, "predict", len(paths))
        for path, result in zip(paths, results, strict=True):
            failed += result.error is not None
            line = json.dumps(_line(path, result, faces))  # ASCII: any file name can be written to any terminal
            with _named(json_out):
                print(line, file=out, flush=True)
    return failed


def pictures_in(sources: list[Path]) -> Iterator[Path]:
    """Named files as they are, and the pictures of named folders, sorted. Raises InputError for a folder without."""
    for source in sources:
        if not source.is_dir():
            yield source
            continue
        found = sorted(path for path in source.rglob("*") if _looks_like_a_picture(path))
        if not found:
            raise InputError(f"{source}: holds no picture; expected files ending in {', '.join(PICTURE_SUFFIXES)}")
        yield from found


def _looks_like_a_picture(path: Path) -> bool:
    """By its name; hidden files are other programs' (``._photo.jpg`` of macOS)."""
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and not path.is_dir()


def _line(path: Path, result: PictureFaces, folder: Path | None) -> dict[str, Any]:
    faces = [prediction.to_dict() for prediction in result.faces]
    for number, (face, prediction) in enumerate(zip(faces, result.faces, strict=True)):
        if folder is not None and prediction.average_face is not None:
            file = folder / f"{safe_name(str(path))}_{number}.png"
            png = io.BytesIO()
            prediction.average_face.save(png, "PNG")
            write_bytes(file, png.getvalue())
            face["average_face"] = str(file)
    return {"image": str(path), "faces": faces, "error": result.error}


@contextmanager
def _output(name: str) -> Iterator[TextIO]:
    """Standard output for ``-``, else the file, which takes its name when all lines are written.

    Until then they are in ``<name>.part``, where a crash leaves them, and leaves an older file as it was.
    """
    if name == "-":
        yield sys.stdout
        return
    path = Path(name)
    special = path.exists() and not path.is_file()  # a pipe, /dev/stdout: nothing to rename over
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


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # the reader has seen enough; the command line knows
        raise
    except OSError as error:
        where = "standard output" if name == "-" else name
        raise InputError(f"{where}: can't be written ({error.strerror or error})") from error
