"""What a run leaves on disk, so that anybody can tell how its numbers came about."""

import json
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from ifgan.config import NEUTRAL, Config, read_config, to_dict
from ifgan.errors import InputError
from ifgan.files import read_object, read_text, write_json, write_text
from ifgan.header import RUNS_FILE
from ifgan.versions import versions_of

PACKAGES = ("ifgan", "torch", "torchvision", "timm", "accelerate", "numpy", "Pillow", "onnxruntime")
_OTHERS = ("manifest.csv", "prepare.json", "labels.csv", "synthesis.json", "crossval.json")  # data, and many runs


@dataclass(frozen=True)
class RunFolder:
    """Paths and records of one run."""

    path: Path

    @property
    def best(self) -> Path:
        """G and E at the epoch that is kept."""
        return self.path / "checkpoint" / RUNS_FILE

    @property
    def last(self) -> Path:
        """Everything a resumed run needs."""
        return self.path / "checkpoint" / "last.safetensors"

    @property
    def split(self) -> dict[str, Any]:
        """What was recorded of whom the run trains, validates and tests on. Raises InputError for a broken record."""
        return read_object(self.path / "split.json", "data", "choice", "subjects", "pictures")

    @property
    def done(self) -> bool:
        """Whether training ended."""
        return (self.path / "done").exists()

    def start(self, config: Config, split: dict[str, Any], command: list[str], *, resume: bool) -> None:
        """Write what is known beforehand. Raises InputError for a folder that holds another run, or without resume; a
        run that failed before its first checkpoint is none.
        """
        existing = self.path / "config.yaml"
        self._refuse_others()
        if existing.exists() and (self.last.exists() or self.done):
            self.check(config, split)
            if not resume:
                raise InputError(f"{self.path}: holds a run already; pass --resume to continue it, or a new folder")
            if not self.done:
                self._note_resumption(environment(command))
            return
        write_json(self.path / "split.json", split)
        write_json(self.path / "environment.json", environment(command))
        write_text(existing, yaml.safe_dump(to_dict(config), sort_keys=False))

    def _refuse_others(self) -> None:
        """The data's own folder, or that of many runs: one run is not to be mixed into it."""
        if theirs := [name for name in _OTHERS if (self.path / name).exists()]:
            raise InputError(f"{self.path}: holds {theirs[0]}, which is no run's; choose a folder for the run alone")

    def _note_resumption(self, now: dict[str, Any]) -> None:
        """Keep what the rest of the run is computed by beside what it began with, where it is something else."""
        path = self.path / "environment.json"
        kept = read_object(path)
        last = {name: value for name, value in [kept, *kept.get("resumed", [])][-1].items() if name != "resumed"}
        if last != json.loads(json.dumps(now)):
            write_json(path, kept | {"resumed": [*kept.get("resumed", []), now]})

    def check(self, config: Config, split: dict[str, Any]) -> None:
        """Raise InputError that names what differs when the folder's run has other settings or another split; what its
        record doesn't tell, as an older one, can't differ.
        """
        kept, asked = read_object(self.path / "split.json"), json.loads(json.dumps(split))
        own, theirs = config.flat(), read_config(self.path / "config.yaml").flat()
        differing = [name for name, value in theirs.items() if name not in NEUTRAL and own[name] != value]
        differing += [name for name, value in asked.items() if name in kept and _differ(value, kept[name])]
        if differing:
            raise InputError(
                f"{self.path}: holds a run with other settings ({', '.join(differing[:4])}); choose a new folder"
            )

    def log(self, record: dict[str, Any]) -> None:
        """Add one epoch's line to metrics.jsonl, in place of what a killed run may have written for it and after."""
        kept = [line for line in self.metrics() if line["epoch"] < record["epoch"]]
        write_text(self.path / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in [*kept, record]))

    def metrics(self) -> list[dict[str, Any]]:
        """One record an epoch, in order; empty before the first. Raises InputError for a broken line."""
        path = self.path / "metrics.jsonl"
        try:
            return [json.loads(line) for line in read_text(path).splitlines()] if path.exists() else []
        except ValueError as error:
            raise InputError(f"{path}: a line is no JSON ({error})") from error


def _differ(asked: Any, kept: Any) -> bool:
    if isinstance(asked, dict) and isinstance(kept, dict):
        return any(_differ(asked[name], kept[name]) for name in asked.keys() & kept.keys())
    return asked != kept


def environment(command: list[str]) -> dict[str, Any]:
    """Versions, machine, commit and command: what a number may depend on besides the settings."""
    return {
        "command": [Path(command[0]).name, *command[1:]] if command else [],
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "packages": versions_of(PACKAGES),
        "commit": _commit(),
        "uncommitted": _uncommitted(),
    }


def _commit() -> str | None:
    """The commit of this source, when it is run from a checkout; an environment inside another project's is none."""
    try:
        _git("ls-files", "--error-unmatch", Path(__file__).name)
        return _git("rev-parse", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return None


def _uncommitted() -> bool | None:
    """Whether the package's source differs from that commit; None where there is none."""
    try:
        return bool(_git("status", "--porcelain", "--", str(Path(__file__).parents[1]))) if _commit() else None
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*words: str) -> str:
    where = Path(__file__).parent
    return subprocess.run(["git", *words], cwd=where, capture_output=True, text=True, check=True).stdout.strip()
