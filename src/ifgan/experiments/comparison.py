"""Is one method better than another on the same people? Paper §4.4 compares means only; this adds the spread.

The unit is the subject: images of one person are not independent of each other. Accuracy is compared subject by
subject over the folds that both methods have; where no subjects are known, as in RAF-DB, image by image, which is
McNemar's test and trusts that everybody is on one image. Such a test takes the trained networks as they are; whether
others, trained anew on other people, would differ alike is what a test over folds asks.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from ifgan.experiments.outcome import RunOutcome
from ifgan.seeds import numpy_rng

_DRAWS = 9999
SIGNIFICANT = 0.05  # below this p, a difference is one


@dataclass(frozen=True)
class Comparison:
    """``difference``: pooled accuracy of ``method`` minus that of ``against``, with the 95 % bootstrap interval over
    subjects (``low``, ``high``) and the p value of a two-sided paired permutation test over them. ``subjects``,
    ``pictures``: how many; 0 subjects where none are known, and an image that all folds read is one. ``p_folds``: of
    a paired t test over the accuracies of ``folds``, None with one fold or where all gain the same; rather too small,
    since folds share training people (Nadeau and Bengio, Machine Learning 52, 2003,
    https://doi.org/10.1023/A:1024068626366).
    """

    method: str
    against: str
    subjects: int
    pictures: int
    difference: float
    low: float
    high: float
    p_value: float
    folds: int
    p_folds: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @property
    def verdict(self) -> str:
        """In words, at the usual level: "ifgan is above baseline", "... is below ...", "... are not significantly
        different", and "as trained here" where they differ over subjects but not over folds, or nobody can say.
        """
        if self.p_value >= SIGNIFICANT or not self.difference:
            return f"{self.method} and {self.against} are not significantly different"
        order = f"{self.method} is {'above' if self.difference > 0 else 'below'} {self.against}"
        return order if self.p_folds is not None and self.p_folds < SIGNIFICANT else f"as trained here, {order}"


def compare(outcomes: list[RunOutcome], against: list[RunOutcome]) -> Comparison | None:
    """Compare two methods on the folds that both have, image by image where no subjects are known; None when they
    share none.
    """
    ours, theirs = ({outcome.fold: outcome for outcome in group} for group in (outcomes, against))
    folds = [fold for fold in ours if fold in theirs and _pictures(ours[fold]) == _pictures(theirs[fold])]
    gains: dict[str, list[float]] = {}
    of_folds: list[float] = []
    for fold in folds:
        gain = right(ours[fold]).astype(float) - right(theirs[fold])  # (M,) -1, 0 or 1
        of_folds.append(float(gain.mean()))
        for unit, value in zip(units(ours[fold]), gain, strict=True):
            gains.setdefault(unit, []).append(value)
    if len(gains) < 2:
        return None
    known = {subject for fold in folds for subject in ours[fold].subjects} - {""}
    sums = np.array([sum(values) for values in gains.values()])
    counts = np.array([len(values) for values in gains.values()])
    low, high = share_interval(sums, counts)
    names = outcomes[0].method, against[0].method
    pictures = len({image for fold in folds for image in ours[fold].images}) or int(counts.sum())
    difference = float(sums.sum() / counts.sum())
    return Comparison(
        *names, len(known), pictures, difference, low, high, _p_value(sums), len(folds), _p_of_folds(of_folds)
    )


def _pictures(outcome: RunOutcome) -> tuple[tuple[str, ...], ...]:
    return outcome.subjects, outcome.images


def units(outcome: RunOutcome) -> list[str]:
    """(M,): who is on each image; where nobody knows, the image itself, which is the same in every fold that reads
    it: runs of ten folds on one image are one unit.
    """
    images = outcome.images or tuple(f"{outcome.fold} {index}" for index in range(len(outcome.subjects)))
    return [subject or f"image {image}" for subject, image in zip(outcome.subjects, images, strict=True)]


def right(outcome: RunOutcome) -> np.ndarray:
    """(M,) whether each image was predicted right."""
    return outcome.evaluation.probabilities.argmax(1) == outcome.evaluation.true


def accuracy_interval(outcomes: list[RunOutcome]) -> tuple[float, float]:
    """95 % bootstrap interval over subjects of the pooled accuracy; over images where no subjects are known."""
    hits: dict[str, list[bool]] = {}
    for outcome in outcomes:
        for unit, hit in zip(units(outcome), right(outcome), strict=True):
            hits.setdefault(unit, []).append(bool(hit))
    return proportion_interval(np.array([sum(v) for v in hits.values()]), np.array([len(v) for v in hits.values()]))


def proportion_interval(sums: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """95 % interval of a proportion, ``sums`` of ``counts`` for each subject: bootstrap over subjects, and where all or
    nothing is right, so that nothing is left to draw, Clopper and Pearson's for as many subjects.
    """
    if len(sums) > 1 and (not sums.any() or (sums == counts).all()):
        exact = stats.binomtest(len(sums) if sums.any() else 0, len(sums)).proportion_ci(method="exact")
        return float(exact.low), float(exact.high)
    return share_interval(sums, counts)


def share_interval(sums: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Of sum over subjects of ``sums`` by that of ``counts``, when subjects are drawn again with replacement."""
    if len(sums) < 2:
        return float("nan"), float("nan")
    answer = stats.bootstrap(
        (sums, counts), _share, paired=True, vectorized=True, method="percentile", n_resamples=_DRAWS,
        rng=numpy_rng("bootstrap"), batch=_batch(sums),
    )  # fmt: skip
    return float(answer.confidence_interval.low), float(answer.confidence_interval.high)


def _batch(sums: np.ndarray) -> int:
    """Resamples at a time, for some 100 MB of memory."""
    return max(1, 4_000_000 // len(sums))


def _share(sums: np.ndarray, counts: np.ndarray, axis: int) -> np.ndarray:
    return sums.sum(axis=axis) / counts.sum(axis=axis)


def _p_value(sums: np.ndarray) -> float:
    """Two-sided: how often would the sum be as far from 0 if each subject's sign were a coin's?"""
    sums = sums[sums != 0]  # the others count nothing, whatever their sign
    if len(sums) < 2:  # either sign of one is as far from 0
        return 1.0
    answer = stats.permutation_test(  # of a single sample, "samples" turns signs
        (sums,), np.sum, permutation_type="samples", vectorized=True,
        n_resamples=_DRAWS, rng=numpy_rng("permutation"), batch=_batch(sums),
    )  # fmt: skip
    return float(answer.pvalue)


def _p_of_folds(gains: list[float]) -> float | None:
    """Two-sided paired t test, of each fold's difference in accuracy. None where all folds gain the same but nothing:
    without a spread there is no t value, and few images, not certainty, make folds equal.
    """
    if len(gains) < 2:
        return None
    if np.ptp(gains) < 1e-9:
        return None if abs(gains[0]) > 1e-9 else 1.0
    return float(stats.ttest_1samp(gains, 0).pvalue)
