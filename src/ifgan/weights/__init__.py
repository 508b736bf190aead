"""Files inside the package: its own model (docs/model_card.md), and the face finder's networks, which are those of
facenet-pytorch 2.5.3 (mtcnn-LICENSE.md) as ONNX, made by tests/faces/mtcnn_to_onnx.py.
"""

from importlib.resources import files
from pathlib import Path

from ifgan.errors import InputError

PACKAGED_MODEL = "ifgan-wild"  # nothing else may be found by its name


def packaged_model() -> Path:
    """The model's file. Raises InputError for an installation without it."""
    return packaged_file(f"{PACKAGED_MODEL}.onnx")


def packaged_file(name: str) -> Path:
    """One of this folder. Raises InputError for an installation without it."""
    path = Path(str(files("ifgan.weights"))) / name
    if not path.is_file():
        raise InputError(f"{name}: is missing in this installation of ifgan; install it again")
    return path
