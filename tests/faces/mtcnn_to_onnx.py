"""Where the face finder's files come from: facenet-pytorch's three networks of MTCNN as ONNX.

``python tests/faces/mtcnn_to_onnx.py DIR`` writes ``mtcnn-propose.onnx``, ``mtcnn-refine.onnx`` and
``mtcnn-output.onnx``; those of ifgan/weights were made so, and `test_detect.py` compares what both say.
"""

import sys
from pathlib import Path

import torch
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from torch import Tensor, nn

from ifgan.models.export import without_traces

NETWORKS = {
    "propose": (PNet, ("shift", "probability")),
    "refine": (RNet, ("shift", "probability")),
    "output": (ONet, ("shift", "landmarks", "probability")),
}
SIDES_PX = {"propose": 31, "refine": 24, "output": 48}


class Prelu(nn.Module):
    """PReLU in parts: onnxruntime's own takes several times as long
    (findings/onnxruntime-prelu-slower-than-its-parts.sh).
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, values: Tensor) -> Tensor:
        weight = self.weight.view(-1, *[1] * (values.ndim - 2))
        return values.relu() * (1 - weight) + values * weight


def without_prelu(network: nn.Module) -> nn.Module:
    """The network itself, each PReLU replaced."""
    for name, layer in network.named_children():
        if isinstance(layer, nn.PReLU):
            setattr(network, name, Prelu(layer.weight.detach()))
    return network


class OfPixels(nn.Module):
    """(N, h, w, 3) float32, grey values from 0 to 255, in place of the library's (N, 3, h, w) from -1 to 1."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return self.network(((pixels - 127.5) * (1 / 128)).permute(0, 3, 1, 2))


def convert(folder: Path) -> None:
    """Write the three files."""
    for name, (make, outputs) in NETWORKS.items():
        side, sizes = SIDES_PX[name], {0: torch.export.Dim("faces")}
        if name == "propose":
            sizes = {1: torch.export.Dim("height", min=12), 2: torch.export.Dim("width", min=12)}
        pixels = torch.zeros(1 if name == "propose" else 2, side, side + (name == "propose"), 3)
        program = torch.onnx.export(
            OfPixels(without_prelu(make())).eval(), (pixels,), dynamic_shapes=(sizes,), input_names=["pixels"],
            output_names=list(outputs), dynamo=True, verbose=False,
        )  # fmt: skip
        model = without_traces(program.model_proto)
        (folder / f"mtcnn-{name}.onnx").write_bytes(model.SerializeToString())


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
