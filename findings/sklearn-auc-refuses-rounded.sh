#!/usr/bin/env bash
# scikit-learn 1.9.1, looked at in 2026-11.
# Expected: roc_auc_score for several classes takes probabilities that were rounded
# to four decimals for a CSV file, or kept as float16, since only their ranks matter.
# Seen: both raise a ValueError, because the rows no longer add up to 1 closely enough.
# Five decimals fail as well with seven classes; six decimals pass, with the same score.
# Instead: write at least six decimals, or divide each row by its sum before the call.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1

"$tmp/venv/bin/python" - <<'PY'
import numpy as np
import sklearn
from sklearn.metrics import roc_auc_score

rng = np.random.default_rng(0)
scores = rng.dirichlet(np.ones(7), 300)  # 300 made-up faces, seven classes
labels = rng.integers(0, 7, 300)

def auc(p):
    try:
        return f"{roc_auc_score(labels, p, multi_class='ovr'):.4f}"
    except ValueError as error:
        assert "sum up to 1" in str(error), error
        return "refused"

half = scores.astype(np.float16)
seen = {f"{d} decimals": auc(scores.round(d)) for d in (4, 5, 6)}
seen["float16"] = auc(half)
seen["float16, rows divided"] = auc(half / half.astype(np.float64).sum(1, keepdims=True))
print("scikit-learn", sklearn.__version__, "unrounded score", auc(scores))
print("expected: a score in each case")
print("observed:", seen)

refused = {name for name, value in seen.items() if value == "refused"}
assert refused == {"4 decimals", "5 decimals", "float16"}, "behaviour has changed"
assert seen["6 decimals"] == auc(scores), "six decimals change the score now"
print("same as in 2026-11")
PY
