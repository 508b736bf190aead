"""Weights that a run takes over, to start from or to be taught by, must not have met the people whom it holds out:
those would be tested by a network that knows them.
"""

from pathlib import Path
from typing import Any

from ifgan.config import Config
from ifgan.data.people import same_names
from ifgan.errors import InputError, some_of
from ifgan.files import read_json
from ifgan.models.backbones import NOT_OF_FACES, weights_file
from ifgan.models.checkpoint import read_labels
from ifgan.weights import PACKAGED_MODEL


def taken_over(config: Config) -> tuple[str, ...]:
    """Files, or the package's own model, whose weights come from faces."""
    drawing = config.generator.weights if "generator" in config.networks else None
    names = (config.classifier.weights, drawing, *config.classifier.teachers)
    return tuple(name for name in names if name is not None and name not in NOT_OF_FACES)


def check_head(config: Config, labels: tuple[str, ...]) -> None:
    """Raise InputError where E's decision is to start from one about other expressions than ``labels``."""
    if not config.classifier.head_weights or config.classifier.weights in NOT_OF_FACES:
        return
    if (theirs := read_labels(weights_file(config.classifier.weights))) != labels:
        names = f"{', '.join(theirs)}; expected {', '.join(labels)}"
        raise InputError(f"classifier.head_weights: {config.classifier.weights} knows {names}")


def check_taken_over(config: Config, record: dict[str, Any]) -> None:
    """Raise InputError when a file that the run takes weights from lies in a run folder whose record says that it was
    trained on somebody whom ``record`` (a run's split.json) holds out, or validated on somebody whom it tests. What is
    no run's checkpoint, as an exported file, says nothing of whom it has seen.
    """
    for name in taken_over(config):
        split = Path(name).resolve().parent.parent / "split.json"
        theirs = read_json(split) if name != PACKAGED_MODEL and split.exists() else {}
        ours, seen = record["subjects"], theirs.get("subjects")
        same = same_names(theirs.get("dataset", ""), record["dataset"])
        if not seen or not (same or record["data"] in (theirs.get("data"), *theirs.get("extra", ()))):
            continue
        known = set(seen["train"]) & {*ours["validation"], *ours["test"]} | set(seen["validation"]) & set(ours["test"])
        if known := known - {""}:
            raise InputError(
                f"{name}: these weights have seen {len(known)} people whom this run holds out "
                f"({some_of(sorted(known), 3)}); take those of the same fold"
            )
