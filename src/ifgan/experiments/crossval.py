"""Cross-validation: every fold of every method on every set, each in a run folder of its own. Paper §4.1, §4.4.

``RUNS/<set>/folds.json`` are the folds, ``RUNS/<set>/<method>/fold-<k>`` the runs (with few training subjects:
``RUNS/<set>/<method>/subjects-<n>/fold-<k>``), ``RUNS/results.json`` what they reach (of several sets
``RUNS/<set>/results.json``), ``RUNS/crossval.json`` what was asked for, so that a table can show what is missing.
Launched again, finished folds are kept and the others go on where they stopped.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ifgan.config import Config
from ifgan.data.folds import Fold, read_folds, write_folds
from ifgan.data.sample import HeldOut, read_manifest
from ifgan.data.splits import folds_of
from ifgan.errors import InputError
from ifgan.experiments.jobs import Engine, Job, JobEnd, do_locally, do_on_ray
from ifgan.experiments.report import write_results
from ifgan.experiments.run_records import PLAN, read_plan, read_runs
from ifgan.experiments.variants import with_variant
from ifgan.files import write_json
from ifgan.training.run_data import SplitChoice, WhatOfLeaks
from ifgan.training.schedule import check_phases


@dataclass(frozen=True)
class Protocol:
    """What is compared on what. ``files``: folds from files instead of the ``rule``, one a set; sets with an official
    split and no file are run on that split. ``only``: some folds' numbers, or all. ``extra`` sets join every other set.
    ``train_subjects``: all of it once for each of these numbers of people; None is all of them. ``measure``: on which
    images; those of validation are for choosing settings, and leave the test images unseen.
    """

    data: tuple[Path, ...]
    methods: tuple[str, ...]
    rule: str = "step"
    folds: int = 10
    files: tuple[Path, ...] = ()
    only: tuple[int, ...] | None = None
    extra: tuple[Path, ...] = ()
    averages_from: tuple[Path, ...] = ()
    leaks: WhatOfLeaks = "stop"
    train_subjects: tuple[int | None, ...] = (None,)
    measure: HeldOut = "test"


@dataclass(frozen=True)
class Resources:
    """Who does the jobs, and with which share of a host each (only ``ray`` does several at once)."""

    engine: Engine = "local"
    cpus: float = 1.0
    gpus: float = 0.0
    threads: int | None = None

    def __post_init__(self) -> None:
        """Raises InputError for numbers by which nobody works."""
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads {self.threads}: expected at least 1")
        if self.cpus < 0 or self.gpus < 0:
            raise InputError(f"cpus-per-fold {self.cpus}, gpus-per-fold {self.gpus}: expected at least 0")


def crossval(
    protocol: Protocol, config: Config, runs: Path, command: list[str], resources: Resources | None = None
) -> Iterator[JobEnd]:
    """Do what is not done yet; yields each job's end, then writes the results. Raises InputError before any job."""
    resources = resources or Resources()
    jobs = [replace(job, threads=resources.threads) for job in jobs_of(protocol, config, Path(runs), command)]
    _write_plan(protocol, Path(runs), command)
    if resources.engine == "ray":
        yield from do_on_ray(jobs, cpus=resources.cpus, gpus=resources.gpus)
    else:
        yield from do_locally(jobs)
    if any(Path(runs).rglob("config.yaml")):  # else every job failed before it began, and said why
        write_results(read_runs(Path(runs), protocol.measure), Path(runs), protocol.measure)


