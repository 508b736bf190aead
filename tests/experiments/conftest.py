"""Two finished tiny runs on one fold, and a third that was never evaluated."""

from pathlib import Path

import pytest

from ifgan.experiments.evaluation import evaluate_run
from ifgan.training.run_data import SplitChoice, load_run_data
from tiny_runs import make_prepared, tiny, train_tiny


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_prepared(tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("prepared") / "colours")


@pytest.fixture(scope="session")
def runs(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    data = load_run_data(prepared, SplitChoice(0))
    for method in ("baseline", "ifgan"):
        train_tiny(tiny(method=method), data, folder / method)
        evaluate_run(folder / method, prepared)
    train_tiny(tiny(method="ifgan-noattention", epochs=1), data, folder / "unevaluated")
    return folder
