"""The command line: options of what commands/ does. Exit status 0 done, 1 some inputs failed, 2 wrong use."""

import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import jsonargparse
import yaml

import ifgan
from ifgan.commands import COMMANDS
from ifgan.commands.parser import Parser
from ifgan.config import merged, nested, settings
from ifgan.errors import WRONG_USE, InputError, missing
from ifgan.experiments.variants import VARIANTS
from ifgan.presets import make_config

INTERRUPTED, PIPE_CLOSED = 130, 141  # what a shell reports for SIGINT and SIGPIPE


_POSITIONAL = {
    "prepare": ("set", "root"),
    "check": ("dir",),
    "evaluate": ("run",),
    "report": ("runs",),
    "study": ("folder",),
    "figure": ("kind", "run"),
    "audit": ("runs",),
    "leakage": ("run",),
    "predict": ("images",),
    "export": ("model",),
}
_SPELLED = {("check", "json_file"): "json", ("evaluate", "json_file"): "json", ("predict", "json_out"): "json"}


def build_parser() -> jsonargparse.ArgumentParser:
    """The whole command line."""
    parser = Parser(prog="ifgan", description="Identity-free facial expression recognition")
    parser.add_argument("--version", action="version", version=f"ifgan {ifgan.__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = parser.add_subcommands(dest="command", required=True)
    for name, function in COMMANDS.items():
        commands.add_subcommand(name, _command_parser(name, function), help=_summary(function))
    return parser


def _summary(function: Callable[..., int]) -> str:
    return (function.__doc__ or "").strip().splitlines()[0]


def _command_parser(name: str, function: Callable[..., int]) -> Parser:
    usage = (
        f"ifgan {name} --data DIR --out DIR [options] [--SECTION.SETTING VALUE ...]" if name in _CONFIGURED else None
    )
    parser = Parser(description=_summary(function), usage=usage)
    if name in _CONFIGURED:
        _CONFIGURED[name](parser)
    else:
        _add_arguments(parser, name, function)
    return parser


def _add_arguments(parser: Parser, name: str, function: Callable[..., int]) -> None:
    import inspect

    text = dict(re.findall(r"^\s+(\w+): (.+)$", function.__doc__ or "", re.M))
    for parameter in inspect.signature(function).parameters.values():
        options: dict[str, Any] = {"type": parameter.annotation, "help": text.get(parameter.name)}
        required = parameter.default is inspect.Parameter.empty
        if parameter.annotation is bool:
            options = {"action": "store_true", "help": text.get(parameter.name)}
        elif not required:
            options["default"] = parameter.default
        if (item := _item_of(parameter.annotation)) is not None:
            options |= {"nargs": "+", "type": item}
        if parameter.name in _POSITIONAL.get(name, ()):
            parser.add_argument(parameter.name, **options)
        else:
            flag = _SPELLED.get((name, parameter.name), parameter.name.replace("_", "-"))
            needed = {"required": True} if required else {}
            parser.add_argument(f"--{flag}", dest=parameter.name, **options, **needed)


def _item_of(annotation: Any) -> type | None:
    """What a list, or a list that may be left out, holds."""
    for part in (annotation, *get_args(annotation)):
        if get_origin(part) is list:
            return get_args(part)[0]
    return None


def _add_train_arguments(parser: Parser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="prepared folder")
    parser.add_argument("--out", type=Path, required=True, help="run folder to make")
    parser.add_argument("--fold", type=int | None, default=None, help="fold number; unset: the official split, or 0")
    parser.add_argument("--resume", action="store_true", help="go on after the last checkpoint")
    few = "train on so many of the training subjects, drawn by the seed; unset: all"
    parser.add_argument("--train-subjects", dest="train_subjects", type=int | None, default=None, help=few)
    parser.add_argument(
        "--folds-file", dest="folds_file", type=Path | None, default=None, help="folds.json, e.g. somebody else's"
    )
    _add_protocol_arguments(parser)
    _add_config_arguments(parser)


def _add_crossval_arguments(parser: Parser) -> None:
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="prepared folders, each tested by itself")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs; what is finished there is kept")
    parser.add_argument(
        "--methods",
        type=str,
        default="baseline,ifgan-noattention,ifgan",
        help=f"comma-separated, of {', '.join(VARIANTS)}",
    )
    parser.add_argument("--only", type=int, nargs="*", default=[], help="these folds' numbers; unset: all")
    few = "the whole comparison once for each of these numbers of training subjects, drawn by the seed; unset: all"
    parser.add_argument("--train-subjects", dest="train_subjects", type=int, nargs="*", default=[], help=few)
    parser.add_argument(
        "--measure",
        type=Literal["validation", "test"],
        default="test",
        help="on which images; validation: for choosing settings, the test images stay unseen",
    )
    parser.add_argument("--engine", type=Literal["local", "ray"], default="local", help="one by one, or a Ray cluster")
    parser.add_argument("--cpus-per-fold", dest="cpus_per_fold", type=float, default=1.0, help="ray: CPUs a run takes")
    parser.add_argument("--gpus-per-fold", dest="gpus_per_fold", type=float, default=0.0, help="ray: GPUs, e.g. 0.5")
    parser.add_argument("--threads", type=int | None, default=None, help="torch's threads a run; unset: torch's choice")
    parser.add_argument(
        "--folds-file",
        dest="folds_file",
        type=Path,
        nargs="*",
        default=[],
        help="folds.json, e.g. somebody else's: one a set, in the sets' order",
    )
    _add_protocol_arguments(parser)
    _add_config_arguments(parser)


