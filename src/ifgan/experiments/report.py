"""All tables and figures of some runs: files for a paper, and one page that opens offline. Paper §4.4, §4.5.

Reads run folders only; nothing is trained or evaluated here, and no number is typed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ifgan.config import Config
from ifgan.data.sample import HeldOut
from ifgan.experiments.comparison import Comparison, accuracy_interval
from ifgan.experiments.differences import comparison_table, comparisons, leading, verdicts
from ifgan.experiments.outcome import read_outcome, results
from ifgan.experiments.picture_files import page
from ifgan.experiments.report_figures import pictures_of
from ifgan.experiments.run_records import (
    Plan,
    RunRecord,
    by_method,
    by_set,
    cross_dataset,
    in_domain,
    outcomes_of,
    read_plan,
    read_runs,
)
from ifgan.experiments.study_files import write_predictions
from ifgan.experiments.table import Table
from ifgan.experiments.tables import accuracy_table, fold_table, method_table, run_table
from ifgan.files import read_text, write_bytes, write_json, write_text
from ifgan.labels import in_order
from ifgan.training.starting_weights import taken_over


@dataclass(frozen=True)
class Report:
    """What was written: ``folder``/report.html with everything in it, and the tables and figures beside it."""

    folder: Path
    tables: tuple[Table, ...]

    @property
    def page(self) -> Path:
        """The page."""
        return self.folder / "report.html"

    def text(self) -> str:
        """The tables, for the terminal."""
        return "\n".join(table.text() for table in self.tables)


def write_report(
    runs: Path,
    out: Path,
    *,
    title: str = "Identity-free expression recognition",
    split: HeldOut | None = None,
    notes: Path | None = None,
    against: Sequence[str] = (),
) -> Report:
    """Report on every run below ``runs``, on ``split`` (unset: what its cross-validation measured, else the test
    images). ``notes``: a text file whose paragraphs stand on the page, for what no record knows: why, and what was
    tried. ``against``: methods with which all others are compared; none: every one with every one before it.
    Raises InputError when there is no run, a record is broken or the notes can't be read.
    """
    paragraphs = [] if notes is None else read_text(notes).split("\n\n")
    tested, plan, split = _tested(runs, split)
    found = comparisons(tested, against)
    tables = _tables(tested, plan, split, found)
    pictures = pictures_of(tested, split, found)
    for table in tables:
        name = table.title.lower()
        write_text(out / f"{name}.txt", table.text())
        write_text(out / f"{name}.md", table.markdown())
        write_text(out / f"{name}.tex", table.latex())
    for picture in pictures:
        write_bytes(out / picture.file_name, picture.png)
    write_results(tested, out, split, against)
    _write_rows(tested, out)
    own = in_domain(tested)
    content = {"lead": _lead(own, split), "tables": tables, "verdicts": verdicts(found), "notes": paragraphs}
    content["verdict"] = verdicts(leading(found))
    records = [{"name": record.name, "record": _record(record)} for record in own]
    write_text(out / "report.html", page(pictures, title=title, records=records, **content))
    return Report(out, tuple(tables))


def method_tables(runs: Path, split: HeldOut | None = None) -> str:
    """Methods, their differences and folds, as text for the terminal; nothing is written."""
    tested, plan, split = _tested(runs, split)
    tables = _tables(tested, plan, split, comparisons(tested))
    return "\n".join(table.text() for table in tables[:-1])


def _file_name(words: str) -> str:
    return words.replace(" → ", "-to-").replace(" ", "_").replace(":", "")


def _tested(runs: Path, split: HeldOut | None) -> tuple[list[RunRecord], Plan | None, HeldOut]:
    """The runs on the people whom they kept apart and, beside the test, on other sets."""
    plan = read_plan(runs)
    split = split or _measured(runs)
    records = read_runs(runs, split)
    return records + (cross_dataset(records) if split == "test" else []), plan, split


def _measured(runs: Path) -> HeldOut:
    """What the cross-validation to which the folder belongs measured; of other runs the test."""
    places = [Path(runs).resolve(), *Path(runs).resolve().parents[:3]]  # RUNS/set/method/fold
    return next((plan.measure for plan in map(read_plan, places) if plan is not None), "test")


def write_results(records: list[RunRecord], out: Path, split: HeldOut = "test", against: Sequence[str] = ()) -> None:
    """results.json with the paired comparisons: in ``out`` for one set, ``out``/<set> for several, and
    ``out``/<set>-to-<set> across data sets; of validation, results_validation.json.
    """
    groups, found = by_set(records), comparisons(records, against)
    own = set(by_set(in_domain(records)))
    name = "results.json" if split == "test" else f"results_{split}.json"
    if len(own) > 1:
        (out / name).unlink(missing_ok=True)  # of the time when there was one set
    for data, on_set in groups.items():
        if outcomes := outcomes_of(on_set):
            content = results(outcomes, on_set[0].other_set or split) | {
                "comparisons": [c.to_dict() for c in found.get(data, [])]
            }
            for method, group in by_method(on_set).items():
                content["methods"].get(method, {}).update(_more(group))
            write_json((out if own == {data} else out / _file_name(data)) / name, _finite(content))


def _write_rows(records: list[RunRecord], out: Path) -> None:
    """What the figures are counted from, in the form of a study: ``predictions.parquet``, a row an image, and
    ``runs.csv``, a row a run with its commit.
    """
    tables = [
        record.outcome.predictions.table.assign(run=record.name, data=record.data)
        for record in records
        if record.outcome is not None
    ]
    if tables:
        table = pd.concat(tables, ignore_index=True)
        labels = in_order(set(table.columns))
        table = table[["run", "data", "image", "subject", "expression", *labels]]
        write_predictions(out, table.astype(dict.fromkeys(labels, "float32")))
    rows = [
        {
            "run": record.name, "method": record.method, "fold": record.fold, "seed": record.config.run.seed,
            "subjects": record.train_subjects, "images": record.split["pictures"]["train"], "epochs": record.epochs,
            "chosen": record.best_epoch, "minutes": round(record.minutes, 2),
            "torch": record.environment.get("packages", {}).get("torch"),
        }
        | {name: record.environment.get(name) for name in ("threads", "cpu", "commit", "uncommitted")}
        for record in in_domain(records)
    ]  # fmt: skip
    write_text(out / "runs.csv", pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))


def _more(records: list[RunRecord]) -> dict[str, Any]:
    """What else the table of methods says: the interval of the pooled accuracy, the paper's accuracy."""
    outcomes = outcomes_of(records)
    interval = list(accuracy_interval(outcomes)) if outcomes else None
    return {"interval": interval, "paper": records[0].published}


