"""Faces a second of our whole prepare path against a plain loop over MTCNN, in one run.

    python benchmarks/prepare.py [--pictures DIR] [--count 400] [--workers N] [--rounds 3]

Both read the same files from disk. Plain: facenet-pytorch's ``MTCNN.detect(image, landmarks=True)``, one
picture at a time in one process, with torch's threads as they come. Ours: ``find_faces``, which also aligns, the
start of its workers included. The two take turns; the ratio printed is the median over the rounds. Boxes must
agree to a pixel wherever the face lies inside the picture (at its edge the library misplaces them, see
src/ifgan/faces/mtcnn.py); otherwise the script fails. Without --pictures it draws faces.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ifgan.faces.pipeline import find_faces

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
EDGE = 0.3  # of the box: windows nearer to the picture's edge than this may have crossed it


def main() -> None:
    """Print both rates, their ratio and how far the boxes agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path, help="a folder of photographs; by default faces are drawn")
    parser.add_argument("--count", type=int, default=400, help="pictures to use at most")
    parser.add_argument("--workers", type=int, help="processes of ours; by default one a core")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        paths = _chosen(arguments.pictures, arguments.count) or _drawn(Path(scratch), arguments.count)
        measure(paths, arguments.workers, arguments.rounds)


def measure(paths: list[Path], workers: int | None, rounds: int) -> None:
    """The two in turn, ``rounds`` times."""
    ratios = []
    for number in range(rounds):
        plain, plain_s = _timed(lambda: _plain(paths))
        ours, ours_s = _timed(lambda: [list(found.faces) for found in find_faces(paths, workers=workers)])
        ratios.append(plain_s / ours_s)
        rates = f"plain {len(paths) / plain_s:.1f}, ours {len(paths) / ours_s:.1f} pictures/s"
        print(f"round {number + 1}: {rates}, ratio {ratios[-1]:.2f}", flush=True)
    _compare(paths, plain, ours)
    print(f"RATIO {statistics.median(ratios):.2f} (median of {rounds}; {len(paths)} pictures)")


def _plain(paths: list[Path]) -> list[Any]:
    from facenet_pytorch import MTCNN

    detector = MTCNN(keep_all=True)
    return [detector.detect(Image.open(path).convert("RGB"), landmarks=True) for path in paths]


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def _compare(paths: list[Path], plain: list[Any], ours: list[Any]) -> None:
    inside, edge, worst = 0, 0, 0.0
    for path, (boxes, _, _), faces in zip(paths, plain, ours, strict=True):
        if boxes is None or not faces:
            continue
        with Image.open(path) as image:
            size = np.array(image.size * 2)
        own = np.array([face.box_xyxy_px for face in faces])  # (N, 4)
        for box in np.array(boxes, dtype=float):
            margin = EDGE * (box[2:] - box[:2]).max()
            if (box[:2] < margin).any() or (box[2:] > size[2:] - margin).any():
                edge += 1
                continue
            inside += 1
            worst = max(worst, float(np.abs(own - box).max(axis=1).min()))
    found = [sum(boxes is not None for boxes, _, _ in plain), sum(bool(faces) for faces in ours)]
    print(f"pictures with a face: plain {found[0]}, ours {found[1]} of {len(paths)}")
    print(f"boxes inside the picture: {inside}, farthest apart {worst:.4f} px; at its edge, not compared: {edge}")
    assert worst <= 1, "the boxes differ"


def _chosen(folder: Path | None, count: int) -> list[Path]:
    if folder is None:
        return []
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        sys.exit(f"{folder}: holds no picture")
    return paths[:: max(1, len(paths) // count)][:count]


def _drawn(folder: Path, count: int) -> list[Path]:
    """Drawn faces of several sizes and places on grey, as JPEG files."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from drawn_faces import MOVES, draw_face, on_canvas

    rng = np.random.default_rng(0)
    faces = [draw_face(i, int(rng.integers(140, 260)), list(MOVES)[i % len(MOVES)]) for i in range(min(count, 40))]
    paths = [folder / f"{i:05}.jpg" for i in range(count)]
    for i, path in enumerate(paths):
        face = faces[i % len(faces)]
        corner = tuple(rng.integers(0, 400 - len(face[0]), 2).tolist())
        canvas, _ = on_canvas([face], 400, 400, [corner])
        Image.fromarray(canvas).save(path, quality=92)
    return paths


if __name__ == "__main__":
    main()
