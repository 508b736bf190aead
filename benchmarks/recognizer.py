"""Time and memory of `Recognizer` against another checkout's, in one run, one thread each.

    python benchmarks/recognizer.py PHOTOS --reference CHECKOUT [--rounds 3]

PHOTOS: a folder of photographs. CHECKOUT: a clone of this repository at another commit; both run in this environment,
which needs what either imports. Each measurement is a process of its own; the two take turns; medians over the rounds.
CPU time, in milliseconds, of: an aligned face, read; the same with its redrawn face; a photograph, from its file to
JSON; the first answer, imports and loading included. Peak memory after all photographs, in MiB.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FACES, PHOTOS = 20, 100  # times that each is read; a photograph in which nothing sure is found takes longer


def main() -> None:
    """Measure, or (as the child) be measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measured(arguments.photos)))
        return
    checkouts = {"ours": ROOT, "reference": arguments.reference}
    found: dict[str, list[dict[str, float]]] = {"ours": [], "reference": []}
    for _ in range(arguments.rounds):
        for name, checkout in checkouts.items():
            found[name].append(child(arguments.photos, checkout))
    print("commit", *(f"{name} {commit(checkout)}" for name, checkout in checkouts.items()))
    print(f"{'':24}{'ours':>10}{'reference':>12}{'ratio':>8}")
    for what in found["ours"][0]:
        ours, reference = (statistics.median(one[what] for one in found[name]) for name in found)
        print(f"{what:24}{ours:10.1f}{reference:12.1f}{reference / ours:8.1f}")


def commit(checkout: Path) -> str:
    """Its short name, with a + where files have changed since."""
    command = ["git", "-C", str(checkout), "describe", "--always", "--exclude=*", "--dirty=+"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def child(photos: Path, checkout: Path) -> dict[str, float]:
    """One process of a checkout's code."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(photos), "--child"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def measured(photos: Path) -> dict[str, float]:
    """Of the ifgan that is imported."""
    import numpy as np
    from PIL import Image

    from ifgan import Recognizer

    files = sorted(path for path in photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    recognizer = Recognizer.from_pretrained()
    recognizer(files[0])
    found = {"first answer, ms": 1000 * time.process_time()}
    aligned = Recognizer.from_pretrained(aligned=True)
    face = np.asarray(Image.open(files[0]).convert("RGB").resize((256, 256)))
    found["aligned face, ms"] = each(lambda: aligned(face))
    found["with its drawing, ms"] = each(lambda: aligned(face)[0].average_face)
    paths = iter(files)
    found["photograph to JSON, ms"] = each(
        lambda: json.dumps([face.to_dict() for face in recognizer(next(paths))]), min(PHOTOS, len(files) - 1)
    )
    for _ in recognizer.stream(files, workers=0):
        pass
    scale = 2**20 if sys.platform == "darwin" else 2**10  # bytes on macOS, KiB elsewhere
    return found | {"peak memory, MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale}


def each(work: Callable[[], object], times: int = FACES) -> float:
    """Mean CPU milliseconds, warm."""
    work()
    started = time.process_time()
    for _ in range(times):
        work()
    return 1000 * (time.process_time() - started) / times


if __name__ == "__main__":
    main()
