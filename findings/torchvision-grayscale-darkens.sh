#!/usr/bin/env bash
# torchvision 0.29.1 with torch 2.14.1, looked at in 2026-11 (a download of some gigabytes).
# Expected: v2.Grayscale(3) leaves a picture alone whose three channels are equal already.
# Seen: on a uint8 tensor of three equal channels each value but 0 gets darker by 1,
# each time it is called: after twenty calls 200 has become 180.
# The three weights add up to 0.9999, and the result is cut and not rounded.
# A Pillow picture stays exact, and so does a tensor with one channel.
# Instead: make grey once at reading, or round the sum yourself.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q torch==2.14.1 torchvision==0.29.1 numpy==2.4.6 pillow==13.0.0

"$tmp/venv/bin/python" - <<'PY'
import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision.transforms import v2

torch.set_num_threads(1)
grey = v2.Grayscale(num_output_channels=3)
levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
three = levels.repeat(3, 1, 1)

darker = (three.int() - grey(three).int())[0].ravel()
value = torch.full((3, 2, 2), 200, dtype=torch.uint8)
for _ in range(20):
    value = grey(value)
picture = np.asarray(three.permute(1, 2, 0))

print("torchvision", torchvision.__version__, "torch", torch.__version__)
print("expected: 0 of 256 levels changed; 200 stays 200 over twenty calls")
print(f"observed: {int((darker != 0).sum())} changed; 200 becomes {int(value[0, 0, 0])}")
assert darker[0] == 0 and bool((darker[1:] == 1).all()), "behaviour has changed"
assert int(value[0, 0, 0]) == 180, "behaviour has changed"
assert np.array_equal(np.asarray(grey(Image.fromarray(picture))), picture), "Pillow has changed"
assert torch.equal(grey(levels), three), "one channel has changed"
print("same as in 2026-11")
PY
