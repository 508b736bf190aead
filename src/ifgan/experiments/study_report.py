"""What a study found, computed from its three files alone: accuracy of every arm, rule and reading, and paired
comparisons. Rules are ways to choose the epoch on validation; none looks at test images.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ifgan.errors import InputError
from ifgan.experiments.comparison import Comparison, accuracy_interval, compare
from ifgan.experiments.differences import leading, verdicts
from ifgan.experiments.outcome import RunOutcome
from ifgan.experiments.picture_files import Picture, page, rendered
from ifgan.experiments.plots import confusion_figure, folds_figure, forest_figure
from ifgan.experiments.report_figures import FOLDS_NOTE, FOREST_NOTE
from ifgan.experiments.study_files import read_predictions, read_runs_table
from ifgan.experiments.study_plan import Study, read_study, read_study_file
from ifgan.experiments.table import DASH, Table
from ifgan.files import write_json, write_text
from ifgan.labels import EXPRESSIONS, in_order
from ifgan.training.evaluate import Predictions

# Of an epoch's validation accuracy, loss and number the key whose largest value is chosen.
Key = Callable[[float, float, int], tuple[float, ...]]
RULES: dict[str, Key] = {
    "accuracy, earlier of equals": lambda accuracy, _, epoch: (accuracy, -epoch),
    "accuracy, lower loss of equals": lambda accuracy, loss, _: (accuracy, -loss),
    "accuracy, later of equals": lambda accuracy, _, epoch: (accuracy, epoch),
    "loss": lambda _, loss, epoch: (-loss, -epoch),
    "last epoch": lambda _, __, epoch: (epoch,),
}
AVERAGED = {"mean of the last fifth's weights": "swa", "running mean of the weights": "ema"}
# Readings whose mean log-probability is one; the first is what the arm itself says.
READINGS = {
    "as tested": ("read",),
    "pair, image, drawing": ("pair", "picture", "generated"),
    "pair, image, mixture": ("pair-mixture", "picture", "mixture"),
    "pair": ("pair",),
    "image": ("picture",),
    "drawing": ("generated",),
    "pair with mixture": ("pair-mixture",),
    "mixture": ("mixture",),
    "nearest average": ("shares",),
}
_REFERENCE = "baseline"
_SUMMARY = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1"}
_SUMMARY["calibration_error"] = "ECE"
LEADING = "last epoch"  # the rule by which a study is told


@dataclass(frozen=True)
class Cell:
    """One arm under one rule or reading: its outcomes, a run each. ``first``: the epoch from which the rule chooses;
    ``shown``: whether that is the arm's own, and not that of an arm which it is compared with.
    """

    arm: str
    how: str
    outcomes: list[RunOutcome]
    first: int = 0
    shown: bool = True

    def summary(self) -> dict[str, Any]:
        """Mean and spread over runs, accuracy over all images with its interval over subjects."""
        accuracies = [outcome.predictions.accuracy for outcome in self.outcomes]
        spread = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else 0.0
        return {
            "arm": self.arm, "how": self.how, "runs": len(accuracies), "mean": float(np.mean(accuracies)),
            "std": spread, "interval": [None if math.isnan(end) else end for end in accuracy_interval(self.outcomes)],
        }  # fmt: skip


def write_metrics(folder: Path) -> None:
    """``metrics.json`` beside the study's files, which a test compares with what they give. Raises InputError."""
    write_json(Path(folder) / "metrics.json", study_metrics(folder))


def write_study_report(folder: Path, out: Path) -> str:
    """The tables, as Markdown in ``out``/report.md, every figure in ``out``/metrics.json, and the page
    ``out``/report.html; returns the tables as text. Raises InputError like `study_metrics`.
    """
    if not read_study_file(folder).arms:
        return _write_predictions_report(folder, out)
    content, study = study_metrics(folder), read_study(folder)
    tables = _tables(content)
    write_json(Path(out) / "metrics.json", content)
    write_text(Path(out) / "report.md", "\n".join(table.markdown() for table in tables))
    groups = {
        cell.arm: cell.outcomes
        for cell in _by_rule(study, read_runs_table(folder), read_predictions(folder))
        if cell.how == LEADING and cell.shown
    }
    rows = [row for row in content["comparisons"] if row["how"] == LEADING]
    found = [Comparison(**{name: value for name, value in row.items() if name != "how"}) for row in rows]
    pictures = [Picture("Result", rendered(folds_figure(groups)), caption=FOLDS_NOTE)]
    if found:
        pictures.insert(0, Picture("Result", rendered(forest_figure(found)), caption=FOREST_NOTE))
    pictures += [Picture("Confusion", rendered(confusion_figure(group)), "", arm) for arm, group in groups.items()]
    lead = f"{' '.join(str(study.question).split())} Read at the {LEADING}; {content['runs']} runs."
    data = f"rendered subjects of seed {study.test['seed']}"
    title, pairs = f"Study: {Path(folder).resolve().name}", {data: found}
    said = {"verdict": verdicts(leading(pairs)), "verdicts": verdicts(pairs)}
    html = page(pictures, title=title, lead=lead, tables=tables, **said)
    write_text(Path(out) / "report.html", html)
    return "\n".join(table.text() for table in tables)


