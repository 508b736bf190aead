"""A model looked at through data it did not train on: probabilities, and how far G's faces are from the averages."""

from dataclasses import dataclass

import numpy as np
import torch

from ifgan import metrics
from ifgan.data.on_device import PairsOnDevice
from ifgan.data.pairs import FacePairs
from ifgan.models.checkpoint import Trained
from ifgan.models.device import device_of
from ifgan.models.ifgan import predict, to_probabilities
from ifgan.progress import track


@dataclass(frozen=True)
class Evaluation:
    """probabilities: (M, N); true: (M,) indices into labels; l1: mean |generated - average| in units of [-1, 1], or
    None for the baseline.
    """

    probabilities: np.ndarray
    true: np.ndarray
    l1: float | None

    @property
    def confusion(self) -> np.ndarray:
        """(N, N); rows are true classes."""
        return metrics.confusion_matrix(self.true, self.probabilities.argmax(1), self.probabilities.shape[1])

    @property
    def known(self) -> np.ndarray:
        """(N,): whether the system knows a label: one that it doesn't never gets any probability."""
        return np.asarray((self.probabilities > 0).any(axis=0))

    @property
    def loss(self) -> float:
        """Mean negative log-likelihood of the true label."""
        likelihood = self.probabilities[np.arange(len(self.true)), self.true]
        return float(-np.log(np.maximum(likelihood, 1e-12)).mean())

    def summary(self) -> dict[str, float | int | None]:
        """The numbers that logs and reports show."""
        return {
            "n": len(self.true),
            "accuracy": metrics.accuracy(self.confusion),
            "balanced_accuracy": metrics.balanced_accuracy(self.confusion, self.known),
            "macro_f1": metrics.macro_f1(self.confusion),
            "calibration_error": metrics.expected_calibration_error(self.probabilities, self.true),
            "loss": self.loss,
            "l1": self.l1,
        }


@torch.inference_mode()
def evaluate(trained: Trained, pairs: FacePairs | PairsOnDevice, *, what: str = "") -> Evaluation:
    """Run a model, in evaluation mode, over pairs made without a policy (centre crops, §4.2). ``what``: its name where
    progress is shown; empty: none is. Raises InputError where logits are not finite.
    """
    was_training = trained.system.training
    trained.system.eval()
    device = device_of(trained.system)
    batch_size = 64 if device.type == "cpu" else 256
    probabilities, true, differences = [], [], []
    starts = range(0, len(pairs), batch_size)
    for start in track(starts, what, len(starts), "batches", part=True) if what else starts:
        batch = pairs.batch_of(range(start, min(start + batch_size, len(pairs))))
        image, average, target = (tensor.to(device) for tensor in batch)
        output = predict(trained.system, image, trained.config)
        probabilities.append(to_probabilities(output.logits, trained.temperature).cpu())
        true.append(target.argmax(1).cpu())
        if output.average_face is not None:
            differences.append((output.average_face.float() - average).abs().mean(dim=(1, 2, 3)).cpu())  # (B,)
    trained.system.train(was_training)
    l1 = float(torch.cat(differences).mean()) if differences else None
    return Evaluation(torch.cat(probabilities).numpy(), torch.cat(true).numpy(), l1)
