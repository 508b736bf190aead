"""Studies: what is done stays done, a branch is its trunk gone on, and figures come from the files alone."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ifgan.errors import InputError
from ifgan.experiments.study import run_study
from ifgan.experiments.study_files import keep, read_predictions, read_runs_table
from ifgan.experiments.study_plan import StudyRun, read_study
from ifgan.experiments.study_report import RULES, predictions_metrics, study_metrics, write_study_report
from ifgan.experiments.study_run import do_run
from tiny_runs import TINY, make_prepared

STUDIES = sorted(path.parent for path in (Path(__file__).parents[2] / "studies").glob("*/study.yaml"))
PLAN = {
    "data": {"train": {"seed": 1, "subjects": 10}, "test": {"seed": 2, "subjects": 6}},
    "folds": 3,
    "preset": "cpu",
    "settings": {
        **TINY,
        "epochs": 4,
        "classifier_start": 0.5,
        "discriminator_start": 0.5,
        "classifier_before": "image",
    },
    "every_epoch": True,
    "arms": {
        "baseline": {"method": "baseline"},
        "late": {"discriminator_start": 0.75},
        "whole": {},
        "branch": {"trunk": {"arm": "late", "epochs": 2}},
    },
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    make_prepared(folder / "raw-1", folder / "sets" / "synthetic-1")
    make_prepared(folder / "raw-2", folder / "sets" / "synthetic-2", subjects=6, first=50)
    return folder


def write_plan(folder: Path, **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(PLAN | changes, sort_keys=False))
    return folder


@pytest.fixture(scope="module")
def done(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All arms of one fold."""
    folder = write_plan(tmp_path_factory.mktemp("study"))
    study = read_study(folder)
    for arm in study.arms:
        keep(folder, do_run(StudyRun(study, arm, 0, 0, work)))
    return folder


def test_every_selectable_epoch_of_every_arm_is_read_and_none_before(done: Path) -> None:
    read = read_predictions(done).query("weights == 'epoch'").groupby("run")["epoch"].unique()
    found = {run.split("/")[0]: sorted(epochs) for run, epochs in read.items()}
    assert found == {"baseline": [3, 4], "late": [4], "whole": [3, 4], "branch": [3, 4]}


def test_a_branch_is_the_same_run_as_one_trained_from_its_first_epoch(done: Path) -> None:
    table = read_predictions(done).drop(columns="run")
    runs = read_predictions(done)["run"]
    branch, whole = (table[runs == f"{arm}/seed-0/fold-0"].reset_index(drop=True) for arm in ("branch", "whole"))
    pd.testing.assert_frame_equal(branch, whole)
    epochs = pd.read_csv(done / "epochs.csv")
    losses = [epochs[epochs["run"] == f"{arm}/seed-0/fold-0"]["softmax"].tolist() for arm in ("branch", "whole")]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 4


def test_the_last_epoch_s_reading_is_that_of_the_last_weights(done: Path) -> None:
    table = read_predictions(done)
    of_run = table[table["run"] == "whole/seed-0/fold-0"]
    last = of_run.query("weights == 'last' and view == 'read'").drop(columns="weights").reset_index(drop=True)
    epoch = of_run.query("weights == 'epoch' and epoch == 4").drop(columns="weights").reset_index(drop=True)
    pd.testing.assert_frame_equal(last, epoch)


def test_rules_choose_what_they_say() -> None:
    epochs = [(0.5, 0.9, 1), (0.8, 0.5, 2), (0.8, 0.4, 3), (0.8, 0.6, 4), (0.7, 0.3, 5)]
    chosen = {rule: max(epochs, key=lambda row, key=key: key(*row))[2] for rule, key in RULES.items()}
    assert list(chosen.values()) == [2, 3, 4, 5, 5]


def test_figures_are_those_of_the_rows(done: Path, tmp_path: Path) -> None:
    table = read_predictions(done).query("run == 'baseline/seed-0/fold-0' and weights == 'last'")
    labels = ["anger", "happiness", "sadness"]
    right = (np.array(labels)[table[labels].to_numpy().argmax(1)] == table["expression"]).mean()
    metrics = study_metrics(done)
    (cell,) = [row for row in metrics["rules"] if (row["arm"], row["how"]) == ("baseline", "last epoch")]
    assert cell["mean"] == pytest.approx(right)
    assert "baseline" in write_study_report(done, tmp_path)
    assert (tmp_path / "report.md").exists()


