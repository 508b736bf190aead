"""For whom it works: kept predictions by gender, age band and ethnicity, where the manifest has them. The paper (§4.4)
reports one accuracy for everybody.

Reads run folders and the prepared set's manifest; no network runs. Folds of one method are pooled.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ifgan import metrics
from ifgan.data.sample import Sample, read_manifest
from ifgan.errors import InputError
from ifgan.experiments.group_measures import accuracy, difference, interval, macro_f1
from ifgan.experiments.outcome import RunOutcome, pooled
from ifgan.experiments.picture_files import write_figure
from ifgan.experiments.plots import reliability_figure
from ifgan.experiments.run_records import by_method, by_set, cross_dataset, read_runs
from ifgan.experiments.table import DASH, Table
from ifgan.files import write_json, write_text
from ifgan.training.evaluate import Predictions

ATTRIBUTES = ("gender", "age", "ethnicity")
AGE_BANDS = ((0, 3), (4, 19), (20, 39), (40, 69), (70, 200))  # RAF-DB's
LEAST_PICTURES = 30  # of a group that may be called the worst: below, it is chance that speaks


@dataclass(frozen=True)
class GroupRow:
    """One group: ``attribute`` gender, age or ethnicity, or everybody. Intervals, (low, high), are 95 % bootstrap ones
    over people (over images where nobody is known), nan for a single one; ``behind``: its accuracy less that of all
    others whose attribute is known, with the interval, nan where there are none.
    """

    attribute: str
    group: str
    subjects: int
    pictures: int
    accuracy: float
    low: float
    high: float
    macro_f1: float
    calibration_error: float
    f1_interval: tuple[float, float] = (np.nan, np.nan)
    calibration_interval: tuple[float, float] = (np.nan, np.nan)
    behind: tuple[float, float, float] = (np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Audit:
    """One method. ``rows``: everybody first, then every group."""

    method: str
    rows: tuple[GroupRow, ...]

    @property
    def worst(self) -> dict[str, GroupRow]:
        """Of each attribute with at least two groups that are large enough, the one with the lowest accuracy."""
        found = {}
        for attribute in ATTRIBUTES:
            large = [row for row in self.rows if row.attribute == attribute and row.pictures >= LEAST_PICTURES]
            if len(large) > 1:
                found[attribute] = min(large, key=lambda row: row.accuracy)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values; null for what can't be told."""
        rows = [{name: _plain(value) for name, value in asdict(row).items()} for row in self.rows]
        return {"groups": rows, "worst": {attribute: row.group for attribute, row in self.worst.items()}}


def audit(runs: Path, data: Path, split: str = "test") -> tuple[list[Audit], dict[str, list[RunOutcome]]]:
    """Every method below ``runs`` that was evaluated on this split of ``data``, or on all of it where it is another set
    than theirs, and its outcomes.

    Raises InputError when there is none, the set's manifest knows no group, or lists other images.
    """
    data = Path(data)
    samples = {sample.image: sample for sample in read_manifest(data)}
    if not any(getattr(sample, name) for sample in samples.values() for name in ATTRIBUTES):
        raise InputError(f"{data}: its manifest knows nobody's {', '.join(ATTRIBUTES)}; there are no groups to compare")
    name, records = data.resolve().name, read_runs(runs, split)
    own = {name: [record for record in records if record.data == name]}
    elsewhere = {} if own[name] or split != "test" else by_set(cross_dataset(records))
    of_set = {trained: group for trained, group in (own | elsewhere).items() if (group and group[0].tested_on == name)}
    groups = {
        method if len(of_set) == 1 else f"{method} on {trained}": outcomes
        for trained, group_of_set in of_set.items()
        for method, group in by_method(group_of_set).items()
        if (outcomes := [record.outcome for record in group if record.outcome is not None])
    }
    if not groups:
        raise InputError(f"{runs}: no run was evaluated on {split} of {name}; ifgan evaluate does that")
    return [Audit(method, _rows(outcomes, samples, data)) for method, outcomes in groups.items()], groups


