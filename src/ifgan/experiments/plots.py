"""The report's plots, as matplotlib figures, each narrow enough for a telephone. Paper §4.4."""

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ifgan import metrics
from ifgan.config import Config
from ifgan.experiments.comparison import SIGNIFICANT, Comparison
from ifgan.experiments.outcome import RunOutcome, pooled
from ifgan.experiments.picture_files import new_figure
from ifgan.experiments.run_records import RunRecord
from ifgan.training.schedule import phase_at, start_epochs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = {"baseline": "#8a8a8a", "ifgan-noattention": "#d08a2f", "ifgan": "#2f6fb0"}
_WIDTH = 4.8  # inches
_MORE_COLOURS = ("#4f9d69", "#8a5fb0", "#b0486a", "#6f7f2a", "#3aa0a0", "#a0522d")


def forest_figure(comparisons: list[Comparison]) -> "Figure":
    """Differences of accuracy in points with their 95 % intervals over subjects, a row a comparison; a filled dot is
    significant over subjects and folds.
    """
    figure = new_figure(_WIDTH, 1.0 + 0.42 * len(comparisons))
    axis = figure.subplots()
    for row, comparison in enumerate(comparisons):
        low, middle, high = (100 * value for value in (comparison.low, comparison.difference, comparison.high))
        sure = comparison.p_value < SIGNIFICANT and (comparison.p_folds is None or comparison.p_folds < SIGNIFICANT)
        axis.plot([low, high], [row, row], color="#2f6fb0", linewidth=2)
        axis.plot(middle, row, "o", color="#2f6fb0", markerfacecolor="#2f6fb0" if sure else "white", markersize=8)
        axis.annotate(f"{middle:+.1f}", (middle, row), (0, 7), textcoords="offset points", ha="center", fontsize=9)
    axis.axvline(0, color="#888888", linewidth=1)
    names = [f"{comparison.method}\n− {comparison.against}" for comparison in comparisons]
    axis.set_yticks(range(len(comparisons)), names, fontsize=9)
    axis.set(xlabel="points of accuracy", ylim=(len(comparisons) - 0.4, -0.7))
    axis.grid(axis="x", alpha=0.3)
    return figure


def folds_figure(groups: dict[str, list[RunOutcome]]) -> "Figure":
    """Accuracy of every run, a row a method; the line is their mean. In all rows a fold has the same height."""
    figure = new_figure(_WIDTH, 1.0 + 0.5 * len(groups))
    axis = figure.subplots()
    colours = _colours(list(groups))
    for row, (method, outcomes) in enumerate(groups.items()):
        shares = [outcome.predictions.accuracy for outcome in outcomes]
        places = row + np.linspace(-0.25, 0.25, len(shares)) if len(shares) > 1 else [row]
        axis.scatter(shares, places, 22, color=colours[method], alpha=0.8, linewidths=0)
        axis.plot([np.mean(shares)] * 2, [row - 0.38, row + 0.38], color=colours[method], linewidth=2.5)
    axis.set_yticks(range(len(groups)), list(groups), fontsize=9)
    axis.set(xlabel="accuracy", ylim=(len(groups) - 0.4, -0.6))
    axis.grid(axis="x", alpha=0.3)
    return figure


def confusion_figure(outcomes: list[RunOutcome]) -> "Figure":
    """Of one method, pooled over its folds: share of each true class, and the number of images."""
    from sklearn.metrics import ConfusionMatrixDisplay

    figure = new_figure(_WIDTH, 4.5)
    axis = figure.subplots()
    counts = pooled(outcomes).confusion
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    display = ConfusionMatrixDisplay(shares, display_labels=outcomes[0].predictions.labels)
    display.plot(ax=axis, cmap="Blues", colorbar=False, include_values=False, im_kw={"vmin": 0, "vmax": 1})
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.55 else "black"
        axis.text(column, row, str(count) if count else "", ha="center", va="center", color=colour, fontsize=10)
    axis.tick_params(axis="x", rotation=40)
    axis.set_title(f"accuracy {metrics.accuracy(counts):.3f}", fontsize=10)
    axis.set(xlabel="predicted", ylabel="true")
    return figure


def curves_figures(records: list[RunRecord]) -> "dict[str, Figure]":
    """Over the epochs of every run: validation accuracy, expression loss in training, L1 on validation."""
    titles = (
        "validation accuracy",
        "training: expression loss a pass of E",
        "validation: L1, generated against average",
    )
    figures = {title: new_figure(_WIDTH, 3.4) for title in titles}
    accuracy, softmax, l1 = (figure.subplots() for figure in figures.values())
    named: set[str] = set()
    colours = _colours([record.method for record in records])
    for record in records:
        method, lines = record.method, record.run.metrics()
        epochs = [line["epoch"] for line in lines]
        style: dict[str, Any] = {"color": colours[method], "linewidth": 1.3}
        style["label"] = None if method in named else method
        accuracy.plot(epochs, [line["validation"]["accuracy"] for line in lines], **style)
        passes = [_passes(record.config, epoch) for epoch in epochs]
        losses = [line["train"].get("softmax", math.nan) / count for line, count in zip(lines, passes, strict=True)]
        softmax.plot(epochs, losses, **style)
        if "generator" in record.config.networks:
            l1.plot(epochs, [line["validation"]["l1"] for line in lines], **style)
        named.add(method)
    for epoch, who in _joins(records).items():
        for axis in (accuracy, softmax, l1):
            axis.axvline(epoch + 0.5, color="#999999", linewidth=0.8, linestyle=":")
        l1.annotate(who, (epoch + 0.5, 0.97), xycoords=l1.get_xaxis_transform(), rotation=90, va="top", fontsize=8)
    for axis, title in zip((accuracy, softmax, l1), titles, strict=True):
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        axis.set_ylim(bottom=0)
    accuracy.legend(frameon=False, fontsize=9)
    return figures