def _add_protocol_arguments(parser: Parser) -> None:
    """What a single run and a cross-validation share."""
    parser.add_argument("--extra", type=Path, nargs="*", default=[], help="more prepared folders to train on")
    parser.add_argument(
        "--averages", type=Path, nargs="*", default=[], help="average faces from these prepared folders (RAF-DB's)"
    )
    parser.add_argument("--rule", type=Literal["step", "block", "balanced"], default="step", help="how folds are dealt")
    parser.add_argument("--folds", type=int, default=10, help="how many folds")
    parser.add_argument(
        "--leaks",
        type=Literal["stop", "drop"],
        default="stop",
        help="training images that are held out too, or nearly: stop, or leave them out of training",
    )
    parser.add_argument("--dry-run", dest="dry_run", action="store_true", help="print what would be done, then stop")


def _add_config_arguments(parser: Parser) -> None:
    preset = "paper, whose settings are the defaults below, or cpu; unset: paper"
    parser.add_argument("--preset", type=str | None, default=None, help=preset)
    parser.add_argument("--config", type=Path | None, default=None, help="a run's config.yaml, in place of a preset")
    groups: dict[str, Any] = {}
    for name, field in settings():
        section = name.split(".")[0] if "." in name else "method"
        group = groups.setdefault(section, parser.add_argument_group(section))
        flag, text = f"--{name.replace('_', '-')}", " ".join((field.description or "").split())
        if field.default not in (None, ()):
            text += f" (default: {_as_text(field.default)})"
        group.add_argument(flag, dest=_dest(name), default=None, metavar=_expected(field.annotation), help=text)


def _as_text(value: Any) -> str:
    """A value as the command line takes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def _expected(annotation: Any) -> str:
    """What stands for an option's value in the help: ``step|cosine``, ``true|false``, ``N``, ``TEXT``."""
    parts = get_args(annotation)
    if get_origin(annotation) is Literal:
        return "|".join(parts)
    if parts and get_origin(annotation) is tuple:
        return f"[{_expected(parts[0])},...]"
    kinds = [kind for kind in (*parts, annotation) if kind in (bool, int, float)]
    numbers = any(get_origin(part) is Annotated for part in parts)
    return "true|false" if bool in kinds else "N" if kinds or numbers else "TEXT"


def _value(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{name} {text}: expected a value as in YAML, such as [pair, image]") from error


def _dest(name: str) -> str:
    """Where a setting's text lies among a command's values, whose names have no points."""
    return f"setting:{name}".replace(".", ":")


_CONFIGURED = {"train": _add_train_arguments, "crossval": _add_crossval_arguments}


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as a daemon's are
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  as long as the process lives
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
    parser = build_parser()
    parsed = parser.parse_args(argv)
    values = parsed[parsed.command].as_dict()
    try:
        if parsed.command in _CONFIGURED:
            values = _with_config(values)
        return COMMANDS[parsed.command](**values)
    except BrokenPipeError:
        raise
    except (InputError, OSError, ModuleNotFoundError) as error:
        if isinstance(error, ModuleNotFoundError) and (error.name or "ifgan").split(".")[0] == "ifgan":
            raise  # our own fault
        if parsed.debug:
            traceback.print_exc()
        print(f"ifgan {parsed.command}: {_sentence(error)}", file=sys.stderr)
        return WRONG_USE


def _sentence(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return missing(error)
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
    """The run's settings in place of single ones: what was given on top of the preset or the file."""
    from ifgan.config import from_dict, read_config, to_dict

    texts = {name: values.pop(_dest(name)) for name, _ in settings()}
    changes = nested({name: _value(name, text) for name, text in texts.items() if text is not None})
    preset, path = values.pop("preset"), values.pop("config")
    if preset and path:
        raise InputError(f"preset {preset}, config {path}: both say what differs from the defaults; give one")
    started = None if path is None else to_dict(read_config(path))
    config = make_config(preset or "paper", **changes) if started is None else from_dict(merged(started, changes))
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return values | lists | {"config": config}


if __name__ == "__main__":
    sys.exit(main())
