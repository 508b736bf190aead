"""The audit of a small cross-validation against its own prediction files, grouped by another library."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from ifgan.cli import main
from ifgan.errors import InputError
from ifgan.experiments.audit import Audit, GroupRow, age_band, audit
from ifgan.experiments.crossval import Protocol, crossval
from ifgan.experiments.evaluation import evaluate_unseen
from ifgan.experiments.group_measures import accuracy, difference, interval, macro_f1
from ifgan.training.evaluate import Predictions
from tiny_runs import make_prepared, tiny

GENDERS = ["female", "male", "female", "male", "male", ""]
AGES = ["19", "20", "69.5", "70", "20-39", ""]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people, some of known gender and age, each tested once by one of three baselines of an epoch."""
    folder = tmp_path_factory.mktemp("audit")
    data = make_prepared(folder / "raw", folder / "colours", subjects=6)
    manifest = pd.read_csv(data / "manifest.csv", dtype=str, keep_default_na=False)
    person = manifest["subject"].str[1:].astype(int)
    manifest = manifest.assign(gender=[GENDERS[k] for k in person], age=[AGES[k] for k in person])
    manifest.to_csv(data / "manifest.csv", index=False)
    ends = crossval(Protocol((data,), ("baseline",), folds=3), tiny(epochs=1), folder / "runs", [])
    assert [end.error for end in ends] == [None] * 3
    return folder


def test_groups_are_those_of_the_prediction_files(home: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["audit", str(home / "runs"), "--data", str(home / "colours")]) == 0
    printed = capsys.readouterr().out
    assert (home / "runs" / "audit" / "audit.txt").read_text() in printed
    assert (home / "runs" / "audit" / "reliability.png").stat().st_size > 1000
    rows = json.loads((home / "runs" / "audit" / "audit.json").read_text())["baseline"]["groups"]
    told = pd.concat([pd.read_csv(path) for path in (home / "runs").rglob("predictions_test.csv")])
    people = told["subject"].str[1:].astype(int)
    told = told.assign(gender=[GENDERS[k] for k in people], right=told["predicted"] == told["expression"])
    expected = told[told["gender"] != ""].groupby("gender")["right"].agg(["mean", "size"])
    found = {row["group"]: row for row in rows if row["attribute"] == "gender"}
    assert set(found) == set(expected.index)
    for gender, (share, pictures) in expected.iterrows():
        assert found[gender]["accuracy"] == pytest.approx(share) and found[gender]["pictures"] == pictures
    assert rows[0]["attribute"] == "everybody" and rows[0]["subjects"] == 6
    assert rows[0]["accuracy"] == pytest.approx(told["right"].mean())
    women = told[told["gender"] == "female"]
    score = reference.f1_score(women["expression"], women["predicted"], average="macro")
    assert found["female"]["macro_f1"] == pytest.approx(score)
    assert found["female"]["behind"][0] == pytest.approx(expected["mean"]["female"] - expected["mean"]["male"])
    assert rows[0]["behind"] == [None] * 3  # nobody is not everybody


def test_ages_are_bands_in_their_order(home: Path):
    (found,), _ = audit(home / "runs", home / "colours")
    bands = [(row.group, row.pictures) for row in found.rows if row.attribute == "age"]
    assert bands == [("4-19", 3), ("20-39", 6), ("40-69", 3), ("70+", 3)]


@pytest.mark.parametrize(
    ("age", "band"),
    [
        ("-1", ""),
        ("nan", ""),
        ("inf", ""),
        ("999", ""),
        ("0", "0-3"),
        ("3.9", "0-3"),
        ("4", "4-19"),
        ("39", "20-39"),
        ("40", "40-69"),
        ("101", "70+"),
        ("20-39", "20-39"),
    ],
)
def test_age_bands(age: str, band: str):
    assert age_band(age) == band


def test_the_worst_group_is_a_large_one():
    def row(group: str, pictures: int, accuracy: float) -> GroupRow:
        return GroupRow("gender", group, 5, pictures, accuracy, 0, 1, accuracy, 0)

    few, low, high = row("few", 29, 0.1), row("low", 30, 0.6), row("high", 300, 0.9)
    assert Audit("ifgan", (few, low, high)).worst == {"gender": low}
    assert Audit("ifgan", (few, high)).worst == {}  # nobody to be worse than


