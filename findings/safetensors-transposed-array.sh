#!/usr/bin/env bash
# safetensors 0.8.0 with numpy 2.4.6, looked at in 2026-11.
# Expected: safetensors.numpy.save writes the values of an array as numpy shows them,
# or refuses an array that does not lie in row order in memory.
# Seen: a transposed array, or one in Fortran order, is written in the order of its
# memory under its new shape. It loads with the right shape and the wrong values.
# There is no error and no warning; a weight matrix turned before saving is spoilt.
# Instead: call np.ascontiguousarray on each array before saving, and compare once.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q safetensors==0.8.0 numpy==2.4.6

"$tmp/venv/bin/python" -W error - <<'PY'
import numpy as np
import safetensors
from safetensors.numpy import load, save

def back(array):
    return load(save({"weight": array}))["weight"]

plain = np.arange(12, dtype=np.float32).reshape(3, 4)
turned = plain.T
fortran = np.asfortranarray(plain)

print("safetensors", safetensors.__version__)
print("expected:", turned.tolist())
print("observed:", back(turned).tolist())
assert np.array_equal(back(plain), plain), "even a plain array is not kept"
assert back(turned).shape == turned.shape
assert np.array_equal(back(turned).ravel(), plain.ravel()), "behaviour has changed"
assert not np.array_equal(back(fortran), fortran), "behaviour for Fortran order has changed"
assert np.array_equal(back(np.ascontiguousarray(turned)), turned), "the way round it fails now"
print("same as in 2026-11")
PY
