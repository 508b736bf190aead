"""The model card quotes what studies/wild keeps, and what it keeps is the model in the package."""

import json
from pathlib import Path

import pandas as pd
import pytest

from ifgan import metrics
from ifgan.experiments.study_files import read_predictions
from ifgan.experiments.study_report import predictions_metrics
from ifgan.labels import EXPRESSIONS
from ifgan.models.checkpoint import read_about
from ifgan.weights import packaged_model

ROOT = Path(__file__).parents[1]
CARD = (ROOT / "docs" / "model_card.md").read_text()
STUDY = ROOT / "studies" / "wild"
METRICS = json.loads((STUDY / "metrics.json").read_text())


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return read_predictions(STUDY)


def test_figures_are_those_of_the_predictions() -> None:
    assert json.loads(json.dumps(predictions_metrics(STUDY)["figures"])) == METRICS["figures"]
    for data, runs in METRICS["figures"].items():
        for run, figures in runs.items():
            words = f"| {data} | {figures['n']} | {'`ifgan-wild`' if run == 'ifgan-wild' else run} | "
            cells = [figures[name] for name in ("accuracy", "balanced_accuracy", "macro_f1", "calibration_error")]
            assert words + " | ".join(f"{value:.3f}" for value in cells) + " |" in CARD


@pytest.mark.parametrize("data", ["PublicTest, FER+", "faces-wild"])
def test_confusion(table: pd.DataFrame, data: str) -> None:
    rows = table[(table["run"] == "ifgan-wild") & (table["data"] == data)]
    said = rows[list(EXPRESSIONS)].to_numpy().argmax(1)
    confusion = metrics.confusion_matrix(rows["expression"].map(EXPRESSIONS.index).to_numpy(), said, len(EXPRESSIONS))
    for label, counts in zip(EXPRESSIONS, confusion.tolist(), strict=True):
        assert f"| {label} | {' | '.join(map(str, counts))} | " in CARD


def test_they_are_the_packaged_file_s() -> None:
    told = read_about(packaged_model())["validation"]["accuracy"]
    assert f"{told:.3f} on validation" in CARD


def test_peers() -> None:
    for package in dict.fromkeys(row["classifier"] for row in METRICS["peers"]["PublicTest"]):
        best = {
            name: max((r for r in rows if r["classifier"] == package), key=lambda r: r["accuracy"])
            for name, rows in METRICS["peers"].items()
        }
        called = "`ifgan-wild`" if package == "ifgan" else package
        cells = [f"{best[name][key]:.3f}" for name in best for key in ("accuracy", "balanced")]
        assert f"| {called} | {' | '.join(cells)} |" in CARD


def test_what_probes_found() -> None:
    shares: dict[str, list[float]] = {}
    for name in ("people-40", "faces-wild"):
        for row in (row for row in METRICS["leakage"][name]["rows"] if row["vectors"] == "pixels"):
            found = shares.setdefault(row["view"], [])
            found += [row["reidentified"][probe]["share"] for probe in ("linear probe", "nearest neighbour")]
    for view, four in shares.items():
        assert f"| {view} | " + " | ".join(f"{share:.3f}" for share in four) + " |" in CARD


def test_the_audit() -> None:
    everybody = next(iter(METRICS["audit"].values()))["groups"][0]
    assert f"{everybody['pictures']:,} images) it reads\n{everybody['accuracy']:.3f} of the images right" in CARD
