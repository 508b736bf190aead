"""A run on a whole set that it has not seen, one with an expression that it doesn't know among them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ifgan.cli import main
from ifgan.errors import InputError
from ifgan.experiments import evaluation
from ifgan.experiments.audit import audit
from ifgan.experiments.evaluation import evaluate_run, evaluate_unseen, open_run
from ifgan.experiments.leakage import measure_leakage
from ifgan.experiments.outcome import read_outcome
from ifgan.files import read_json
from ifgan.metrics import fit_temperature
from ifgan.models.build import build_system
from ifgan.models.checkpoint import Trained, load_trained, save_trained
from ifgan.training.evaluate import evaluate
from ifgan.training.fit import train_run
from ifgan.training.run_data import SplitChoice, load_run_data
from ifgan.training.run_folder import RunFolder
from tiny_model import tempered
from tiny_runs import make_prepared, tiny, train_tiny


@pytest.fixture(scope="module")
def runs(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, in which other sets may leave their outcomes."""
    return Path(shutil.copytree(runs, tmp_path_factory.mktemp("evaluated") / "runs"))


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people of another set; one is said to be neutral instead of sad, and all are young."""
    folder = tmp_path_factory.mktemp("others")
    data = make_prepared(folder / "raw", folder / "others", subjects=3, first=40)
    manifest = pd.read_csv(data / "manifest.csv", dtype=str, keep_default_na=False)
    odd = (manifest["subject"] == "s41") & (manifest["expression"] == "sadness")
    manifest.loc[odd, "expression"] = "neutral"
    manifest.assign(age="30").to_csv(data / "manifest.csv", index=False)
    return data


def test_an_expression_that_is_not_known_is_wrong(runs: Path, others: Path):
    outcome = evaluate_unseen(runs / "ifgan", others)
    evaluation = outcome.predictions
    assert evaluation.labels == ("anger", "happiness", "sadness", "neutral")
    assert evaluation.known.tolist() == [True, True, True, False]
    assert len(evaluation.true) == 9 and evaluation.confusion[3].sum() == 1 and evaluation.confusion[:, 3].sum() == 0
    np.testing.assert_allclose(evaluation.probabilities.sum(axis=1), 1, atol=1e-6)
    recalls = np.diag(evaluation.confusion)[:3] / evaluation.confusion.sum(axis=1)[:3]
    assert evaluation.summary()["balanced_accuracy"] == pytest.approx(recalls.mean())
    assert evaluation.summary()["accuracy"] == pytest.approx(np.diag(evaluation.confusion).sum() / 9)
    kept = read_outcome(RunFolder(runs / "ifgan"), "others")
    assert kept is not None and kept.predictions.table["image"].equals(evaluation.table["image"])
    np.testing.assert_allclose(kept.predictions.probabilities, evaluation.probabilities, atol=1e-9)
    assert kept.predictions.summary()["balanced_accuracy"] == pytest.approx(recalls.mean())


def test_it_answers_as_on_its_own_pictures(runs: Path, prepared: Path, tmp_path: Path):
    """The test people again under another set's name: the same probabilities."""
    own = evaluate_run(runs / "baseline", prepared)
    renamed = tmp_path / "renamed"
    renamed.symlink_to(prepared)
    copied = tmp_path / "copied"
    copied.mkdir()
    (copied / "images").symlink_to(prepared / "images")
    rows = (prepared / "manifest.csv").read_text().splitlines()
    (copied / "manifest.csv").write_text("\n".join([rows[0], *(row for row in rows if ",s0," in row)]) + "\n")
    again = evaluate_unseen(runs / "baseline", copied)
    assert again.predictions.table["image"].equals(own.predictions.table["image"])
    np.testing.assert_allclose(again.predictions.probabilities, own.predictions.probabilities, atol=1e-6)
    with pytest.raises(InputError, match="was trained on this set"):
        evaluate_unseen(runs / "baseline", renamed)


def test_the_command_and_the_audit_of_another_set(runs: Path, others: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["evaluate", str(runs / "baseline"), "--data", str(others), "--people", "all"]) == 0
    assert "n: 9\n" in capsys.readouterr().out
    (found,), _ = audit(runs / "baseline", others)
    assert [(row.attribute, row.group, row.pictures) for row in found.rows] == [
        ("everybody", "", 9),
        ("age", "20-39", 9),
    ]


def test_a_set_called_like_a_split_overwrites_nothing(runs: Path, tmp_path: Path):
    named = make_prepared(tmp_path / "raw", tmp_path / "test", subjects=2, first=60)
    before = (runs / "ifgan" / "predictions_test.csv").read_bytes()
    with pytest.raises(InputError, match="rename the folder"):
        evaluate_unseen(runs / "ifgan", named)
    assert (runs / "ifgan" / "predictions_test.csv").read_bytes() == before


