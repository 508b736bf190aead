"""How good the expressions are, from labels and probabilities. Paper §4.4 reports accuracy.

Letters: M images, N classes. Labels are indices into the run's labels.
"""

import numpy as np
from scipy import optimize, special


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(M,), (M,) -> (N, N) counts; rows are true classes, columns predicted ones."""
    return np.bincount(np.asarray(true) * classes + predicted, minlength=classes**2).reshape(classes, classes)


def accuracy(confusion: np.ndarray) -> float:
    """Share of images that were predicted right; nan when there are none."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else float("nan")


def recall_per_class(confusion: np.ndarray) -> np.ndarray:
    """(N,): of each true class, the share found; nan for a class without images."""
    totals = confusion.sum(axis=1)
    return np.divide(np.diag(confusion), totals, out=np.full(len(totals), np.nan), where=totals > 0)


def balanced_accuracy(confusion: np.ndarray, known: np.ndarray | None = None) -> float:
    """Mean recall over the classes that have images, and that are ``known``, (N,) bool, to whoever predicted."""
    recalls = recall_per_class(confusion)[slice(None) if known is None else known]
    return float(np.nanmean(recalls)) if np.isfinite(recalls).any() else float("nan")


def macro_f1(confusion: np.ndarray) -> float:
    """Mean over classes of F1 = 2 TP / (true + predicted); classes neither true nor predicted are left out."""
    sizes = confusion.sum(axis=1) + confusion.sum(axis=0)
    scores = 2 * np.diag(confusion)[sizes > 0] / sizes[sizes > 0]
    return float(scores.mean()) if len(scores) else float("nan")


def expected_calibration_error(probabilities: np.ndarray, true: np.ndarray, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width confidence bins, weighted by their images.

    probabilities: (M, N), rows sum to 1; true: (M,). Guo et al., https://arxiv.org/abs/1706.04599, Eq. 3.
    """
    counts, confidence, right = reliability(probabilities, true, bins)
    return float((counts * np.abs(confidence - right)).sum() / counts.sum())


def reliability(probabilities: np.ndarray, true: np.ndarray, bins: int = 15) -> tuple[np.ndarray, ...]:
    """Of equal-width confidence bins, (bins,) each: images, their mean confidence, the share that is right; the last
    two are 0 in an empty bin.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == true
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(index, minlength=bins)
    sums = [np.bincount(index, values, minlength=bins) for values in (confidence, right)]
    return counts, *(total / np.maximum(counts, 1) for total in sums)


def fit_temperature(probabilities: np.ndarray, true: np.ndarray) -> float:
    """The temperature in [0.25, 10] that makes the true labels likeliest, to be fitted on validation images. It
    changes no decision. Guo et al., §4.2.

    One more image than there are is thought of, whose label is anybody's guess (Platt's smoothing): else, where all
    images are right, no temperature would be low enough.
    """
    logs, (pictures, classes) = _log(probabilities), np.shape(probabilities)
    target = (pictures * np.eye(classes)[true] + 1 / classes) / (pictures + 1)  # (M, N)

    def loss(log_temperature: float) -> float:
        return -float((target * special.log_softmax(logs / np.exp(log_temperature), axis=1)).sum(axis=1).mean())

    found = optimize.minimize_scalar(loss, bounds=(np.log(0.25), np.log(10)), method="bounded")
    return float(np.exp(found.x))


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), 1e-30))
