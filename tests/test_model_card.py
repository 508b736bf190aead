"""The model card quotes what studies/wild keeps, and what it keeps is the model in the package."""

import json
from pathlib import Path

import pandas as pd
import pytest

from ifgan.labels import in_order
from ifgan.models.checkpoint import read_about
from ifgan.weights import packaged_model

ROOT = Path(__file__).parents[1]
CARD = (ROOT / "docs" / "model_card.md").read_text()
METRICS = json.loads((ROOT / "studies" / "wild" / "metrics.json").read_text())


@pytest.mark.parametrize("name", ["PublicTest", "faces-wild"])
def test_figures_and_confusion(name: str) -> None:
    figures = METRICS["figures"][name]["ifgan-wild"]
    assert f"| {figures['n']} | `ifgan-wild` | {figures['accuracy']:.3f} | {figures['balanced_accuracy']:.3f} |" in CARD
    for label, row in zip(figures["labels"], figures["confusion"], strict=True):
        assert f"| {label} | {' | '.join(map(str, row))} | " in CARD


def test_figures_are_those_of_the_predictions_and_of_the_packaged_file() -> None:
    table = pd.read_parquet(ROOT / "studies" / "wild" / "predictions.parquet")
    labels = in_order(set(table["expression"]))
    right = table[list(labels)].to_numpy().argmax(1) == table["expression"].map(labels.index).to_numpy()
    accuracy = METRICS["figures"]["PublicTest"]["ifgan-wild"]["accuracy"]
    assert right.mean() == pytest.approx(accuracy)
    assert read_about(packaged_model())["validation"]["accuracy"] == pytest.approx(accuracy)


def test_peers() -> None:
    for package in dict.fromkeys(row["classifier"] for row in METRICS["peers"]["publictest"]):
        best = {
            name: max((r for r in METRICS["peers"][name] if r["classifier"] == package), key=lambda r: r["accuracy"])
            for name in METRICS["peers"]
        }
        called = "`ifgan-wild`" if package == "ifgan" else package
        cells = [f"{best[name][key]:.3f}" for name in ("faces-wild", "publictest") for key in ("accuracy", "balanced")]
        assert f"| {called} | {' | '.join(cells)} |" in CARD


def test_what_words_do_and_rendered_people_teach() -> None:
    for row in METRICS["label_shift"]:
        assert f"| {row['accuracy']:.3f} | {row['balanced']:.3f} |" in CARD
    for figures in METRICS["figures"]["rendered alone"].values():
        assert f"| {figures['n']} | {figures['accuracy']:.3f} | {figures['balanced_accuracy']:.3f} |" in CARD


def test_what_probes_found() -> None:
    shares: dict[str, list[float]] = {}
    for name in ("unseen-people", "faces-wild"):
        for row in (row for row in METRICS["leakage"][name]["rows"] if row["vectors"] == "pixels"):
            found = shares.setdefault(row["view"], [])
            found += [row["reidentified"][probe]["share"] for probe in ("linear probe", "nearest neighbour")]
    for view, four in shares.items():
        assert f"| {view} | " + " | ".join(f"{share:.3f}" for share in four) + " |" in CARD


def test_the_audit() -> None:
    everybody, *groups = METRICS["audit"]["ifgan"]["groups"]
    assert f"reads {everybody['accuracy']:.3f} of the images right" in CARD
    for group in (group for group in groups if group["subjects"] > 2):
        told = f"| {group['subjects']} | {group['accuracy']:.3f} | {group['low']:.3f} to {group['high']:.3f} |"
        assert f"| {group['group']} {told}" in CARD
