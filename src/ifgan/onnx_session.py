"""A network in an ONNX file, run by onnxruntime (https://onnxruntime.ai/docs/api/python) on one thread.

So an image gives the same bits alone and among others, in every process, and also in one that was forked after the file
was loaded. Two processes are faster than two threads, which wait for each other in a loop.
"""

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ifgan.errors import InputError, one_line

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class Session:
    """``session(array)``: every output, or the named ones, of one float32 input."""

    def __init__(self, path: Path, device: str = "cpu") -> None:
        """Raises InputError for a file that is missing, cut or no ONNX file, and for a device that isn't there."""
        onnxruntime = _onnxruntime()
        if not Path(path).is_file():
            raise InputError(f"{path}: no such model")
        if PROVIDERS.get(device) not in onnxruntime.get_available_providers():
            raise InputError(f"device {device}: there is none here")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # a plan of memory for every size of image would be kept
        options.log_severity_level = 3  # errors only
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=[PROVIDERS[device]])
        except Exception as error:  # its errors have no common class
            raise InputError(f"{path}: broken or cut off, expected a whole ONNX file ({one_line(error)})") from error
        self._input = self._session.get_inputs()[0].name
        self._made_from = Path(path), device

    def __reduce__(self) -> tuple[type["Session"], tuple[Path, str]]:
        """Pickled as its file's name: whoever gets it opens the file."""
        return Session, self._made_from

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(output.name for output in self._session.get_outputs())

    @cached_property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, array: np.ndarray, outputs: Iterable[str] | None = None) -> list[np.ndarray]:
        """The outputs' values for the one input. All are computed: RunOptions' ``only_execute_path_to_fetches`` does
        nothing in the released builds (1.32; https://github.com/microsoft/onnxruntime/issues/16013).
        """
        return self._session.run(None if outputs is None else list(outputs), {self._input: array})


def _onnxruntime() -> Any:
    """Imported here, as it takes a fifth of a second, and without its telemetry: since 1.29 it would tell a server of
    this machine and write to the home folder (findings/onnxruntime-import-writes-home.sh).
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime
