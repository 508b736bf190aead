"""The model that comes inside the package, docs/model_card.md. Nothing else may be found by its name."""

from importlib.resources import files
from pathlib import Path

from ifgan.errors import InputError

PACKAGED_MODEL = "ifgan-wild"


def packaged_model() -> Path:
    """The checkpoint's file. Raises InputError for an installation without it."""
    path = Path(str(files("ifgan.weights"))) / f"{PACKAGED_MODEL}.safetensors"
    if not path.is_file():
        raise InputError(f"{PACKAGED_MODEL}: this installation of ifgan has no model inside; expected {path.name}")
    return path
