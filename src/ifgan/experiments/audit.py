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
from ifgan.experiments.comparison import share_interval
from ifgan.experiments.outcome import RunOutcome, pooled_predictions
from ifgan.experiments.picture_files import write_figure
from ifgan.experiments.plots import reliability_figure
from ifgan.experiments.run_records import by_method, read_runs
from ifgan.experiments.table import DASH, Table
from ifgan.files import write_json, write_text

ATTRIBUTES = ("gender", "age", "ethnicity")
AGE_BANDS = ((0, 3), (4, 19), (20, 39), (40, 69), (70, 200))  # RAF-DB's
LEAST_PICTURES = 30  # of a group that may be called the worst: below, it is chance that speaks


@dataclass(frozen=True)
class GroupRow:
    """One group: ``attribute`` gender, age or ethnicity, or everybody; ``low`` and ``high``: the 95 % bootstrap
    interval of its accuracy over people (over pictures where nobody is known), nan for a single one.
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
        rows = [
            {
                name: None if isinstance(value, float) and np.isnan(value) else value
                for name, value in asdict(row).items()
            }
            for row in self.rows
        ]
        return {"groups": rows, "worst": {attribute: row.group for attribute, row in self.worst.items()}}


def audit(runs: Path, data: Path, split: str = "test") -> tuple[list[Audit], dict[str, list[RunOutcome]]]:
    """Every method below ``runs`` that was evaluated on this split of ``data``, or on all of it where it is another set
    than theirs, and its outcomes.

    Raises InputError when there is none, the set's manifest knows no group, or lists other pictures.
    """
    data = Path(data)
    samples = {sample.image: sample for sample in read_manifest(data)}
    if not any(getattr(sample, name) for sample in samples.values() for name in ATTRIBUTES):
        raise InputError(f"{data}: its manifest knows nobody's {', '.join(ATTRIBUTES)}; there are no groups to compare")
    name = data.resolve().name
    records = [record for record in read_runs(runs, split) if record.data == name] or read_runs(runs, name)
    groups = {
        method: outcomes
        for method, group in by_method(records).items()
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
    header = ("method", "of", "group", "subjects", "pictures", "accuracy", "95 % interval", "macro F1",
              "calibration error", "worst")  # fmt: skip
    rows = []
    for found in audits:
        worst = found.worst
        for row in found.rows:
            interval = DASH if np.isnan(row.low) else f"{row.low:.3f} to {row.high:.3f}"
            mark = "worst" if worst.get(row.attribute) is row else ""
            rows.append((
                found.method, row.attribute, row.group, str(row.subjects or DASH), str(row.pictures),
                f"{row.accuracy:.3f}", interval, f"{row.macro_f1:.3f}", f"{row.calibration_error:.3f}", mark,
            ))  # fmt: skip
    note = (
        f"interval: bootstrap over subjects; worst: lowest accuracy of groups with {LEAST_PICTURES} pictures or more; "
        "calibration error: 15 bins, larger by chance alone in a small group."
    )
    return Table("Audit", header, tuple(rows), note)


def age_band(age: str) -> str:
    """RAF-DB's band of a number of years; what is no number, such as a band, stays as it is."""
    try:
        years = float(age)
    except ValueError:
        return age
    return next((f"{low}-{high}" if high < 200 else f"{low}+" for low, high in AGE_BANDS if years < high + 1), age)


def _rows(outcomes: list[RunOutcome], samples: dict[str, Sample], data: Path) -> tuple[GroupRow, ...]:
    images = [image for outcome in outcomes for image in outcome.images]
    if unknown := [image for image in images if image not in samples]:
        raise InputError(f"{data}: its manifest doesn't list {unknown[0]}, which a run was tested on")
    shown = [samples[image] for image in images]
    probabilities, true = pooled_predictions(outcomes)
    people = np.array([sample.subject or f"picture {index}" for index, sample in enumerate(shown)])
    known = all(sample.subject for sample in shown)
    rows = [_row("everybody", "", np.ones(len(true), bool), probabilities, true, people, known)]
    for attribute in ATTRIBUTES:
        values = np.array([_value(sample, attribute) for sample in shown])
        names = sorted(set(values) - {""}, key=_in_order)
        rows += [_row(attribute, name, values == name, probabilities, true, people, known) for name in names]
    return tuple(rows)


def _value(sample: Sample, attribute: str) -> str:
    value = getattr(sample, attribute)
    return age_band(value) if attribute == "age" else value


def _in_order(name: str) -> tuple[int, str]:
    digits = name.split("-", maxsplit=1)[0].rstrip("+")
    return (int(digits), "") if digits.isdigit() else (0, name)


def _row(  # noqa: PLR0917
    attribute: str,
    group: str,
    chosen: np.ndarray,
    probabilities: np.ndarray,
    true: np.ndarray,
    people: np.ndarray,
    known: bool,
) -> GroupRow:
    probabilities, true = probabilities[chosen], true[chosen]
    names, place = np.unique(people[chosen], return_inverse=True)
    right = probabilities.argmax(axis=1) == true
    low, high = share_interval(np.bincount(place, right, len(names)), np.bincount(place, minlength=len(names)))
    confusion = metrics.confusion_matrix(true, probabilities.argmax(axis=1), probabilities.shape[1])
    return GroupRow(
        attribute,
        group,
        len(names) if known else 0,
        len(true),
        metrics.accuracy(confusion),
        low,
        high,
        metrics.macro_f1(confusion),
        metrics.expected_calibration_error(probabilities, true),
    )
