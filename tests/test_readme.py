"""README keeps its word: its commands parse, its Python runs, its links exist."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawn_faces import draw_face, on_canvas
from ifgan import Recognizer
from ifgan.cli import build_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
INDENTED = re.findall(r"^    (\S.*)$", README.split("```python")[0] + README.split("```")[-1], re.M)
COMMANDS = [line for line in INDENTED if line.startswith("ifgan ")]


def test_readme_has_its_commands():
    assert {line.split()[1] for line in COMMANDS} >= {"prepare", "check", "train", "evaluate", "report", "predict"}


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_parses(line: str):
    build_parser().parse_args(shlex.split(line)[1:])


def test_make_targets_exist():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
    assert {line.split()[1] for line in INDENTED if line.startswith("make ")} <= set(targets)
    assert "exec make test" in (ROOT / ".ci" / "run").read_text()


def test_its_figures_are_a_study_s():
    """Every number with three decimals in README stands in some study's metrics.json, rounded alike."""
    kept: set[str] = set()
    for path in (ROOT / "studies").glob("*/metrics.json"):
        kept |= {f"{abs(number):.3f}" for number in _numbers(json.loads(path.read_text()))}
    told = re.findall(r"(?<![\d.])\d\.\d{3}(?!\d)", README)
    assert told
    assert [number for number in told if number not in kept] == []


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, float):
        yield value


def test_it_is_short():
    assert len(README.split()) <= 900


def test_the_four_lines_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    canvas, _ = on_canvas([draw_face(1, 200, "neutral")], 400, 400, [(100, 100)])
    Image.fromarray(np.asarray(canvas)).save("photo.jpg")
    code = re.search(r"```python\n(.*?)```", README, re.S)
    assert code is not None
    exec(code[1], {})
    assert capsys.readouterr().out.split()[0] in Recognizer.from_pretrained().labels
    assert Image.open("redrawn.png").size == (96, 96)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
