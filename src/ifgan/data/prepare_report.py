"""What ``ifgan prepare`` did: ``prepare.json`` in the prepared folder, and the same as text."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ifgan.data.counts import Counts, count, differences
from ifgan.data.readers.base import Reading, Rejected
from ifgan.data.sample import Sample, write_manifest
from ifgan.errors import InputError
from ifgan.files import read_object, write_json
from ifgan.versions import versions_of

PACKAGES = ("ifgan", "onnxruntime", "numpy", "Pillow")
Header = dict[str, Any]


@dataclass(frozen=True)
class PrepareReport:
    """Counts of the prepared set, rejected images with reasons, and what a full copy should have given."""

    out: Path
    set_name: str
    dataset: str
    counts: Counts
    rejected: tuple[Rejected, ...]
    expected: Counts
    notes: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Some images could not be used: exit status 1."""
        return bool(self.rejected)

    def text(self, listed: int = 20) -> str:
        """Some lines for people; at most ``listed`` rejected images, all of them are in prepare.json."""
        counts = self.counts
        people = f" of {counts['subjects']} people" if counts["subjects"] else ", people unknown"
        lines = [f"{self.dataset}: {counts['pictures']} images{people} in {self.out}"]
        for what in ("expressions", "splits"):
            lines += ["  " + ", ".join(f"{name} {n}" for name, n in counts[what].items())] if counts[what] else []
        lines += [f"  {sentence}" for sentence in (*differences(self.expected, counts), *self.notes)]
        lines += [f"  rejected: {len(self.rejected)}"] if self.rejected else []
        lines += [f"    {item.file}: {item.reason}" for item in self.rejected[:listed]]
        more = len(self.rejected) - listed
        return "\n".join([*lines, *([f"    and {more} more, see prepare.json"] if more > 0 else [])])


def begin(out: Path, header: Header) -> None:
    """Mark ``out`` as this set with these options, before the first image is written.

    Raises InputError when it holds something else, or was prepared from another source or with other options.
    """
    path = out / "prepare.json"
    if not path.exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"{out}: exists and is no prepared set; choose a new folder")
        write_json(path, {**header, "complete": False})
        return
    before = read_object(path)
    for field, value in header.items():
        if before.get(field) != value:
            raise InputError(f"{path}: {field} was {before.get(field)!r} and now is {value!r}; choose another folder")


def finish(
    out: Path, header: Header, reading: Reading, samples: list[Sample], rejected: list[Rejected]
) -> PrepareReport:
    """Write the manifest and prepare.json. They depend on source and options only, so a second run changes nothing."""
    counts = count(samples)
    write_manifest(out, samples)
    content = {
        **header,
        "complete": True,
        "counts": counts,
        "expected": reading.expected,
        "differences": differences(reading.expected, counts),
        "notes": list(reading.notes),
        "rejected": [asdict(item) for item in rejected],
        "versions": versions_of(PACKAGES),
    }
    write_json(out / "prepare.json", content)
    _remove_remains(out / "images")
    return PrepareReport(out, header["set"], reading.dataset, counts, tuple(rejected), reading.expected, reading.notes)


def _remove_remains(images: Path) -> None:
    """Temporary files that a killed run left beside the images."""
    for path in images.glob(".*.tmp"):
        path.unlink(missing_ok=True)
