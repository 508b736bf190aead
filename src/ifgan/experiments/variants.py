"""The methods that experiments compare, by name: the paper's three (§4.4) and its parts left out one at a time.

Each variant is a handful of settings on top of a preset; a run's variant is read off its settings again, so that no
table can call a run something that it isn't.
"""

from typing import Any

from ifgan.config import METHODS, Config
from ifgan.errors import InputError
from ifgan.labels import BASIC

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

# The paper's own figures, in percent (§4.4, Tables 1 and 2); its folds were never published.
_PUBLISHED_SETS = ("bu3dfe", "ckplus", "mmi", "rafdb")
_PUBLISHED = {
    "baseline": (82.5, 94.82, 71.15, 86.31),
    "ifgan-noattention": (84.25, 95.79, 73.56, 87.32),
    "ifgan": (85.25, 97.52, 75.48, 88.33),
}


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


def published_accuracy(dataset: str, method: str, labels: tuple[str, ...]) -> float | None:
    """What the paper reports of a method on a data set, where it told the same expressions apart (§4.1: six on the
    posed sets, with neutral on RAF-DB); None where it reports nothing.
    """
    expected = (*BASIC, "neutral") if dataset == "rafdb" else BASIC
    if dataset not in _PUBLISHED_SETS or method not in _PUBLISHED or labels != expected:
        return None
    return round(_PUBLISHED[method][_PUBLISHED_SETS.index(dataset)] / 100, 4)
