"""What computes a `Recognizer`'s answers: a model in an ONNX file without torch, or a checkpoint of a run with it."""

from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Protocol, get_args

import numpy as np

from ifgan.errors import InputError, needing, one_line
from ifgan.faces.model_input import InputForm
from ifgan.header import RUNS_FILE, Redraw, checked, drawing_file, header_of
from ifgan.onnx_session import Session
from ifgan.weights import PACKAGED_MODEL, packaged_model

_FILES = ("model.onnx", "model.safetensors")  # what a model is called in a folder or on the hub
_DRAWN = {"free": "average_face", "mixture": "mixture"}  # the output of an ONNX file for each redrawing


class Engine(Protocol):
    """A model in use. ``labels``: its expressions, in the canonical order; ``form`` and ``size_px``: what it is fed;
    ``redraws``: whether it draws faces; ``batch``: faces at a time that it is best fed.
    """

    labels: tuple[str, ...]
    form: InputForm
    size_px: int
    redraws: bool
    batch: int

    def read(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Of images (B, 3, S, S) float32 in [-1, 1] the probabilities (B, N), and the drawings, (B, 3, S, S), where
        reading needs them.
        """
        ...

    def draw(self, images: np.ndarray) -> np.ndarray:
        """The drawings alone; of models that redraw."""
        ...


def load_engine(path: Path, device: str = "cpu", redraw: Redraw | None = None) -> Engine:
    """The model in a file. ``device``: "cpu", "cuda", what torch knows, or "auto"; ``redraw``: None for what the model
    was made for. Raises InputError for a file that is broken or not ours, a device that isn't there, a redrawing that
    the model can't do, and for a checkpoint where torch is missing.
    """
    if redraw not in (None, *get_args(Redraw)):
        raise InputError(f"redraw {redraw!r}: expected one of {', '.join(get_args(Redraw))}")
    if path.suffix == ".onnx":
        return OnnxEngine(path, device, redraw)
    with needing("train", f"{path}: a checkpoint"):
        from ifgan.models.checkpoint import load_trained
        from ifgan.models.device import device_named
        from ifgan.models.torch_engine import TorchEngine

    trained = load_trained(path, device_named(device))
    if redraw is not None:
        trained.with_generator(path).redraw = redraw
    return TorchEngine(trained)


class OnnxEngine:
    """A model in an ONNX file (models/export.py), run by onnxruntime."""

    def __init__(self, path: Path, device: str = "cpu", redraw: Redraw | None = None) -> None:
        self._drawing_file, self._device = drawing_file(path), "cpu" if device == "auto" else device
        self.batch = 1 if self._device == "cpu" else 32  # on a CPU more gains little, and a camera's frames would wait
        self._session = Session(path, self._device)
        header = checked(header_of(self._session.metadata, path), path)
        try:
            self.labels, outputs = tuple(header["labels"]), header["outputs"]
            preprocess = header["config"]["preprocess"]
            self.form, self.size_px = InputForm.from_settings(preprocess), int(preprocess["image_size"])
            self._drawing = _DRAWN[redraw or header["config"]["generator"]["redraw"]]
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: its header lacks {error}") from error
        self.redraws = _DRAWN["free"] in outputs
        if (self.redraws or redraw is not None) and self._drawing not in outputs:
            raise InputError(f"{path}: redraw {redraw}: the model holds no average faces, or the baseline no generator")
        self._reading = [name for name in ("probabilities", self._drawing) if name in self._session.outputs]

    @cached_property
    def _drawer(self) -> Session:
        """Loaded when a drawing is first asked for."""
        return self._session if len(self._reading) > 1 else Session(self._drawing_file, self._device)

    def read(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """See `Engine.read`. Raises InputError for a model whose output is not finite."""
        found = self._session(images, self._reading)
        return finite(found[0]), found[1] if len(found) > 1 else None

    def draw(self, images: np.ndarray) -> np.ndarray:
        """See `Engine.draw`. Raises InputError where the file with the drawings is missing."""
        return self._drawer(images, [self._drawing])[0]


def finite(probabilities: np.ndarray) -> np.ndarray:
    """The same. Raises InputError where they are not finite."""
    if not np.isfinite(probabilities).all():
        raise InputError("the model's output is not finite; its weights are broken")
    return probabilities


def find_checkpoint(model: str | Path) -> Path:
    """The checkpoint file that a name stands for; ``ifgan-wild`` is the package's own, also where a folder of that name
    lies. Raises InputError where there is none, here or at the hub.
    """
    if str(model) == PACKAGED_MODEL:
        return packaged_model()
    path = Path(model)
    for candidate in (path, path / "checkpoint" / RUNS_FILE, *(path / name for name in _FILES)):
        if candidate.is_file():
            return candidate
    if path.exists() or not _is_hub_id(str(model)):
        expected = f"{PACKAGED_MODEL}, a run folder, an .onnx or .safetensors file or a Hugging Face id"
        raise InputError(f"{model}: no model there; expected {expected}")
    with needing("train", f"{model}: no such folder; the Hugging Face hub"):
        from huggingface_hub import hf_hub_download

    reason = ""
    for name in _FILES:
        try:
            found = Path(hf_hub_download(str(model), name))
        except Exception as error:  # the hub client raises many kinds, for no network as for no such repository
            reason = one_line(error)
        else:
            if found.suffix == ".onnx":
                with suppress(Exception):  # not every model has one
                    hf_hub_download(str(model), drawing_file(found).name)
            return found
    raise InputError(f"{model}: no such folder, and the Hugging Face hub gave no model ({reason})")


def _is_hub_id(name: str) -> bool:
    """``owner/name``, but not what only reads so: the mistyped path of a run in a folder that is here."""
    owner, _, rest = name.partition("/")
    local = (
        not owner or owner.startswith((".", "~")) or name.endswith((".onnx", ".safetensors")) or Path(owner).exists()
    )
    return bool(rest) and "/" not in rest and not local
