"""The paper's own figures, to stand beside ours: accuracy in Tables 1 and 2 of §4.4, as shares.

They were measured on the authors' folds and machines; nobody has published those folds.
"""

from ifgan.labels import BASIC

_SETS = ("bu3dfe", "ckplus", "mmi", "rafdb")
_ROWS = {
    "baseline": (82.5, 94.82, 71.15, 86.31),
    "ifgan-noattention": (84.25, 95.79, 73.56, 87.32),
    "ifgan": (85.25, 97.52, 75.48, 88.33),
}


def published_accuracy(dataset: str, method: str, labels: tuple[str, ...]) -> float | None:
    """What the paper reports of a method on a data set, where it told the same expressions apart (§4.1: six on the
    posed sets, with neutral on RAF-DB); None where it reports nothing.
    """
    expected = (*BASIC, "neutral") if dataset == "rafdb" else BASIC
    if dataset not in _SETS or method not in _ROWS or labels != expected:
        return None
    return round(_ROWS[method][_SETS.index(dataset)] / 100, 4)
