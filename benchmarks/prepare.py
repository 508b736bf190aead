"""Faces a second of our whole prepare path against a plain loop over MTCNN, in one run.

    python benchmarks/prepare.py [--pictures DIR] [--count 400] [--workers N] [--rounds 3]

Both read the same files from disk. Plain: facenet-pytorch's ``MTCNN.detect(image, landmarks=True)``, one
picture at a time in one process, with torch's threads as they come. Ours: ``find_faces``, which also aligns. The two
take turns; the ratio printed is the median over the rounds, of which the first also holds the loading of libraries
and networks, for both. Then boxes are compared on pictures with a border, since the library misplaces those at
the picture's edge (see src/ifgan/faces/detect.py); unless 95 % agree to a pixel the script fails. Without --pictures
it draws faces.
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

from ifgan.faces.detect import MAX_SIDE_PX, FaceDetector
from ifgan.faces.picture import PICTURE_SUFFIXES
from ifgan.faces.pipeline import find_faces

COMPARED = 100  # pictures whose boxes are compared


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
    found = [sum(boxes is not None for boxes, _, _ in plain), sum(bool(faces) for faces in ours)]
    print(f"pictures with a face: plain {found[0]}, ours {found[1]} of {len(paths)}")
    _compare(paths[:COMPARED])
    print(f"RATIO {statistics.median(ratios):.2f} (median of {rounds}; {len(paths)} pictures)")


def _plain(paths: list[Path]) -> list[Any]:
    from facenet_pytorch import MTCNN

    detector = MTCNN(keep_all=True)
    return [detector.detect(Image.open(path).convert("RGB"), landmarks=True) for path in paths]


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def _compare(paths: list[Path]) -> None:
    from facenet_pytorch import MTCNN

    library, own = MTCNN(keep_all=True), FaceDetector()
    apart: list[float] = []
    for image in map(_bordered, paths):
        if max(image.shape) > MAX_SIDE_PX:  # ours would reduce it first
            continue
        boxes, _ = library.detect(Image.fromarray(image))
        found = np.array([face.box_xyxy_px for face in own([image])[0]]).reshape(-1, 4)
        for box in [] if boxes is None else np.array(boxes, dtype=float):
            apart.append(float(np.abs(found - box).max(axis=1).min(initial=np.inf)))
    assert apart, "no box could be compared"
    near = sum(distance <= 1 for distance in apart)
    print(f"boxes inside the picture: {near} of {len(apart)} agree to a pixel, farthest apart {max(apart):.4f} px")
    # Where two proposals score the same to rounding, either may win.
    assert near >= 0.95 * len(apart), "the boxes differ"


def _bordered(path: Path) -> np.ndarray:
    """The picture inside a black border, so that its faces lie away from the edge."""
    image = np.asarray(Image.open(path).convert("RGB"))
    side = max(image.shape) // 2
    return np.pad(image, ((side, side), (side, side), (0, 0)))


def _chosen(folder: Path | None, count: int) -> list[Path]:
    if folder is None:
        return []
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
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
