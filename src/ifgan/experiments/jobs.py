"""One fold of one method as a job that any machine can do: train, then look at the test images once, or at those of
validation where settings are still to be chosen. Paper §4.1.

A job carries paths and settings only and leaves everything in its run folder, so it can be done in this process, by
another one or on another host, and again after a crash: what is finished is kept.
"""

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from ifgan.config import Config
from ifgan.data.sample import HeldOut
from ifgan.errors import InputError
from ifgan.experiments.evaluation import evaluate_run
from ifgan.experiments.outcome import read_outcome
from ifgan.files import write_text
from ifgan.training.fit import train_run
from ifgan.training.run_data import SplitChoice, WhatOfLeaks, load_run_data
from ifgan.training.run_folder import RunFolder

Engine = Literal["local", "ray"]
RETRIES = 2  # of a job whose process died; a job that fails by itself is not tried again


@dataclass(frozen=True)
class Job:
    """One run. ``name`` is for people; paths are absolute; ``threads`` are torch's, None for its own choice."""

    name: str
    out: Path
    data: Path
    choice: SplitChoice
    config: Config
    extra: tuple[Path, ...] = ()
    averages_from: tuple[Path, ...] = ()
    leaks: WhatOfLeaks = "stop"
    command: tuple[str, ...] = ()
    threads: int | None = None
    measure: HeldOut = "test"

    @property
    def finished(self) -> bool:
        """Whether it is trained and measured. Raises InputError where that was done with other settings."""
        run = RunFolder(self.out)
        if not run.done or read_outcome(run, self.measure) is None:
            return False
        run.check(self.config, self._split())
        return True

    def _split(self) -> dict[str, Any]:
        """What a run records of its split and is known without a look at the set."""
        choice = asdict(self.choice) | {"file": None if self.choice.file is None else self.choice.file.name}
        if self.choice.fold is None:
            del choice["fold"]  # the set decides
        names = {"extra": self.extra, "averages_from": self.averages_from}
        return {"data": self.data.name, "choice": choice} | {k: [p.name for p in v] for k, v in names.items()}


@dataclass(frozen=True)
class JobEnd:
    """What became of a job. ``error``: one sentence, or None."""

    name: str
    kept: bool
    error: str | None
    seconds: float


def do_job(job: Job) -> JobEnd:
    """Train and evaluate, unless that is done; a failure is told, and its traceback kept in the run folder."""
    started = time.monotonic()
    failure = job.out / "error.txt"
    try:
        if job.finished:
            return JobEnd(job.name, True, None, 0.0)
        if job.threads is not None:
            torch.set_num_threads(job.threads)
        _train_and_measure(job)
        failure.unlink(missing_ok=True)
    except Exception as error:  # whatever it is, the other folds go on
        sentence = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        with suppress(InputError, OSError):  # a folder that can't be written may be what failed
            write_text(failure, traceback.format_exc())
        return JobEnd(job.name, False, sentence.splitlines()[0], time.monotonic() - started)
    return JobEnd(job.name, False, None, time.monotonic() - started)


def _train_and_measure(job: Job) -> None:
    run = RunFolder(job.out)
    data = load_run_data(
        job.data,
        job.choice,
        extra=job.extra,
        averages_from=job.averages_from,
        leaks=job.leaks,
        seed=job.config.run.seed,
    )
    if not data.parts[job.measure]:
        raise InputError(f"{job.data}: its split has no {job.measure} images; --measure validation measures those")
    train_run(job.config, data, run, list(job.command), resume=True, say=lambda line: _say(f"{job.name}: {line}"))
    evaluate_run(job.out, job.data, job.measure)


def do_locally(jobs: list[Job]) -> Iterator[JobEnd]:
    """One after the other, in this process."""
    return map(do_job, jobs)


def do_on_ray(jobs: list[Job], *, cpus: float, gpus: float) -> Iterator[JobEnd]:
    """On the Ray cluster that RAY_ADDRESS names, or on one started here; each job takes a share of CPUs and GPUs.

    Ends come as they come. A job whose process dies is started again and goes on from its last checkpoint; when that
    happens for the third time it is a failed one. The folders must be on a disk that all hosts share. Raises
    InputError without the package.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError('engine ray needs the package ray: pip install "ifgan[ray]"') from error
    ray.init(include_dashboard=False, log_to_driver=True, ignore_reinit_error=True)
    remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(do_job)
    waiting = {remote.remote(job): job for job in jobs}
    try:
        while waiting:
            (done, *_), _ = ray.wait(list(waiting))
            job = waiting.pop(done)
            try:
                yield ray.get(done)
            except ray.exceptions.RayError as error:
                yield JobEnd(job.name, False, told_by_ray(error), 0.0)
    finally:
        ray.shutdown()


def told_by_ray(error: Exception) -> str:
    """The sentence of an error of Ray's: of one inside a task it is the last line, below the process and traceback."""
    from ray.exceptions import RayTaskError

    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1 if isinstance(error, RayTaskError) else 0]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
