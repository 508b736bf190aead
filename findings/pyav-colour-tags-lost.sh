#!/usr/bin/env bash
# PyAV 18.1.0 (package av), looked at in 2026-11.
# Expected: frames of a video tagged BT.709 that are encoded again as they are keep
# their colours: either the tags are carried over, or the values are converted.
# Seen: the values stay BT.709, and the new file has no tags. A reader then takes it for
# BT.601, PyAV too: colours of a drawn chart end 6 levels off on average, up to 23.
# The picture data is nearly lossless here, so the difference is only the missing tag.
# Instead: set colorspace, color_primaries, color_trc and color_range on the
# output's codec_context before the first frame.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q av==18.1.0 pillow==13.0.0 numpy==2.4.6
cd "$tmp"

"$tmp/venv/bin/python" - <<'PY'
import av
import numpy as np

patches = [(200, 40, 40), (40, 180, 60), (40, 60, 200), (220, 200, 40),
           (200, 150, 120), (90, 60, 40), (128, 128, 128), (30, 160, 170)]
chart = np.repeat(np.array(patches, np.uint8)[None], 40, axis=1).repeat(240, axis=0)
middle = [40 * i + 20 for i in range(8)]  # colours are compared inside the patches

def write(path, frames, tagged):
    with av.open(path, "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"crf": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        if tagged:
            c = stream.codec_context
            c.colorspace = c.color_primaries = c.color_trc = 1  # 1 is BT.709 in each of them
            c.color_range = 1  # 1 is the limited range
        for frame in frames:
            file.mux(stream.encode(frame))
        file.mux(stream.encode())

def read(path):
    with av.open(path) as file:
        frames = list(file.decode(video=0))
    apart = abs(frames[0].to_ndarray(format="rgb24").astype(int) - chart)[:, middle]
    return frames, (int(frames[0].colorspace), round(float(apart.mean()), 1), int(apart.max()))

drawn = av.VideoFrame.from_ndarray(chart).reformat(format="yuv420p", dst_colorspace="itu709")
write("first.mp4", [drawn], tagged=True)
frames, first = read("first.mp4")
write("again.mp4", frames, tagged=False)
again = read("again.mp4")[1]
write("tagged.mp4", read("first.mp4")[0], tagged=True)
tagged = read("tagged.mp4")[1]
print("PyAV", av.__version__, "- tag (1 is BT.709, 2 is none), mean and largest difference")
print("expected: as in the first file", first)
print("observed: encoded again", again, "- with the tags set", tagged)
assert first[0] == 1 and first[2] <= 4 and tagged == first, "the tagged files have changed"
assert again[0] == 2 and again[1] > 4 and again[2] > 15, "behaviour has changed"
print("same as in 2026-11")
PY
