"""What should E read of the pair {picture, generated face}: both halves, one of them, or several in turn?

    python benchmarks/readings.py RUN [RUN ...] --data DIR

reads everybody in a set that none of the runs was trained on, as each reading of E says, and prints accuracy for every
choice of ``--classifier_views`` (mean log-probability of the views): a row a choice, a column a run, then their mean.
``--every 10`` deals the people out, so that each of ten folds reads another tenth. ``--mirror`` and
``--corners`` read each view mirrored too, and at four crops more, whatever the run was made with. A baseline reads the
picture only: give it a command of its own.

For development people: whoever is read here can't test the choice afterwards. The weights are those of the epoch that
validation chose under the run's own views.
"""

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np

from ifgan.experiments.evaluation import TrainedRun, open_unseen
from ifgan.training.evaluate import evaluate

VIEWS = ("pair", "picture", "generated")
CHOICES = [views for count in range(1, len(VIEWS) + 1) for views in combinations(VIEWS, count)]


def main() -> None:
    """Print a row a choice of views."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data", required=True, type=Path, help="a prepared set")
    parser.add_argument("--every", type=int, default=1, help="read every N-th person, from the run's fold on")
    parser.add_argument("--mirror", action="store_true", help="read everything mirrored too")
    parser.add_argument("--corners", type=int, default=0, help="four crops more, so many pixels from the middle")
    arguments = parser.parse_args()
    columns = []
    for run in arguments.runs:
        opened, _ = open_unseen(run, arguments.data)
        system = opened.trained.system
        system.mirror, system.corners_px = arguments.mirror, arguments.corners
        column, count = accuracies(opened, arguments.every)
        columns.append(column)
        print(f"# {run}: {count} pictures", flush=True)
    print(f"{'read':26} " + " ".join(f"{number:>5}" for number in range(len(columns))) + "  mean")
    for choice in CHOICES:
        row = [column.get(choice, np.nan) for column in columns]
        if not np.isnan(row).all():
            print(f"{', '.join(choice):26} " + " ".join(f"{value:5.3f}" for value in [*row, np.mean(row)]))


def accuracies(opened: TrainedRun, every: int) -> tuple[dict[tuple[str, ...], float], int]:
    """Accuracy of every choice of views over the pictures whose expression the run knows, and how many those are."""
    people = sorted({item.sample.subject for item in opened.pairs.samples})
    mine = set(people[opened.fold % every :: every])
    pairs = opened.pairs.only([item for item in opened.pairs.samples if item.sample.subject in mine])
    system, log_probabilities = opened.trained.system, {}
    alone = "picture" if system.generator is None else "generated"
    for view in VIEWS if system.generator is not None and system.classifier_input == "pair" else (alone,):
        system.classifier_views = (view,)
        read = evaluate(system, pairs)
        log_probabilities[view] = np.log(np.maximum(read.probabilities, 1e-12))  # (B, N)
    said = {
        choice: float(np.mean(np.mean([log_probabilities[view] for view in choice], axis=0).argmax(1) == read.true))
        for choice in CHOICES
        if set(choice) <= set(log_probabilities)
    }
    return said, len(read.true)


if __name__ == "__main__":
    main()
