"""An untrained system of 32 pixels, for tests that need some model and not a good one."""

import numpy as np
import torch
from scipy import special

from ifgan.models.build import build_system
from ifgan.models.checkpoint import Trained
from ifgan.presets import make_config

SMALL = {"image_size": 32, "generator_width": 4, "backbone": "test_resnet", "classifier_weights": "none"}
SMALL |= {"encoder": "unet"}
LABELS = ("anger", "happiness", "surprise", "neutral")


def tiny_trained(method: str = "ifgan", labels: tuple[str, ...] = LABELS, seed: int = 0, **changes: object) -> Trained:
    """In evaluation mode. Its logits are spread out, so that different faces get clearly different answers."""
    config = make_config("cpu", method=method, **{**SMALL, **changes})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        system = build_system(config, len(labels)).eval()
    with torch.no_grad():
        system.classifier.head.weight.mul_(30)
    return Trained(system, labels, config, {})


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """(M, N) softmax(logits / temperature), from what softmax(logits) was: logits and log p differ by a constant."""
    return special.softmax(np.log(np.maximum(probabilities, 1e-30)) / temperature, axis=1)
