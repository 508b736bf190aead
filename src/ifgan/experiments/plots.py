"""The report's plots: confusion matrices and learning curves, as matplotlib figures. Paper §4.4."""

from typing import TYPE_CHECKING

import numpy as np

from ifgan import metrics
from ifgan.experiments.outcome import RunOutcome, pooled_confusion
from ifgan.experiments.picture_files import new_figure
from ifgan.experiments.run_records import RunRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {"baseline": "#8a8a8a", "ifgan-noattention": "#d08a2f", "ifgan": "#2f6fb0"}


def confusion_figure(groups: dict[str, list[RunOutcome]]) -> "Figure":
    """One matrix a method, pooled over its folds: share of each true class, and the number of pictures."""
    from sklearn.metrics import ConfusionMatrixDisplay

    figure = new_figure(4.6 * len(groups), 4.3)
    axes = figure.subplots(1, len(groups), squeeze=False)[0]
    for axis, (method, outcomes) in zip(axes, groups.items(), strict=True):
        counts = pooled_confusion(outcomes)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        display = ConfusionMatrixDisplay(shares, display_labels=outcomes[0].labels)
        display.plot(ax=axis, cmap="Blues", colorbar=False, include_values=False, im_kw={"vmin": 0, "vmax": 1})
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.55 else "black"
            axis.text(column, row, str(count) if count else "", ha="center", va="center", color=colour, fontsize=9)
        axis.tick_params(axis="x", rotation=40)
        axis.set_title(f"{method}: {metrics.accuracy(counts):.3f}", fontsize=10)
        axis.set(xlabel="predicted", ylabel="true")
    return figure


def curves_figure(records: list[RunRecord]) -> "Figure":
    """Validation accuracy, expression loss in training and L1 on validation, over the epochs of every run."""
    figure = new_figure(12.5, 3.4)
    accuracy, softmax, l1 = figure.subplots(1, 3)
    named: set[str] = set()
    for record in records:
        method, lines = record.config.method, record.run.metrics()
        epochs = [line["epoch"] for line in lines]
        style = {"color": _COLOURS[method], "label": None if method in named else method, "linewidth": 1.3}
        accuracy.plot(epochs, [line["validation"]["accuracy"] for line in lines], **style)
        passes = 1 if method == "baseline" else 2  # Eq. 4 sums over the real and the fake pair
        softmax.plot(epochs, [line["train"]["softmax"] / passes for line in lines], **style)
        if method != "baseline":
            l1.plot(epochs, [line["validation"]["l1"] for line in lines], **style)
        named.add(method)
    for axis, title in ((accuracy, "validation accuracy"), (softmax, "training: expression loss a pass of E")):
        axis.set_title(title, fontsize=10)
    l1.set_title("validation: L1, generated against average", fontsize=10)
    for axis in (accuracy, softmax, l1):
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        axis.set_ylim(bottom=0)
    accuracy.legend(frameon=False, fontsize=9)
    return figure
