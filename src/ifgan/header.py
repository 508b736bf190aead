"""What a model's file says of itself: JSON in a safetensors or ONNX file, under the name ``ifgan``."""

import json
from pathlib import Path
from typing import Any, Literal

from ifgan.errors import InputError

FORMAT = 1
RUNS_FILE = "best.safetensors"  # the model of a run, in its folder checkpoint/
Redraw = Literal["free", "mixture"]  # faces as G draws them, or their nearest mixture of average faces


def drawing_file(path: Path) -> Path:
    """Where the drawings of a model in an ONNX file are, that reading doesn't need: ``NAME.draw.onnx``."""
    return path.with_suffix(".draw.onnx")


def header_of(metadata: dict[str, str], source: Path) -> dict[str, Any] | None:
    """What an ONNX file says of itself; None for somebody else's. Raises InputError for a broken header."""
    try:
        return json.loads(metadata.get("ifgan", "null"))
    except ValueError as error:
        raise InputError(f"{source}: its header is no JSON ({error})") from error


def checked(header: dict[str, Any] | None, source: Path) -> dict[str, Any]:
    """A header of this format. Raises InputError for none, and for another's."""
    if header is None:
        raise InputError(f"{source}: not written by ifgan, expected its header in the file")
    if header.get("format") != FORMAT:
        raise InputError(f"{source}: has format {header.get('format')}, this version of ifgan reads format {FORMAT}")
    return header
