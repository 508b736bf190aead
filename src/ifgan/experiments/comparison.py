"""Is one method better than another on the same people? Paper §4.4 compares means only; this adds the spread.

The unit is the subject: images of one person are not independent of each other. Accuracy is compared subject by
subject over the folds that both methods have; where no subjects are known, as in RAF-DB, image by image, which is
McNemar's test and trusts that everybody is on one image. Such a test takes the trained networks as they are; whether
others, trained anew on other people, would differ alike is what a test over folds asks.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ifgan.experiments.outcome import RunOutcome, pooled
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
    folds = [fold for fold in ours if fold in theirs and _same_images(ours[fold], theirs[fold])]
    if not folds:
        return None
    gains = pd.concat([_gains(ours[fold], theirs[fold]) for fold in folds], ignore_index=True)
    units = gains.groupby("unit", sort=False)["gain"].agg(["sum", "count"])
    if len(units) < 2:
        return None
    sums, counts = units["sum"].to_numpy(), units["count"].to_numpy()
    return Comparison(
        outcomes[0].method,
        against[0].method,
        len(set(gains["subject"]) - {""}),
        gains["image"].nunique(),
        float(gains["gain"].mean()),
        *share_interval(sums, counts),
        _p_value(sums),
        len(folds),
        _p_of_folds(gains.groupby("fold", sort=False)["gain"].mean().tolist()),
    )


def _same_images(ours: RunOutcome, theirs: RunOutcome) -> bool:
    names = ["subject", "image"]
    return bool(np.array_equal(ours.predictions.table[names], theirs.predictions.table[names]))


def _gains(ours: RunOutcome, theirs: RunOutcome) -> pd.DataFrame:
    """A row an image: ``gain`` is -1, 0 or 1. An image of nobody known is one unit in all folds that read it."""
    gain = ours.predictions.right.to_numpy(float) - theirs.predictions.right.to_numpy(float)
    return ours.predictions.table[["image", "subject"]].assign(gain=gain, unit=ours.predictions.units, fold=ours.fold)


def accuracy_interval(outcomes: list[RunOutcome]) -> tuple[float, float]:
    """95 % bootstrap interval over subjects of the pooled accuracy; over images where no subjects are known."""
    predictions = pooled(outcomes)
    units = predictions.right.groupby(predictions.units, sort=False).agg(["sum", "count"])
    return proportion_interval(units["sum"].to_numpy(), units["count"].to_numpy())


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