def test_what_is_done_is_not_done_again(done: Path, work: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(done, tmp_path / "study"))
    one_arm = {"baseline": {"method": "baseline"}}
    write_plan(folder, arms=one_arm)
    said: list[str] = []
    assert run_study(folder, work, processes=1, say=said.append) == 0
    assert said[0] == "2 runs to do, 4 done"
    before, after = (read_runs_table(place).set_index("run") for place in (done, folder))
    pd.testing.assert_frame_equal(after.loc[before.index], before)
    assert len(after) == 6
    with pytest.raises(InputError, match="has no arm 'late'; expected some of baseline"):
        run_study(folder, work, processes=1, arms=["late"], say=said.append)
    with pytest.raises(InputError, match="has no fold 3; expected some of 0 to 2"):
        run_study(folder, work, processes=1, folds=[0, 3], say=said.append)
    write_plan(folder, arms=one_arm, train_subjects=2)
    with pytest.raises(InputError, match=r"baseline/seed-0/fold-0 was done by another study\.yaml"):
        run_study(folder, work, processes=1, say=said.append)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"arms": {"a": {"trunk": {"arm": "b", "epochs": 2}}}}, "its trunk 'b' is no arm before it"),
        ({"arms": {"a": {}, "b": {"l1": 1.0, "trunk": {"arm": "a", "epochs": 1}}}}, "differs .* in losses.l1"),
        (
            {"arms": {"a": {"discriminator_start": 0.75}, "b": {"trunk": {"arm": "a", "epochs": 3}}}},
            "differs from its trunk in phases.discriminator_start before epoch 3 ends",
        ),
        ({"arms": {"../a": {}}}, "should match pattern"),
        ({"arms": {"a": {"seeds": 3}}}, "seeds: expected a list, got 3"),
        ({"arms": {"a": {"method": "best"}}}, "method 'best'"),
        ({"arms": {"a": {"sharpness": 3}}}, "unknown field 'sharpness'"),
        ({"arms": {"a": {"discriminator_start": 1.0}}}, "the discriminator would never join"),
        ({"arms": ["a"]}, "study.yaml: "),
        ({"data": {"train": {"seed": 1, "subjects": 10}}}, "study.yaml: "),
        ({"data": {"train": {"seed": 1, "subjects": 9}, "test": {"seed": 1, "subjects": 9}}}, "the same seed"),
        ({"folds": 7}, "a person a fold"),
        ({"surprise": 1}, "unknown field 'surprise'"),
    ],
)
def test_a_plan_that_cannot_be_done_is_one_sentence(changes: dict, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence) as error:
        read_study(write_plan(tmp_path, **changes))
    assert str(error.value).startswith(str(tmp_path)) and "\n" not in str(error.value)


def test_people_of_another_number_are_not_taken(done: Path, work: Path, tmp_path: Path) -> None:
    data = PLAN["data"] | {"test": {"seed": 2, "subjects": 60}}
    with pytest.raises(InputError, match="holds 6 people, the study asks for 60"):
        run_study(write_plan(tmp_path, data=data), work, processes=1, say=lambda line: None)


@pytest.mark.slow
def test_one_run_that_fails_is_told_and_the_others_go_on(work: Path, tmp_path: Path) -> None:
    arms = {"baseline": {"method": "baseline"}, "broken": {"method": "baseline", "learning_rate": 1e30}}
    folder = write_plan(tmp_path, arms=arms, folds=3)
    said: list[str] = []
    assert run_study(folder, work, processes=2, say=said.append) == 3
    assert len(read_runs_table(folder)) == 3
    assert sum("failed: InputError: step" in line or "not finite" in line for line in said) == 3


def test_a_file_that_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_study(tmp_path)
    (tmp_path / "study.yaml").write_text("question: why\nsurprise: 3\n")
    with pytest.raises(InputError, match="unknown field 'surprise'"):
        read_study(tmp_path)
    (tmp_path / "study.yaml").write_text("a: [")
    with pytest.raises(InputError, match=r"study\.yaml: "):
        read_study(tmp_path)
    with pytest.raises(InputError, match="no run is done"):
        study_metrics(write_plan(tmp_path / "empty"))