def write_audit(audits: list[Audit], groups: dict[str, list[RunOutcome]], out: Path) -> Table:
    """``audit.json``, ``audit.txt``, ``audit.md`` and ``reliability.png``."""
    table = audit_table(audits)
    write_json(out / "audit.json", {found.method: found.to_dict() for found in audits})
    write_text(out / "audit.txt", table.text())
    write_text(out / "audit.md", table.markdown())
    write_figure(reliability_figure(groups), out / "reliability.png")
    return table


def audit_table(audits: list[Audit]) -> Table:
    """A row a method and group; the worst group of each attribute is marked."""
    header = ("method", "of", "group", "subjects", "pictures", "accuracy", "interval", "macro F1", "its interval",
              "calibration error", "its interval", "worst")  # fmt: skip
    rows = []
    for found in audits:
        worst = found.worst
        for row in found.rows:
            behind, low, high = row.behind
            mark = f"{behind:+.3f} ({low:+.3f} to {high:+.3f})" if worst.get(row.attribute) is row else ""
            rows.append((
                found.method, row.attribute, row.group, str(row.subjects or DASH), str(row.pictures),
                f"{row.accuracy:.3f}", _span(row.low, row.high), f"{row.macro_f1:.3f}", _span(*row.f1_interval),
                f"{row.calibration_error:.3f}", _span(*row.calibration_interval), mark,
            ))  # fmt: skip
    note = (
        f"intervals: 95 %, bootstrap over subjects; worst: lowest accuracy of groups with {LEAST_PICTURES} images or "
        "more, and how far it is from all others together; calibration error: 15 bins, larger by chance alone in a "
        "small group."
    )
    return Table("Audit", header, tuple(rows), note)


def age_band(age: str) -> str:
    """RAF-DB's band of a number of years; what is no number, such as a band, stays as it is; what is no age, such as -1
    or nan, is unknown.
    """
    try:
        years = float(age)
    except ValueError:
        return age
    if not 0 <= years < AGE_BANDS[-1][1]:
        return ""
    return next((f"{low}-{high}" if high < 200 else f"{low}+" for low, high in AGE_BANDS if years < high + 1), age)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _span(low: float, high: float) -> str:
    return DASH if np.isnan(low) else f"{low:.3f} to {high:.3f}"


def _rows(outcomes: list[RunOutcome], samples: dict[str, Sample], data: Path) -> tuple[GroupRow, ...]:
    everybody = pooled(outcomes)
    images = everybody.table["image"]
    if unknown := [image for image in images if image not in samples]:
        raise InputError(f"{data}: its manifest doesn't list {unknown[0]}, which a run was tested on")
    rows = [_row("everybody", "", everybody, everybody.of(np.zeros(len(images), bool)))]
    for attribute in ATTRIBUTES:
        values = np.array([_value(samples[image], attribute) for image in images])
        for name in sorted(set(values) - {""}, key=_in_order):
            others = everybody.of((values != name) & (values != ""))
            rows.append(_row(attribute, name, everybody.of(values == name), others))
    return tuple(rows)


def _row(attribute: str, group: str, of: Predictions, others: Predictions) -> GroupRow:
    people = (of.table["subject"] != "").all()  # else the units are images
    probabilities, true = of.probabilities, of.true
    return GroupRow(
        attribute,
        group,
        of.table["subject"].nunique() if people else 0,
        of.table["image"].nunique(),
        *accuracy(of),
        macro_f1(probabilities, true),
        metrics.expected_calibration_error(probabilities, true),
        interval(of, macro_f1),
        interval(of, metrics.expected_calibration_error),
        difference(of, others),
    )


def _value(sample: Sample, attribute: str) -> str:
    value = getattr(sample, attribute)
    return age_band(value) if attribute == "age" else value


def _in_order(name: str) -> tuple[int, str]:
    digits = name.split("-", maxsplit=1)[0].rstrip("+")
    return (int(digits), "") if digits.isdigit() else (0, name)
