#!/usr/bin/env bash
# PyAV 18.1.0 (package av), looked at in 2026-11.
# Expected: an output stream that was given no size takes it from the first frame.
# Seen: the stream is 640 by 480 from the start, and each frame is stretched to that,
# so a tall picture of 200 by 300 comes out wide, without error or warning.
# With a size set, a later frame of another shape is stretched to it in the same way.
# Instead: set stream.width and stream.height before the first frame (even numbers),
# and put frames of another shape on a canvas of that size yourself.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q av==18.1.0 pillow==13.0.0 numpy==2.4.6
cd "$tmp"

"$tmp/venv/bin/python" -W error - <<'PY'
import av
import numpy as np

def disc(width, height):  # a round disc in the middle
    y, x = np.mgrid[:height, :width]
    inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < 60 ** 2
    return np.repeat((inside * 200 + 20).astype(np.uint8)[..., None], 3, axis=2)

def shapes(frames, size=None):
    with av.open("out.mp4", "w") as file:
        stream = file.add_stream("libx264", rate=10)
        if size:
            stream.width, stream.height = size
        for array in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(array)))
        file.mux(stream.encode())
    found = []
    with av.open("out.mp4") as file:
        for frame in file.decode(video=0):
            bright = frame.to_ndarray(format="gray") > 128
            shape = round(float(bright.any(0).sum() / bright.any(1).sum()), 1)
            found.append((frame.width, frame.height, shape))
    return found

unset = shapes([disc(200, 300)] * 2)
changed = shapes([disc(200, 300), disc(400, 200)], size=(200, 300))
print("PyAV", av.__version__, "- each frame as width, height, width of the disc by its height")
print("expected without a size:", [(200, 300, 1.0)] * 2)
print("observed without a size:", unset)
print("observed when the second frame is 400 by 200:", changed)
assert unset == [(640, 480, 2.0)] * 2, "behaviour has changed"
assert changed == [(200, 300, 1.0), (200, 300, 0.3)], "behaviour for a changed size has changed"
print("same as in 2026-11")
PY
