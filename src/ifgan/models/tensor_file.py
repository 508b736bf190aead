"""Tensors and what is told of them in one file that nothing is unpickled from: safetensors
(https://huggingface.co/docs/safetensors), JSON in its header. ONNX files of models/export.py are read like them.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ifgan.errors import InputError
from ifgan.files import write_bytes
from ifgan.header import FORMAT, RUNS_FILE, checked, drawing_file, header_of

_HEADER = "ifgan"
SYSTEM = "system."  # begins a weight's name in an ONNX file


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: dict[str, Any]) -> None:
    """Tensors and a JSON header to one file, all or nothing."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(contiguous, metadata={_HEADER: json.dumps({"format": FORMAT, **header})}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_tensors` wrote. Raises InputError for a missing, cut or foreign file, or another format."""
    tensors, header = _read(path, lambda file: {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return tensors, checked(header, path)


def read_header(path: Path) -> dict[str, Any]:
    """The header alone. Raises InputError like `read_tensors`."""
    return checked(header_of_any(path), path)


def header_of_any(path: Path) -> dict[str, Any] | None:
    """The header of any safetensors or ONNX file, whatever its format; None for somebody else's. Raises InputError for
    one that is missing or cut.
    """
    return _read(path, lambda _: {})[1]


def _read(path: Path, take: Callable[[Any], dict[str, Tensor]]) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    if not Path(path).is_file():
        hint = "; ifgan export MODEL --format run makes a run folder of a model" if Path(path).name == RUNS_FILE else ""
        raise InputError(f"{path}: no such checkpoint{hint}")
    if Path(path).suffix == ".onnx":
        return _read_onnx(path)
    try:
        with safe_open(path, framework="pt") as file:
            return take(file), json.loads((file.metadata() or {}).get(_HEADER, "null"))
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: broken or cut off, expected a whole safetensors file ({error})") from error


def _read_onnx(path: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (DecodeError, OSError) as error:
        raise InputError(f"{path}: broken or cut off, expected a whole ONNX file ({error})") from error
    weights = (one for one in model.graph.initializer if one.name.startswith(SYSTEM))
    arrays = {one.name.removeprefix(SYSTEM): onnx.numpy_helper.to_array(one) for one in weights}
    header = header_of({entry.key: entry.value for entry in model.metadata_props}, path)
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    told = {output.name for output in model.graph.output}
    if header is not None and told == {"probabilities"} != set(header.get("outputs", told)):
        tensors |= _read_onnx(drawing_file(path))[0]
    return tensors, header
