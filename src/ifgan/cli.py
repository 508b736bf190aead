"""The command line: one short function a command. Exit status 0 done, 1 some inputs failed, 2 wrong use."""

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import jsonargparse

from ifgan.config import Config, make_config
from ifgan.errors import InputError

FAILED, WRONG_USE = 1, 2
INTERRUPTED, PIPE_CLOSED = 130, 141  # what a shell reports for SIGINT and SIGPIPE


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
    set: Literal["bu3dfe", "fer2013", "folder"],
    root: Path,
    *,
    out: Path,
    aligned: bool = False,
    subjects_unknown: bool = False,
    workers: int | None = None,
    levels: list[str] | None = None,
    neutral: bool = False,
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
        neutral: bu3dfe: the neutral pictures too
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
    )
    print(report.text())
    return FAILED if report.failed else 0


def check(dir: Path) -> int:
    """Count a prepared set per class, subject and split; find unreadable files and leaks.

    Args:
        dir: prepared folder
    """
    from ifgan.data.check import check as run

    report = run(dir)
    print(report.text())
    return FAILED if report.failed else 0


def train(
    *,
    data: Path,
    out: Path,
    config: Config,
    extra: tuple[Path, ...] = (),
    fold: int | None = None,
    rule: Literal["step", "block", "balanced"] = "step",
    folds: int = 10,
    resume: bool = False,
    dry_run: bool = False,
) -> int:
    """Train one method on one fold (or on the set's official split) into a run folder."""
    from ifgan.data.averages import write_averages
    from ifgan.training.fit import fit
    from ifgan.training.run_data import SplitChoice, load_run_data
    from ifgan.training.run_folder import RunFolder

    run_data = load_run_data(data, SplitChoice(fold, rule, folds), extra=extra, seed=config.seed)
    print(run_data.describe())
    if dry_run:
        _describe_networks(config, len(run_data.labels))
        return 0
    run = RunFolder(out)
    run.start(config, run_data.record, sys.argv, resume=resume)
    write_averages(out / "average_faces", run_data.averages)
    if not run.done:
        fit(config, run, run_data.pairs("train", config), run_data.pairs("validation", config))
    print(f"{out}: done")
    return 0


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
    run: Path, data: Path, split: Literal["train", "validation", "test"] = "test", json_file: Path | None = None
) -> int:
    """Measure a run on a split of its own fold.

    Args:
        run: run folder
        data: the prepared set that it was trained on
        split: which part
        json_file: also write results.json's content here
    """
    from ifgan.experiments.evaluation import evaluate_run
    from ifgan.experiments.outcome import results

    outcome = evaluate_run(run, data, split)
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
        workers: processes that look for faces; unset: one a core
    """
    from ifgan.experiments.batch_predict import predict_files

    failed = predict_files(pictures, model, json_out, faces, aligned=aligned, every_face=not one, workers=workers)
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


COMMANDS: dict[str, Callable[..., int]] = {
    "demo": demo,
    "synthesize": synthesize,
    "prepare": prepare,
    "check": check,
    "train": train,
    "evaluate": evaluate,
    "report": report,
    "figure": figure,
    "predict": predict,
}
_POSITIONAL = {
    "prepare": ("set", "root"),
    "check": ("dir",),
    "evaluate": ("run",),
    "report": ("runs",),
    "figure": ("kind", "run"),
    "predict": ("pictures",),
}
_MANY = {"pictures": Path, "levels": str, "subjects": str, "points": str}
_SPELLED = {("evaluate", "json_file"): "json", ("predict", "json_out"): "json"}


def build_parser() -> jsonargparse.ArgumentParser:
    """The whole command line."""
    parser = jsonargparse.ArgumentParser(prog="ifgan", description="Identity-free facial expression recognition")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subcommands(dest="command", required=True)
    for name, function in COMMANDS.items():
        commands.add_subcommand(name, _command_parser(name, function))
    return parser


def _command_parser(name: str, function: Callable[..., int]) -> jsonargparse.ArgumentParser:
    summary = (function.__doc__ or "").strip().splitlines()[0]
    parser = jsonargparse.ArgumentParser(description=summary)
    if name == "train":
        _add_train_arguments(parser)
        return parser
    _add_arguments(parser, name, function)
    return parser


def _add_arguments(parser: jsonargparse.ArgumentParser, name: str, function: Callable[..., int]) -> None:
    import inspect
    import re

    text = dict(re.findall(r"^\s+(\w+): (.+)$", function.__doc__ or "", re.M))
    for parameter in inspect.signature(function).parameters.values():
        options: dict[str, Any] = {"type": parameter.annotation, "help": text.get(parameter.name)}
        required = parameter.default is inspect.Parameter.empty
        if parameter.annotation is bool:
            options = {"action": "store_true", "help": text.get(parameter.name)}
        elif not required:
            options["default"] = parameter.default
        if parameter.name in _MANY and parameter.annotation is not int:  # synthesize --subjects is a number
            options |= {"nargs": "+", "type": _MANY[parameter.name]}
        if parameter.name in _POSITIONAL.get(name, ()):
            parser.add_argument(parameter.name, **options)
        else:
            flag = _SPELLED.get((name, parameter.name), parameter.name.replace("_", "-"))
            needed = {"required": True} if required else {}
            parser.add_argument(f"--{flag}", dest=parameter.name, **options, **needed)


def _add_train_arguments(parser: jsonargparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared folder")
    parser.add_argument("--out", type=Path, required=True, help="run folder to make")
    parser.add_argument("--extra", type=Path, nargs="*", default=[], help="more prepared folders to train on")
    parser.add_argument("--fold", type=int | None, default=None, help="fold number; unset: the official split, or 0")
    parser.add_argument("--rule", type=Literal["step", "block", "balanced"], default="step", help="how folds are dealt")
    parser.add_argument("--folds", type=int, default=10, help="how many folds")
    parser.add_argument("--resume", action="store_true", help="go on after the last checkpoint")
    parser.add_argument("--dry-run", dest="dry_run", action="store_true", help="print settings and counts, then stop")
    parser.add_argument("--preset", type=str, default="paper", help="paper, or cpu: what differs from the defaults")
    parser.add_argument("--config", type=Path | None, default=None, help="a run's config.yaml, in place of a preset")
    jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)  # the fields' own words as help
    parser.add_class_arguments(Config, as_group=True)
    parser.set_defaults({field.name: None for field in fields(Config)})  # unset: as the preset or file says


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except BrokenPipeError:  # as in `ifgan predict ... | head`: the reader has seen enough
        return PIPE_CLOSED
    except KeyboardInterrupt:
        print("ifgan: interrupted", file=sys.stderr)
        return INTERRUPTED
    finally:
        _flush_output()


def _run(argv: list[str]) -> int:
    parsed = build_parser().parse_args(argv)
    values = parsed[parsed.command].as_dict()
    try:
        if parsed.command == "train":
            values = _with_config(values)
        return COMMANDS[parsed.command](**values)
    except BrokenPipeError:
        raise
    except (InputError, OSError) as error:
        if parsed.debug:
            raise
        print(f"ifgan {parsed.command}: {_sentence(error)}", file=sys.stderr)
        return WRONG_USE


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _flush_output() -> None:
    """What is printed must arrive, or the status tells. Python's own attempt at exit would print a traceback."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # drops what is left
        if isinstance(error, BrokenPipeError):
            sys.exit(PIPE_CLOSED)
        print(f"ifgan: standard output: {_sentence(error)}", file=sys.stderr)
        sys.exit(WRONG_USE)


def _with_config(values: dict[str, Any]) -> dict[str, Any]:
    from ifgan.config import from_dict, read_config, to_dict

    names = {field.name for field in fields(Config)}
    changes = {name: values.pop(name) for name in names & set(values)}
    changes = {name: value for name, value in changes.items() if value is not None}
    preset, path = values.pop("preset"), values.pop("config")
    config = from_dict(to_dict(read_config(path)) | changes) if path else make_config(preset, **changes)
    return values | {"config": config, "extra": tuple(values["extra"])}


def command_line() -> str:
    """What the user typed, for records."""
    return shlex.join(sys.argv)


if __name__ == "__main__":
    sys.exit(main())
