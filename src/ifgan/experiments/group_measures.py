"""What was told of some people's images, and how well, with intervals over people. The paper (§4.4) gives none."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ifgan import metrics
from ifgan.experiments.comparison import proportion_interval
from ifgan.seeds import numpy_rng

_DRAWS = 1000
Interval = tuple[float, float]
Measure = Callable[[np.ndarray, np.ndarray], float]  # probabilities (M, N), true (M,) -> a number
NOBODY = (float("nan"), float("nan"))


@dataclass(frozen=True)
class Told:
    """``probabilities`` (M, N), ``true`` (M,) labels' indices, names of the ``images`` (M,), by whom each counts,
    ``units`` (M,): people, or images where nobody is known.
    """

    probabilities: np.ndarray
    true: np.ndarray
    images: np.ndarray
    units: np.ndarray

    def where(self, chosen: np.ndarray) -> "Told":
        """Those of a mask (M,) or of indices."""
        return Told(self.probabilities[chosen], self.true[chosen], self.images[chosen], self.units[chosen])

    @property
    def confusion(self) -> np.ndarray:
        """(N, N) counts."""
        return metrics.confusion_matrix(self.true, self.probabilities.argmax(axis=1), self.probabilities.shape[1])

    def accuracy(self) -> tuple[float, float, float]:
        """And its interval."""
        names, place = np.unique(self.units, return_inverse=True)
        right = self.probabilities.argmax(axis=1) == self.true
        sums, counts = np.bincount(place, right, len(names)), np.bincount(place, minlength=len(names))
        return metrics.accuracy(self.confusion), *proportion_interval(sums, counts)

    def interval(self, measure: Measure) -> Interval:
        """Of a measure that is no mean: bootstrap over units, nan for a single one."""
        names, place = np.unique(self.units, return_inverse=True)
        if len(names) < 2:
            return NOBODY
        found = []
        for often in _drawn(len(names), "measure"):
            drawn = np.repeat(np.arange(len(place)), often[place])
            found.append(measure(self.probabilities[drawn], self.true[drawn]))
        return _middle(np.array(found))


def macro_f1(probabilities: np.ndarray, true: np.ndarray) -> float:
    """Of decisions by the highest probability."""
    return metrics.macro_f1(metrics.confusion_matrix(true, probabilities.argmax(axis=1), probabilities.shape[1]))


def difference(of: Told, others: Told) -> tuple[float, float, float]:
    """Accuracy of one group less that of another, with a bootstrap interval over the units of both; nan without others,
    and the interval for a single unit in either.
    """
    if not len(others.true):
        return (float("nan"), *NOBODY)
    gap = metrics.accuracy(of.confusion) - metrics.accuracy(others.confusion)
    if min(len(set(of.units)), len(set(others.units))) < 2:
        return gap, *NOBODY
    return gap, *_middle(_drawn_accuracies(of, "of") - _drawn_accuracies(others, "others"))


def _drawn_accuracies(told: Told, name: str) -> np.ndarray:
    """(draws,) accuracies when units are drawn again with replacement."""
    names, place = np.unique(told.units, return_inverse=True)
    right = told.probabilities.argmax(axis=1) == told.true
    sums, counts = np.bincount(place, right, len(names)), np.bincount(place, minlength=len(names))
    return np.array([often @ sums / (often @ counts) for often in _drawn(len(names), name)])


def _drawn(count: int, purpose: str) -> list[np.ndarray]:
    """How often each of ``count`` units is drawn, (count,), for every resample."""
    rng = numpy_rng("bootstrap", purpose)
    return [np.bincount(rng.integers(count, size=count), minlength=count) for _ in range(_DRAWS)]


def _middle(found: np.ndarray) -> Interval:
    """What 95 % of the resamples lie in."""
    low, high = np.percentile(found, (2.5, 97.5))
    return float(low), float(high)
