"""A trained system as an ONNX file (https://onnx.ai): what the package holds and `ifgan.engines` reads without torch.

One input, ``image``: (B, 3, S, S) float32 in [-1, 1], any B. Outputs: ``probabilities`` (B, N), calibrated; of a system
with a generator ``average_face`` (B, 3, S, S), and ``mixture``, the same as the nearest mixture of average faces, where
it holds those. onnxruntime computes every output of a file, whichever is asked for: where E reads the image alone, the
drawings are a second file, ``NAME.draw.onnx``. Weights keep the names that they have in a checkpoint, so that
`load_trained` reads the files too. How a face becomes the input is told in the header (metadata entry ``ifgan``, JSON):
labels, settings, template.
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
from ifgan.header import FORMAT, drawing_file
from ifgan.models.checkpoint import Trained
from ifgan.models.ifgan import IFGAN, predict

_TRACED = 2  # images; other numbers give the same (tested)


class _Exported(nn.Module):
    """``system`` gives its name to the weights in the file (tensor_file.SYSTEM)."""

    solvers: Tensor

    def __init__(self, trained: Trained, outputs: list[str]) -> None:
        super().__init__()
        self.system, self.config, self.temperature = copy(trained.system), trained.config, trained.temperature
        self.outputs = outputs
        if isinstance(self.system, IFGAN):
            self.system.redraw = "free"
        if "mixture" in outputs:
            self.register_buffer("solvers", cast(IFGAN, self.system).mixture.solvers())

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, S, S) in [-1, 1] -> the outputs, see above."""
        if self.outputs[0] == "probabilities":
            output = predict(self.system, image, self.config)
            face, found = output.average_face, {"probabilities": output.logits.float().div(self.temperature).softmax(1)}
        else:
            face, found = self.system.draw(image), {}
        if face is not None and "average_face" in self.outputs:
            found["average_face"] = face
        if face is not None and "mixture" in self.outputs:
            mixture = cast(IFGAN, self.system).mixture
            shares = mixture.nearest(face.float(), self.solvers)
            found["mixture"] = torch.einsum("bn,nchw->bchw", shares, mixture.averages)
        return tuple(found[name] for name in self.outputs)


def export_onnx(path: Path, trained: Trained, *, half: bool = False) -> list[Path]:
    """Write ``trained``, on the CPU, and return the files; ``half``: matrices and kernels are kept in half precision,
    half the size, and computed with in single. Raises InputError for a weight that is too large for it, and without
    the package onnx.
    """
    with needing("train", "an ONNX file"):
        import onnx
        import onnxscript  # noqa: F401  torch's exporter needs it, and _folded
    system, path = trained.system, Path(path)
    drawn = (
        ["average_face", *(["mixture"] if system.mixture.averages.any() else [])] if isinstance(system, IFGAN) else []
    )
    apart = drawn and set(trained.config.classifier.tta_inputs) == {"image"}
    parts = {path: ["probabilities"], drawing_file(path): drawn} if apart else {path: ["probabilities", *drawn]}
    header = json.dumps(_header(trained) | {"outputs": ["probabilities", *drawn]})
    for file, outputs in parts.items():
        model = _graph(trained, outputs)
        if half:
            _halve(model)
        onnx.helper.set_model_props(model, {"ifgan": header})
        write_bytes(file, model.SerializeToString())
    return list(parts)


@torch.no_grad()
def _graph(trained: Trained, outputs: list[str]) -> Any:
    size = trained.config.preprocess.image_size
    program = torch.onnx.export(
        _Exported(trained, outputs).eval(), (torch.zeros(_TRACED, 3, size, size),), dynamo=True, optimize=False,
        dynamic_shapes=({0: torch.export.Dim("batch")},), input_names=["image"], output_names=outputs, verbose=False,
    )  # fmt: skip
    assert program is not None
    return without_traces(_folded(program))


def _folded(program: torch.onnx.ONNXProgram) -> Any:
    """The graph with its constants computed: onnxruntime leaves the exporter's zero biases and limits of a ReLU6 as
    they are, and then joins no convolution with its normalisation, which takes five times the time
    (findings/onnxruntime-leaves-torch-conv-unjoined.sh). The exporter's own ``optimize`` would join them here, so that
    weights lost their names and were rounded to half precision as products.
    """
    from onnxscript import optimizer

    optimizer.inline(program.model)
    optimizer.fold_constants(program.model)
    optimizer.remove_unused_nodes(program.model)
    return program.model_proto


def without_traces(model: Any) -> Any:
    """An ONNX model without the exporter's notes, which hold source code and paths of the machine it ran on."""
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        value.ClearField("metadata_props")
    model.graph.ClearField("metadata_props")
    return model


def _header(trained: Trained) -> dict[str, Any]:
    left_eye, right_eye, nose_tip = TEMPLATE_XY_PX.tolist()
    template = {"side": ALIGNED_SIZE, "left eye": left_eye, "right eye": right_eye, "nose tip": nose_tip}
    return {
        "format": FORMAT,
        "labels": list(trained.labels),
        "config": to_dict(trained.config),
        "temperature": trained.temperature,
        "about": trained.about,
        "template_xy_px": template,
        "working_side": working_side(trained.config.preprocess.image_size),
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