def _tables(
    records: list[RunRecord], plan: Plan | None, split: HeldOut, found: dict[str, list[Comparison]]
) -> list[Table]:
    overview = accuracy_table(records, plan, split)
    tables = [method_table(records, plan, split), *([overview] if overview else [])]
    tables += [comparison_table(found)] if found else []
    tables += [fold_table(in_domain(records), plan, split)] if len({record.fold for record in records}) > 1 else []
    return [*tables, run_table(in_domain(records))]


def _lead(records: list[RunRecord], split: HeldOut) -> str:
    """The protocol in a few sentences, for sets of known people and for those of unknown ones, as RAF-DB."""
    known = [record for record in records if record.people_known]
    unknown = [record for record in records if not record.people_known]
    sentences = [*([_of_known(known, split)] if known else []), *([_of_unknown(unknown, split)] if unknown else [])]
    if split == "validation" and not any(read_outcome(record.run) for record in records):
        sentences.append("No test image was looked at.")
    return " ".join(sentences)


def _of_known(records: list[RunRecord], split: HeldOut) -> str:
    counts = " or ".join(str(count) for count in sorted({record.train_subjects for record in records}))
    trained = f"Data: {_sets(records)}. Trained on {counts} subjects"
    if any("" in record.split["subjects"]["train"] for record in records):
        trained += " and on images of unknown people"
    if split == "validation":
        chosen = "measured on the validation subjects, on whom settings and perhaps epochs were chosen"
        return f"{trained}, {chosen}: for choosing settings, not for reporting."
    unseen = "whom no network and no average face has seen"
    if any(taken_over(record.config) for record in records):
        unseen = "who trained neither network nor average face here; whom the weights that it took over have seen "
        unseen += "before is in no record"
    return f"{trained}, tested on others {unseen}; no epoch was chosen on them."


def _of_unknown(records: list[RunRecord], split: HeldOut) -> str:
    apart = "Nobody knows who is on its images: the split keeps images apart, not people."
    measured = "; measured here are validation images, for choosing settings" if split == "validation" else ""
    return f"Data: {_sets(records)}. {apart} No epoch was chosen on test images{measured}."


def _sets(records: list[RunRecord]) -> str:
    return ", ".join(sorted({record.split["data"] for record in records}))


def _record(record: RunRecord) -> str:
    """Settings that differ from the paper's, split, machine and command."""
    defaults = Config().flat()
    changed = {name: value for name, value in record.config.flat().items() if value != defaults[name]}
    content: dict[str, Any] = {
        "settings that differ from the paper's": changed,
        "split": record.split["choice"] | {"pictures": record.split["pictures"]},
        "test subjects": record.split["subjects"]["test"],
        "environment": record.environment,
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _finite(value: Any) -> Any:
    """JSON knows no nan: null."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
