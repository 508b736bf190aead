"""A finished run on the images that it kept apart. Paper §4.1: a fold's test subjects were never seen.

What is measured stays in the run folder, so that tables and figures need nothing else: ``evaluation_<split>.json``
(``results.json`` of this run), ``predictions_<split>.csv`` (a row an image) and, where there is a generator,
``transfer_<split>.png`` and ``attention_<split>.png``. Of another set, its name stands for the split's.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ifgan.data.averages import read_averages
from ifgan.data.pairs import FacePairs, LocatedSample
from ifgan.data.people import same_names
from ifgan.data.sample import SPLITS, Sample, read_manifest
from ifgan.errors import InputError, some_of
from ifgan.experiments.attention_figure import attention_figure
from ifgan.experiments.outcome import RunOutcome, results
from ifgan.experiments.transfer_figure import transfer_figure
from ifgan.experiments.variants import variant_of
from ifgan.faces.align import ALIGNED_SHAPE
from ifgan.faces.model_input import InputForm
from ifgan.files import write_json, write_text
from ifgan.labels import in_order
from ifgan.models.checkpoint import Trained, load_trained
from ifgan.models.device import fastest_device
from ifgan.models.ifgan import IFGAN
from ifgan.training.evaluate import Predictions, evaluate
from ifgan.training.run_data import recorded_run_data
from ifgan.training.run_folder import RunFolder
from ifgan.training.schedule import parts_in_force, selection, what_is_missing, wrongly_chosen

_ABOUT = ("image", "subject", "expression")


@dataclass(frozen=True)
class TrainedRun:
    """A run's kept epoch, and the pairs of one split of its own fold, without augmentation."""

    run: RunFolder
    trained: Trained
    fold: int
    pairs: FacePairs


def open_run(run_path: Path, data: Path, split: str = "test") -> TrainedRun:
    """Raises InputError when the set's images or subjects are not those that the run was split by."""
    run = RunFolder(run_path)
    trained = load_trained(run.best, fastest_device())
    record, averages = run.split, read_averages(run.path / "average_faces")
    run_data = recorded_run_data(data, record, averages, seed=trained.config.run.seed)
    pairs = run_data.pairs(split, trained.config, augmented=False)
    if not len(pairs):
        raise InputError(f"{data}: the run's split has no {split} images; --split takes another part")
    return TrainedRun(run, trained, record["choice"]["fold"] or 0, pairs)


def open_unseen(run_path: Path, data: Path) -> tuple[TrainedRun, list[LocatedSample]]:
    """A run's kept epoch with everybody in a set that it was not trained on; images of expressions that it doesn't
    know come apart. Raises InputError for a set that it was trained on, one that shows people whom it was trained or
    validated on, one called like a split, and where it knows no expression.
    """
    run, data = RunFolder(run_path), Path(data)
    trained, record = load_trained(run.best, fastest_device()), run.split
    if data.resolve().name in (record["data"], *record["extra"], *record["averages_from"]):
        raise InputError(f"{data}: the run was trained on this set; only its own test people are unseen")
    if data.resolve().name in SPLITS:
        raise InputError(f"{data}: a set of this name can't be told from the run's own split; rename the folder")
    samples = read_manifest(data)
    if seen := _seen(record, samples):
        raise InputError(f"{data}: the run was trained or validated on {len(seen)} of its people ({some_of(seen, 3)})")
    known: list[LocatedSample] = []
    unknown: list[LocatedSample] = []
    for sample in samples:
        (known if sample.expression in trained.labels else unknown).append(LocatedSample(data, sample))
    if not known:
        raise InputError(f"{data}: shows none of the run's expressions, {', '.join(trained.labels)}")
    averages, config = read_averages(run.path / "average_faces"), trained.config
    form = InputForm.from_settings(dict(config.preprocess))
    pairs = FacePairs(known, trained.labels, averages, config.preprocess.image_size, form=form, seed=config.run.seed)
    return TrainedRun(run, trained, record["choice"]["fold"] or 0, pairs), unknown


