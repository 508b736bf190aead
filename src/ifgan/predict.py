"""Expressions, and faces without identity, from pictures.

recognizer = Recognizer.from_pretrained("runs/ifgan")
for face in recognizer("photo.jpg"):
    print(face.expression, face.confidence, face.box)
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ifgan.errors import InputError
from ifgan.faces.align import ALIGNED_SIZE, align_face
from ifgan.faces.detect import FaceDetector
from ifgan.faces.model_input import to_model_input, to_picture
from ifgan.faces.picture import as_picture
from ifgan.models.checkpoint import Trained, load_trained

Picture = str | Path | Image.Image | np.ndarray


@dataclass(frozen=True)
class Prediction:
    """One face: ``box`` [x0, y0, x1, y1] and ``landmarks`` five [x, y] in pixels of the picture (empty where the
    caller said that the face is aligned), and the probability of every expression that the model knows.
    """

    expression: str
    confidence: float
    probabilities: dict[str, float]
    box: tuple[float, ...]
    landmarks: tuple[tuple[float, float], ...]
    average_face: Image.Image | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the picture."""
        return {
            "box": [round(value, 2) for value in self.box],
            "landmarks": [[round(value, 2) for value in point] for point in self.landmarks],
            "expression": self.expression,
            "confidence": self.confidence,
            "probabilities": self.probabilities,
        }


class Recognizer:
    """Reads expressions off every face of a picture."""

    def __init__(self, trained: Trained, *, aligned: bool = False) -> None:
        self.trained = trained
        self.aligned = aligned
        self._detector: FaceDetector | None = None

    @classmethod
    def from_pretrained(
        cls, model: str | Path, *, device: torch.device | str = "cpu", aligned: bool = False
    ) -> "Recognizer":
        """From a run folder, a ``.safetensors`` file, a folder with ``model.safetensors``, or a Hugging Face id.

        ``aligned``: pictures are aligned faces already, no detection. Raises InputError.
        """
        return cls(load_trained(find_checkpoint(model), device), aligned=aligned)

    @property
    def labels(self) -> tuple[str, ...]:
        """The expressions that the model knows, in the canonical order."""
        return self.trained.labels

    def __call__(self, source: Picture | list[Picture]) -> list[Any]:
        """The faces of a picture (path, PIL image or HWC uint8 RGB array), the largest and most central first; of a
        list of pictures, a list of such lists. Raises PictureError for a picture that can't be read.
        """
        if isinstance(source, list):
            return [self(picture) for picture in source]
        image = as_picture(source)
        if self.aligned:
            square = np.asarray(Image.fromarray(image).resize((ALIGNED_SIZE, ALIGNED_SIZE)))
            return self.read([square], [((), ())])
        self._detector = self._detector or FaceDetector()
        faces = self._detector([image])[0]
        crops = [align_face(image, np.array(face.landmarks_xy_px)) for face in faces]
        return self.read(crops, [(face.box_xyxy_px, face.landmarks_xy_px) for face in faces])

    @torch.inference_mode()
    def read(self, crops: list[np.ndarray], places: list[tuple[Any, Any]]) -> list[Prediction]:
        """Predictions for aligned faces, (256, 256, 3) uint8 each, with the box and landmarks that each came from."""
        if not crops:
            return []
        system, size = self.trained.system, self.trained.config.image_size
        device = next(system.parameters()).device
        output = system(torch.stack([to_model_input(crop, size) for crop in crops]).to(device))
        probabilities = output.logits.float().softmax(1).tolist()
        faces = [None] * len(crops) if output.average_face is None else [*output.average_face]
        return [
            self._prediction(row, face, *place) for row, face, place in zip(probabilities, faces, places, strict=True)
        ]

    def _prediction(self, row: list[float], face: Any, box: Any, landmarks: Any) -> Prediction:
        best = max(range(len(row)), key=row.__getitem__)
        picture = None if face is None else Image.fromarray(to_picture(face))
        probabilities = dict(zip(self.labels, row, strict=True))
        return Prediction(self.labels[best], row[best], probabilities, tuple(box), tuple(landmarks), picture)


def find_checkpoint(model: str | Path) -> Path:
    """The checkpoint file that a name stands for. Raises InputError."""
    path = Path(model)
    for candidate in (path, path / "checkpoint" / "best.safetensors", path / "model.safetensors"):
        if candidate.is_file():
            return candidate
    if path.exists() or str(model).count("/") != 1:
        raise InputError(f"{model}: no model there; expected a run folder, a .safetensors file or a Hugging Face id")
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(str(model), "model.safetensors"))
    except Exception as error:  # the hub client raises many kinds, for no network as for no such repository
        reason = str(error).splitlines()[0]
        raise InputError(f"{model}: no such folder, and the Hugging Face hub gave no model ({reason})") from error
