"""The audit of a small cross-validation against its own prediction files, grouped by another library."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ifgan.cli import main
from ifgan.errors import InputError
from ifgan.experiments.audit import Audit, GroupRow, age_band, audit
from ifgan.experiments.crossval import Protocol, crossval
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


def test_ages_are_bands_in_their_order(home: Path):
    (found,), _ = audit(home / "runs", home / "colours")
    bands = [(row.group, row.pictures) for row in found.rows if row.attribute == "age"]
    assert bands == [("4-19", 3), ("20-39", 6), ("40-69", 3), ("70+", 3)]


@pytest.mark.parametrize(
    ("age", "band"),
    [("0", "0-3"), ("3.9", "0-3"), ("4", "4-19"), ("39", "20-39"), ("40", "40-69"), ("101", "70+"), ("20-39", "20-39")],
)
def test_age_bands(age: str, band: str):
    assert age_band(age) == band


def test_the_worst_group_is_a_large_one():
    def row(group: str, pictures: int, accuracy: float) -> GroupRow:
        return GroupRow("gender", group, 5, pictures, accuracy, 0, 1, accuracy, 0)

    few, low, high = row("few", 29, 0.1), row("low", 30, 0.6), row("high", 300, 0.9)
    assert Audit("ifgan", (few, low, high)).worst == {"gender": low}
    assert Audit("ifgan", (few, high)).worst == {}  # nobody to be worse than


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
