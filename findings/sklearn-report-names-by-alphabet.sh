#!/usr/bin/env bash
# scikit-learn 1.9.1, looked at in 2026-11.
# Expected: classification_report(target_names=[...]) finds each class by its name,
# or at least refuses a list of names that stands in another order than its own.
# Seen: for labels that are words, the names are put on the alphabetical order one by one.
# The three lines then carry the wrong names, and no warning is given.
# Instead: pass labels= with your order (target_names= is then not needed for words).
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1

"$tmp/venv/bin/python" -W error - <<'PY'   # -W error: any warning would stop the run
import sklearn
from sklearn.metrics import classification_report

order = ["surprise", "happy", "fear"]
true = ["surprise"] * 3 + ["happy"] * 4 + ["fear"] * 5
guess = ["fear"] + true[1:]  # one of the three surprised faces is missed

def table(**how):
    report = classification_report(true, guess, output_dict=True, **how)
    return {name: (report[name]["support"], round(report[name]["recall"], 2)) for name in order}

named = table(target_names=order)
listed = table(labels=order)
print("scikit-learn", sklearn.__version__)
print("expected (count, recall):", listed)
print("observed with target_names:", named)

truth = {"surprise": (3, 0.67), "happy": (4, 1.0), "fear": (5, 1.0)}
assert listed == truth, "labels= no longer gives the right table"
assert named == {"surprise": (5, 1.0), "happy": (4, 1.0), "fear": (3, 0.67)}, "behaviour has changed"
print("same as in 2026-11: the names of surprise and fear are exchanged")
PY
