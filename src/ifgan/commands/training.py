"""Commands that train."""

import sys
from pathlib import Path
from typing import Literal

from ifgan.config import Config
from ifgan.errors import FAILED


def train(
    *,
    data: Path,
    out: Path,
    config: Config,
    extra: tuple[Path, ...] = (),
    averages: tuple[Path, ...] = (),
    fold: int | None = None,
    rule: Literal["step", "block", "balanced"] = "step",
    folds: int = 10,
    folds_file: Path | None = None,
    leaks: Literal["stop", "drop"] = "stop",
    train_subjects: int | None = None,
    resume: bool = False,
    dry_run: bool = False,
) -> int:
    """Train one method on one fold (or on the set's official split) into a run folder."""
    from ifgan.training.fit import train_run
    from ifgan.training.run_data import SplitChoice, load_run_data
    from ifgan.training.run_folder import RunFolder
    from ifgan.training.schedule import check_generator_has_loss, check_phases, describe_phases

    choice = SplitChoice(fold, rule, folds, folds_file, train_subjects)
    run_data = load_run_data(data, choice, extra=extra, averages_from=averages, leaks=leaks, seed=config.run.seed)
    print(run_data.describe())
    if dry_run:
        check_phases(config)
        check_generator_has_loss(config)
        print("\n".join(describe_phases(config)))
        _describe_networks(config, len(run_data.labels))
        return 0
    train_run(config, run_data, RunFolder(out), sys.argv, resume=resume)
    print(f"{out}: done")
    return 0


def crossval(
    *,
    data: list[Path],
    out: Path,
    config: Config,
    methods: str = "baseline,ifgan-noattention,ifgan",
    extra: tuple[Path, ...] = (),
    averages: tuple[Path, ...] = (),
    rule: Literal["step", "block", "balanced"] = "step",
    folds: int = 10,
    folds_file: tuple[Path, ...] = (),
    only: tuple[int, ...] = (),
    leaks: Literal["stop", "drop"] = "stop",
    train_subjects: tuple[int, ...] = (),
    measure: Literal["validation", "test"] = "test",
    engine: Literal["local", "ray"] = "local",
    cpus_per_fold: float = 1.0,
    gpus_per_fold: float = 0.0,
    threads: int | None = None,
    dry_run: bool = False,
) -> int:
    """Train and test methods on every fold of prepared sets; what is finished is kept, so launch it again to go on."""
    from ifgan.experiments.crossval import Protocol, Resources, jobs_of
    from ifgan.experiments.crossval import crossval as run
    from ifgan.experiments.report import method_tables
    from ifgan.experiments.variants import with_variant

    names = tuple(methods.split(","))
    for name in names:
        with_variant(config, name)  # an unknown one is told before anything is read
    protocol = Protocol(
        data=tuple(data), methods=names, rule=rule, folds=folds, files=tuple(folds_file),
        only=only or None, extra=extra, averages_from=averages, leaks=leaks, train_subjects=train_subjects or (None,),
        measure=measure,
    )  # fmt: skip
    if dry_run:
        for job in jobs_of(protocol, config, out, sys.argv, keep_folds=False):
            print(f"{job.name}: {'finished' if job.finished else 'to do'}")
        return 0
    failed = 0
    for end in run(protocol, config, out, sys.argv, Resources(engine, cpus_per_fold, gpus_per_fold, threads)):
        what = "failed: " + end.error if end.error else "kept" if end.kept else f"done in {end.seconds / 60:.1f} min"
        print(f"{end.name}: {what}", flush=True)
        failed += end.error is not None
    if any(out.rglob("config.yaml")):
        print(method_tables(out, measure))
    return FAILED if failed else 0


def study(
    folder: Path,
    *,
    work: Path = Path("work"),
    processes: int = 2,
    arms: list[str] | None = None,
    folds: list[int] | None = None,
) -> int:
    """Do what a study asks for: render its people, train its runs, read its test people; what is done is kept.

    Args:
        folder: holds study.yaml; runs.csv, epochs.csv and predictions.parquet are written beside it
        work: where people and runs are made; can be removed afterwards
        processes: how many runs side by side, one thread each
        arms: do these now and the others later; unset: all
        folds: the same of folds, counted from 0
    """
    from ifgan.experiments.study import run_study
    from ifgan.experiments.study_files import read_runs_table
    from ifgan.experiments.study_report import write_metrics

    def say(line: str) -> None:
        print(line, flush=True)

    failed = run_study(folder, work, processes=processes, arms=arms, folds=folds, say=say)
    if len(read_runs_table(folder)):
        write_metrics(folder)
    return FAILED if failed else 0


def _describe_networks(config: Config, classes: int) -> None:
    import yaml

    from ifgan.config import to_dict
    from ifgan.models.backbones import check_weights, weights_file
    from ifgan.models.build import build_discriminator, build_system, check_size

    check_weights(config.classifier.weights)
    if config.generator.weights is not None:
        weights_file(config.generator.weights)
    system, discriminator = build_system(config, classes, pretrained="none"), build_discriminator(config)
    check_size(config, system)
    print(yaml.safe_dump(to_dict(config), sort_keys=False), end="")
    for name, module in {**system.networks(), "discriminator": discriminator}.items():
        if module is not None:
            print(f"{name}: {sum(p.numel() for p in module.parameters()) / 1e6:.1f} M parameters")


def demo(
    *,
    out: Path = Path("demo"),
    subjects: int = 20,
    epochs: int | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> int:
    """Show the whole method without any data: synthesise people, train baseline and IF-GAN, report on unseen ones.

    Args:
        out: folder to make; a demo that was broken off goes on there
        subjects: how many synthetic people; half of them train, and twice as many more are tested on
        epochs: for both methods; unset: 30
        seed: everything derives from it
        workers: processes; unset: one a core
    """
    from ifgan.experiments.demo import demo as run

    report = run(out, subjects=subjects, epochs=epochs, seed=seed, workers=workers)
    print(report.text())
    print(f"{report.page}: open it in a browser")
    return 0
