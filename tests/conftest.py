"""A model that tests of prediction share: untrained, as a run folder and as a recognizer."""

from pathlib import Path

import pytest
import torch

from ifgan import Recognizer
from ifgan.models.checkpoint import save_trained
from tiny_model import tiny_trained

torch.set_num_threads(1)  # a worker a core: threads that wait for each other spin


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder as training leaves it."""
    folder = tmp_path_factory.mktemp("run")
    save_trained(folder / "checkpoint" / "best.safetensors", tiny_trained())
    return folder


@pytest.fixture(scope="module")
def recognizer(model: Path) -> Recognizer:
    return Recognizer.from_pretrained(model)