def _seen(record: dict[str, Any], samples: list[Sample]) -> list[str]:
    """People in another preparation of the run's own source whom it has met."""
    met = {*record["subjects"]["train"], *record["subjects"]["validation"]}
    source = record["dataset"]
    return sorted({sample.subject for sample in samples if same_names(sample.dataset, source)} & met - {""})


def evaluate_run(run_path: Path, data: Path, split: str = "test") -> RunOutcome:
    """Evaluate a run's kept epoch on a split of its own fold, and keep the result in the run folder. Raises InputError
    like `open_run`, and for an epoch that was not chosen on validation.
    """
    opened = open_run(run_path, data, split)
    run, trained, pairs = opened.run, opened.trained, opened.pairs
    refuse_oracle(opened.run, opened.trained)
    outcome = _outcome(opened, evaluate(trained, pairs, what="evaluation"))
    _keep(opened, split, outcome)
    if isinstance(trained.system, IFGAN):
        generator = trained.system.generator
        transfer_figure(generator, pairs, run.path / f"transfer_{split}.png")
        if "decoder" in generator.attention:
            attention_figure(generator, pairs, run.path / f"attention_{split}.png")
    return outcome


def evaluate_unseen(run_path: Path, data: Path) -> RunOutcome:
    """Evaluate a run's kept epoch on all of a set that it was not trained on, and keep the result in the run folder
    under the set's name. An image whose expression the run doesn't know is wrong, whatever is said. Raises InputError
    like `open_unseen`.
    """
    opened, unknown = open_unseen(run_path, data)
    refuse_oracle(opened.run, opened.trained)
    trained = opened.trained
    labels = in_order({*trained.labels, *(item.sample.expression for item in unknown)})
    predictions = evaluate(trained, opened.pairs, what="evaluation")
    parts = [predictions.table]
    if unknown:
        grey = {name: np.full(ALIGNED_SHAPE, 128, np.uint8) for name in labels}  # an average that nobody looks at
        pairs = FacePairs(unknown, labels, grey, trained.config.preprocess.image_size, form=opened.pairs.form)
        parts.append(evaluate(trained, pairs, what="evaluation").table)
    table = pd.concat(parts, ignore_index=True).reindex(columns=[*_ABOUT, *labels], fill_value=0.0)
    outcome = _outcome(opened, Predictions(table, labels, predictions.l1))
    _keep(opened, Path(data).resolve().name, outcome)
    return outcome


def refuse_oracle(run: RunFolder, trained: Trained) -> None:
    """Raise InputError for a checkpoint whose epoch is neither the last nor chosen on validation, or came before a part
    of the method had joined, so that it would be measured under a name that it has no right to.
    """
    if sentence := wrongly_chosen(trained.about.get("selection")):
        raise InputError(f"{run.best}: {sentence}; not measured")
    if sentence := what_is_missing(trained.config, trained.about.get("epoch")):
        raise InputError(f"{run.best}: {sentence}; not measured")


def _outcome(opened: TrainedRun, predictions: Predictions) -> RunOutcome:
    config = opened.trained.config
    return RunOutcome(variant_of(config), opened.fold, predictions, selection(config))


def _keep(opened: TrainedRun, name: str, outcome: RunOutcome) -> None:
    """A row an image (who, what, what was said, the probability of every label), and results.json's content with the
    epoch that was measured; the rows last, since they say that a run was evaluated.
    """
    run, epoch = opened.run, opened.trained.about.get("epoch")
    table, labels = outcome.predictions.table.copy(), list(outcome.predictions.labels)
    table[labels] = table[labels].astype(float)
    table.insert(len(_ABOUT), "predicted", table[labels].idxmax(axis=1))
    text = io.StringIO()
    table.to_csv(text, index=False, lineterminator="\n")
    (run.path / f"predictions_{name}.csv").unlink(missing_ok=True)  # those of an earlier look are not this epoch's
    content = results([outcome], name) | {"epoch": epoch}
    if epoch is not None:
        content["parts"] = list(parts_in_force(opened.trained.config, epoch - 1))
    write_json(run.path / f"evaluation_{name}.json", content)
    if name == "test":
        write_json(run.path / "results.json", content)
    write_text(run.path / f"predictions_{name}.csv", text.getvalue())
