"""What is known of one evaluated run, and ``results.json`` over several.

Reads what `ifgan.experiments.evaluation` left in a run folder: everything that tables and figures say comes from
here. The epoch was the last, or chosen on validation, when every part of the method was in force.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ifgan import metrics
from ifgan.config import read_config
from ifgan.errors import InputError
from ifgan.files import read_object
from ifgan.labels import in_order
from ifgan.models.checkpoint import read_about
from ifgan.training.evaluate import Predictions
from ifgan.training.run_folder import RunFolder
from ifgan.training.schedule import what_is_missing, wrongly_chosen


@dataclass(frozen=True)
class RunOutcome:
    """One run on one split. ``selection``: how its epoch was chosen, as `ifgan.training.schedule.selection` says."""

    method: str
    fold: int
    predictions: Predictions
    selection: str = "last epoch"


def read_outcome(run: RunFolder, split: str = "test") -> RunOutcome | None:
    """The kept outcome of a run, or None when it hasn't been evaluated, or not since validation chose another epoch.
    Raises InputError for a broken record, and for an epoch before a part of the method had joined.
    """
    path = run.path / f"predictions_{split}.csv"
    if not path.exists():
        return None
    file = run.path / f"evaluation_{split}.json"
    record = read_object(file, "methods", "labels")
    if sentence := wrongly_chosen(record.get("selection")):
        raise InputError(f"{run.path}: {sentence}")
    epoch = record.get("epoch", read_about(run.best).get("epoch") if run.best.exists() else None)
    if sentence := what_is_missing(read_config(run.path / "config.yaml"), epoch):
        raise InputError(f"{run.path}: {sentence}; tables refuse it")
    if "epoch" in record and run.best.exists() and read_about(run.best).get("epoch") != record["epoch"]:
        return None
    labels = tuple(record["labels"])
    try:
        (method, values), *_ = record["methods"].items()
        fold, l1 = values["folds"][0]["fold"], values["folds"][0]["l1"]
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"{file}: expected one method with one fold") from error
    try:
        table = pd.read_csv(path, dtype={"image": str, "subject": str}, keep_default_na=False)
        table = table[["image", "subject", "expression", *labels]].astype(dict.fromkeys(labels, float))
        if unknown := set(table["expression"]) - set(labels):
            raise ValueError(unknown)
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: expected image, subject, expression, predicted, {', '.join(labels)}") from error
    return RunOutcome(method, fold, Predictions(table, labels, l1), record["selection"])


def results(outcomes: list[RunOutcome], split: str = "test") -> dict[str, Any]:
    """What results.json says of one or more runs; another ``split`` than test, or another set, is named."""
    by_method: dict[str, list[RunOutcome]] = defaultdict(list)
    for outcome in outcomes:
        by_method[outcome.method].append(outcome)
    methods = {name: _method(sorted(group, key=lambda outcome: outcome.fold)) for name, group in by_method.items()}
    labels = in_order({label for outcome in outcomes for label in outcome.predictions.labels})
    where = {} if split == "test" else {"split": split}
    selection = " or ".join(sorted({outcome.selection for outcome in outcomes}))
    return {"methods": methods, "labels": list(labels), "selection": selection} | where


def _method(outcomes: list[RunOutcome]) -> dict[str, Any]:
    folds = [
        {"fold": outcome.fold, **outcome.predictions.summary(), "confusion": outcome.predictions.confusion.tolist()}
        for outcome in outcomes
    ]
    accuracies, confusion = [fold["accuracy"] for fold in folds], pooled(outcomes).confusion
    return {
        "folds": folds,
        "mean": float(np.mean(accuracies)),
        "std": float(np.std(accuracies, ddof=1)) if len(folds) > 1 else 0.0,
        "pooled": metrics.accuracy(confusion),
        "macro_f1": metrics.macro_f1(confusion),
    }


def pooled(outcomes: list[RunOutcome]) -> Predictions:
    """All folds' rows, one after the other. Raises InputError when their labels differ."""
    first, *others = (outcome.predictions for outcome in outcomes)
    if any(one.labels != first.labels for one in others):
        raise InputError("runs with different labels can't be pooled; report each data set by itself")
    return Predictions(pd.concat([one.table for one in (first, *others)], ignore_index=True), first.labels)
