"""A study: one question, asked by one file and answered by one command (``ifgan study studies/NAME``).

``study.yaml`` holds the question, the plan and the runs; ``runs.csv`` (a row a run), ``epochs.csv`` (a row an epoch)
and ``predictions.parquet`` (a row an image and reading) are what came out. Runs whose rows are there are not trained
again, so that a study goes on where it stopped, on another machine too. Everything is rendered, trained and measured
in a working folder that needs not be kept.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from ifgan.data.prepare import prepare
from ifgan.data.sample import read_manifest
from ifgan.data.synthetic import synthesize
from ifgan.errors import InputError, one_line
from ifgan.experiments.study_files import Finished, keep, read_runs_table
from ifgan.experiments.study_plan import Study, StudyRun, read_study, run_name, set_of
from ifgan.experiments.study_run import do_run

Say = Callable[[str], None]


def run_study(
    folder: Path,
    work: Path,
    *,
    processes: int,
    say: Say,
    arms: list[str] | None = None,
    folds: list[int] | None = None,
) -> int:
    """Do what is not done yet, ``processes`` runs side by side with one thread each, of ``arms`` and ``folds`` or of
    all; returns how many failed, which is told and stops no other. Raises InputError for a file that is no study, and
    for an arm or a fold that it does not have.
    """
    if processes < 1:
        raise InputError(f"processes {processes}: expected at least 1")
    study, work = read_study(folder), Path(work).resolve()
    names = [arm.name for arm in study.arms]
    if unknown := sorted(set(arms or ()) - set(names)):
        raise InputError(f"{folder}: has no arm {unknown[0]!r}; expected some of {', '.join(names)}")
    if missing := sorted(set(folds or ()) - set(range(study.folds))):
        raise InputError(f"{folder}: has no fold {missing[0]}; expected some of 0 to {study.folds - 1}")
    done = _done(study, work)
    make_data(study, work, say)
    asked = set(arms or names), sorted(set(folds or range(study.folds)))
    groups = list(_groups(study, work, done, *asked))
    say(f"{sum(map(len, groups))} runs to do, {len(done)} done")
    failed = 0
    waiting: dict[Future[Finished], list[StudyRun]] = {}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:

        def start(runs: list[StudyRun]) -> None:
            waiting[pool.submit(do_run, runs[0])] = runs

        for _ in range(min(processes, len(groups))):
            start(groups.pop(0))
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                current, *others = waiting.pop(future)
                try:
                    finished = future.result()
                    keep(study.folder, finished)
                    say(f"{current.name}: {finished.row['minutes']:.1f} min, {finished.row['parts']}")
                except BrokenProcessPool as error:
                    lost = "a process died (out of memory?); what is done is kept, launch it again to go on"
                    raise InputError(f"{current.name}: {lost}") from error
                except Exception as error:  # whatever it is, the other runs go on
                    failed += 1
                    say(f"{current.name}: failed: {type(error).__name__}: {one_line(error)}")
                if others:
                    start(others)
                elif groups:
                    start(groups.pop(0))
    return failed


def make_data(study: Study, work: Path, say: Say) -> None:
    """Render and align the people of the study, unless they are there."""
    for people in (study.train, study.test):
        raw, out = work / f"rendered-{people['seed']}", set_of(work, people)
        if not (out / "manifest.csv").exists():
            say(f"{out.name}: {people['subjects']} people")
            synthesize(raw, people["subjects"], people["seed"], None)
            prepare("bu3dfe", raw, out)
        found = len({sample.subject for sample in read_manifest(out)})
        if found != people["subjects"]:
            raise InputError(f"{out}: holds {found} people, the study asks for {people['subjects']}; remove the folder")


def _groups(study: Study, work: Path, done: set[str], names: set[str], folds: list[int]) -> Iterator[list[StudyRun]]:
    """Runs of one seed and fold, whose comparison is paired, one after the other."""
    asked = [arm for arm in study.arms if arm.name in names]
    for seed in sorted({seed for arm in asked for seed in arm.seeds}):
        for fold in folds:
            arms = [arm for arm in asked if seed in arm.seeds and run_name(arm.name, seed, fold) not in done]
            if arms:
                yield [StudyRun(study, arm, seed, fold, work) for arm in arms]


def _done(study: Study, work: Path) -> set[str]:
    """Runs whose rows are there. Raises InputError where they were done by another plan."""
    table = read_runs_table(study.folder)
    plans = dict(zip(table["run"], table["plan"], strict=True))
    for arm in study.arms:
        for run in (StudyRun(study, arm, seed, fold, work) for seed in arm.seeds for fold in range(study.folds)):
            kept = plans.get(run.name)
            if kept is not None and kept != run.plan:
                where = f"{study.folder / 'runs.csv'}: {run.name}"
                raise InputError(f"{where} was done by another study.yaml; ask it in a study of its own")
    return set(plans)
