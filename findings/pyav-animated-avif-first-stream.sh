#!/usr/bin/env bash
# PyAV 18.1.0 (package av) with a file by Pillow 13.0.0, looked at in 2026-11.
# Expected: decode(video=0) reads all pictures of an animated AVIF file, as it does
# for an animated GIF or PNG.
# Seen: an animated AVIF has two video streams. The first is a still with one frame,
# and the animation is the second, so decode(video=0) ends after one frame.
# Nothing is raised, the film just looks one frame long.
# Instead: ask for container.streams.best("video"), which is the animation.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q av==18.1.0 pillow==13.0.0 numpy==2.4.6
cd "$tmp"

"$tmp/venv/bin/python" - <<'PY'
import av
import PIL
from PIL import Image, ImageDraw

pictures = []
for i in range(6):  # a ball that moves to the right
    picture = Image.new("RGB", (96, 64), (30, 90, 140))
    ImageDraw.Draw(picture).ellipse((5 + 12 * i, 20, 25 + 12 * i, 40), fill=(230, 200, 20))
    pictures.append(picture)

print("PyAV", av.__version__, "Pillow", PIL.__version__)
print("expected: 6 frames in the first video stream of each kind")
seen = {}
for kind in ("gif", "png", "avif"):
    path = "ball." + kind
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    with av.open(path) as file:
        first = len(list(file.decode(video=0)))
    with av.open(path) as file:
        best = len(list(file.decode(file.streams.best("video"))))
    with Image.open(path) as image:
        seen[kind] = (first, best, image.n_frames)
print("observed (first stream, best stream, Pillow):", seen)
assert seen["gif"] == seen["png"] == (6, 6, 6), "GIF or PNG has changed"
assert seen["avif"] == (1, 6, 6), "behaviour has changed"
print("same as in 2026-11")
PY
