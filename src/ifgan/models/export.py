"""A trained system as an ONNX file (https://onnx.ai): what the package holds and `ifgan.engines` reads without torch.

One input, ``image``: (B, 3, S, S) float32 in [-1, 1], any B. Outputs: ``probabilities`` (B, N), calibrated; of a system
with a generator ``average_face`` (B, 3, S, S), and ``mixture``, the same as the nearest mixture of average faces, where
it holds those. Weights keep the names that they have in a checkpoint, so that `load_trained` reads the file too. How a
face becomes the input is told in the header (metadata entry ``ifgan``, JSON): labels, settings, template.
"""

import json
from copy import copy
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from ifgan.config import to_dict
from ifgan.errors import InputError, needing
from ifgan.faces.align import ALIGNED_SIZE, TEMPLATE_XY_PX
from ifgan.faces.model_input import working_side
from ifgan.files import write_bytes
from ifgan.header import FORMAT
from ifgan.models.checkpoint import Trained
from ifgan.models.ifgan import IFGAN, predict

_TRACED = 2  # images; other numbers give the same (tested)


class _Exported(nn.Module):
    """``system`` gives its name to the weights in the file (tensor_file.SYSTEM)."""

    solvers: Tensor

    def __init__(self, trained: Trained) -> None:
        super().__init__()
        self.system, self.config, self.temperature = copy(trained.system), trained.config, trained.temperature
        if isinstance(self.system, IFGAN):
            self.system.redraw = "free"
        self.mixes = isinstance(self.system, IFGAN) and bool(self.system.mixture.averages.any())
        if isinstance(self.system, IFGAN) and self.mixes:
            self.register_buffer("solvers", self.system.mixture.solvers())

    @property
    def outputs(self) -> list[str]:
        names = ["probabilities"] + ["average_face"] * isinstance(self.system, IFGAN)
        return names + ["mixture"] * self.mixes

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, S, S) in [-1, 1] -> the outputs, see above."""
        output = predict(self.system, image, self.config)
        found = (output.logits.float().div(self.temperature).softmax(1),)
        face = output.average_face
        if face is None:
            return found
        if not self.mixes:
            return *found, face
        mixture = cast(IFGAN, self.system).mixture
        shares = mixture.nearest(face.float(), self.solvers)
        return *found, face, torch.einsum("bn,nchw->bchw", shares, mixture.averages)


def export_onnx(path: Path, trained: Trained, *, half: bool = False) -> None:
    """Write ``trained``, on the CPU; ``half``: matrices and kernels are kept in half precision, half the size, and
    computed with in single. Raises InputError for a weight that is too large for it, and without the package onnx.
    """
    with needing("train", "an ONNX file"):
        import onnx
        import onnxscript  # noqa: F401  torch's exporter needs it
    exported, size = _Exported(trained).eval(), trained.config.preprocess.image_size
    with torch.no_grad():
        program = torch.onnx.export(
            exported, (torch.zeros(_TRACED, 3, size, size),), dynamo=True, optimize=False, verbose=False,
            dynamic_shapes=({0: torch.export.Dim("batch")},), input_names=["image"], output_names=exported.outputs,
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    without_traces(model)
    if half:
        _halve(model)
    onnx.helper.set_model_props(model, {"ifgan": json.dumps(_header(trained))})
    write_bytes(path, model.SerializeToString())


def without_traces(model: Any) -> None:
    """Take the exporter's notes out of an ONNX model: they hold source code and paths of the machine it ran on."""
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        value.ClearField("metadata_props")
    model.graph.ClearField("metadata_props")


def _header(trained: Trained) -> dict[str, Any]:
    side = working_side(trained.config.preprocess.image_size)
    template = (TEMPLATE_XY_PX * side / ALIGNED_SIZE).round(3).tolist()
    return {
        "format": FORMAT,
        "labels": list(trained.labels),
        "config": to_dict(trained.config),
        "temperature": trained.temperature,
        "about": trained.about,
        "template_xy_px": {"side": side, "left eye": template[0], "right eye": template[1], "nose tip": template[2]},
    }


def _halve(model: Any) -> None:
    """Keep float32 weights of more than one dimension as float16, each followed by a cast."""
    import onnx

    graph, casts = model.graph, []
    for weight in graph.initializer:
        array = onnx.numpy_helper.to_array(weight)
        if array.dtype != np.float32 or array.ndim < 2 or weight.name.endswith(("averages", "mean", "std")):
            continue
        with np.errstate(over="ignore"):
            half = array.astype(np.float16)
        if not np.isfinite(half).all():
            raise InputError(f"{weight.name}: a weight is too large for half precision; export it with --full")
        single = f"{weight.name}.single"
        for node in graph.node:
            for place, name in enumerate(node.input):
                if name == weight.name:
                    node.input[place] = single
        casts.append(onnx.helper.make_node("Cast", [weight.name], [single], to=onnx.TensorProto.FLOAT))
        weight.CopyFrom(onnx.numpy_helper.from_array(half, weight.name))
    kept = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(kept)
