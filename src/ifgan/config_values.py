"""Settings from plain values and back, as presets, YAML files and checkpoints hold them."""

import re
from dataclasses import asdict, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from ifgan.config import Config
from ifgan.errors import InputError

_ALWAYS_SET = {field.name for field in fields(Config) if field.default is not None}


def from_dict(values: dict[str, Any], *, source: str = "config") -> Config:
    """A Config from plain values, as `to_dict` or a YAML file gives them; what is not named keeps its default. Numbers
    may be text (YAML takes 1e-4 for one). Raises InputError for an unknown field and a value of another type.
    """
    if empty := [name for name, value in values.items() if value is None and name in _ALWAYS_SET]:
        raise InputError(f"{source}: {empty[0]}: has no value")
    try:
        read = _parser().parse_object(values)
    except ArgumentError as error:
        raise InputError(f"{source}: {_sentence(error)}") from error
    return replace(Config(), **{name: read[name] for name in values})


@cache
def _parser() -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Config)
    return parser


def _sentence(error: Exception) -> str:
    """Parser key "epochs": Expected a <class 'int'>. Got value: ten -> epochs: expected int, got ten"""
    words = " ".join(str(error).split())
    words = re.sub(r"<class '(\w+)'>|typing\.(Literal)", r"\1\2", words)
    words = re.sub(r'Parser key "(\w+)": Expected an? (.+?)\. Got value: ', r"\1: expected \2, got ", words)
    words = re.sub(r'Parser key "(\w+)": Does not validate.*', r"\1: expected a number or nothing", words)
    return re.sub(r"^Option '(\w+)' is not accepted.*", r"unknown field '\1'", words)


def to_dict(config: Config) -> dict[str, Any]:
    """Plain values for YAML and JSON."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}


def read_config(path: Path) -> Config:
    """The configuration in a YAML file. Raises InputError for a file that can't be read, unknown names and
    values out of type or range.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path}: can't be read as a configuration ({str(error).splitlines()[0]})") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected names and values, one a line")
    return from_dict(values, source=str(path))
