#!/usr/bin/env bash
# onnxruntime 1.32.0 from PyPI, looked at in 2026-12.
# Expected: the operator PRelu takes at most as long as what it stands for, relu(x) * (1 - slope) + x * slope, in four
# operators that each pass over the values once.
# Seen: it takes several times as long, on one thread of an x86-64 CPU; in MTCNN's P-Net longer than the convolutions.
# Instead: the four operators; values differ by rounding only.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6

ORT_DISABLE_TELEMETRY=1 "$tmp/venv/bin/python" - <<'PY'
import time

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

shape = [1, 16, 200, 200]
slope = np.linspace(-0.5, 0.5, 16, dtype=np.float32).reshape(16, 1, 1)


def session(nodes):
    constants = [numpy_helper.from_array(slope, "slope"), numpy_helper.from_array(1 - slope, "rest")]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


node = helper.make_node
one = session([node("PRelu", ["x", "slope"], ["y"])])
steps = session([node("Relu", ["x"], ["a"]), node("Mul", ["a", "rest"], ["b"]), node("Mul", ["x", "slope"], ["c"]),
                 node("Add", ["b", "c"], ["y"])])
x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
assert np.abs(one.run(None, {"x": x})[0] - steps.run(None, {"x": x})[0]).max() < 1e-6
best = {}
for _ in range(60):
    for name, work in (("PRelu", one), ("four operators", steps)):
        started = time.process_time()
        work.run(None, {"x": x})
        best[name] = min(best.get(name, 1.0), time.process_time() - started)
print("onnxruntime", onnxruntime.__version__)
print("expected: PRelu is not the slower one")
print("seen, ms:", {name: round(1000 * seconds, 2) for name, seconds in best.items()})
assert best["PRelu"] > best["four operators"], "behaviour has changed: PRelu is as fast as its parts"
print("same as in 2026-12: PRelu takes longer")
PY
