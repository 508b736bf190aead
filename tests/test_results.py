"""What results/ keeps agrees with itself: every table is that of the records beside it."""

import dataclasses
import json
from pathlib import Path

import pytest

from ifgan.config_values import read_config
from ifgan.experiments.report import method_tables, write_results
from ifgan.experiments.run_records import on_other_sets, read_runs
from ifgan.models.checkpoint import load_trained
from ifgan.weights import packaged_model

ROOT = Path(__file__).parents[1]
KEPT = sorted(path.parent for path in (ROOT / "results").glob("*/results.json"))
names = [folder.name for folder in KEPT]


def test_something_is_kept():
    assert "demo" in names


@pytest.mark.parametrize("folder", KEPT, ids=names)
def test_tables_are_those_of_the_records(folder: Path):
    told = "\n".join(path.read_text() for path in sorted(folder.glob("*.txt")))
    for line in method_tables(folder / "runs").splitlines():
        assert line in told


@pytest.mark.parametrize("folder", KEPT, ids=names)
def test_results_are_those_of_the_records(folder: Path, tmp_path: Path):
    records = read_runs(folder / "runs")
    write_results([*records, *on_other_sets(records)], tmp_path)
    for path in sorted(tmp_path.rglob("results.json")):
        kept = folder / path.relative_to(tmp_path)
        assert json.loads(path.read_text(), parse_float=rounded) == json.loads(kept.read_text(), parse_float=rounded)


def rounded(number: str) -> float:
    """The order of a sum may differ."""
    return round(float(number), 9)


@pytest.mark.parametrize("folder", KEPT, ids=names)
def test_nobody_is_tested_who_trained(folder: Path):
    for record in read_runs(folder / "runs"):
        people = record.split["subjects"]
        assert not set(people["test"]) & (set(people["train"]) | set(people["validation"])), record.name


@pytest.mark.parametrize("folder", KEPT, ids=names)
def test_the_list_of_results_names_the_folder(folder: Path):
    assert f"[{folder.name}]({folder.name}/report.html)" in (ROOT / "results" / "README.md").read_text()


@pytest.mark.parametrize("file", ["runs/ifgan/evaluation_validation.json", "faces-wild/ifgan.json"])
def test_the_model_card_tells_what_was_measured(file: str):
    content = json.loads((ROOT / "results" / "wild" / file).read_text())
    (method,) = content["methods"].values()
    (fold,) = method["folds"]
    card = (ROOT / "docs" / "model_card.md").read_text()
    assert f"| {fold['n']} | `ifgan-wild` | {fold['accuracy']:.3f} | " in card
    for name, row in zip(content["labels"], fold["confusion"], strict=True):
        assert f"| {name} | {' | '.join(map(str, row))} | " in card


def test_the_model_card_tells_how_others_do():
    best: dict[str, list[str]] = {}
    for name in ("faces-wild", "publictest"):
        lines = (ROOT / "results" / "wild" / f"peers-{name}.txt").read_text().splitlines()[2:]
        found = [(line.partition(",")[0], line.split()[-3:]) for line in lines]
        for package in dict.fromkeys(package for package, _ in found):
            best.setdefault(package, []).extend(max(row for other, row in found if other == package))
    card = (ROOT / "docs" / "model_card.md").read_text()
    for package, (accuracy, balanced, ms, *others) in best.items():
        called = "`ifgan-wild`" if package == "ifgan" else package
        assert f"| {called} | {accuracy} | {balanced} | {others[0]} | {others[1]} | {ms} |" in card


def test_the_model_card_tells_what_words_do():
    lines = (ROOT / "results" / "wild" / "faces-wild" / "label_shift.txt").read_text().splitlines()[2:6]
    card = (ROOT / "docs" / "model_card.md").read_text()
    rows = card[card.index("| decided |") :].splitlines()[2:6]
    assert [line.split()[-2:] for line in lines] == [[cell.strip() for cell in row.split("|")[2:4]] for row in rows]


def test_the_model_card_tells_what_probes_found():
    card = (ROOT / "docs" / "model_card.md").read_text()
    shares: dict[str, list[float]] = {}
    for name in ("unseen-people", "faces-wild"):
        content = json.loads((ROOT / "results" / "wild" / f"leakage-{name}" / "leakage.json").read_text())
        for row in (row for row in content["rows"] if row["vectors"] == "pixels"):
            found = shares.setdefault(row["view"], [])
            found += [row["reidentified"][probe]["share"] for probe in ("linear probe", "nearest neighbour")]
        shares.setdefault("(guessing)", []).extend([content["chance"]] * 2)
    for view, four in shares.items():
        assert f"| {view} | " + " | ".join(f"{share:.3f}" for share in four) + " |" in card


def test_the_model_card_tells_the_audit():
    card = (ROOT / "docs" / "model_card.md").read_text()
    audit = json.loads((ROOT / "results" / "wild" / "audit-rendered-people" / "audit.json").read_text())
    everybody, *groups = audit["ifgan"]["groups"]
    assert f"reads {everybody['accuracy']:.3f} of the pictures right" in card
    for group in (group for group in groups if group["subjects"] > 2):
        told = f"| {group['subjects']} | {group['accuracy']:.3f} | {group['low']:.3f} to {group['high']:.3f} |"
        assert f"| {group['group']} {told}" in card


@pytest.mark.parametrize("name", ["test", "fer2013-aligned", "faces-wild"])
def test_the_model_card_tells_what_rendered_people_teach(name: str):
    content = json.loads(
        (ROOT / "results" / "wild" / "runs" / "rendered-alone" / f"evaluation_{name}.json").read_text()
    )
    (method,) = content["methods"].values()
    (fold,) = method["folds"]
    told = f"| {fold['n']} | {fold['accuracy']:.3f} | {fold['balanced_accuracy']:.3f} |"
    assert told in (ROOT / "docs" / "model_card.md").read_text()


def test_the_kept_run_is_the_model_in_the_package():
    config = read_config(ROOT / "results" / "wild" / "runs" / "ifgan" / "config.yaml")
    packaged = load_trained(packaged_model())
    assert dataclasses.replace(packaged, config=config).to_hand_on().config == packaged.config
