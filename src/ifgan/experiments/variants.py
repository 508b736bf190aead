"""The methods that experiments compare, by name: the paper's three (§4.4) and its parts left out one at a time.

Each variant is a handful of settings on top of a preset; a run's variant is read off its settings again, so that no
table can call a run something that it isn't.
"""

from dataclasses import replace
from typing import Any

from ifgan.config import METHODS, Config
from ifgan.config_values import to_dict
from ifgan.errors import InputError

VARIANTS: dict[str, dict[str, Any]] = {
    **{method: {"method": method} for method in METHODS},
    "baseline-noisland": {"method": "baseline", "lambda_island": 0.0},
    "ifgan-nogan": {"method": "ifgan", "lambda_gan": 0.0},
    "ifgan-nol1": {"method": "ifgan", "lambda_l1": 0.0, "gan_start": 0.0},  # D is all that G has at first
    "ifgan-noisland": {"method": "ifgan", "lambda_island": 0.0},
    "ifgan-generated": {"method": "ifgan", "classifier_input": "generated"},
    "ifgan-separate": {"method": "ifgan", "end_to_end": False},
}

_ABOUT_THE_GENERATOR = ("generator_", "discriminator_", "attention_")
_NOT_OF_BASELINE = {
    *("blank_average", "blank_picture", "classifier_before", "classifier_input", "classifier_views", "end_to_end"),
    *("joint_batch", "lambda_gan", "lambda_l1", "pair_stem", "read_mixture", "redraw", "saturating_gan", "upsampling"),
}


def with_variant(config: Config, name: str) -> Config:
    """The settings of a variant: ``config`` with what its name says. Raises InputError for an unknown name."""
    if name not in VARIANTS:
        raise InputError(f"method {name!r}: expected some of {', '.join(VARIANTS)}")
    return replace(config, **VARIANTS[name])


def variant_of(config: Config) -> str:
    """The variant with most settings in common among those that describe ``config``: ``"ifgan-nogan"``."""
    values = to_dict(config)
    fitting = [name for name, changes in VARIANTS.items() if changes.items() <= values.items()]
    return max(fitting, key=lambda name: len(VARIANTS[name]))


def without_variant(config: Config) -> dict[str, Any]:
    """The settings that a variant's name doesn't tell; of the baseline those that it has a use for."""
    told = VARIANTS[variant_of(config)]
    values = {name: value for name, value in to_dict(config).items() if name not in told}
    if config.method != "baseline":
        return values
    return {
        name: value
        for name, value in values.items()
        if name not in _NOT_OF_BASELINE and not name.startswith(_ABOUT_THE_GENERATOR)
    }


def variant_rank(name: str) -> int:
    """Place in tables: the paper's methods first, in its order."""
    return list(VARIANTS).index(name)
