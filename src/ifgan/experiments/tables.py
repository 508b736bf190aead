"""Tables 1 and 2 of the paper's kind, from run records only: what wasn't run is a dash. Paper §4.4.

One table is made once and written as text, Markdown or LaTeX; JSON carries the numbers themselves.
"""

from dataclasses import dataclass

import numpy as np

from ifgan import metrics
from ifgan.experiments.comparison import Comparison, accuracy_interval, compare
from ifgan.experiments.outcome import RunOutcome, pooled_confusion
from ifgan.experiments.run_records import RunRecord, by_method

DASH = "—"
_HEADER = (
    "method",
    "folds",
    "pictures",
    "accuracy",
    "95 % interval",
    "macro F1",
    "calibration error",
    "L1",
    "epochs",
    "minutes",
)


@dataclass(frozen=True)
class Table:
    """Cells as text, the header apart."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def text(self) -> str:
        """Aligned columns."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[k]) for line in lines) for k in range(len(self.header))]
        drawn = ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join(line.rstrip() for line in [self.title, *drawn, self.note] if line) + "\n"

    def markdown(self) -> str:
        """A pipe table."""
        lines = [self.header, ("---",) * len(self.header), *self.rows]
        drawn = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"**{self.title}**\n\n{drawn}\n" + (f"\n{self.note}\n" if self.note else "")

    def latex(self) -> str:
        """A booktabs tabular."""
        rows = [" & ".join(map(_latex, line)) + r" \\" for line in self.rows]
        head = " & ".join(map(_latex, self.header)) + r" \\"
        body = "\n".join([rf"\begin{{tabular}}{{{'l' * len(self.header)}}}", r"\toprule", head, r"\midrule", *rows])
        return f"% {self.title}\n{body}\n\\bottomrule\n\\end{{tabular}}\n" + (f"% {self.note}\n" if self.note else "")


def method_table(records: list[RunRecord]) -> Table:
    """A row a method: mean and standard deviation over folds, pooled measures, what it cost."""
    rows = tuple(_method_row(name, group) for name, group in by_method(records).items())
    note = (
        "accuracy: mean over folds ± standard deviation, of pictures of people never seen; interval: bootstrap over "
        "subjects; L1: generated against average face, in units of [-1, 1]; epochs chosen on validation."
    )
    return Table("Methods", _HEADER, rows, note)


def _method_row(name: str, group: list[RunRecord]) -> tuple[str, ...]:
    outcomes = outcomes_of(group)
    trained = " ".join(sorted({str(record.config.epochs) for record in group}))
    minutes = f"{np.mean([record.minutes for record in group]):.1f}"
    if not outcomes:
        return (name, f"0 of {len(group)}", *(DASH,) * 6, trained, minutes)
    accuracies = [metrics.accuracy(outcome.evaluation.confusion) for outcome in outcomes]
    spread = f" ± {np.std(accuracies, ddof=1):.3f}" if len(accuracies) > 1 else ""
    low, high = accuracy_interval(outcomes)
    l1 = [outcome.evaluation.l1 for outcome in outcomes if outcome.evaluation.l1 is not None]
    probabilities = np.concatenate([outcome.evaluation.probabilities for outcome in outcomes])
    true = np.concatenate([outcome.evaluation.true for outcome in outcomes])
    return (
        name,
        f"{len(outcomes)} of {len(group)}" if len(outcomes) < len(group) else str(len(group)),
        str(len(true)),
        f"{np.mean(accuracies):.3f}{spread}",
        f"{low:.3f} to {high:.3f}",
        f"{metrics.macro_f1(pooled_confusion(outcomes)):.3f}",
        f"{metrics.expected_calibration_error(probabilities, true):.3f}",
        f"{np.mean(l1):.4f}" if l1 else DASH,
        trained,
        minutes,
    )


def comparisons(records: list[RunRecord]) -> list[Comparison]:
    """Every method against every one before it, where they share folds."""
    groups = list(by_method(records).values())
    pairs = [(outcomes_of(b), outcomes_of(a)) for k, b in enumerate(groups) for a in groups[:k]]
    found = [compare(ours, theirs) for ours, theirs in pairs if ours and theirs]
    return [comparison for comparison in found if comparison is not None]


def comparison_table(found: list[Comparison]) -> Table:
    """A row a pair of methods."""
    header = ("method", "against", "subjects", "difference of accuracy", "95 % interval", "p")
    rows = tuple(
        (c.method, c.against, str(c.subjects), f"{c.difference:+.3f}", f"{c.low:+.3f} to {c.high:+.3f}", _p(c.p_value))
        for c in found
    )
    note = "same people and folds; interval: bootstrap over subjects; p: paired permutation test over subjects."
    return Table("Differences", header, rows, note)


def fold_table(records: list[RunRecord]) -> Table:
    """A row a run."""
    rows = tuple(
        (
            record.name,
            record.config.method,
            str(record.fold),
            str(record.best_epoch or DASH),
            f"{metrics.accuracy(record.outcome.evaluation.confusion):.3f}" if record.outcome else DASH,
        )
        for record in records
    )
    return Table("Runs", ("run", "method", "fold", "epoch chosen", "accuracy"), rows)


def outcomes_of(records: list[RunRecord]) -> list[RunOutcome]:
    """The outcomes of those that were evaluated."""
    return [record.outcome for record in records if record.outcome is not None]


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _latex(cell: str) -> str:
    for plain, written in (("\\", r"\textbackslash "), ("%", r"\%"), ("&", r"\&"), ("_", r"\_"), ("±", r"$\pm$")):
        cell = cell.replace(plain, written)
    return cell.replace(DASH, "---").replace("< ", "$<$ ")