def _write_predictions_report(folder: Path, out: Path) -> str:
    """The same of a study whose runs `ifgan study` did not do: what its predictions say."""
    outcomes, rows, pictures = _outcomes_of_predictions(folder), [], []
    found = {data: _comparisons(group) for data, group in outcomes.items()}
    found = {data: group for data, group in found.items() if group}
    pictures += [
        Picture("Result", rendered(forest_figure(group)), caption=f"On {data}. {FOREST_NOTE}")
        for data, group in found.items()
    ]
    for data, group in outcomes.items():
        for run, outcome in group.items():
            summary = outcome.predictions.summary()
            rows.append((run, data, str(summary["n"]), *(f"{summary[name]:.3f}" for name in _SUMMARY)))
            pictures.append(Picture("Confusion", rendered(confusion_figure([outcome])), "", f"{run} on {data}"))
    table = Table("predictions", ("run", "data", "images", *_SUMMARY.values()), tuple(rows))
    write_text(Path(out) / "report.md", table.markdown())
    write_json(Path(out) / "metrics.json", predictions_metrics(folder))
    lead = " ".join(str(read_study_file(folder).question or "").split())
    said = {"verdict": verdicts(leading(found)), "verdicts": verdicts(found)}
    html = page(pictures, title=f"Study: {Path(folder).resolve().name}", lead=lead, tables=[table], **said)
    write_text(Path(out) / "report.html", html)
    return table.text()


def predictions_metrics(folder: Path) -> dict[str, Any]:
    """Every figure that the predictions of such a study give: by data set and run, and runs against the baseline."""
    outcomes = _outcomes_of_predictions(folder)
    return {
        "figures": {
            data: {run: outcome.predictions.summary() for run, outcome in group.items()}
            for data, group in outcomes.items()
        },
        "comparisons": [
            {"data": data} | comparison.to_dict()
            for data, group in outcomes.items()
            for comparison in _comparisons(group)
        ],
    }


def _outcomes_of_predictions(folder: Path) -> dict[str, dict[str, RunOutcome]]:
    found: dict[str, dict[str, RunOutcome]] = {}
    table = read_predictions(folder)
    if not {"run", "data", "expression"} <= set(table):
        raise InputError(f"{folder}: neither arms in study.yaml nor predictions.parquet with run, data and expression")
    for (run, data), group in table.groupby(["run", "data"], sort=False):
        told = [name for name in EXPRESSIONS if name in group and group[name].notna().any()]
        predictions = Predictions(group, in_order({*told, *group["expression"]}))
        found.setdefault(str(data), {})[str(run)] = RunOutcome(str(run), 0, predictions)
    return found


def _comparisons(group: dict[str, RunOutcome]) -> list[Comparison]:
    others = [outcome for run, outcome in group.items() if run != _REFERENCE] if _REFERENCE in group else []
    found = [compare([outcome], [group[_REFERENCE]]) for outcome in others]
    return [comparison for comparison in found if comparison is not None]


def study_metrics(folder: Path) -> dict[str, Any]:
    """Every figure of a study, from its files alone. Raises InputError where no run is done."""
    study, runs = read_study(folder), read_runs_table(folder)
    if not len(runs):
        raise InputError(f"{folder}: no run is done; ifgan study {folder} starts them")
    predictions = read_predictions(folder)
    rules, readings = _by_rule(study, runs, predictions), _by_reading(study, runs, predictions)
    return {
        "runs": len(runs),
        "commits": sorted(set(runs["commit"].dropna())),
        "rules": [cell.summary() for cell in rules if cell.shown],
        "readings": [cell.summary() for cell in readings],
        "comparisons": [
            {"how": how} | comparison.to_dict() for how, comparison in [*_against(rules), *_against(readings)]
        ],
        "within": [{"how": how} | comparison.to_dict() for how, comparison in _within(readings)],
    }


def _by_rule(study: Study, runs: pd.DataFrame, predictions: pd.DataFrame) -> list[Cell]:
    if not study.every_epoch:
        return [
            Cell(str(arm), rule, _outcomes(str(arm), group, predictions[predictions["weights"] == weights], ("read",)))
            for arm, group in runs.groupby("arm", sort=False)
            for rule, weights in {"last epoch": "kept", "highest validation accuracy": "best"}.items()
        ]
    epochs = pd.read_csv(study.folder / "epochs.csv")
    read = predictions[predictions["view"] == "read"]
    firsts = runs.groupby("arm", sort=False)["first_selectable"].max()
    cells = []
    for arm, group in runs.groupby("arm", sort=False):
        name, own = str(arm), int(firsts[arm])
        wanted = sorted({own, *(int(first) for first in firsts if first > own)}) if name == _REFERENCE else [own]
        for first in wanted:  # an arm that chooses from a later epoch meets a baseline that does too
            for rule, key in RULES.items():
                found = read.merge(_chosen(epochs, group, key, first), on=["run", "epoch"])
                found = found[found["weights"] == "epoch"]
                cells.append(Cell(name, rule, _outcomes(name, group, found, ("read",)), first, first == own))
            for rule, weights in AVERAGED.items():
                found = read[read["weights"] == weights]
                cells.append(Cell(name, rule, _outcomes(name, group, found, ("read",)), first, first == own))
    return cells


