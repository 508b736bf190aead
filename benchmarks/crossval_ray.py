"""Time of one cross-validation by two Ray workers against one worker, one thread each, in one run.

    python benchmarks/crossval_ray.py [--folds 8] [--epochs 12] [--rounds 3]

Short folds of the baseline on drawn faces, the same jobs for both. The reference does them one after the other in its
own process (``--engine local --threads 1``) and so pays for no cluster; Ray's time has the start of the cluster in it,
and of its workers (``--engine ray --cpus-per-fold 1 --threads 1`` on two CPUs). The two take turns; the ratio printed
is the median over the rounds. The script fails where the two disagree in a number of ``results.json``.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from drawn_faces import MOVES, draw_face
from ifgan.data.prepare import prepare

ENGINES = {
    "local": ["--engine", "local", "--threads", "1"],
    "ray": ["--engine", "ray", "--cpus-per-fold", str((os.cpu_count() or 2) / 2), "--threads", "1"],
}


def main() -> None:
    """Print both times of every round and the median of their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = drawn_set(Path(scratch), arguments.folds * 2)
        ratios = []
        for number in range(arguments.rounds):
            seconds, results = {}, {}
            for engine in ENGINES:
                out = Path(scratch) / f"{engine}-{number}"
                seconds[engine] = timed(engine, data, out, arguments)
                results[engine] = json.loads((out / "results.json").read_text())
            if results["local"] != results["ray"]:
                sys.exit("the engines' results differ")
            ratios.append(seconds["local"] / seconds["ray"])
            times = ", ".join(f"{engine} {value:.1f} s" for engine, value in seconds.items())
            print(f"round {number + 1}: {times}, ratio {ratios[-1]:.2f}", flush=True)
    print(f"RATIO {statistics.median(ratios):.2f} (median of {arguments.rounds}; {arguments.folds} folds)")


def timed(engine: str, data: Path, out: Path, arguments: argparse.Namespace) -> float:
    """Seconds of one cross-validation, by the command."""
    command = [sys.executable, "-m", "ifgan.cli", "crossval", "--data", str(data), "--out", str(out)]
    command += ["--methods", "baseline", "--folds", str(arguments.folds), "--optimizer.epochs", str(arguments.epochs)]
    command += ["--preset", "cpu", "--classifier.weights", "none", "--run.precision", "fp32", *ENGINES[engine]]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    started = time.perf_counter()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(ended.stderr)
    return time.perf_counter() - started


def drawn_set(folder: Path, subjects: int) -> Path:
    """A prepared set of drawn people with every expression that the drawer knows."""
    raw = folder / "raw"
    raw.mkdir()
    with open(raw / "labels.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "subject", "expression"])
        for subject in range(subjects):
            for expression in MOVES:
                name = f"{subject:02}_{expression}.png"
                Image.fromarray(draw_face(subject, 256, expression)[0]).save(raw / name)
                writer.writerow([name, f"s{subject:02}", expression])
    prepare("folder", raw, folder / "drawn", aligned=True)
    return folder / "drawn"


if __name__ == "__main__":
    main()
