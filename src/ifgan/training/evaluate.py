"""A model looked at through images that it did not train on: a row an image, and what is counted from the rows."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from ifgan import metrics
from ifgan.data.pairs import FacePairs
from ifgan.models.checkpoint import Trained
from ifgan.models.device import device_of
from ifgan.models.ifgan import predict, to_probabilities
from ifgan.progress import track


@dataclass(frozen=True, eq=False)
class Predictions:
    """What was said of images.

    ``table``: a row an image: ``image``, its name in the manifest; ``subject``, empty where unknown; ``expression``,
    the true one; and the probability of each of ``labels``. ``l1``: mean |generated - average| in units of [-1, 1],
    None for the baseline. Below, M images and N labels.
    """

    table: pd.DataFrame
    labels: tuple[str, ...]
    l1: float | None = None

    def __len__(self) -> int:
        return len(self.table)

    def of(self, chosen: np.ndarray) -> "Predictions":
        """Those of a mask (M,) or of places in the table."""
        table = self.table[chosen] if chosen.dtype == bool else self.table.iloc[chosen]
        return replace(self, table=table)

    @property
    def probabilities(self) -> np.ndarray:
        """(M, N)."""
        return self.table[list(self.labels)].to_numpy(float)

    @property
    def true(self) -> np.ndarray:
        """(M,) indices into the labels."""
        return self.table["expression"].map(self.labels.index).to_numpy(int)

    @property
    def right(self) -> pd.Series:
        """(M,) whether each image was predicted right."""
        return pd.Series(self.probabilities.argmax(axis=1) == self.true, index=self.table.index)

    @property
    def units(self) -> pd.Series:
        """(M,): who is on each image, or the image where nobody knows; those of one person are not independent."""
        subject = self.table["subject"]
        return subject.where(subject != "", "image " + self.table["image"])

    @property
    def confusion(self) -> np.ndarray:
        """(N, N); rows are true classes."""
        return metrics.confusion_matrix(self.true, self.probabilities.argmax(axis=1), len(self.labels))

    @property
    def accuracy(self) -> float:
        """Share of images that were predicted right; nan when there are none."""
        return metrics.accuracy(self.confusion)

    @property
    def known(self) -> np.ndarray:
        """(N,): whether the model knows a label: one that it doesn't never gets any probability."""
        return np.asarray((self.probabilities > 0).any(axis=0))

    @property
    def loss(self) -> float:
        """Mean negative log-likelihood of the true label."""
        likelihood = self.probabilities[np.arange(len(self)), self.true]
        return float(-np.log(np.maximum(likelihood, 1e-12)).mean())

    def summary(self) -> dict[str, Any]:
        """The numbers that logs and reports show."""
        confusion = self.confusion
        return {
            "n": len(self),
            "accuracy": metrics.accuracy(confusion),
            "balanced_accuracy": metrics.balanced_accuracy(confusion, self.known),
            "macro_f1": metrics.macro_f1(confusion),
            "calibration_error": metrics.expected_calibration_error(self.probabilities, self.true),
            "loss": self.loss,
            "l1": self.l1,
        }


@torch.inference_mode()
def evaluate(trained: Trained, pairs: FacePairs, *, what: str = "") -> Predictions:
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
        image, average, target = pairs.batch_of(range(start, min(start + batch_size, len(pairs))), device)
        output = predict(trained.system, image, trained.config)
        probabilities.append(to_probabilities(output.logits, trained.temperature).cpu())
        true.append(target.argmax(1).cpu())
        if output.average_face is not None:
            differences.append((output.average_face.float() - average).abs().mean(dim=(1, 2, 3)).cpu())  # (B,)
    trained.system.train(was_training)
    samples = [located.sample for located in pairs.samples]
    columns: dict[str, Any] = {"image": [sample.image for sample in samples]}
    columns |= {"subject": [sample.subject for sample in samples]}
    columns |= {"expression": [pairs.labels[index] for index in torch.cat(true).tolist()]}
    columns |= dict(zip(trained.labels, torch.cat(probabilities).numpy().T, strict=True))
    l1 = float(torch.cat(differences).mean()) if differences else None
    return Predictions(pd.DataFrame(columns), trained.labels, l1)
