"""A checkpoint's answers, by torch, in the form in which `ifgan.predict` asks for them."""

import os

import numpy as np
import torch

from ifgan.models.checkpoint import Trained
from ifgan.models.device import device_of
from ifgan.models.ifgan import predict, to_probabilities

# OpenMP's threads don't come along into a forked process, which would wait for them for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


class TorchEngine:
    """A trained system in memory, an `Engine` of `ifgan.engines`."""

    def __init__(self, trained: Trained) -> None:
        self._trained = trained
        self.labels = trained.labels
        self.form = trained.form
        self.size_px = trained.config.preprocess.image_size
        self._device = device_of(trained.system)
        self.batch = 8 if self._device.type == "cpu" else 32
        self.redraws = "generator" in trained.system.networks()

    def read(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """See `Engine.read` of `ifgan.engines`. Raises InputError for a model whose output is not finite."""
        with torch.inference_mode():
            output = predict(self._trained.system, torch.from_numpy(images).to(self._device), self._trained.config)
            probabilities = to_probabilities(output.logits, self._trained.temperature).cpu().numpy()
        return probabilities, None if output.average_face is None else output.average_face.float().cpu().numpy()

    def draw(self, images: np.ndarray) -> np.ndarray:
        """See `Engine.draw`."""
        faces = self.read(images)[1]
        assert faces is not None
        return faces
