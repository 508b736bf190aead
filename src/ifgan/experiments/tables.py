"""Tables 1 and 2 of the paper's kind, from run records only: what wasn't run is a dash. Paper §4.4.

JSON carries the numbers themselves (`ifgan.experiments.report.write_results`).
"""

import math

import numpy as np

from ifgan import metrics
from ifgan.data.sample import HeldOut
from ifgan.experiments.comparison import accuracy_interval
from ifgan.experiments.outcome import pooled
from ifgan.experiments.run_records import Plan, RunRecord, by_method, by_set, in_domain, outcomes_of
from ifgan.experiments.table import DASH, Table
from ifgan.experiments.variants import variant_of

_HELD_OUT: dict[HeldOut, str] = {
    "test": "images of people never seen",
    "validation": "validation images, on which epochs were chosen, so that all are flattered",
}
_UNKNOWN = "held-out images of people of whom nobody knows whether they were seen"
_MEASURES = (
    "folds",
    "pictures",
    "accuracy",
    "pooled",
    "95 % interval",
    "macro F1",
    "calibration error",
    "L1",
    "epochs",
    "minutes",
)


def method_table(records: list[RunRecord], plan: Plan | None = None, split: HeldOut = "test") -> Table:
    """A row a set and method: mean and standard deviation over folds, pooled measures, what it cost, and the paper's
    figure where it has one. What the plan names and nobody ran is a row of dashes.
    """
    rows = []
    for data, on_set in by_set(records).items():
        groups, folds = by_method(on_set), len(_planned_folds(on_set, plan))
        missing = _never_run(on_set, plan) if plan is not None and data in plan.sets else []
        rows += [(data, name, *_measures(group, folds), _paper(group[0])) for name, group in groups.items()]
        rows += [(data, name, f"0 of {folds}", *(DASH,) * len(_MEASURES)) for name in missing]
    rows += [(name, *(DASH,) * (len(_MEASURES) + 2)) for name in _untouched(records, plan)]
    note = (
        f"accuracy: mean over folds ± standard deviation, of {_held_out_images(records, split)}; "
        "pooled: of all folds' images together, with the bootstrap interval over subjects; "
        "L1: generated against average face, in units of [-1, 1]; "
        "no epoch chosen on what is reported"
    )
    if any(record.other_set for record in records):
        note += "; a → b: across data sets, trained on a, tested on all of b by the run of every fold"
    if all(row[-1] == DASH for row in rows):  # none of the sets is in the paper
        return Table("Methods", ("data", "method", *_MEASURES), tuple(row[:-1] for row in rows), note + ".")
    note += "; paper: as published, on the authors' own folds."
    return Table("Methods", ("data", "method", *_MEASURES, "paper"), tuple(rows), note)


def _planned_folds(on_set: list[RunRecord], plan: Plan | None) -> range:
    """The folds that the plan has of the records' set: across data sets none are planned, an official split is one."""
    if plan is None or on_set[0].other_set or on_set[0].data not in plan.sets:
        return range(0)
    return range(1 if on_set[0].official else plan.folds[on_set[0].data])


def _never_run(records: list[RunRecord], plan: Plan | None) -> list[str]:
    ran = {variant_of(record.config) for record in records}
    return [] if plan is None else [name for name in plan.methods if name not in ran]


def _untouched(records: list[RunRecord], plan: Plan | None) -> list[str]:
    return [] if plan is None else [name for name in plan.sets if name not in by_set(records)]


def _paper(record: RunRecord) -> str:
    value = record.published
    return DASH if value is None else f"{value:.4f}"


def _held_out_images(records: list[RunRecord], split: HeldOut) -> str:
    known = {record.people_known for record in records}
    if len(known) > 1:
        return "held-out images"
    return _UNKNOWN if split == "test" and False in known else _HELD_OUT[split]


def _measures(group: list[RunRecord], folds: int) -> tuple[str, ...]:
    outcomes, of = outcomes_of(group), max(len(group), folds)
    trained = " ".join(sorted({record.epochs for record in group}))
    minutes = f"{np.mean([record.minutes for record in group]):.1f}"
    if not outcomes:
        return (f"0 of {of}", *(DASH,) * 7, trained, minutes)
    low, high = accuracy_interval(outcomes)
    l1 = [outcome.predictions.l1 for outcome in outcomes if outcome.predictions.l1 is not None]
    predictions = pooled(outcomes)
    return (
        f"{len(outcomes)} of {of}" if len(outcomes) < of else str(of),
        str(predictions.table["image"].nunique() if group[0].other_set else len(predictions)),
        _mean(group),
        f"{predictions.accuracy:.3f}",
        f"{low:.3f} to {high:.3f}" if math.isfinite(low) else DASH,
        f"{metrics.macro_f1(predictions.confusion):.3f}",
        f"{metrics.expected_calibration_error(predictions.probabilities, predictions.true):.3f}",
        f"{np.mean(l1):.4f}" if l1 else DASH,
        trained,
        minutes,
    )


def accuracy_table(records: list[RunRecord], plan: Plan | None = None, split: HeldOut = "test") -> Table | None:
    """The shape of the paper's tables: a row a method, a column a set, the paper's figure beside it where it has one.
    None where there is one set only.
    """
    own = in_domain(records)
    sets = by_set(own)
    names = [*sets, *_untouched(own, plan)]
    methods = list(dict.fromkeys([*by_method(own), *_never_run(own, plan)]))
    if len(names) < 2:
        return None
    columns: dict[str, list[str]] = {}
    for name in names:
        groups = by_method(sets.get(name, []))
        columns[name] = [_mean(groups[method]) if method in groups else DASH for method in methods]
        if any(record.published is not None for record in sets.get(name, [])):
            columns[f"{name}, paper"] = [_paper(groups[method][0]) if method in groups else DASH for method in methods]
    rows = tuple(zip(methods, *columns.values(), strict=True))
    note = f"mean over folds ± standard deviation, of {_held_out_images(own, split)}."
    return Table("Accuracy", ("method", *columns), rows, note)


def _mean(group: list[RunRecord]) -> str:
    accuracies = [outcome.predictions.accuracy for outcome in outcomes_of(group)]
    if not accuracies:
        return DASH
    return f"{np.mean(accuracies):.3f}" + (f" ± {np.std(accuracies, ddof=1):.3f}" if len(accuracies) > 1 else "")


def fold_table(records: list[RunRecord], plan: Plan | None = None, split: HeldOut = "test") -> Table:
    """Accuracy: a row a set and fold, a column a method; a dash where a method wasn't run or evaluated."""
    methods = list(by_method(records))
    planned = {(data, k) for data, on_set in by_set(records).items() for k in _planned_folds(on_set, plan)}
    places = sorted(planned | {(record.data, record.fold) for record in records})
    found = {(record.data, record.fold, record.method): record for record in records}
    rows = [
        (data, str(fold), *(_accuracy(found.get((data, fold, method))) for method in methods)) for data, fold in places
    ]
    return Table("Folds", ("data", "fold", *methods), tuple(rows), f"accuracy on the fold's {split} images.")


def run_table(records: list[RunRecord]) -> Table:
    """A row a run."""
    rows = tuple(
        (
            record.name,
            record.method,
            str(record.fold),
            str(record.best_epoch or DASH),
            _accuracy(record),
            f"{record.minutes:.1f}",
        )
        for record in records
    )
    return Table("Runs", ("run", "method", "fold", "epoch kept", "accuracy", "minutes"), rows)


def _accuracy(record: RunRecord | None) -> str:
    if record is None or record.outcome is None:
        return DASH
    return f"{record.outcome.predictions.accuracy:.3f}"
