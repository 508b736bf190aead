"""Builders of small sources and prepared sets: images are noise of a seed, so that any two differ."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ifgan.cli import main
from ifgan.data.sample import Sample, write_manifest


def noise(seed: int, side: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` with its bytes."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def prepared_set(folder: Path, samples: list[Sample], seed: int = 0) -> Path:
    """A prepared set: smooth images (noise of 8x8 enlarged), one per sample, each different."""
    for index, sample in enumerate(samples):
        small = Image.fromarray(noise(1000 * seed + index, 8))
        save(folder / sample.image, np.asarray(small.resize((256, 256), Image.Resampling.BICUBIC)))
    write_manifest(folder, samples)
    return folder


def people(subjects: int, expressions: tuple[str, ...] = ("anger", "happiness"), **more: str) -> list[Sample]:
    """One sample for every subject and expression."""
    return [
        Sample(f"images/s{s:02d}_{e}.png", "toy", f"s{s:02d}", "", "", e, **more)
        for s in range(subjects)
        for e in expressions
    ]


@pytest.fixture
def build():
    """The builders above, for test modules (which can't import each other)."""
    return sys.modules[__name__]


@pytest.fixture(scope="session")
def drawn():
    """tests/drawn_faces.py as a module."""
    path = Path(__file__).parents[1] / "drawn_faces.py"
    spec = importlib.util.spec_from_file_location("ifgan_drawn_faces", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def photograph(
    drawn,
    person: int,
    expression: str,
    side: int,
    *,
    level: float = 1.0,
    margin: int = 0,
    take: int = 0,
    shade: float = 0.15,
) -> np.ndarray:
    """A drawn face within ``margin`` of grey, in light that is uneven by ``shade``: no two people look nearly the same,
    and no two takes of one are the same.
    """
    face, landmarks = drawn.draw_face(person, side, expression, level=level)
    canvas, _ = drawn.on_canvas([(face, landmarks)], side + 2 * margin, side + 2 * margin, [(margin, margin)])
    light = np.random.default_rng([person, take]).uniform(1 - shade, 1 + shade, (4, 4)).astype(np.float32)
    field = np.asarray(Image.fromarray(light).resize(canvas.shape[1::-1], Image.Resampling.BICUBIC))[..., None]
    return (canvas * field).clip(0, 255).astype(np.uint8)


def prepared_and_checked(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """What ``ifgan prepare`` prints of a full copy, after ``ifgan check`` had nothing to say about the result."""
    assert main(["prepare", *command]) == 0
    text = capsys.readouterr().out
    assert main(["check", command[-1]]) == 0
    found = capsys.readouterr().out
    assert "no problem found" in found and "warning" not in found, found
    return text
