"""A finished run on the pictures that it kept apart, and the contract's ``results.json`` (DESIGN §3)."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ifgan import metrics
from ifgan.errors import InputError
from ifgan.files import read_json, write_json
from ifgan.models.checkpoint import load_trained
from ifgan.training.evaluate import Evaluation, evaluate
from ifgan.training.run_data import SplitChoice, load_run_data
from ifgan.training.run_folder import RunFolder


@dataclass(frozen=True)
class RunOutcome:
    """One run on one split."""

    method: str
    fold: int
    labels: tuple[str, ...]
    evaluation: Evaluation


def evaluate_run(run_path: Path, data: Path, split: str = "test") -> RunOutcome:
    """Evaluate a run's best epoch on a split of its own fold, and keep the result in the run folder.

    Raises InputError when the set's pictures or subjects are not those that the run was split by.
    """
    run = RunFolder(run_path)
    trained = load_trained(run.best)
    record = read_json(run.path / "split.json")
    choice = SplitChoice(**record["choice"])
    run_data = load_run_data(data, choice, seed=trained.config.seed)
    if split != "train" and run_data.record["subjects"][split] != record["subjects"][split]:
        raise InputError(f"{data}: its {split} subjects are not those of {run_path}; give the set it was trained on")
    pairs = run_data.pairs(split, trained.config)
    outcome = RunOutcome(trained.config.method, choice.fold or 0, trained.labels, evaluate(trained.system, pairs))
    write_json(run.path / f"evaluation_{split}.json", results([outcome]))
    return outcome


def results(outcomes: list[RunOutcome]) -> dict[str, Any]:
    """The contract's results of one or more runs; every run's epoch was chosen on validation."""
    by_method: dict[str, list[RunOutcome]] = defaultdict(list)
    for outcome in outcomes:
        by_method[outcome.method].append(outcome)
    methods = {name: _method(sorted(group, key=lambda outcome: outcome.fold)) for name, group in by_method.items()}
    return {"methods": methods, "labels": list(outcomes[0].labels), "selection": "validation"}


def _method(outcomes: list[RunOutcome]) -> dict[str, Any]:
    folds = [
        {"fold": outcome.fold, **outcome.evaluation.summary(), "confusion": outcome.evaluation.confusion.tolist()}
        for outcome in outcomes
    ]
    accuracies = [fold["accuracy"] for fold in folds]
    pooled = np.sum([outcome.evaluation.confusion for outcome in outcomes], axis=0)
    return {
        "folds": folds,
        "mean": float(np.mean(accuracies)),
        "std": float(np.std(accuracies, ddof=1)) if len(folds) > 1 else 0.0,
        "pooled": metrics.accuracy(pooled),
        "macro_f1": metrics.macro_f1(pooled),
    }