def _chosen(epochs: pd.DataFrame, runs: pd.DataFrame, key: Key, first: int) -> pd.DataFrame:
    """The epoch of each run that a rule chooses among those from ``first`` on."""
    late = epochs[(epochs["epoch"] >= first) & epochs["run"].isin(runs["run"])]
    rows = [max(part.itertuples(), key=lambda row: key(row.accuracy, row.loss, row.epoch))
            for _, part in late.groupby("run", sort=False)]  # fmt: skip
    return pd.DataFrame({"run": [row.run for row in rows], "epoch": [row.epoch for row in rows]})


def _by_reading(study: Study, runs: pd.DataFrame, predictions: pd.DataFrame) -> list[Cell]:
    weights = "last" if study.every_epoch else "kept"
    found = predictions[predictions["weights"] == weights]
    cells = []
    for arm, group in runs.groupby("arm", sort=False):
        views = set(found[found["run"].isin(group["run"])]["view"])
        for how, parts in READINGS.items():
            if views.issuperset(parts):
                cells.append(Cell(str(arm), how, _outcomes(str(arm), group, found, parts)))
    return cells


def _outcomes(arm: str, runs: pd.DataFrame, predictions: pd.DataFrame, views: tuple[str, ...]) -> list[RunOutcome]:
    labels = in_order(predictions["expression"].unique())
    wanted = predictions[predictions["view"].isin(views) & predictions["run"].isin(runs["run"])]
    read = dict(iter(wanted.groupby(["run", "view"], sort=False)))
    outcomes = []
    for run in runs.itertuples():
        parts = [read[run.run, view] for view in views]
        logs = [np.log(np.maximum(part[list(labels)].to_numpy(float), 1e-5)) for part in parts]
        mean = np.exp(np.mean(logs, axis=0))
        table = parts[0][["image", "subject", "expression"]].assign(
            **dict(zip(labels, (mean / mean.sum(axis=1, keepdims=True)).T, strict=True))
        )
        number = 1000 * int(run.seed) + int(run.fold)  # runs are paired by seed and fold
        outcomes.append(RunOutcome(arm, number, Predictions(table, labels)))
    return outcomes


def _against(cells: list[Cell]) -> list[tuple[str, Comparison]]:
    """Every arm with the baseline, by the same rule; readings with what the baseline reads, the image."""
    reference = {(cell.how, cell.first): cell for cell in cells if cell.arm == _REFERENCE}
    found = []
    for cell in cells:
        against = reference.get((cell.how, cell.first), reference.get(("as tested", 0)))
        if cell.arm != _REFERENCE and against is not None:
            comparison = compare(cell.outcomes, against.outcomes)
            found += [(cell.how, comparison)] if comparison is not None else []
    return found


def _within(cells: list[Cell]) -> list[tuple[str, Comparison]]:
    """Every reading of an arm with its first, the usual one; every arm's usual one with the other arms'."""
    found = []
    first: dict[str, Cell] = {}
    for cell in cells:
        usual = first.setdefault(cell.arm, cell)
        others = [usual] if cell is not usual else [o for a, o in first.items() if a not in (cell.arm, _REFERENCE)]
        for other in others if cell.arm != _REFERENCE else ():
            comparison = compare(cell.outcomes, other.outcomes)
            how = f"{cell.how} - {other.how}" if cell is not usual else cell.how
            found += [(how, comparison)] if comparison is not None else []
    return found


def _tables(content: dict[str, Any]) -> list[Table]:
    tables: list[Table] = []
    rows: tuple[tuple[str, ...], ...]
    for title in ("rules", "readings"):
        rows = tuple(
            (row["arm"], row["how"], str(row["runs"]), f"{row['mean']:.3f} ± {row['std']:.3f}",
             DASH if None in row["interval"] else "{:.3f} to {:.3f}".format(*row["interval"]))
            for row in content[title]
        )  # fmt: skip
        tables.append(Table(title, ("arm", "how", "runs", "accuracy ± std over runs", "95 % over people"), rows))
    for title in ("comparisons", "within"):
        rows = tuple(
            (row["method"], row["against"], row["how"], str(row["folds"]),
             f"{row['difference']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})", _p(row["p_value"]),
             _p(row["p_folds"]))
            for row in content[title]
        )  # fmt: skip
        header = ("arm", "minus", "how", "runs", "difference (95 %)", "p over people", "p over runs")
        tables.append(Table(title, header, rows))
    return [table for table in tables if table.rows]


def _p(value: float | None) -> str:
    return DASH if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
