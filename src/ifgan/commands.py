"""What each command does: one short function a command; its docstring is the command's help.

Each returns its exit status: 0 done, 1 some inputs failed; wrong use is an InputError. Libraries are imported by the
function that needs them, so that ``ifgan --help`` is quick.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ifgan.config import Config
from ifgan.errors import InputError

FAILED = 1


def synthesize(out: Path, subjects: int = 100, seed: int = 0, workers: int | None = None) -> int:
    """Make a synthetic posed set in BU-3DFE's layout: people who do not exist, with known identity and action units.

    Args:
        out: folder to make
        subjects: how many people
        seed: everything derives from it
        workers: processes; unset: one a core
    """
    from ifgan.data.synthetic import synthesize as make

    report = make(out, subjects, seed, workers)
    print(f"{report.folder}: {report.pictures} pictures of {report.subjects} subjects in {report.seconds:.0f} s")
    return 0


def prepare(
    set: Literal["bu3dfe", "ckplus", "fer2013", "folder", "jaffe", "mmi", "rafdb"],
    root: Path,
    *,
    out: Path,
    aligned: bool = False,
    subjects_unknown: bool = False,
    workers: int | None = None,
    levels: list[str] | None = None,
    neutral: bool = False,
    contempt: bool = False,
    peak: Literal["apex", "middle"] | None = None,
    images: Literal["aligned", "original"] | None = None,
    landmarks: Literal["manual", "detect"] | None = None,
) -> int:
    """Find and align the faces of a data set, and list them in a manifest.

    Args:
        set: which data set
        root: its folder as the owners distribute it
        out: prepared folder to make
        aligned: faces are cropped already, skip detection
        subjects_unknown: accept pictures without subject ids
        workers: processes; unset: one a core
        levels: bu3dfe: which of 01 02 03 04, or all; unset: 03 04
        neutral: bu3dfe, ckplus, jaffe, mmi: the neutral pictures too
        contempt: ckplus: the sequences of contempt too
        peak: mmi: where the peak frames lie, apex of the action units or middle of the clip; unset: apex
        images: rafdb: cropped faces (aligned) or photographs (original); unset: aligned
        landmarks: rafdb: of photographs, the owner's (manual) or found ones (detect); unset: manual
    """
    from ifgan.data.prepare import prepare as run

    report = run(
        set,
        root,
        out,
        aligned=aligned,
        subjects_unknown=subjects_unknown,
        workers=workers,
        levels=",".join(levels) if levels else None,
        neutral=neutral,
        contempt=contempt,
        peak=peak,
        images=images,
        landmarks=landmarks,
    )
    print(report.text())
    return FAILED if report.failed else 0


def check(dir: Path, *, folds_file: Path | None = None) -> int:
    """Count a prepared set per class, subject and split; find unreadable files and leaks.

    Args:
        dir: prepared folder
        folds_file: judge these folds too, e.g. somebody else's
    """
    from ifgan.data.check import check as run
    from ifgan.data.folds import read_folds

    report = run(dir, None if folds_file is None else read_folds(folds_file))
    print(report.text())
    return FAILED if report.failed else 0


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
    from ifgan.training.run import train_run
    from ifgan.training.run_data import SplitChoice, load_run_data
    from ifgan.training.run_folder import RunFolder

    choice = SplitChoice(fold, rule, folds, folds_file, train_subjects)
    run_data = load_run_data(data, choice, extra=extra, averages_from=averages, leaks=leaks, seed=config.seed)
    print(run_data.describe())
    if dry_run:
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
    folds_file: Path | None = None,
    only: tuple[int, ...] = (),
    leaks: Literal["stop", "drop"] = "stop",
    train_subjects: tuple[int, ...] = (),
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

    protocol = Protocol(
        data=tuple(data), methods=tuple(methods.split(",")), rule=rule, folds=folds, file=folds_file,
        only=only or None, extra=extra, averages_from=averages, leaks=leaks, train_subjects=train_subjects or (None,),
    )  # fmt: skip
    if dry_run:
        for job in jobs_of(protocol, config, out, sys.argv):
            print(f"{job.name}: {'finished' if job.finished else 'to do'}")
        return 0
    failed = 0
    for end in run(protocol, config, out, sys.argv, Resources(engine, cpus_per_fold, gpus_per_fold, threads)):
        what = "failed: " + end.error if end.error else "kept" if end.kept else f"done in {end.seconds / 60:.1f} min"
        print(f"{end.name}: {what}", flush=True)
        failed += end.error is not None
    print(method_tables(out))
    return FAILED if failed else 0


def _describe_networks(config: Config, classes: int) -> None:
    import yaml

    from ifgan.config import to_dict
    from ifgan.models.build import build_discriminator, build_system

    system = build_system(config, classes, pretrained="none")
    parts = {"G": system.generator, "D": build_discriminator(config), "E": system.classifier}
    print(yaml.safe_dump(to_dict(config), sort_keys=False), end="")
    for name, module in parts.items():
        if module is not None:
            print(f"{name}: {sum(p.numel() for p in module.parameters()) / 1e6:.1f} M parameters")


def evaluate(
    run: Path,
    data: Path,
    split: Literal["train", "validation", "test"] = "test",
    people: Literal["split", "all"] = "split",
    json_file: Path | None = None,
) -> int:
    """Measure a run on a split of its own fold, or on a whole set that it has not seen.

    Args:
        run: run folder
        data: the prepared set that it was trained on, or with --people all one that it has not seen
        split: which part of its own set
        people: those of the split, or all of another set
        json_file: also write results.json's content here
    """
    from ifgan.experiments.evaluation import evaluate_run, evaluate_unseen
    from ifgan.experiments.outcome import results

    outcome = evaluate_run(run, data, split) if people == "split" else evaluate_unseen(run, data)
    for name, value in outcome.evaluation.summary().items():
        if value is not None:
            print(f"{name}: {value:.4g}")
    if json_file is not None:
        from ifgan.files import write_json

        write_json(json_file, results([outcome]))
    return 0


def predict(
    pictures: list[Path],
    *,
    model: str,
    json_out: str = "-",
    faces: Path | None = None,
    aligned: bool = False,
    one: bool = False,
    redraw: Literal["free", "mixture"] | None = None,
    workers: int | None = None,
) -> int:
    """Read the expressions of every face in pictures or folders of them, one JSON object a picture.

    Args:
        pictures: files and folders
        model: run folder, checkpoint file or Hugging Face id
        json_out: file to write, or - for standard output
        faces: folder for the redrawn, identity-free faces
        aligned: pictures are aligned faces already
        one: only the largest, most central face of each picture
        redraw: faces as G draws them (free), or the nearest mixture of average faces; unset: as the model was made
        workers: processes that look for faces; unset: one a core
    """
    from ifgan.experiments.batch_predict import predict_files

    failed = predict_files(
        pictures, model, json_out, faces, aligned=aligned, every_face=not one, redraw=redraw, workers=workers
    )
    return FAILED if failed else 0


def demo(
    *,
    out: Path = Path("demo"),
    subjects: int = 100,
    epochs: int | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> int:
    """Show the whole method without any data: synthesise people, train baseline and IF-GAN, report on unseen ones.

    Args:
        out: folder to make; a demo that was broken off goes on there
        subjects: how many synthetic people
        epochs: for both methods; unset: those of preset cpu
        seed: everything derives from it
        workers: processes; unset: one a core
    """
    from ifgan.experiments.demo import demo as run

    report = run(out, subjects=subjects, epochs=epochs, seed=seed, workers=workers)
    print(report.text())
    print(f"{report.page}: open it in a browser")
    return 0


def report(runs: Path, *, out: Path) -> int:
    """Tables (text, Markdown, LaTeX, JSON), figures and one self-contained page about run folders.

    Args:
        runs: folder of run folders, or one of them
        out: folder for report.html and the rest
    """
    from ifgan.experiments.report import write_report

    written = write_report(runs, out)
    print(written.text())
    print(f"{written.page}: open it in a browser")
    return 0


def figure(
    kind: Literal["transfer", "attention"],
    run: Path,
    *,
    data: Path,
    out: Path,
    split: Literal["train", "validation", "test"] = "test",
    subjects: list[str] | None = None,
    count: int = 4,
    place: Literal["encoder", "skip", "decoder"] = "decoder",
    points: list[str] | None = None,
) -> int:
    """Draw what a generator makes of faces (the paper's Fig. 5), or where it looks (Fig. 6).

    Args:
        kind: transfer: input, generated and average face; attention: maps of a self-attention module
        run: run folder
        data: the prepared set that it was trained on
        out: .png, .pdf or .svg file
        split: which part
        subjects: transfer: these, not some drawn at random
        count: how many subjects (transfer) or pictures (attention)
        place: attention: which of the three modules
        points: attention: query points as x,y shares of the picture's side, e.g. 0.35,0.32; unset: eye, mouth, cheek
    """
    from ifgan.experiments.attention_figure import QUERIES, attention_figure, parse_points
    from ifgan.experiments.evaluation import open_run
    from ifgan.experiments.transfer_figure import transfer_figure

    opened = open_run(run, data, split)
    generator = opened.trained.system.generator
    if generator is None:
        raise InputError(f"{run}: the baseline has no generator; use a run of method ifgan")
    if kind == "transfer":
        transfer_figure(generator, opened.pairs, out, subjects=tuple(subjects or ()) or None, count=count)
    else:
        attention_figure(
            generator, opened.pairs, out, queries=parse_points(points or []) or QUERIES, place=place, count=count
        )
    print(out)
    return 0


def audit(
    runs: Path,
    *,
    data: Path,
    out: Path | None = None,
    split: Literal["train", "validation", "test"] = "test",
) -> int:
    """Compare groups of people: accuracy, F1 and calibration by gender, age band and ethnicity of kept predictions.

    Args:
        runs: run folder, or a folder of them, whose folds are pooled; evaluated already
        data: the prepared set, whose manifest knows the groups
        out: folder for audit.json, the table and the reliability diagram; unset: audit in the folder of runs
        split: which part
    """
    from ifgan.experiments.audit import audit as run
    from ifgan.experiments.audit import write_audit

    print(write_audit(*run(runs, data, split), runs / "audit" if out is None else out).text())
    return 0


def leakage(
    run: Path,
    *,
    data: Path,
    out: Path | None = None,
    baseline: Path | None = None,
    people: Literal["test", "all"] = "test",
    groups: Literal["expression", "picture"] = "expression",
    blur: float = 1 / 16,
    blocks: int = 12,
) -> int:
    """Measure how many people can be re-identified from the faces that a generator drew, and from plain anonymisers'.

    Args:
        run: run folder
        data: the prepared set that it was trained on, or with --people all one that it has not seen
        out: folder for leakage.json, the table and a row a picture; unset: leakage in the run folder
        baseline: the run of method baseline on the same fold, whose features are measured too
        people: the run's own test people, or all of another set
        groups: what of a person a probe must not have seen before it is asked: the expression, or only the picture
        blur: to compare with: the blur's standard deviation as a share of the picture's side
        blocks: to compare with: how many squares a side of the pixelated picture has
    """
    from ifgan.experiments.anonymisers import Plain
    from ifgan.experiments.leakage import measure_leakage
    from ifgan.experiments.leakage_report import write_leakage

    found = measure_leakage(
        run, data, baseline=baseline, people=people, groups=groups, plain=Plain(blur=blur, blocks=blocks)
    )
    write_leakage(found, run / "leakage" if out is None else out)
    print(found.table().text())
    return 0


COMMANDS: dict[str, Callable[..., int]] = {
    "demo": demo,
    "synthesize": synthesize,
    "prepare": prepare,
    "check": check,
    "train": train,
    "crossval": crossval,
    "evaluate": evaluate,
    "report": report,
    "figure": figure,
    "audit": audit,
    "leakage": leakage,
    "predict": predict,
}