def test_probabilities_are_tempered_by_what_validation_said(runs: Path, prepared: Path):
    """On the run's own test people and on another set alike."""
    validation, test = (open_run(runs / "ifgan", prepared, split) for split in ("validation", "test"))
    raw = evaluate(replace(validation.trained, temperature=1.0), validation.pairs)
    temperature = validation.trained.temperature
    assert temperature == pytest.approx(fit_temperature(raw.probabilities, raw.true), rel=0.01)
    assert abs(temperature - 1) > 0.05
    expected = tempered(evaluate(replace(test.trained, temperature=1.0), test.pairs).probabilities, temperature)
    np.testing.assert_allclose(evaluate_run(runs / "ifgan", prepared).predictions.probabilities, expected, atol=1e-5)


def test_a_split_without_such_pictures_is_one_sentence(tmp_path: Path):
    """As of FER2013, whose last part most people don't have."""
    data = make_prepared(tmp_path / "raw", tmp_path / "two-parts", subjects=4)
    manifest = pd.read_csv(data / "manifest.csv", dtype=str, keep_default_na=False)
    part = manifest["subject"].map(lambda name: "validation" if name == "s3" else "train")
    manifest.assign(split=part).to_csv(data / "manifest.csv", index=False)
    train_tiny(tiny(method="baseline", epochs=1), load_run_data(data, SplitChoice()), tmp_path / "run")
    with pytest.raises(InputError, match="no test images"):
        evaluate_run(tmp_path / "run", data)
    assert len(evaluate_run(tmp_path / "run", data, "validation").predictions) == 3


def test_a_set_with_nothing_to_say(runs: Path, tmp_path: Path):
    stranger = make_prepared(tmp_path / "raw", tmp_path / "strange", subjects=2)
    manifest = pd.read_csv(stranger / "manifest.csv", dtype=str, keep_default_na=False)
    manifest.assign(expression="contempt").to_csv(stranger / "manifest.csv", index=False)
    with pytest.raises(InputError, match="shows none of the run's expressions, anger, happiness, sadness"):
        evaluate_unseen(runs / "ifgan", stranger)


def test_killed_between_two_records_is_not_evaluated(runs: Path, prepared: Path, tmp_path: Path):
    """The rows are written last; without them the rest counts for nothing and is made again."""
    run = RunFolder(Path(shutil.copytree(runs / "baseline", tmp_path / "run")))
    whole = read_outcome(run)
    (run.path / "predictions_test.csv").unlink()
    assert read_outcome(run) is None
    evaluate_run(run.path, prepared)
    again = read_outcome(run)
    assert whole is not None and again is not None
    np.testing.assert_allclose(again.predictions.probabilities, whole.predictions.probabilities, atol=1e-9)


