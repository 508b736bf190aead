#!/usr/bin/env bash
# torch 2.14.1, onnxscript and onnxruntime 1.32.0 from PyPI, looked at in 2026-12.
# Expected: onnxruntime, which folds constants and joins each convolution with its batch normalisation when it loads a
# file, makes the same of a graph that torch's exporter has optimised and of one that it hasn't (optimize=False).
# Seen: in place of the bias that a convolution doesn't have the exporter writes a zero that is cast to the kind of a
# value and expanded (CastLike, Expand), as are the limits of a ReLU6. With any number of images, onnxruntime computes
# none of that once and joins no convolution: casts and normalisations run at each call. An EfficientNet-Lite0 took
# 5.8 ms an image in place of 1.2.
# Instead: fold the constants in the file (onnxscript.optimizer), as the exporter's optimize=True does among more.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q torch==2.14.1 onnxruntime==1.32.0 onnx==1.23.2 onnxscript==0.7.2 numpy==2.4.6

cd "$tmp"
ORT_DISABLE_TELEMETRY=1 "$tmp/venv/bin/python" - 2>/dev/null <<'PY'
import json
from collections import Counter

import onnxruntime
import torch

network = torch.nn.Sequential(
    torch.nn.Conv2d(3, 8, 3, bias=False), torch.nn.BatchNorm2d(8), torch.nn.ReLU(),
    torch.nn.Conv2d(8, 8, 3, bias=False), torch.nn.BatchNorm2d(8),
).eval()
image = torch.zeros(2, 3, 32, 32)
seen = {}
for optimize in (False, True):
    program = torch.onnx.export(network, (image,), dynamo=True, optimize=optimize, verbose=False,
                                dynamic_shapes=({0: torch.export.Dim("images")},))
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options)
    session.run(None, {session.get_inputs()[0].name: image.numpy()})
    events = json.load(open(session.end_profiling()))
    ran = Counter(event["args"]["op_name"] for event in events if event["name"].endswith("kernel_time"))
    seen[optimize] = {name: ran[name] for name in ("BatchNormalization", "Cast") if ran[name]}
print("torch", torch.__version__, "onnxruntime", onnxruntime.__version__)
print("expected: no BatchNormalization and no Cast runs, either way")
print("seen with optimize=False:", seen[False], "| with optimize=True:", seen[True])
assert seen[False] and not seen[True], "behaviour has changed: the graph is folded either way"
print("same as in 2026-12: what isn't folded in the file runs at each call")
PY