def test_last_and_best_epoch_alone_are_read_where_the_study_says_so(work: Path, tmp_path: Path) -> None:
    study = read_study(write_plan(tmp_path, every_epoch=False))
    arm = next(arm for arm in study.arms if arm.name == "whole")
    finished = do_run(StudyRun(study, dataclasses.replace(arm, trunk=None), 0, 1, work))
    table = finished.predictions
    assert set(table["weights"]) == {"kept", "best"}
    assert finished.row["chosen"] == 4
    late = finished.epochs[finished.epochs["epoch"] > 2]
    best = max(late.itertuples(), key=lambda row: (row.accuracy, -row.loss)).epoch
    found = table.groupby("weights")["epoch"].unique().to_dict()
    assert found == {"kept": [4], "best": [best]}
    assert finished.row["parts"] == "generator classifier discriminator"


def test_a_study_of_predictions_alone_is_reported(tmp_path: Path) -> None:
    """As of the packaged model."""
    folder = next(folder for folder in STUDIES if folder.name == "wild")
    kept = json.loads((folder / "metrics.json").read_text())["figures"]["faces-wild"]["ifgan-wild"]
    text = write_study_report(folder, tmp_path)
    assert f"{kept['accuracy']:.3f}" in text and f"{kept['macro_f1']:.3f}" in text
    assert "<table>" in (tmp_path / "report.html").read_text()
    with pytest.raises(InputError, match="expected a study, with data and arms"):
        read_study(folder)


def test_the_demo_s_figures_are_those_of_its_predictions(tmp_path: Path) -> None:
    folder = next(folder for folder in STUDIES if folder.name == "demo")
    kept = json.loads((folder / "metrics.json").read_text())
    assert json.loads(json.dumps(predictions_metrics(folder))) == kept
    write_study_report(folder, tmp_path)
    assert f"{100 * kept['comparisons'][1]['difference']:+.1f} points" in (tmp_path / "report.html").read_text()
    assert json.loads((tmp_path / "metrics.json").read_text()) == kept


def test_the_demo_s_leakage_is_told_as_it_was_measured() -> None:
    folder = next(folder for folder in STUDIES if folder.name == "demo")
    told = " ".join((folder.parents[1] / "docs" / "privacy.md").read_text().split())
    by_view = {}
    for name in ("leakage", "leakage_same_expression"):
        rows = json.loads((folder / f"{name}.json").read_text())["rows"]
        by_view[name] = {row["view"]: row for row in rows if row["vectors"] == "pixels"}
    for view in ("input", "blurred", "pixelated", "generated", "mixture"):
        row = by_view["leakage"][view]
        shares = [row["reidentified"][probe]["share"] for probe in ("nearest neighbour", "linear probe")]
        figures = " | ".join(f"{share:.3f}" for share in (*shares, row["expression"]["share"]))
        assert f"| {view} | {figures} |" in told
    drawn, seen = (by_view["leakage_same_expression"][view]["reidentified"] for view in ("generated", "input"))
    for probe in ("nearest neighbour", "linear probe"):
        assert f"{drawn[probe]['share']:.3f}" in told and f"{seen[probe]['share']:.3f}" in told


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: folder.name)
def test_kept_figures_are_what_the_kept_files_give(folder: Path) -> None:
    """Studies that were trained: no epoch before the last phase, and every figure from the rows."""
    if not (folder / "runs.csv").exists() or "arm" not in read_runs_table(folder):
        pytest.skip("not trained by ifgan study")
    kept = json.loads((folder / "metrics.json").read_text())
    assert json.loads(json.dumps(study_metrics(folder))) == kept
    table, runs = read_predictions(folder), read_runs_table(folder).set_index("run")
    first = table["run"].map(runs["first_selectable"])
    assert (table["epoch"] >= first).all()
    wanted = {"baseline": {"classifier"}, "ifgan-nogan": {"generator", "classifier"}}
    for run in runs.itertuples():
        assert set(run.parts.split()) == wanted.get(run.method, {"generator", "classifier", "discriminator"}), run.Index


def test_a_study_without_arms_and_predictions_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("question: why\n")
    with pytest.raises(InputError, match=r"neither arms in study\.yaml nor predictions\.parquet"):
        write_study_report(tmp_path, tmp_path / "out")


def test_a_plan_s_mark_of_digits_stays_one(tmp_path: Path) -> None:
    """As 22765e937580, which reads as a number too large for any."""
    (tmp_path / "runs.csv").write_text("run,arm,plan\na/seed-0/fold-0,a,22765e937580\n")
    assert read_runs_table(tmp_path)["plan"].tolist() == ["22765e937580"]
