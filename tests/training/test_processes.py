"""Two processes learn what one learns. Started as a user starts them, over gloo on CPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ifgan.cli import main
from ifgan.training.run_folder import RunFolder
from tiny_runs import TINY, as_options, make_prepared

# Statistics of a half batch are not those of the batch, and blanked halves are drawn by each process.
SAME = TINY | {
    "epochs": 2,
    "freeze_batch_statistics": True,
    "average_dropout": 0,
    "image_dropout": 0,
    "precision": "fp32",
}


def words(prepared: Path, out: Path, **changes: object) -> list[str]:
    return ["train", f"--data={prepared}", f"--out={out}", "--preset=cpu", "--fold=0", *as_options(SAME | changes)]


def launch(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "ifgan.cli"]
    environment = os.environ | {"ACCELERATE_USE_CPU": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *arguments], check=False, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[RunFolder]:
    folder = tmp_path_factory.mktemp("processes")
    prepared = make_prepared(folder / "raw", folder / "set")
    assert main(words(prepared, folder / "1")) == 0
    done = launch(words(prepared, folder / "2"))
    assert done.returncode == 0, done.stderr
    return [RunFolder(folder / "1"), RunFolder(folder / "2")]


def test_losses_of_two_processes_are_those_of_one(folders: list[RunFolder]):
    one, two = (run.metrics() for run in folders)
    assert len(one) == len(two) == 2
    for ours, theirs in zip(one, two, strict=True):
        assert ours["train"].keys() == {"discriminator", "softmax", "island", "l1", "gan"}
        assert ours["train"] == pytest.approx(theirs["train"], abs=1e-5)
        assert ours["validation"]["loss"] == pytest.approx(theirs["validation"]["loss"], abs=1e-4)
