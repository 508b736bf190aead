"""How much of a model's error on another set is the network's, and how much how often and how that set uses its words?

    python benchmarks/label_shift.py RUN/predictions_SET.csv RUN/predictions_validation.csv

reads what ``ifgan evaluate RUN --data SET --people all`` and ``--split validation`` wrote, takes the training set's
frequencies of expressions to be those of the validation part, and prints accuracy and mean recall

- as the run decides;
- with the set's own frequencies of expressions (class priors) in place of the training set's (as if they were known:
  nobody knows them beforehand);
- with the frequencies that expectation maximisation finds without a label (Saerens et al., Neural Computation 14(1),
  2002, https://doi.org/10.1162/089976602753284446);
- decided anew from the run's seven log-probabilities alone, by logistic regression over ten folds of the set's people,
  so that the set's own labels are used, but never those of the people who are read.

A diagnosis, not a result: all but the first have seen the set.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    """Print a row a way of deciding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("predictions", type=Path)
    parser.add_argument("validation", type=Path, help="the same of pictures like those in training")
    arguments = parser.parse_args()
    pictures, alike = (
        pd.read_csv(file, dtype={"subject": str}, keep_default_na=False)  # JAFFE has a person called NA
        for file in (arguments.predictions, arguments.validation)
    )
    true = pictures["expression"].to_numpy()
    before = alike["expression"].value_counts(normalize=True).sort_index()
    names, before = before.index.to_numpy(), before.to_numpy()
    probabilities = pictures[names].to_numpy()  # (B, N)
    own = np.array([np.mean(true[np.isin(true, names)] == name) for name in names])
    estimated = estimated_priors(probabilities, before)
    people = pictures["subject"].where(pictures["subject"] != "", pictures["image"])
    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    anew = cross_val_predict(regression, np.log(probabilities + 1e-6), true, groups=people, cv=GroupKFold(10))
    print(f"{len(true)} pictures")
    print(f"{'decided':48} {'accuracy':>8} {'balanced':>8}")
    for way, said in {
        "as the run decides": names[probabilities.argmax(1)],
        "with the set's own frequencies": names[(probabilities * own / before).argmax(1)],
        "with frequencies found without labels": names[(probabilities * estimated / before).argmax(1)],
        "anew from the log-probabilities, others' labels": anew,
    }.items():
        recalls = [np.mean(said[true == name] == name) for name in names if (true == name).any()]
        print(f"{way:48} {np.mean(said == true):8.3f} {np.mean(recalls):8.3f}")
    print("\nshare of pictures " + " ".join(f"{name:>9}" for name in names))
    for way, shares in {"in training": before, "in the set": own, "found": estimated}.items():
        print(f"{way:17} " + " ".join(f"{share:9.3f}" for share in shares))


def estimated_priors(probabilities: np.ndarray, before: np.ndarray, rounds: int = 1000) -> np.ndarray:
    """(N,) class priors, found from probabilities (B, N) in [0, 1] of a classifier trained under the priors ``before``:
    those that the adjusted probabilities average to. Saerens et al..
    """
    priors = before
    for _ in range(rounds):
        adjusted = probabilities * priors / before
        priors = np.mean(adjusted / adjusted.sum(1, keepdims=True), axis=0)
    return priors


if __name__ == "__main__":
    main()
