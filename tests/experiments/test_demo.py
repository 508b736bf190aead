"""The demo's folder is one demo's."""

from pathlib import Path

import pytest

from ifgan.commands.training import demo as demo_command
from ifgan.errors import InputError
from ifgan.experiments.demo import EPOCHS, METHODS, demo
from ifgan.files import write_json


def test_a_folder_of_another_demo_is_refused_before_anything_is_made(tmp_path: Path):
    write_json(tmp_path / "demo.json", {"subjects": 100, "more": 200, "seed": 0, "epochs": 3})
    with pytest.raises(InputError, match="holds the demo of subjects 100, more 200, seed 0, epochs 3"):
        demo(tmp_path, subjects=10, epochs=3)
    assert [path.name for path in tmp_path.iterdir()] == ["demo.json"]


def test_the_help_names_the_epochs():
    assert f"unset: {EPOCHS}" in (demo_command.__doc__ or "")


@pytest.mark.slow
def test_the_whole_of_it(tmp_path: Path):
    """From nothing to a page with both methods, on the fold's people and on others; a second call makes nothing new."""
    report = demo(tmp_path / "demo", subjects=8, epochs=3)
    folder = tmp_path / "demo"
    rows = {(row[0], row[1]) for row in report.tables[0].rows}
    assert rows == {(data, name) for data in ("prepared", "prepared → more-people") for name in METHODS}
    assert "Generated faces" in (folder / "report.html").read_text()
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    demo(tmp_path / "demo", subjects=8, epochs=3)
    assert kept and kept == {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
