"""Run folders as records: tables, figures and the report read runs through here and nowhere else."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ifgan.config import METHODS, Config, read_config
from ifgan.errors import InputError
from ifgan.experiments.outcome import RunOutcome, read_outcome
from ifgan.files import read_json
from ifgan.training.run_folder import RunFolder


@dataclass(frozen=True)
class RunRecord:
    """One run folder. ``outcome`` is None until `ifgan evaluate` has seen the run."""

    name: str
    run: RunFolder
    config: Config
    split: dict[str, Any]
    environment: dict[str, Any]
    outcome: RunOutcome | None

    @property
    def fold(self) -> int:
        """The fold's number; 0 for an official split."""
        return self.split["choice"]["fold"] or 0

    @property
    def minutes(self) -> float:
        """Training and validation time."""
        return sum(line["seconds"] for line in self.run.metrics()) / 60

    @property
    def best_epoch(self) -> int | None:
        """The epoch that validation chose, counted from 1: highest accuracy, among equals the lowest loss."""
        lines = self.run.metrics()
        best = max(lines, key=lambda line: (line["validation"]["accuracy"], -line["validation"]["loss"]), default=None)
        return None if best is None else best["epoch"]


def read_runs(folder: Path) -> list[RunRecord]:
    """Every run below ``folder`` (or the run that it is), by method in the paper's order, then by fold.

    Raises InputError when there is none, or a record is broken.
    """
    folder = Path(folder)
    paths = sorted(path.parent for path in folder.rglob("config.yaml"))
    if not paths:
        raise InputError(f"{folder}: holds no run folder; expected one with config.yaml, as ifgan train makes")
    records = [_record(folder, path) for path in paths]
    return sorted(records, key=lambda record: (METHODS.index(record.config.method), record.fold, record.name))


def _record(folder: Path, path: Path) -> RunRecord:
    run = RunFolder(path)
    name = str(path.relative_to(folder)) if path != folder else path.name
    split, environment = read_json(path / "split.json"), read_json(path / "environment.json")
    return RunRecord(name, run, read_config(path / "config.yaml"), split, environment, read_outcome(run))


def by_method(records: list[RunRecord]) -> dict[str, list[RunRecord]]:
    """Records grouped by method, in their order."""
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(record.config.method, []).append(record)
    return groups
