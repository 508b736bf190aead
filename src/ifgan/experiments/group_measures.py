"""How good predictions of a group are, with intervals over subjects. The paper (§4.4) gives none."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from ifgan import metrics
from ifgan.experiments.comparison import proportion_interval
from ifgan.seeds import numpy_rng
from ifgan.training.evaluate import Predictions

_DRAWS = 1000
Interval = tuple[float, float]
Measure = Callable[[np.ndarray, np.ndarray], float]  # probabilities (M, N), true (M,) -> a number
NO_INTERVAL = (float("nan"), float("nan"))


def accuracy(predictions: Predictions) -> tuple[float, float, float]:
    """And its interval, low and high."""
    return predictions.accuracy, *proportion_interval(*_by_unit(predictions))


def interval(predictions: Predictions, measure: Measure) -> Interval:
    """Of a measure that is no mean: bootstrap over units, nan for a single one."""
    place, names = pd.factorize(predictions.units)
    if len(names) < 2:
        return NO_INTERVAL
    probabilities, true, found = predictions.probabilities, predictions.true, []
    for often in _drawn(len(names), "measure"):
        drawn = np.repeat(np.arange(len(place)), often[place])
        found.append(measure(probabilities[drawn], true[drawn]))
    return _middle(np.array(found))


def macro_f1(probabilities: np.ndarray, true: np.ndarray) -> float:
    """Of decisions by the highest probability."""
    return metrics.macro_f1(metrics.confusion_matrix(true, probabilities.argmax(axis=1), probabilities.shape[1]))


def difference(of: Predictions, others: Predictions) -> tuple[float, float, float]:
    """Accuracy of one group less that of another, with a bootstrap interval over the units of both; nan without others,
    and the interval for a single unit in either.
    """
    if not len(others):
        return (float("nan"), *NO_INTERVAL)
    gap = of.accuracy - others.accuracy
    if min(of.units.nunique(), others.units.nunique()) < 2:
        return gap, *NO_INTERVAL
    return gap, *_middle(_drawn_accuracies(of, "of") - _drawn_accuracies(others, "others"))


def _drawn_accuracies(predictions: Predictions, name: str) -> np.ndarray:
    """(draws,) accuracies when units are drawn again with replacement."""
    sums, counts = _by_unit(predictions)
    return np.array([often @ sums / (often @ counts) for often in _drawn(len(sums), name)])


def _by_unit(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Of every unit: how many images were predicted right, of how many."""
    units = predictions.right.groupby(predictions.units).agg(["sum", "count"])
    return units["sum"].to_numpy(), units["count"].to_numpy()


def _drawn(count: int, purpose: str) -> list[np.ndarray]:
    """How often each of ``count`` units is drawn, (count,), for every resample."""
    rng = numpy_rng("bootstrap", purpose)
    return [np.bincount(rng.integers(count, size=count), minlength=count) for _ in range(_DRAWS)]


def _middle(found: np.ndarray) -> Interval:
    """What 95 % of the resamples lie in."""
    low, high = np.percentile(found, (2.5, 97.5))
    return float(low), float(high)
