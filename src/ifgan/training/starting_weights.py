"""Weights that a run takes over, to start from or to be taught by, must not have met the people whom it holds out:
those would be tested by a network that knows them.
"""

from pathlib import Path
from typing import Any

from ifgan.config import Config
from ifgan.data.readers.base import some_of
from ifgan.data.readers.bu3dfe import RENDERED
from ifgan.errors import InputError
from ifgan.files import read_json

_NAMED = ("imagenet", "packaged", "none")  # weights that learnt no expression


def taken_over(config: Config) -> tuple[str, ...]:
    """Files, or the package's own model, whose weights come from faces."""
    return tuple(name for name in (config.pretrained, *config.teachers) if name not in _NAMED)


def check_taken_over(config: Config, record: dict[str, Any]) -> None:
    """Raise InputError when a file that the run takes weights from lies in a run folder whose record says that it was
    trained on somebody whom ``record`` (a run's split.json) holds out, or validated on somebody whom it tests. What is
    no run's checkpoint, as an exported file, says nothing of whom it has seen.
    """
    for name in taken_over(config):
        split = Path(name).resolve().parent.parent / "split.json"
        if not split.exists():
            continue
        theirs = read_json(split)
        same = (
            theirs["dataset"] == record["dataset"] not in ("", RENDERED)
        )  # each set of rendered people counts from F0001
        if not same and record["data"] not in (theirs["data"], *theirs["extra"]):
            continue
        ours, seen = record["subjects"], theirs["subjects"]
        known = set(seen["train"]) & {*ours["validation"], *ours["test"]} | set(seen["validation"]) & set(ours["test"])
        if known := known - {""}:
            raise InputError(
                f"{name}: these weights have seen {len(known)} people whom this run holds out "
                f"({some_of(sorted(known), 3)}); take those of the same fold"
            )
