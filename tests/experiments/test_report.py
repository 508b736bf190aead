"""Evaluation and report on real, tiny runs: everything from run folders, one page that needs nothing else."""

import csv
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ifgan.errors import InputError
from ifgan.experiments.comparison import Comparison
from ifgan.experiments.differences import comparisons, leading
from ifgan.experiments.evaluation import evaluate_run, evaluate_unseen
from ifgan.experiments.outcome import read_outcome
from ifgan.experiments.plots import curves_figures
from ifgan.experiments.report import write_report
from ifgan.experiments.run_records import Plan, RunRecord, read_runs
from ifgan.experiments.study_files import read_predictions, read_runs_table
from ifgan.experiments.table import DASH, Table
from ifgan.experiments.tables import accuracy_table, method_table
from ifgan.experiments.variants import with_variant
from ifgan.labels import BASIC
from ifgan.training.run_data import SplitChoice, load_run_data
from ifgan.training.run_folder import RunFolder
from tiny_runs import make_prepared, tiny, train_tiny


@pytest.fixture(scope="module")
def report(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(runs, tmp_path_factory.mktemp("report")).folder


class Addresses(HTMLParser):
    """What a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_needs_no_other_file_and_no_network(report: Path):
    page = (report / "report.html").read_text()
    parser = Addresses()
    parser.feed(page)
    assert len(parser.found) == 9  # confusion, reliability, curves; faces and attention of the generator evaluated
    assert all(address.startswith("data:image/png;base64,") for address in parser.found)
    for address in parser.found:  # a picture's letters may spell anything
        page = page.replace(address, "")
    assert "http" not in page.replace("http-equiv", "")


def test_the_page_says_why(runs: Path, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("Few people <5>.\n\nTried: more of them.\n")
    page = write_report(runs, tmp_path / "out", notes=tmp_path / "notes.txt").page.read_text()
    assert "<p>Few people &lt;5&gt;.</p>\n<p>Tried: more of them.\n</p>" in page
    with pytest.raises(InputError, match=r"absent.*no such file"):
        write_report(runs, tmp_path / "out", notes=tmp_path / "absent.txt")
    (tmp_path / "notes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="can't be read as text"):
        write_report(runs, tmp_path / "out", notes=tmp_path / "notes.txt")


def test_a_run_without_evaluation_is_a_dash(report: Path):
    rows = {
        line.split("|")[2].strip(): line for line in (report / "methods.md").read_text().splitlines() if "|" in line
    }
    assert rows["ifgan-noattention"].count(DASH) == 7
    assert rows["ifgan"].count(DASH) == 1  # one tested person has no interval
    assert rows["baseline"].count(DASH) == 2  # it draws no face, so it has no L1


def test_every_form_says_the_same(report: Path):
    answer = json.loads((report / "results.json").read_text())
    for method, values in answer["methods"].items():
        for form in ("methods.txt", "methods.md", "methods.tex", "report.html"):
            text = (report / form).read_text()
            assert method in text and f"{values['mean']:.3f}" in text
        assert (
            values["interval"] == [None, None] and values["paper"] is None
        )  # one tested person, no set of the paper's
    assert answer["selection"] == "last epoch"
    assert answer["labels"] == ["anger", "happiness", "sadness"]


def test_the_kept_outcome_is_what_was_measured(runs: Path, prepared: Path):
    run = RunFolder(runs / "ifgan")
    kept = read_outcome(run)
    again = evaluate_run(run.path, prepared)
    assert kept is not None
    assert set(kept.predictions.table["subject"]) == {"s0"}  # rule step, fold 0, ten subjects
    assert kept.predictions.table["image"].equals(again.predictions.table["image"])
    np.testing.assert_allclose(kept.predictions.probabilities, again.predictions.probabilities, atol=1e-9)
    assert kept.predictions.l1 == again.predictions.l1


def test_predictions_agree_with_the_confusion_matrix(runs: Path):
    with open(runs / "baseline" / "predictions_test.csv") as file:
        rows = list(csv.DictReader(file))
    record = json.loads((runs / "baseline" / "evaluation_test.json").read_text())
    fold = record["methods"]["baseline"]["folds"][0]
    hits = sum(row["expression"] == row["predicted"] for row in rows)
    assert len(rows) == fold["n"] == 3
    assert hits == np.trace(fold["confusion"])


def test_the_chosen_epoch_is_that_of_the_kept_checkpoint(runs: Path):
    from ifgan.models.checkpoint import load_trained

    for record in read_runs(runs):
        assert record.best_epoch == load_trained(record.run.best).about["epoch"]


def test_the_transfer_figure_shows_the_generator_s_own_faces(runs: Path, tmp_path: Path):
    assert (runs / "ifgan" / "transfer_test.png").stat().st_size > 1000
    assert not (runs / "baseline" / "transfer_test.png").exists()
    with Image.open(runs / "ifgan" / "transfer_test.png") as image:
        assert image.width > 300 and image.height > 300


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        pytest.param("evaluation_test.json", '"last epoch"', '"oracle"', "oracle", id="an epoch chosen elsewhere"),
        pytest.param(
            "evaluation_test.json", '"methods"', '"method"', "expected a JSON object with methods", id="methods"
        ),
        pytest.param(
            "evaluation_test.json", '"folds": [', '"folds": [], "was": [', "one method with one fold", id="fold"
        ),
        pytest.param(
            "predictions_test.csv", "happiness", "joy", "expected image, subject, expression", id="an expression"
        ),
        pytest.param("split.json", '"subjects"', '"people"', "expected a JSON object with data", id="whose split"),
        pytest.param("split.json", "{", "[{", "can't be read as JSON", id="no JSON"),
        pytest.param("metrics.jsonl", '{"epoch": 2', '{"epoch: 2', "a line is no JSON", id="a cut line"),
        pytest.param("config.yaml", "epochs: 3", "epochs: three", "epochs", id="settings"),
    ],
)
def test_a_broken_record_is_one_sentence(file: str, old: str, new: str, words: str, runs: Path, tmp_path: Path):
    path = Path(shutil.copytree(runs / "baseline", tmp_path / "runs" / "baseline")) / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=words):
        write_report(tmp_path / "runs", tmp_path / "out")


def test_a_folder_without_runs_is_one_sentence(tmp_path: Path):
    with pytest.raises(InputError, match="holds no run folder"):
        write_report(tmp_path, tmp_path / "out")


def test_a_run_that_is_not_finished_is_told_as_such(runs: Path, tmp_path: Path):
    folder = Path(shutil.copytree(runs / "baseline", tmp_path / "runs" / "baseline"))
    (row,) = method_table(read_runs(tmp_path / "runs")).rows
    assert "3" in row and "2 of 3" not in row
    (folder / "done").unlink()
    lines = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join(lines[:2]))
    (row,) = method_table(read_runs(tmp_path / "runs")).rows
    assert "2 of 3" in row


def test_other_sets_are_rows_of_their_own(prepared: Path, runs: Path, tmp_path: Path):
    """Cross-database evaluation stands in the report, and in no number of the run's own test people."""
    folder, other = tmp_path / "runs", make_prepared(tmp_path / "raw", tmp_path / "other")
    shutil.copytree(runs, folder)
    own = json.loads((write_report(folder, tmp_path / "before").folder / "results.json").read_text())
    for method in ("baseline", "ifgan"):
        evaluate_unseen(folder / method, other)
    out = write_report(folder, tmp_path / "after").folder
    assert json.loads((out / "results.json").read_text()) == own
    there = json.loads((out / "colours-to-other" / "results.json").read_text())
    assert there["methods"]["ifgan"]["folds"][0]["n"] == 30
    rows = cells(out / "methods.txt")
    assert ["colours → other", "ifgan", "1", "30"] in [row[:4] for row in rows]
    assert ["colours", "ifgan", "1", "3"] in [row[:4] for row in rows]
    assert [row[:3] for row in cells(out / "differences.txt")].count(["colours → other", "ifgan", "baseline"]) == 1
    assert len((out / "runs.txt").read_text().splitlines()) == 2 + 3
    assert (out / "confusion_on_colours-to-other_baseline.png").exists()
    assert re.findall(r"<p>On (.*?), ", (out / "report.html").read_text()) == ["colours → other"]  # how it went


@pytest.mark.slow
def test_across_data_sets_every_fold_counts_and_nothing_joins_the_set_s_own_folds(prepared: Path, tmp_path: Path):
    """Two folds on a set, tested on another; and a run of that other set, which is a data set of its own."""
    other = make_prepared(tmp_path / "raw", tmp_path / "other")
    for variant in ("baseline", "baseline-noisland"):
        config = with_variant(tiny(epochs=1), variant)
        for fold in (0, 1):
            run = tmp_path / "runs" / variant / f"fold-{fold}"
            train_tiny(config, load_run_data(prepared, SplitChoice(fold)), run)
            evaluate_run(run, prepared)
            evaluate_unseen(run, other)
    run = tmp_path / "runs" / "of-the-other"
    train_tiny(tiny(epochs=1, method="baseline"), load_run_data(other, SplitChoice(0)), run)
    evaluate_run(run, other)
    out = write_report(tmp_path / "runs", tmp_path / "report").folder
    rows = {tuple(row[:2]): row for row in cells(out / "methods.txt")}
    assert rows["colours → other", "baseline"][2:4] == ["2", "30"]  # the same thirty pictures, read by both folds' runs
    assert rows["other", "baseline"][2:4] == ["1", "3"]
    answer = json.loads((out / "colours-to-other" / "results.json").read_text())
    assert [fold["fold"] for fold in answer["methods"]["baseline-noisland"]["folds"]] == [0, 1]
    assert answer["split"] == "other"
    assert [(found["pictures"], found["folds"]) for found in answer["comparisons"]] == [(30, 2)]


def cells(table: Path) -> list[list[str]]:
    return [re.split(r"\s{2,}", line) for line in table.read_text().splitlines()]


def test_latex_takes_its_own_characters_apart():
    table = Table("t", ("95 % interval", "a_b"), (("0.9 ± 0.1", DASH),))
    assert r"95 \% interval & a\_b \\" in table.latex()
    assert r"0.9 $\pm$ 0.1 & --- \\" in table.latex()
    special = Table("t", ("#$%&_{}",), (("a~b^c",), ("C:\\x",)))
    assert r"\#\$\%\&\_\{\} \\" in special.latex()
    assert r"a\textasciitilde b\textasciicircum c" in special.latex() and r"C:\textbackslash x" in special.latex()


def test_the_paper_s_figures_stand_beside_ours(runs: Path, tmp_path: Path):
    """Only where set and expressions are the paper's; a synthetic set has no such column, nor has CK+ with contempt."""
    records = read_runs(runs)
    rows = {row[1]: row for row in method_table([of_ckplus(record, BASIC) for record in records]).rows}
    assert [rows[name][-1] for name in ("baseline", "ifgan-noattention", "ifgan")] == ["0.9482", DASH, "0.9752"]
    assert "paper" not in method_table(records).header
    assert "paper" not in method_table([of_ckplus(record, (*BASIC, "contempt")) for record in records]).header


def of_ckplus(record: RunRecord, labels: tuple[str, ...]) -> RunRecord:
    """The same run as if on CK+; one that was not evaluated tells no labels."""
    outcome = record.outcome
    if outcome is not None:
        told = outcome.predictions
        table = told.table.reindex(columns=["image", "subject", "expression", *labels], fill_value=0.0)
        outcome = replace(outcome, predictions=replace(told, table=table, labels=labels))
    return replace(record, split=record.split | {"data": "ckplus", "dataset": "ckplus"}, outcome=outcome)


def test_several_sets_make_a_table_of_the_paper_s_shape(runs: Path):
    """A row a method, a column a set; what wasn't run is a dash, in whichever set and however planned."""
    baseline, ifgan = (record for record in read_runs(runs) if record.outcome is not None)
    records = [baseline, ifgan, of_ckplus(baseline, BASIC)]
    table = accuracy_table(records)
    assert table is not None
    assert table.header == ("method", "colours", "ckplus", "ckplus, paper")
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["baseline"][0] == rows["baseline"][1] != DASH
    assert rows["ifgan"][1:] == (DASH, DASH)
    planned = accuracy_table(records, Plan(("colours", "mmi"), ("baseline", "ifgan-nogan"), {"colours": 10, "mmi": 10}))
    assert planned is not None
    assert planned.header[-1] == "mmi"
    assert {row[0]: row[-1] for row in planned.rows} == {name: DASH for name in (*rows, "ifgan-nogan")}
    assert accuracy_table([baseline, ifgan]) is None  # one set: the other tables say it all


def test_a_study_names_what_is_changed_and_compares_with_what_it_is_asked(runs: Path, tmp_path: Path):
    """Of a setting that most runs share only the others' values are told; two alone are told apart by both."""
    folder = tmp_path / "runs"
    shutil.copytree(runs / "baseline", folder / "baseline")
    for name, old, new in (
        ("preset", "", ""),
        ("ema", "weights_ema: 0.0", "weights_ema: 0.5"),
        ("mixup", "mixup: 0.0", "mixup: 0.2"),
    ):
        shutil.copytree(runs / "ifgan", folder / name)
        text = (folder / name / "config.yaml").read_text()
        assert old in text
        (folder / name / "config.yaml").write_text(text.replace(old, new))
    records = read_runs(folder)
    assert [record.method for record in records] == ["baseline", "ifgan", "ifgan mixup=0.2", "ifgan weights_ema=0.5"]
    for record in records:
        assert record.outcome is not None
        record.outcome.predictions.table["subject"] = ["a", "b", "c"]  # one tested person is too few to compare
    (found,) = comparisons(records, ["ifgan", "baseline"]).values()
    assert [(c.method, c.against) for c in found] == [
        *((name, "ifgan") for name in ("baseline", "ifgan mixup=0.2", "ifgan weights_ema=0.5")),
        *((name, "baseline") for name in ("ifgan mixup=0.2", "ifgan weights_ema=0.5")),
    ]
    (every,) = comparisons(records).values()
    assert len(every) == 6
    with pytest.raises(InputError, match="against 'ours': no method is called so"):
        write_report(folder, tmp_path / "out", against=["ours"])
    shutil.rmtree(folder / "mixup")
    names = [record.method for record in read_runs(folder)]
    assert names == ["baseline", "ifgan weights_ema=0.0", "ifgan weights_ema=0.5"]


def test_curves_of_networks_that_join_late(prepared: Path, tmp_path: Path):
    config = tiny(epochs=4, classifier_start=0.25, discriminator_start=0.75)
    train_tiny(config, load_run_data(prepared, SplitChoice(0)), tmp_path / "late")
    accuracy, softmax, l1 = (figure.axes[0] for figure in curves_figures(read_runs(tmp_path)).values())
    curve = softmax.lines[0].get_ydata()
    assert np.isnan(curve[0]) and np.isfinite(curve[1:]).all()  # no such loss before E joins
    assert {line.get_xdata()[0] for line in l1.lines[1:]} == {1.5, 3.5}
    assert [text.get_text() for text in l1.texts] == ["E from here", "D from here"]
    assert np.isfinite(accuracy.lines[0].get_ydata()).all()


def test_of_unknown_people_nothing_is_claimed(runs: Path, tmp_path: Path):
    """As of RAF-DB: its official split keeps images apart, and nobody knows who is on them."""
    for name, data in (("baseline", "one"), ("ifgan", "one"), ("baseline", "two")):
        shutil.copytree(runs / name, tmp_path / "runs" / data / name)
        path = tmp_path / "runs" / data / name / "split.json"
        split = json.loads(path.read_text()) | {"data": data}
        split["subjects"] = {part: [""] for part in split["subjects"]}
        path.write_text(json.dumps(split))
    out = write_report(tmp_path / "runs", tmp_path / "report").folder
    page = (out / "report.html").read_text()
    assert "Nobody knows who is on its images" in page and "has seen" not in page and "never seen" not in page
    assert "Generated faces" in page
    for table in (out / "methods.txt", out / "accuracy.txt"):
        assert "nobody knows whether they were seen" in table.read_text() and "never seen" not in table.read_text()


def test_weights_that_were_taken_over_limit_what_is_claimed(runs: Path, tmp_path: Path):
    shutil.copytree(runs / "baseline", tmp_path / "runs" / "baseline")
    path = tmp_path / "runs" / "baseline" / "config.yaml"
    assert "no network and no average face has seen" in page_of(tmp_path / "runs", tmp_path / "before")
    path.write_text(path.read_text().replace("weights: none", "weights: ifgan-wild"))
    assert "have seen before is in no record" in page_of(tmp_path / "runs", tmp_path / "after")


def page_of(runs: Path, out: Path) -> str:
    return (write_report(runs, out).folder / "report.html").read_text()


def test_a_second_set_leaves_no_record_that_looks_like_the_whole(runs: Path, prepared: Path, tmp_path: Path):
    """results.json of one set lies at the top; when another set joins, each has its own folder."""
    shutil.copytree(runs / "baseline", tmp_path / "runs" / "baseline")
    out = tmp_path / "report"
    write_report(tmp_path / "runs", out)
    assert (out / "results.json").exists()
    other = make_prepared(tmp_path / "raw", tmp_path / "other")
    train_tiny(tiny(epochs=1, method="baseline"), load_run_data(other, SplitChoice(0)), tmp_path / "runs" / "other")
    evaluate_run(tmp_path / "runs" / "other", other)
    write_report(tmp_path / "runs", out)
    assert not (out / "results.json").exists()
    assert (out / "colours" / "results.json").exists() and (out / "other" / "results.json").exists()


def test_unknown_people_of_one_set_say_nothing_of_another(runs: Path, tmp_path: Path):
    """CK+ beside RAF-DB, and CK+ with RAF-DB's images among those that train."""
    for name, data, parts in (("a", "known", ["train"]), ("b", "unknown", ["train", "validation", "test"])):
        shutil.copytree(runs / "baseline", tmp_path / "runs" / name)
        path = tmp_path / "runs" / name / "split.json"
        split = json.loads(path.read_text())
        for part in parts:
            split["subjects"][part] = ["", *split["subjects"][part]] if data == "known" else [""]
        path.write_text(json.dumps(split | {"data": data}))
    page = page_of(tmp_path / "runs", tmp_path / "report")
    assert "Data: known. Trained on 8 subjects and on images of unknown people, tested on others whom no" in page
    assert "Data: unknown. Nobody knows who is on its images" in page
    assert "of held-out images; pooled" in (tmp_path / "report" / "methods.txt").read_text()


def test_a_page_begins_with_what_tells_most():
    """IF-GAN against its baseline, on the set with most subjects; without the two, with the first comparison."""
    few, many = (Comparison("ifgan", "baseline", n, 12 * n, 0.1, 0.0, 0.2, 0.2, 1, None) for n in (5, 40))
    other = replace(many, method="ifgan-nogan", subjects=600)
    assert leading({"own": [other, few], "others": [many]}) == {"others": [many]}
    assert leading({"own": [other]}) == {"own": [other]}
    assert leading({}) == {}


def test_rows_lie_beside_the_page_as_in_a_study(runs: Path, report: Path):
    """Every image of every evaluated run, and every run with its commit."""
    table, kept = read_predictions(report), read_outcome(RunFolder(runs / "ifgan"))
    assert kept is not None
    of_run = table[(table["run"] == "ifgan") & (table["data"] == "colours")]
    assert of_run["image"].tolist() == kept.predictions.table["image"].tolist()
    np.testing.assert_allclose(of_run[list(kept.predictions.labels)], kept.predictions.probabilities, atol=1e-6)
    rows = read_runs_table(report).set_index("run")
    assert set(rows.index) == {"baseline", "ifgan", "unevaluated"}
    assert rows.loc["ifgan", "chosen"] == 3 and "commit" in rows
