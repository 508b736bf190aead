"""How good the expressions are: numpy only, from labels and probabilities. Paper §4.4 reports accuracy.

Letters: M pictures, N classes. Labels are indices into the run's labels.
"""

import numpy as np


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(M,), (M,) -> (N, N) counts; rows are true classes, columns predicted ones."""
    return np.bincount(np.asarray(true) * classes + predicted, minlength=classes**2).reshape(classes, classes)


def accuracy(confusion: np.ndarray) -> float:
    """Share of pictures that were predicted right; nan when there are none."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else float("nan")


def recall_per_class(confusion: np.ndarray) -> np.ndarray:
    """(N,): of each true class, the share found; nan for a class without pictures."""
    totals = confusion.sum(axis=1)
    return np.divide(np.diag(confusion), totals, out=np.full(len(totals), np.nan), where=totals > 0)


def balanced_accuracy(confusion: np.ndarray) -> float:
    """Mean recall over the classes that have pictures."""
    recalls = recall_per_class(confusion)
    return float(np.nanmean(recalls)) if np.isfinite(recalls).any() else float("nan")


def macro_f1(confusion: np.ndarray) -> float:
    """Mean over classes of F1 = 2 TP / (true + predicted); classes neither true nor predicted are left out."""
    sizes = confusion.sum(axis=1) + confusion.sum(axis=0)
    scores = 2 * np.diag(confusion)[sizes > 0] / sizes[sizes > 0]
    return float(scores.mean()) if len(scores) else float("nan")


def expected_calibration_error(probabilities: np.ndarray, true: np.ndarray, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width confidence bins, weighted by their pictures.

    probabilities: (M, N), rows sum to 1; true: (M,). Guo et al., https://arxiv.org/abs/1706.04599, Eq. 3.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == true
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[index == b].sum() - right[index == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(true))
