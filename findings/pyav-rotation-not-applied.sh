#!/usr/bin/env bash
# PyAV 18.1.0 (package av), looked at in 2026-11.
# Expected: a phone video that says "turn me by 90 degrees" is decoded upright,
# as players show it, at least by frame.to_image().
# Seen: the frame comes as it is stored; the turn stands only in frame.rotation.
# Its sign counts counter-clockwise: for -90 the frame must be turned clockwise.
# Decoding and encoding again loses the turn without a word.
# Instead: np.rot90(array, frame.rotation // 90), and search for faces after that.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q av==18.1.0 pillow==13.0.0 numpy==2.4.6
cd "$tmp"

"$tmp/venv/bin/python" - <<'PY'
import av
import numpy as np

upright = np.full((96, 64, 3), 60, np.uint8)  # tall, with one bright corner at the top left
upright[:32, :24] = 230
stored = np.ascontiguousarray(np.rot90(upright))  # a camera on its side: turn it back clockwise

def write(path, frames, turn=None):
    with av.open(path, "w") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        if turn is not None:
            stream.set_display_rotation(turn)
        for frame in frames:
            file.mux(stream.encode(frame))
        file.mux(stream.encode())

def read(path):
    with av.open(path) as file:
        return list(file.decode(video=0))

write("phone.mp4", [av.VideoFrame.from_ndarray(stored) for _ in range(3)], turn=-90)
frame = read("phone.mp4")[0]
array = frame.to_ndarray(format="rgb24").astype(int)
turned = np.rot90(array, frame.rotation // 90)
write("again.mp4", read("phone.mp4"))
again = read("again.mp4")[0].rotation

print("PyAV", av.__version__)
print("expected: a frame 64 wide and 96 high")
print(f"observed: {frame.width} wide and {frame.height} high, rotation {frame.rotation};",
      f"after encoding again: rotation {again}")
assert frame.rotation == -90 and frame.to_image().size == (96, 64), "behaviour has changed"
assert turned.shape == upright.shape and abs(turned - upright).mean() < 5, "the sign has changed"
assert again == 0, "the turn is kept now"
print("same as in 2026-11")
PY