def predictions(true: np.ndarray, right: np.ndarray, people: np.ndarray) -> Predictions:
    """Of two labels, 0 and 1, (M,) each."""
    table = pd.DataFrame({"image": people, "subject": people, "expression": np.array(["anger", "fear"])[true]})
    says_fear = (true == 1) == right
    return Predictions(table.assign(anger=0.9 - 0.8 * says_fear, fear=0.1 + 0.8 * says_fear), ("anger", "fear"))


def test_intervals_of_measures_that_are_no_means():
    """Sixty people of whom each is read right or wrong as a whole: the interval is that of sixty throws, not of 600."""
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(60), 10).astype(str)
    true = np.tile(np.arange(2), 300)
    right = np.repeat(rng.random(60) < 0.7, 10)
    told = predictions(true, right, people)
    share, low, high = accuracy(told)
    assert share == pytest.approx(right.mean())
    expected = 2 * 1.96 * np.sqrt(share * (1 - share) / 60)
    assert high - low == pytest.approx(expected, rel=0.15)
    below, above = interval(told, macro_f1)
    assert above - below == pytest.approx(expected, rel=0.25)
    gap, low, high = difference(told.of(people < "3"), told.of(people >= "3"))
    assert low < gap < high and high - low > expected


@pytest.mark.slow
def test_the_runs_of_two_sets_on_a_third_are_two_methods(home: Path, tmp_path: Path):
    """Each image once in the count, however many folds read it; and no set's runs among another's."""
    third = make_prepared(tmp_path / "raw-3", tmp_path / "third", subjects=3, first=70)
    manifest = pd.read_csv(third / "manifest.csv", dtype=str, keep_default_na=False)
    manifest.assign(gender="male", subject="").to_csv(third / "manifest.csv", index=False)
    other = make_prepared(tmp_path / "raw-2", tmp_path / "second", subjects=6, first=30)
    for data in (home / "colours", other):
        list(crossval(Protocol((data,), ("baseline",), folds=3, only=(0, 1)), tiny(epochs=1), tmp_path / "runs", []))
    for run in sorted((tmp_path / "runs").rglob("fold-*")):
        evaluate_unseen(run, third)
    found, _ = audit(tmp_path / "runs", third)
    assert [one.method for one in found] == ["baseline on colours → third", "baseline on second → third"]
    assert [one.rows[0].pictures for one in found] == [9, 9]
    with pytest.raises(InputError, match="no run was evaluated on validation of third"):
        audit(tmp_path / "runs", third, "validation")


def test_a_single_person_has_no_interval(home: Path):
    (found,), _ = audit(home / "runs", home / "colours")
    alone = next(row for row in found.rows if row.group == "70+")
    assert alone.subjects == 1 and np.isnan(alone.low)


def test_sets_and_runs_that_can_not_be_audited(home: Path, tmp_path: Path):
    nameless = make_prepared(tmp_path / "raw", tmp_path / "colours", subjects=6)
    with pytest.raises(InputError, match="knows nobody's gender, age, ethnicity"):
        audit(home / "runs", nameless)
    with pytest.raises(InputError, match="no run was evaluated on validation of colours"):
        audit(home / "runs", home / "colours", "validation")
    manifest = (home / "colours" / "manifest.csv").read_text()
    (nameless / "manifest.csv").write_text(manifest.replace("s0", "t0").replace("images/", "images/x"))
    with pytest.raises(InputError, match="manifest doesn't list"):
        audit(home / "runs", nameless)


def test_the_interval_of_a_gap_is_that_of_both_groups():
    """Sixty people each, read right or wrong as a whole: the variances of two proportions add up."""
    rng = np.random.default_rng(1)
    people = np.repeat([f"{group}{k}" for group in "ab" for k in range(60)], 5)
    right = np.repeat(rng.random(120) < np.repeat([0.5, 0.8], 60), 5)
    told = predictions(np.zeros(600, int), right, people)
    ours = np.char.startswith(people, "a")
    gap, low, high = difference(told.of(ours), told.of(~ours))
    p, q = right[ours].mean(), right[~ours].mean()
    assert gap == pytest.approx(p - q) and (low + high) / 2 == pytest.approx(gap, abs=0.02)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / 60 + q * (1 - q) / 60), rel=0.12)
