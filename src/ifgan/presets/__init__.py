"""Presets: YAML files beside this one, each what it changes in `Config`'s defaults."""

from importlib.resources import files
from typing import Any

import yaml

from ifgan.config import Config, from_dict, merged, nested
from ifgan.errors import InputError


def preset_names() -> list[str]:
    """The presets that come with the package."""
    return sorted(
        path.name.removesuffix(".yaml") for path in files("ifgan.presets").iterdir() if path.name.endswith(".yaml")
    )


def preset_values(name: str) -> dict[str, Any]:
    """What a preset changes. Raises InputError for an unknown name."""
    if name not in preset_names():
        raise InputError(f"preset {name!r}: expected one of {', '.join(preset_names())}")
    return yaml.safe_load(files("ifgan.presets").joinpath(f"{name}.yaml").read_text(encoding="utf-8")) or {}


def make_config(preset: str = "paper", **changes: Any) -> Config:
    """A preset with changes on top, named as `Config.changed` takes them. Raises InputError."""
    return from_dict(merged(preset_values(preset), nested(changes)))