def jobs_of(
    protocol: Protocol, config: Config, runs: Path, command: list[str], *, keep_folds: bool = True
) -> list[Job]:
    """All jobs, finished ones too; fold by fold, so that what is finished of a broken-off comparison is comparable.

    Writes each set's folds.json, unless ``keep_folds`` is false. Raises InputError for an unknown method, sets of the
    same name, folds that can't be made or aren't those of an earlier launch.
    """
    names = [path.resolve().name for path in protocol.data]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise InputError(f"--data: two sets are called {min(repeated)!r}; rename one folder")
    jobs = []
    for data, file in _sets(protocol):
        for choice in _choices(data, protocol, file, runs / data.name if keep_folds else None):
            for method in protocol.methods:
                check_phases(with_variant(config, method))
                name = f"{data.name}/{method}/{_place(choice)}"
                jobs.append(
                    Job(
                        name=name,
                        out=(runs / name).resolve(),
                        data=data,
                        choice=choice,
                        config=with_variant(config, method),
                        extra=tuple(other.resolve() for other in protocol.extra if other.resolve() != data),
                        averages_from=tuple(other.resolve() for other in protocol.averages_from),
                        leaks=protocol.leaks,
                        command=tuple(command),
                        measure=protocol.measure,
                    )
                )
    return jobs


def _sets(protocol: Protocol) -> list[tuple[Path, Path | None]]:
    """Every set with its folds' file, if there are any."""
    if len(protocol.files) not in (0, len(protocol.data)):
        sets = f"{len(protocol.data)} set" + ("s" if len(protocol.data) > 1 else "")
        raise InputError(f"--folds-file: {len(protocol.files)} for {sets}; expected one a set, in the sets' order")
    data = [path.resolve() for path in protocol.data]
    files: list[Path | None] = [path.resolve() for path in protocol.files]
    return list(zip(data, files or [None] * len(data), strict=True))


def _choices(data: Path, protocol: Protocol, file: Path | None, home: Path | None) -> list[SplitChoice]:
    """One choice a fold (or for the official split) and number of training subjects."""
    samples = read_manifest(data)
    if file is None and all(sample.split for sample in samples):
        return [SplitChoice(train_subjects=count) for count in protocol.train_subjects]
    known = {sample.subject for sample in samples}
    folds = folds_of(samples, protocol.rule, protocol.folds) if file is None else read_folds(file, known)
    if home is not None:
        _keep_folds(home / "folds.json", folds, protocol.rule if file is None else "file", samples[0].dataset)
    numbers = range(len(folds)) if protocol.only is None else protocol.only
    if unknown := [number for number in numbers if number not in range(len(folds))]:
        raise InputError(f"{data}: fold {unknown[0]} of {len(folds)}; expected 0 to {len(folds) - 1}")
    fewest = min(len(fold.train) for fold in folds)
    if too_many := [count for count in protocol.train_subjects if count is not None and not 0 < count <= fewest]:
        raise InputError(f"{data}: train-subjects {too_many[0]}; expected 1 to {fewest}, whom every fold has")
    return [
        SplitChoice(number, protocol.rule, protocol.folds, file, count)
        for number in numbers
        for count in protocol.train_subjects
    ]


def _place(choice: SplitChoice) -> str:
    fold = "split" if choice.fold is None else f"fold-{choice.fold}"
    return fold if choice.train_subjects is None else f"subjects-{choice.train_subjects}/{fold}"


def _keep_folds(path: Path, folds: list[Fold], rule: str, dataset: str) -> None:
    """Write the folds, or compare with those of an earlier launch."""
    if path.exists():
        if read_folds(path) != folds:
            raise InputError(f"{path}: holds other folds than those asked for; choose a new folder for the runs")
        return
    write_folds(path, folds, rule, dataset)


def _write_plan(protocol: Protocol, runs: Path, command: list[str]) -> None:
    asked = {data.name: protocol.folds if file is None else len(read_folds(file)) for data, file in _sets(protocol)}
    sets, folds = list(asked), asked
    before = read_plan(runs)
    tested = before is not None and before.measure == "test"  # once seen, it is a test
    said = [Path(command[0]).name, *command[1:]] if command else []
    if before is not None:  # another launch adds to the folder, and takes nothing out of it
        sets = list(dict.fromkeys([*before.sets, *sets]))
        folds = {name: max(before.folds.get(name, 0), asked.get(name, 0)) for name in sets}
    methods = list(dict.fromkeys([*(() if before is None else before.methods), *protocol.methods]))
    plan = {"command": said, "sets": sets, "methods": methods, "folds": folds}
    measure = "test" if tested else protocol.measure
    write_json(runs / PLAN, plan | {"measure": measure})
