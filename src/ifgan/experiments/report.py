"""All tables and figures of some runs: files for a paper, and one page that opens offline. Paper §4.4, §4.5.

Reads run folders only; nothing is trained or evaluated here, and no number is typed.
"""

import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment

from ifgan.config import Config, to_dict
from ifgan.experiments.outcome import results
from ifgan.experiments.picture_files import data_uri, rendered
from ifgan.experiments.plots import confusion_figure, curves_figure
from ifgan.experiments.run_records import RunRecord, by_method, read_runs
from ifgan.experiments.tables import Table, comparison_table, comparisons, fold_table, method_table, outcomes_of
from ifgan.files import write_bytes, write_json, write_text


@dataclass(frozen=True)
class Picture:
    """A titled figure, as PNG."""

    title: str
    png: bytes
    note: str = ""

    @property
    def uri(self) -> str:
        """For the page."""
        return data_uri(self.png)


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


def write_report(runs: Path, out: Path, *, title: str = "Identity-free expression recognition") -> Report:
    """Report on every run below ``runs``. Raises InputError when there is none or a record is broken."""
    records = read_runs(runs)
    found = comparisons(records)
    tables = [method_table(records)] + ([comparison_table(found)] if found else []) + [fold_table(records)]
    pictures = _pictures(records)
    for table in tables:
        name = table.title.lower()
        write_text(out / f"{name}.txt", table.text())
        write_text(out / f"{name}.md", table.markdown())
        write_text(out / f"{name}.tex", table.latex())
    for picture in pictures:
        write_bytes(out / f"{picture.title.lower().replace(' ', '_').replace(':', '')}.png", picture.png)
    outcomes = outcomes_of(records)
    if outcomes:
        write_json(out / "results.json", _finite(results(outcomes) | {"comparisons": [c.to_dict() for c in found]}))
    write_text(out / "report.html", _page(title, records, tables, pictures))
    return Report(out, tuple(tables))


def _pictures(records: list[RunRecord]) -> list[Picture]:
    groups = {name: outcomes_of(group) for name, group in by_method(records).items()}
    groups = {name: outcomes for name, outcomes in groups.items() if outcomes}
    pictures = []
    if groups:
        note = "Numbers of pictures; shade: share of the true class."
        pictures.append(Picture("Confusion matrices", rendered(confusion_figure(groups)), note))
    if any(record.run.metrics() for record in records):
        pictures.append(Picture("Learning curves", rendered(curves_figure(records)), "One line a run."))
    for record in records:
        path = record.run.path / "transfer_test.png"
        if path.exists():
            note = "People whom no network has seen: input, the face that G drew of it, and the average training face."
            pictures.append(Picture(f"Generated faces: {record.name}", path.read_bytes(), note))
    return pictures


def _page(title: str, records: list[RunRecord], tables: list[Table], pictures: list[Picture]) -> str:
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        files("ifgan.experiments").joinpath("templates/report.html").read_text(encoding="utf-8")
    )
    runs = [{"name": record.name, "record": _record(record)} for record in records]
    return template.render(title=title, lead=_lead(records), tables=tables, pictures=pictures, runs=runs)


def _lead(records: list[RunRecord]) -> str:
    """The protocol in a sentence or two."""
    data = ", ".join(sorted({record.split["data"] for record in records}))
    people = {len(set(record.split["subjects"]["train"])) for record in records}
    counts = " or ".join(str(count) for count in sorted(people))
    return (
        f"Data: {data}. Trained on {counts} subjects, tested on others whom no network and no average face has seen; "
        "each run's epoch was chosen on validation subjects, and the test pictures were looked at once."
    )


def _record(record: RunRecord) -> str:
    """Settings that differ from the paper's, split, machine and command."""
    defaults = to_dict(Config())
    changed = {name: value for name, value in to_dict(record.config).items() if value != defaults[name]}
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
