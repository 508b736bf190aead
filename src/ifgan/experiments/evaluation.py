"""A finished run on the pictures that it kept apart. Paper §4.1: a fold's test subjects were never seen.

What is measured stays in the run folder, so that tables and figures need nothing else: ``evaluation_<split>.json``
(the contract's results), ``predictions_<split>.csv`` (a row a picture) and, where there is a generator,
``transfer_<split>.png`` and ``attention_<split>.png``.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ifgan.data.averages import read_averages
from ifgan.data.pairs import FacePairs
from ifgan.experiments.attention_figure import attention_figure
from ifgan.experiments.outcome import RunOutcome, results
from ifgan.experiments.transfer_figure import transfer_figure
from ifgan.experiments.variants import variant_of
from ifgan.files import read_json, write_json, write_text
from ifgan.models.checkpoint import Trained, load_trained
from ifgan.training.evaluate import Evaluation, evaluate
from ifgan.training.run_data import recorded_run_data
from ifgan.training.run_folder import RunFolder


@dataclass(frozen=True)
class TrainedRun:
    """A run's best epoch, and the pairs of one split of its own fold, without augmentation."""

    run: RunFolder
    trained: Trained
    fold: int
    pairs: FacePairs


def open_run(run_path: Path, data: Path, split: str = "test") -> TrainedRun:
    """Raises InputError when the set's pictures or subjects are not those that the run was split by."""
    run = RunFolder(run_path)
    trained = load_trained(run.best)
    record, averages = read_json(run.path / "split.json"), read_averages(run.path / "average_faces")
    run_data = recorded_run_data(data, record, averages, seed=trained.config.seed)
    return TrainedRun(
        run, trained, record["choice"]["fold"] or 0, run_data.pairs(split, trained.config, augmented=False)
    )


def evaluate_run(run_path: Path, data: Path, split: str = "test") -> RunOutcome:
    """Evaluate a run's best epoch on a split of its own fold, and keep the result in the run folder. Raises InputError
    like `open_run`.
    """
    opened = open_run(run_path, data, split)
    run, trained, pairs = opened.run, opened.trained, opened.pairs
    evaluation = evaluate(trained.system, pairs, temperature=trained.temperature)
    table = _predictions(pairs, evaluation)
    shown = tuple(table["subject"]), tuple(table["image"])
    outcome = RunOutcome(variant_of(trained.config), opened.fold, trained.labels, evaluation, *shown)
    text = io.StringIO()
    table.to_csv(text, index=False, lineterminator="\n")
    write_text(run.path / f"predictions_{split}.csv", text.getvalue())
    generator = trained.system.generator
    if generator is not None:
        transfer_figure(generator, pairs, run.path / f"transfer_{split}.png")
    if generator is not None and "decoder" in generator.attention:
        attention_figure(generator, pairs, run.path / f"attention_{split}.png")
    write_json(run.path / f"evaluation_{split}.json", results([outcome]))
    return outcome


def _predictions(pairs: FacePairs, evaluation: Evaluation) -> pd.DataFrame:
    """A row a picture: who, what, what was said, and the probability of every label."""
    samples = [located.sample for located in pairs.samples]
    columns = {
        "image": [sample.image for sample in samples],
        "subject": [sample.subject for sample in samples],
        "expression": [sample.expression for sample in samples],
        "predicted": [pairs.labels[index] for index in evaluation.probabilities.argmax(1)],
    }
    return pd.DataFrame(columns | dict(zip(pairs.labels, evaluation.probabilities.T.astype(float), strict=True)))
