"""Prepared sets and runs that take seconds: flat colours for expressions, networks four channels wide."""

import csv
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ifgan.config import Config, nested
from ifgan.data.pairs import Batch
from ifgan.data.prepare import prepare
from ifgan.presets import make_config
from ifgan.training.fit import train_run
from ifgan.training.run_data import RunData
from ifgan.training.run_folder import RunFolder

TINY = {"image_size": 32, "generator_width": 4, "discriminator_width": 4, "batch_size": 8, "epochs": 3}
TINY |= {"backbone": "test_resnet", "classifier_weights": "none", "learning_rate": 1e-3}
TINY |= {
    "encoder": "unet",
    "classifier_before": "wait",
    "classifier_start": 0.0,
    "discriminator_start": 0.0,
    "l1": 20.0,
    "gan": 1.0,
}
COLOURS = {"anger": (200, 30, 30), "happiness": (30, 200, 30), "sadness": (30, 30, 200)}


def make_prepared(root: Path, out: Path, subjects: int = 10, first: int = 0) -> Path:
    """A set of ``subjects`` people with three flat-coloured 'expressions' each, so that something can be learnt."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "labels.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "subject", "expression"])
        for subject in range(first, first + subjects):
            for name, colour in COLOURS.items():
                noise = np.random.default_rng(subject).integers(-25, 25, (64, 64, 3))
                picture = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                Image.fromarray(picture).save(root / f"{subject}_{name}.png")
                writer.writerow([f"{subject}_{name}.png", f"s{subject}", name])
    prepare("folder", root, out, aligned=True)
    return out


def tiny(**changes: object) -> Config:
    """Preset cpu, made tiny."""
    return make_config("cpu", **{**TINY, **changes})


def as_options(changes: dict[str, object]) -> list[str]:
    """Settings as the command line takes them: ``["--optimizer.epochs=4"]``."""
    found = nested(changes)
    method = [f"--method={found.pop('method')}"] if "method" in found else []
    return method + [
        f"--{section}.{name.replace('_', '-')}={value}" for section in found for name, value in found[section].items()
    ]


def batch_of(size: int = 4) -> Batch:
    """Noise of TINY's size, three classes in turn."""
    images = torch.rand(2, size, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Batch(images[0], images[1], torch.eye(3)[torch.arange(size) % 3])


def train_tiny(config: Config, data: RunData, out: Path) -> RunFolder:
    """A whole run, or the rest of one."""
    run = RunFolder(out)
    train_run(config, data, run, ["test"], resume=True, say=lambda line: None)
    return run