def test_an_outcome_of_another_epoch_is_none(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A run that was measured, went on, and found a better epoch has not been measured."""
    data = load_run_data(prepared, SplitChoice(0))
    run = train_tiny(tiny(method="baseline", epochs=1), data, tmp_path / "run")
    evaluate_run(run.path, prepared)
    assert read_outcome(run) is not None
    later = train_tiny(tiny(method="baseline", epochs=3), data, tmp_path / "later")
    shutil.copy(later.best, run.best)
    assert read_outcome(run) is None
    monkeypatch.setattr(evaluation, "write_text", lambda *_: pytest.fail("killed"))
    with pytest.raises(pytest.fail.Exception):
        evaluate_run(run.path, prepared)
    assert read_outcome(run) is None  # the rows of the first epoch are not the later one's


@pytest.mark.parametrize("role", ["extra", "averages_from"])
def test_a_set_that_joined_training_or_averages_is_not_unseen(role: str, runs: Path, others: Path, tmp_path: Path):
    run = Path(shutil.copytree(runs / "ifgan", tmp_path / "run"))
    split = json.loads((run / "split.json").read_text())
    (run / "split.json").write_text(json.dumps(split | {role: ["others"]}))
    with pytest.raises(InputError, match="was trained on this set"):
        evaluate_unseen(run, others)
    with pytest.raises(InputError, match="was trained on this set"):
        measure_leakage(run, others, people="all")


def test_an_epoch_that_was_not_chosen_on_validation_is_not_measured(
    runs: Path, others: Path, prepared: Path, tmp_path: Path
):
    run = Path(shutil.copytree(runs / "ifgan", tmp_path / "run"))
    best = run / "checkpoint" / "best.safetensors"
    trained = load_trained(best)
    save_trained(best, replace(trained, about=trained.about | {"selection": "test"}))
    for measure in (
        lambda: evaluate_run(run, prepared),
        lambda: evaluate_unseen(run, others),
        lambda: measure_leakage(run, prepared),
        lambda: measure_leakage(runs / "ifgan", prepared, baseline=run),
    ):
        with pytest.raises(InputError, match="not chosen on validation but on 'test'"):
            measure()


def test_people_of_training_are_not_unseen_in_another_preparation(prepared: Path, tmp_path: Path):
    """As sets/ckplus and sets/ckplus-neutral: other images, the same people. Of rendered people and folders a name
    says nothing.
    """
    sets = [shutil.copytree(prepared, tmp_path / name) for name in ("ckplus", "ckplus-neutral")]
    for data in sets:
        manifest = pd.read_csv(data / "manifest.csv", dtype=str, keep_default_na=False)
        manifest.assign(dataset="ckplus").to_csv(data / "manifest.csv", index=False)
    run = train_tiny(tiny(method="baseline", epochs=1), load_run_data(sets[0], SplitChoice(0)), tmp_path / "run")
    with pytest.raises(InputError, match="trained or validated on 9 of its people"):
        evaluate_unseen(run.path, sets[1])
    record = read_json(run.path / "split.json")
    manifest = pd.read_csv(sets[1] / "manifest.csv", dtype=str, keep_default_na=False)
    manifest[manifest["subject"].isin(record["subjects"]["test"])].to_csv(sets[1] / "manifest.csv", index=False)
    assert len(evaluate_unseen(run.path, sets[1]).predictions) == 3  # its test people may be looked at there
    assert len(evaluate_unseen(run.path, prepared).predictions) == 30  # a folder's names are its own


def test_weights_that_are_broken_are_not_measured(prepared: Path):
    config = tiny(method="baseline")
    pairs = load_run_data(prepared, SplitChoice(0)).pairs("test", config)
    system = build_system(config, 3)
    with torch.no_grad():
        system.classifier.head.bias.fill_(float("nan"))
    with pytest.raises(InputError, match="not finite"):
        evaluate(Trained(system, pairs.labels, config, {}), pairs)


def test_the_contract_s_results_lie_in_the_run(runs: Path, prepared: Path):
    """Those of its own test people, whatever else it is tested on."""
    outcome = evaluate_run(runs / "ifgan", prepared)
    evaluate_run(runs / "ifgan", prepared, "validation")
    content = read_json(runs / "ifgan" / "results.json")
    assert content["methods"]["ifgan"]["pooled"] == pytest.approx(outcome.predictions.summary()["accuracy"])
    assert content["methods"]["ifgan"]["folds"][0]["n"] == len(outcome.predictions)
    assert content["selection"] == "last epoch" and content["labels"] == list(outcome.predictions.labels)


def test_a_set_of_another_source_is_not_the_run_s_own(runs: Path, prepared: Path, tmp_path: Path):
    """The same people in number and name, as rendered ones have."""
    other = Path(shutil.copytree(prepared, tmp_path / "colours"))
    manifest = pd.read_csv(other / "manifest.csv", dtype=str, keep_default_na=False)
    manifest.assign(dataset="synthetic").to_csv(other / "manifest.csv", index=False)
    with pytest.raises(InputError, match="is not of folder, as the set that the run was trained on"):
        evaluate_run(runs / "ifgan", other)


def test_a_run_stopped_before_its_last_phase_is_refused(prepared: Path, tmp_path: Path):
    """Measured by a version that asked nothing of the epoch, it is refused by tables too."""
    config, data = tiny(epochs=4, discriminator_start=0.75), load_run_data(prepared, SplitChoice(0))
    run = RunFolder(tmp_path / "run")

    def stop(_: object, epoch: int) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(config, data, run, ["test"], say=lambda line: None, watch=stop)
    sentence = "came before the discriminator, which joins in epoch 4.*ifgan-nogan"
    with pytest.raises(InputError, match=sentence):
        evaluate_run(run.path, prepared)
    whole = train_tiny(config, data, tmp_path / "whole")
    evaluate_run(whole.path, prepared)
    record = whole.path / "evaluation_test.json"
    assert json.loads(record.read_text())["parts"] == ["generator", "classifier", "discriminator"]
    record.write_text(json.dumps(json.loads(record.read_text()) | {"epoch": 2}))
    with pytest.raises(InputError, match=sentence):
        read_outcome(whole)
    assert main(["report", str(whole.path), "--out", str(tmp_path / "report")]) == 2


def test_a_run_without_discriminator_by_name_is_measured(prepared: Path, tmp_path: Path):
    config = tiny(epochs=2, discriminator_start=1.0, gan=0.0)
    run = train_tiny(config, load_run_data(prepared, SplitChoice(0)), tmp_path / "run")
    assert evaluate_run(run.path, prepared).method == "ifgan-nogan"
