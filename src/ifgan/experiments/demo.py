"""The whole paper in small, from nothing: synthetic people, baseline and IF-GAN, people never seen, a report.

Paper §4, at a size that two cores train in minutes (preset ``cpu``). Every step keeps what it made: a demo that was
broken off goes on where it stopped, and a finished one only writes its report again.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ifgan.data.prepare import prepare
from ifgan.data.synthetic import synthesize
from ifgan.errors import InputError
from ifgan.experiments.evaluation import evaluate_run, evaluate_unseen
from ifgan.experiments.outcome import read_outcome
from ifgan.experiments.report import Report, write_report
from ifgan.files import read_json, write_json
from ifgan.presets import make_config
from ifgan.progress import duration
from ifgan.training.fit import train_run
from ifgan.training.run_data import SplitChoice, load_run_data
from ifgan.training.run_folder import RunFolder
from ifgan.training.schedule import check_phases

METHODS = ("baseline", "ifgan")
FOLD = SplitChoice(fold=0, folds=4)  # of twenty people ten train, and five validate
BATCH = 8  # of 120 training images: twice as many updates as preset cpu's 16, in the same time
EPOCHS = 30  # in minutes; the studies take 80
MORE = 2.0  # people beside those of the set, only to test on: a fold's five tell little
MORE_SEED = 1000  # added to the set's, for other people


@dataclass(frozen=True)
class DemoFolder:
    """Where the demo keeps what."""

    path: Path

    @property
    def raw(self) -> Path:
        """Rendered images in BU-3DFE's layout."""
        return self.path / "raw"

    @property
    def prepared(self) -> Path:
        """Aligned faces and their manifest."""
        return self.path / "prepared"

    @property
    def more_raw(self) -> Path:
        """Rendered images of more people."""
        return self.path / "more-raw"

    @property
    def more(self) -> Path:
        """Their aligned faces; the report calls the set so."""
        return self.path / "more-people"

    @property
    def runs(self) -> Path:
        """One run folder a method."""
        return self.path / "runs"


def demo(
    out: Path, *, subjects: int = 20, seed: int = 0, workers: int | None = None, epochs: int | None = None
) -> Report:
    """Make everything below ``out`` and report on it. ``epochs``: for both methods; unset: EPOCHS.

    Raises InputError, for an ``out`` that holds a demo of other settings among others.
    """
    folder, say = DemoFolder(Path(out)), _print
    more, epochs = max(1, round(MORE * subjects)), EPOCHS if epochs is None else epochs
    configs = {
        method: make_config("cpu", method=method, seed=seed, epochs=epochs, batch_size=BATCH) for method in METHODS
    }
    for config in configs.values():
        check_phases(config)
    _claim(folder.path / "demo.json", {"subjects": subjects, "more": more, "seed": seed, "epochs": epochs})
    with _step(f"1/4 synthetic images of {subjects} people who do not exist, and {more} more to test on", say):
        synthesize(folder.raw, subjects, seed, workers)
        synthesize(folder.more_raw, more, seed + MORE_SEED, workers)
    with _step("2/4 faces found and aligned", say):
        prepare("bu3dfe", folder.raw, folder.prepared, workers=workers)
        prepare("bu3dfe", folder.more_raw, folder.more, workers=workers)
    data = load_run_data(folder.prepared, FOLD, seed=seed)
    say(data.describe())
    for method in METHODS:
        with _step(f"3/4 {method}: {epochs} epochs", say):
            train_run(configs[method], data, RunFolder(folder.runs / method), sys.argv, resume=True)
    with _step("4/4 people never seen", say):
        for method in METHODS:
            run = RunFolder(folder.runs / method)
            if read_outcome(run) is None:
                evaluate_run(run.path, folder.prepared)
            if read_outcome(run, folder.more.name) is None:
                evaluate_unseen(run.path, folder.more)
        return write_report(folder.runs, folder.path, title="ifgan demo")


def _claim(path: Path, settings: dict[str, int]) -> None:
    """Mark the folder as this demo's, or refuse it when it is another's."""
    if path.exists() and (found := read_json(path)) != settings:
        told = ", ".join(f"{name} {value}" for name, value in found.items())
        raise InputError(f"{path.parent}: holds the demo of {told}; choose another --out")
    write_json(path, settings)


@contextmanager
def _step(name: str, say: Callable[[str], None]) -> Iterator[None]:
    started = time.monotonic()
    say(f"[{name}]")
    yield
    say(f"[{name}: {duration(time.monotonic() - started)}]")


def _print(line: str) -> None:
    print(line, flush=True)
