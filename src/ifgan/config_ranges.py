"""Which numbers a setting may have, whatever the other settings are."""

import math
from collections.abc import Mapping
from typing import Any

from ifgan.errors import InputError

_LEAST = {
    1: (
        *("epochs", "batch_size", "image_size", "closeup", "generator_width", "generator_levels"),
        *("attention_key_ratio", "discriminator_width"),
    ),
    0: (
        *("detail_px", "corners_px", "rotation_deg", "mixup", "lambda_gan", "lambda_l1", "lambda_softmax"),
        *("lambda_island", "center_rate", "learning_rate", "generator_learning_rate", "discriminator_learning_rate"),
        *("discriminator_layers", "decay_factor", "warmup_epochs", "weight_decay", "workers", "checkpoint_steps"),
    ),
}
_BELOW_ONE = (
    *("zoom", "classifier_dropout", "generator_dropout", "weights_ema"),
    *("beta1", "beta2", "generator_beta1"),
)
_SHARES = ("blank_average", "blank_picture", "classifier_start", "gan_start", "erase", "soft_labels", "choose_from")


def check_ranges(settings: Mapping[str, Any]) -> None:
    """Raise InputError that names the first setting out of its range; None is unset."""
    given = {name: value for name, value in settings.items() if value is not None}
    for least, names in _LEAST.items():
        for name in names:
            if name in given and not least <= given[name] < math.inf:
                raise InputError(f"{name} {given[name]}: expected at least {least}")
    for name in _SHARES:
        if name in given and not 0 <= given[name] <= 1:
            raise InputError(f"{name} {given[name]}: expected a share between 0 and 1")
    for name in _BELOW_ONE:
        if name in given and not 0 <= given[name] < 1:
            raise InputError(f"{name} {given[name]}: expected a number from 0 to below 1")
