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
from ifgan.training.evaluate import Evaluation
from ifgan.training.run_folder import RunFolder
from ifgan.training.schedule import what_is_missing, wrongly_chosen


@dataclass(frozen=True)
class RunOutcome:
    """One run on one split. ``subjects``: who is on each image, (M,), empty strings where unknown; ``images``: its
    name in the manifest, (M,); ``selection``: how its epoch was chosen, as `ifgan.training.schedule.selection` says.
    """

    method: str
    fold: int
    labels: tuple[str, ...]
    evaluation: Evaluation
    subjects: tuple[str, ...]
    images: tuple[str, ...] = ()
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
        table = pd.read_csv(path, dtype={"subject": str}, keep_default_na=False)
        true = table["expression"].map(labels.index).to_numpy()
        evaluation = Evaluation(table[list(labels)].to_numpy(float), true, l1)
        subjects, images = tuple(table["subject"]), tuple(table["image"])
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: expected image, subject, expression, predicted, {', '.join(labels)}") from error
    return RunOutcome(method, fold, labels, evaluation, subjects, images, record["selection"])


def results(outcomes: list[RunOutcome], split: str = "test") -> dict[str, Any]:
    """What results.json says of one or more runs; another ``split`` than test, or another set, is named."""
    by_method: dict[str, list[RunOutcome]] = defaultdict(list)
    for outcome in outcomes:
        by_method[outcome.method].append(outcome)
    methods = {name: _method(sorted(group, key=lambda outcome: outcome.fold)) for name, group in by_method.items()}
    labels = in_order({label for outcome in outcomes for label in outcome.labels})
    where = {} if split == "test" else {"split": split}
    selection = " or ".join(sorted({outcome.selection for outcome in outcomes}))
    return {"methods": methods, "labels": list(labels), "selection": selection} | where


def _method(outcomes: list[RunOutcome]) -> dict[str, Any]:
    folds = [
        {"fold": outcome.fold, **outcome.evaluation.summary(), "confusion": outcome.evaluation.confusion.tolist()}
        for outcome in outcomes
    ]
    accuracies = [fold["accuracy"] for fold in folds]
    pooled = pooled_confusion(outcomes)
    return {
        "folds": folds,
        "mean": float(np.mean(accuracies)),
        "std": float(np.std(accuracies, ddof=1)) if len(folds) > 1 else 0.0,
        "pooled": metrics.accuracy(pooled),
        "macro_f1": metrics.macro_f1(pooled),
    }


def pooled_predictions(outcomes: list[RunOutcome]) -> tuple[np.ndarray, np.ndarray]:
    """(M, N) probabilities and (M,) true labels' indices of all folds' images. Raises InputError when their labels
    differ.
    """
    _same_labels(outcomes)
    evaluations = [outcome.evaluation for outcome in outcomes]
    probabilities = np.concatenate([evaluation.probabilities for evaluation in evaluations])
    return probabilities, np.concatenate([evaluation.true for evaluation in evaluations])


def pooled_confusion(outcomes: list[RunOutcome]) -> np.ndarray:
    """(N, N): the folds' confusion matrices added up. Raises InputError when their labels differ."""
    _same_labels(outcomes)
    return np.sum([outcome.evaluation.confusion for outcome in outcomes], axis=0)


def _same_labels(outcomes: list[RunOutcome]) -> None:
    if len({outcome.labels for outcome in outcomes}) > 1:
        raise InputError("runs with different labels can't be pooled; report each data set by itself")
