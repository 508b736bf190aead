"""The demo's folder is one demo's."""

from pathlib import Path

import pytest

from ifgan.commands.training import demo as demo_command
from ifgan.errors import InputError
from ifgan.experiments.demo import EPOCHS, demo
from ifgan.files import write_json


def test_a_folder_of_another_demo_is_refused_before_anything_is_made(tmp_path: Path):
    write_json(tmp_path / "demo.json", {"subjects": 100, "more": 40, "seed": 0, "epochs": 3})
    with pytest.raises(InputError, match="holds the demo of subjects 100, more 40, seed 0, epochs 3"):
        demo(tmp_path, subjects=10, epochs=3)
    assert [path.name for path in tmp_path.iterdir()] == ["demo.json"]


def test_the_help_names_the_epochs():
    assert f"unset: {EPOCHS}" in (demo_command.__doc__ or "")
