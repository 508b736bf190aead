"""A trained system in one file: safetensors for the weights, JSON in its header for everything else.

A checkpoint rebuilds its networks, labels and preprocessing from itself; nothing is unpickled.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ifgan.config import Config, from_dict, to_dict
from ifgan.errors import InputError
from ifgan.faces.model_input import InputForm
from ifgan.models.backbones import NOT_OF_FACES
from ifgan.models.build import build_system
from ifgan.models.ifgan import IFGAN, System
from ifgan.models.tensor_file import read_header, read_tensors, write_tensors
from ifgan.weights import PACKAGED_MODEL


@dataclass(frozen=True)
class Trained:
    """A system with what it needs to be used: the names of its logits, how its input was made, and by what its logits
    are divided before the softmax, so that probabilities are as often right as they say.
    """

    system: System
    labels: tuple[str, ...]
    config: Config
    about: dict[str, Any]
    temperature: float = 1.0

    @property
    def form(self) -> InputForm:
        """What the networks see of a face."""
        return InputForm.from_settings(dict(self.config.preprocess))

    def with_generator(self, name: str | Path) -> IFGAN:
        """The system of a model called ``name``. Raises InputError for a baseline, which has no generator."""
        if not isinstance(self.system, IFGAN):
            raise InputError(f"{name}: the baseline has no generator; use a run of method ifgan")
        return self.system

    def for_release(self) -> "Trained":
        """The same without the paths of weights that it started from or was taught by, which only training needs."""
        known = self.config.classifier.weights in (*NOT_OF_FACES, PACKAGED_MODEL)
        weights = self.config.classifier.weights if known else "none"
        classifier = {"weights": weights, "head_weights": False, "teachers": (), "soft_labels": 0.0}
        return replace(self, config=self.config.changed(classifier=classifier, generator={"weights": None}))


def read_labels(path: Path) -> tuple[str, ...]:
    """The names of a checkpoint's logits, without its weights. Raises InputError like `read_about`."""
    return tuple(read_header(path).get("labels", ()))


def read_about(path: Path) -> dict[str, Any]:
    """What a checkpoint of `save_trained` says about its epoch, without its weights. Raises InputError for a
    file that is missing, cut, or not ours.
    """
    return read_header(path).get("about", {})


def save_trained(path: Path, trained: Trained, *, half: bool = False) -> None:
    """Write a checkpoint that `load_trained` reads; ``half``: matrices and kernels in half precision, half the size.
    Raises InputError for a weight that is too large for it.
    """
    header: dict[str, Any] = {"config": to_dict(trained.config), "labels": list(trained.labels)}
    header |= {"about": trained.about, "temperature": trained.temperature}
    tensors = trained.system.state_dict()
    if half:  # not statistics, average faces or what is one number a channel: they weigh nothing
        tensors |= {
            name: _halved(name, weight) for name, weight in trained.system.named_parameters() if weight.ndim > 1
        }
    write_tensors(path, tensors, header)


def _halved(name: str, weight: Tensor) -> Tensor:
    half = weight.detach().half()
    if not half.isfinite().all():
        raise InputError(f"{name}: a weight is too large for half precision; export it with --full")
    return half


def load_trained(path: Path, device: torch.device | str = "cpu") -> Trained:
    """Rebuild a trained system, in evaluation mode. Raises InputError for a file that is missing, cut, not ours, or
    does not fit its own configuration.
    """
    tensors, header = read_tensors(path)
    try:
        config, labels = from_dict(header["config"], source=str(path)), tuple(header["labels"])
        system = build_system(config, len(labels), pretrained="none")
        own = system.state_dict()
        # An ONNX file lacks what nothing in it computes with: counts of batches, average faces that nobody has set.
        absent = own if Path(path).suffix == ".onnx" else {}
        absent = {name: own[name] for name in absent if name.endswith(("num_batches_tracked", "averages"))}
        kept = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
        system.load_state_dict(absent | kept)
    except (KeyError, RuntimeError) as error:
        raise InputError(f"{path}: does not fit its own configuration ({str(error).splitlines()[0]})") from error
    temperature = header.get("temperature")
    if not isinstance(temperature, int | float) or not 0 < temperature < math.inf:
        raise InputError(f"{path}: temperature {temperature!r}; expected a number above 0")
    return Trained(system.to(device).eval(), labels, config, header.get("about", {}), temperature)
