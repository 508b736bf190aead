"""What a study keeps: ``runs.csv`` (a row a run), ``epochs.csv`` (a row an epoch) and ``predictions.parquet`` (a row an
image and reading).
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ifgan.files import write_atomically, write_text

_WORDS = ("run", "data", "weights", "view", "image", "subject", "expression")  # columns of text

_TEXT = dict.fromkeys(("run", "arm", "plan", "commit", "trunk"), str)  # a mark of digits alone is no number


@dataclass(frozen=True)
class Finished:
    """What a run adds to the study's three files."""

    row: dict[str, Any]
    epochs: pd.DataFrame
    predictions: pd.DataFrame


def keep(folder: Path, finished: Finished) -> None:
    """Add a run to the study's files, the row that says that it is done last."""
    _add_rows(folder / "epochs.csv", finished.epochs)
    before = read_predictions(folder)
    before = before[before["run"] != finished.row["run"]] if len(before) else before
    predictions = pd.concat([before, finished.predictions], ignore_index=True)
    write_predictions(folder, predictions)
    _add_rows(folder / "runs.csv", pd.DataFrame([finished.row]))


def write_predictions(folder: Path, table: pd.DataFrame) -> None:
    """``predictions.parquet`` below ``folder``, all or nothing."""
    table = table.astype({name: "category" for name in _WORDS if name in table})
    write_atomically(
        Path(folder) / "predictions.parquet",
        lambda file: table.to_parquet(file, compression="zstd", index=False),
    )


def _add_rows(path: Path, rows: pd.DataFrame) -> None:
    before = pd.read_csv(path, dtype=_TEXT) if path.exists() else pd.DataFrame()
    if len(before):
        before = before[~before["run"].isin(rows["run"])]
    text = io.StringIO()
    pd.concat([before, rows], ignore_index=True).to_csv(text, index=False, lineterminator="\n")
    write_text(path, text.getvalue())


def read_runs_table(folder: Path) -> pd.DataFrame:
    """``runs.csv``; empty before the first run."""
    path = Path(folder) / "runs.csv"
    return pd.read_csv(path, dtype=_TEXT) if path.exists() else pd.DataFrame({"run": [], "plan": []})


def read_predictions(folder: Path) -> pd.DataFrame:
    """``predictions.parquet``; empty before the first run."""
    path = Path(folder) / "predictions.parquet"
    if not path.exists():
        return pd.DataFrame()
    table = pd.read_parquet(path)
    return table.astype({name: str for name in _WORDS if name in table})
