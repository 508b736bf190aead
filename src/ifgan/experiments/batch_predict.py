"""Predictions for many files: one JSON object a line (DESIGN §3). One bad file never stops the others."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from ifgan.errors import InputError, PictureError
from ifgan.predict import Recognizer
from ifgan.progress import track

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"}


def predict_files(sources: list[Path], model: str, json_out: str, faces: Path | None, *, aligned: bool = False) -> int:
    """Write a line for every picture in ``sources`` (files, or folders searched through); returns how many failed."""
    paths = list(pictures_in(sources))
    recognizer = Recognizer.from_pretrained(model, aligned=aligned)
    failed = 0
    with _output(json_out) as out:
        for path in track(paths, "predict", len(paths)):
            line = _line(recognizer, path, faces)
            failed += line["error"] is not None
            print(json.dumps(line, ensure_ascii=False), file=out, flush=True)
    return failed


def pictures_in(sources: list[Path]) -> Iterator[Path]:
    """Named files as they are, and the pictures of named folders, sorted. Raises InputError for a folder without."""
    for source in sources:
        if not source.is_dir():
            yield source
            continue
        found = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not found:
            raise InputError(f"{source}: holds no picture; expected files ending in {', '.join(sorted(SUFFIXES))}")
        yield from found


def _line(recognizer: Recognizer, path: Path, faces: Path | None) -> dict[str, Any]:
    try:
        predictions = recognizer(path)
    except PictureError as error:
        return {"image": str(path), "faces": [], "error": str(error)}
    for number, prediction in enumerate(predictions):
        if faces is not None and prediction.average_face is not None:
            faces.mkdir(parents=True, exist_ok=True)
            prediction.average_face.save(faces / f"{path.stem}_{number}.png")
    return {"image": str(path), "faces": [prediction.to_dict() for prediction in predictions], "error": None}


@contextmanager
def _output(name: str) -> Iterator[TextIO]:
    """Standard output for ``-``, else the file; lines are flushed one by one, so a crash loses none."""
    if name == "-":
        yield sys.stdout
        return
    try:
        file = open(name, "w", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise InputError(f"{name}: can't be written ({error.strerror})") from error
    with file:
        yield file