def _passes(config: Config, epoch: int) -> int:
    """Of E over a batch in an epoch (from 1 on): Eq. 4 sums over real and fake pairs, where there are any."""
    return 1 if "generator" not in config.networks or phase_at(config, epoch - 1).classifier != "pairs" else 2


def _joins(records: list[RunRecord]) -> dict[int, str]:
    """After which epochs networks joined late, and which: ``{14: "E from here"}``; as in the paper, none."""
    letters = {"classifier": "E", "generator": "G", "discriminator": "D"}
    joined: dict[int, set[str]] = {}
    for record in records:
        for network, epoch in start_epochs(record.config).items():
            if epoch:
                joined.setdefault(epoch, set()).add(letters[network])
    return {epoch: f"{' and '.join(sorted(who))} from here" for epoch, who in sorted(joined.items())}


def reliability_figure(groups: dict[str, list[RunOutcome]]) -> "Figure":
    """How often a method is right where it says so: accuracy over confidence, pooled over its folds, a panel a method;
    a dot's area is its bin's share of the images. Guo et al., https://arxiv.org/abs/1706.04599, Fig. 1.
    """
    figure = new_figure(_WIDTH, 3.8 * len(groups))
    axes = figure.subplots(len(groups), 1, squeeze=False)[:, 0]
    colours = _colours(list(groups))
    for axis, (method, outcomes) in zip(axes, groups.items(), strict=True):
        predictions = pooled(outcomes)
        probabilities, true = predictions.probabilities, predictions.true
        counts, confidence, share = metrics.reliability(probabilities, true)
        filled = counts > 0
        areas = 600 * counts[filled] / counts.sum()
        axis.plot([0, 1], [0, 1], color="#999999", linewidth=0.8, linestyle=":")
        axis.scatter(confidence[filled], share[filled], areas, color=colours[method], alpha=0.7)
        ece = metrics.expected_calibration_error(probabilities, true)
        axis.set_title(f"{method}: ECE {ece:.3f}", fontsize=10)
        axis.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.03), ylim=(0, 1.03))
        axis.grid(alpha=0.3)
    return figure


def subjects_figure(groups: dict[str, list[RunOutcome]]) -> "Figure | None":
    """Accuracy of every tested person, sorted, a line a method; None where no subjects are known."""
    shares = {method: sorted(_shares(outcomes)) for method, outcomes in groups.items()}
    if not any(len(values) > 1 for values in shares.values()):
        return None
    figure = new_figure(_WIDTH, 3.4)
    axis = figure.subplots()
    colours = _colours(list(shares))
    for method, values in shares.items():
        places = np.linspace(0, 1, len(values))
        axis.plot(places, values, color=colours[method], label=method, linewidth=1.4, marker=".")
    axis.set(xlabel="share of people", ylabel="accuracy", ylim=(0, 1.03))
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, fontsize=9)
    return figure


def subjects_trained_figure(records: list[RunRecord]) -> "Figure | None":
    """Accuracy on the test people over the number of people who trained, a line a method: mean over folds, and its
    standard deviation. None where no run was asked for few, or none was evaluated.
    """
    if all(record.asked_subjects is None for record in records):
        return None
    lines: dict[str, dict[int, list[float]]] = {}
    for record, line in zip(records, _lines(records), strict=True):
        if record.outcome is not None:
            found = lines.setdefault(line, {}).setdefault(record.train_subjects, [])
            found.append(record.outcome.predictions.accuracy)
    if not lines:
        return None
    figure = new_figure(_WIDTH, 3.6)
    axis = figure.subplots()
    colours = _colours(list(lines))
    for method, places in lines.items():
        numbers = sorted(places)
        spread = np.array([np.std(places[n], ddof=1) if len(places[n]) > 1 else 0.0 for n in numbers])
        means = np.array([np.mean(places[n]) for n in numbers])
        axis.errorbar(numbers, means, spread, color=colours[method], label=method, marker="o", capsize=3, linewidth=1.3)
    axis.set(xlabel="people who trained", ylabel="accuracy", xscale="log")
    ticks = sorted({number for places in lines.values() for number in places})
    axis.set_xticks(ticks, [str(number) for number in ticks], minor=False)
    axis.minorticks_off()
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, fontsize=9)
    return figure


def _lines(records: list[RunRecord]) -> list[str]:
    """Of every run its method without the number of people; without epochs too where each number has its own, so that
    few people are updated on as often as many.
    """
    places = [(re.sub(r" (train_subjects|epochs)=\S+", "", record.method), record.train_subjects) for record in records]
    epochs: dict[tuple[str, int], set[int]] = {}
    for place, record in zip(places, records, strict=True):
        epochs.setdefault(place, set()).add(record.config.optimizer.epochs)
    if all(len(found) == 1 for found in epochs.values()):
        return [method for method, _ in places]
    return [re.sub(r" train_subjects=\S+", "", record.method) for record in records]


def _shares(outcomes: list[RunOutcome]) -> list[float]:
    """Of every subject, the share of images that were predicted right."""
    predictions = pooled(outcomes)
    subject = predictions.table["subject"]
    return predictions.right[subject != ""].groupby(subject).mean().tolist()


def _colours(methods: list[str]) -> dict[str, str]:
    """The paper's methods have their own; others take the next ones in their order."""
    others = [method for method in dict.fromkeys(methods) if method not in _COLOURS]
    return _COLOURS | {name: _MORE_COLOURS[k % len(_MORE_COLOURS)] for k, name in enumerate(others)}
