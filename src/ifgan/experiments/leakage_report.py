"""What probes found out about people's identity: shares with intervals, a table, and files (docs/privacy.md)."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ifgan.experiments.comparison import proportion_interval
from ifgan.experiments.reidentification import PROBES
from ifgan.experiments.table import Table
from ifgan.files import write_json, write_text

Groups = Literal["expression", "picture"]


@dataclass(frozen=True)
class Row:
    """One view as one kind of vector. ``right``: by probe, (M,) whether the person was named right; ``read``: (M,)
    whether a linear probe that saw other people read the expression right.
    """

    view: str
    vectors: str
    right: dict[str, np.ndarray]
    read: np.ndarray


@dataclass(frozen=True)
class Leakage:
    """What probes found out. ``subjects``: (M,) who is on each image; ``left_out``: who or what could not be asked
    about, and how many; ``classifiers``: share of the same images whose expression whole networks read right.
    """

    rows: tuple[Row, ...]
    subjects: np.ndarray
    groups: Groups
    left_out: dict[str, int]
    classifiers: dict[str, float]

    @property
    def chance(self) -> float:
        """Of whoever names people without looking, in whichever way: one of as many as there are."""
        return 1 / len(set(self.subjects))

    def share(self, right: np.ndarray) -> dict[str, float]:
        """Mean over people of the share of their images, so that nobody counts more for being on many; with its 95 %
        bootstrap interval over people.
        """
        people, place = np.unique(self.subjects, return_inverse=True)
        shares = np.bincount(place, right, len(people)) / np.bincount(place, minlength=len(people))  # (people,)
        low, high = proportion_interval(shares, np.ones(len(people)))
        return {"share": float(shares.mean()), "low": low, "high": high}

    def to_dict(self) -> dict[str, Any]:
        """Shares and intervals, as plain values."""
        rows = [
            {
                "view": row.view,
                "vectors": row.vectors,
                "reidentified": {probe: self.share(right) for probe, right in row.right.items()},
                "expression": self.share(row.read),
            }
            for row in self.rows
        ]
        return {
            "subjects": len(set(self.subjects)),
            "pictures": len(self.subjects),
            "chance": self.chance,
            "groups": self.groups,
            "left_out": self.left_out,
            "classifiers": self.classifiers,
            "rows": rows,
        }

    def table(self) -> Table:
        """A row a view and kind of vector."""
        header = ("view", "vectors", *(f"person: {probe}" for probe in PROBES), "expression: linear probe")
        rows = tuple(
            (
                row.view,
                row.vectors,
                *(self._with_interval(row.right[probe]) for probe in PROBES),
                self._with_interval(row.read),
            )
            for row in self.rows
        )
        people = len(set(self.subjects))
        read = ", ".join(f"{name} {share:.3f}" for name, share in self.classifiers.items())
        note = (
            f"shares of {len(self.subjects)} images of {people} people, each person counting alike, with bootstrap "
            f"intervals over people; "
            f"person: probes learnt the same people from another {self.groups} (chance {self.chance:.3f}); "
            f"expression: probes learnt from other people. E's own share of expressions right: {read}."
        )
        if self.left_out:
            note += " Left out: " + ", ".join(f"{count} {name}" for name, count in self.left_out.items()) + "."
        return Table("Identity leakage", header, rows, note)

    def _with_interval(self, right: np.ndarray) -> str:
        found = self.share(right)
        return f"{found['share']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def write_leakage(leakage: Leakage, out: Path) -> None:
    """``leakage.json`` with shares and intervals, the table as text and Markdown, and ``leakage.csv``, a row an image:
    what each probe got right.
    """
    table, columns = leakage.table(), {"subject": leakage.subjects}
    for row in leakage.rows:
        name = f"{row.view}, {row.vectors}"
        columns |= {f"{name}: {probe}": right.astype(int) for probe, right in row.right.items()}
        columns[f"{name}: expression"] = row.read.astype(int)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_text(out / "leakage.csv", text.getvalue())
    write_json(out / "leakage.json", leakage.to_dict())
    write_text(out / "leakage.txt", table.text())
    write_text(out / "leakage.md", table.markdown())
