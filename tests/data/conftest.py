"""Builders of small sources and prepared sets: pictures are noise of a seed, so that any two differ."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
    """A prepared set: smooth pictures (noise of 8x8 enlarged), one per sample, each different."""
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
