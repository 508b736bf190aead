"""The methods that experiments compare, by name: the paper's three (§4.4) and its parts left out one at a time.

Each variant is a handful of settings on top of a preset; a run's variant is read off its settings again, so that no
table can call a run something that it isn't.
"""

from typing import Any

from ifgan.config import METHODS, Config
from ifgan.errors import InputError

VARIANTS: dict[str, dict[str, Any]] = {
    **{method: {"method": method} for method in METHODS},
    "baseline-noisland": {"method": "baseline", "losses.island": 0.0},
    "ifgan-nogan": {"method": "ifgan", "losses.gan": 0.0},
    "ifgan-nol1": {
        "method": "ifgan",
        "losses.l1": 0.0,
        "phases.discriminator_start": 0.0,
    },  # D is all that G has at first
    "ifgan-noisland": {"method": "ifgan", "losses.island": 0.0},
    "ifgan-separate": {"method": "ifgan", "losses.end_to_end": False},
}

_NOT_OF_BASELINE = (
    *("generator.", "discriminator.", "losses.gan", "losses.l1", "losses.end_to_end", "losses.saturating_gan"),
    *("classifier.average_dropout", "classifier.image_dropout", "classifier.reads_mixture", "classifier.tta_inputs"),
    *("phases.classifier_before", "optimizer.generator_", "optimizer.discriminator_"),
)


def with_variant(config: Config, name: str) -> Config:
    """The settings of a variant: ``config`` with what its name says. Raises InputError for an unknown name."""
    if name not in VARIANTS:
        raise InputError(f"method {name!r}: expected some of {', '.join(VARIANTS)}")
    return config.changed(**VARIANTS[name])


def variant_of(config: Config) -> str:
    """The variant with most settings in common among those that describe ``config``: ``"ifgan-nogan"``."""
    values = config.flat()
    fitting = [name for name, changes in VARIANTS.items() if changes.items() <= values.items()]
    return max(fitting, key=lambda name: len(VARIANTS[name]))


def without_variant(config: Config) -> dict[str, Any]:
    """The settings that a variant's name doesn't tell; of the baseline those that it has a use for."""
    told = VARIANTS[variant_of(config)]
    values = {name: value for name, value in config.flat().items() if name not in told}
    if "generator" in config.networks:
        return values
    return {name: value for name, value in values.items() if not name.startswith(_NOT_OF_BASELINE)}


def variant_rank(name: str) -> int:
    """Place in tables: the paper's methods first, in its order."""
    return list(VARIANTS).index(name)
