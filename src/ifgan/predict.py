"""Expressions and redrawn faces, from images.

recognizer = Recognizer.from_pretrained()
for face in recognizer("photo.jpg"):
    print(face.expression, face.confidence, face.box)
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ifgan.engines import Engine, load_engine
from ifgan.errors import InputError, PictureError, needing, one_line
from ifgan.faces.detect import Face, FaceDetector
from ifgan.faces.model_input import to_model_input, to_picture
from ifgan.faces.pipeline import FoundFaces, Request, Wanted, faces_in, find_faces, whole_picture
from ifgan.header import Redraw, drawing_file
from ifgan.weights import PACKAGED_MODEL, packaged_model

_FILES = ("model.onnx", "model.safetensors")  # what a model is called in a folder or on the hub
Picture = str | Path | Image.Image | np.ndarray


@dataclass(frozen=True)
class Prediction:
    """One face: ``box`` [x0, y0, x1, y1] and ``landmarks`` five [x, y] in pixels of the image (none of a face that
    the caller said is aligned), and the probability of every expression that the model knows. ``score``: how sure the
    face finder is that it is one, in [0, 1], 0 for a thumbnail in which it finds none and that is read as the crop of
    one; ``turned``: by how many degrees the face lies turned clockwise in the image, 0, 90, 180 or 270.
    """

    expression: str
    confidence: float
    probabilities: dict[str, float]
    box: tuple[float, ...] = ()
    landmarks: tuple[tuple[float, float], ...] = ()
    score: float = 1.0
    turned: int = 0
    draw: Callable[[], Image.Image] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def average_face(self) -> Image.Image | None:
        """The redrawn face, drawn when it is first asked for; None from a baseline, which draws none."""
        return None if self.draw is None else self.draw()

    def __getstate__(self) -> dict[str, Any]:
        """With the drawing: what draws it can't be pickled."""
        return self.__dict__ | {"average_face": self.average_face, "draw": None}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the image."""
        return {
            "box": [round(value, 2) for value in self.box],
            "landmarks": [[round(value, 2) for value in point] for point in self.landmarks],
            "score": round(self.score, 4),
            "turned": self.turned,
            "expression": self.expression,
            "confidence": self.confidence,
            "probabilities": dict(self.probabilities),
        }


@dataclass(frozen=True)
class PictureFaces:
    """What became of one image. ``error`` is None or one sentence; there are no faces then."""

    faces: tuple[Prediction, ...] = ()
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the images."""
        return {"faces": [face.to_dict() for face in self.faces], "error": self.error}


class Recognizer:
    """Reads expressions off every face of an image."""

    def __init__(
        self, engine: Engine, *, aligned: bool = False, min_detection: float = 0.0, min_face: float = 0.0
    ) -> None:
        self.engine = engine
        self.aligned, self.min_detection, self.min_face = aligned, min_detection, min_face
        self._detector: FaceDetector | None = None

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = PACKAGED_MODEL,
        *,
        device: str = "cpu",
        aligned: bool = False,
        redraw: Redraw | None = None,
        min_detection: float = 0.0,
        min_face: float = 0.0,
    ) -> "Recognizer":
        """From the model in the package (docs/model_card.md), a run folder, an ``.onnx`` or ``.safetensors`` file, a
        folder with ``model.onnx`` or ``model.safetensors``, or a Hugging Face id. Checkpoints of runs need torch.

        ``aligned``: images are aligned faces already, their central square is read without detection. ``redraw``:
        "free" for faces as G draws them, "mixture" for the nearest mixture of average faces, which says less about
        who it was; None for what the model was trained with. ``device``: "cpu", "cuda", or "auto" for a GPU where a
        checkpoint can use one. Faces that the face finder is less sure of than ``min_detection``, in [0, 1], or whose
        box is narrower or lower than ``min_face`` pixels, are left out. Raises InputError for a model that isn't there
        or is broken, a device that isn't there, a redrawing that the model can't do, and a ``min_detection`` outside
        its range.
        """
        if not 0 <= min_detection <= 1:
            raise InputError(f"min_detection {min_detection}: expected 0 to 1")
        engine = load_engine(find_checkpoint(model), device, redraw)
        return cls(engine, aligned=aligned, min_detection=min_detection, min_face=min_face)

    @property
    def labels(self) -> tuple[str, ...]:
        """The expressions that the model knows, in the canonical order."""
        return self.engine.labels

    @property
    def redraws(self) -> bool:
        """Whether predictions have an ``average_face``; the baseline has no generator."""
        return self.engine.redraws

    def __call__(self, source: Picture | list[Picture] | tuple[Picture, ...]) -> list[Any]:
        """`predict` for an image (path, PIL image, HWC uint8 RGB array, grey array; OpenCV's are BGR), `predict_batch`
        for a list or tuple of them.
        """
        return self.predict_batch(source) if isinstance(source, list | tuple) else self.predict(source)

    def predict(self, image: Picture) -> list[Prediction]:
        """The faces of one image, the largest and most central first. Raises PictureError."""
        return _faces_or_error(next(self.stream([image], workers=0)))

    def predict_batch(self, images: Iterable[Picture]) -> list[list[Prediction]]:
        """The faces of each image. Raises PictureError for one that can't be read; `stream` goes on."""
        return [_faces_or_error(result) for result in self.stream(images, workers=0)]

    def stream(
        self, sources: Iterable[Picture], *, every_face: bool = True, workers: int | None = None
    ) -> Iterator[PictureFaces]:
        """One result an image, in order, in bounded memory; an image that can't be read is one result's ``error``.

        ``every_face=False`` reads the most prominent face only. ``workers``: processes that look for faces; None
        takes all cores (a script then needs its ``if __name__ == "__main__":``), 0 works in this process.
        Crops of consecutive images go through the network together: probabilities differ from those of an image
        alone by rounding only. Raises InputError for a single image.
        """
        if isinstance(sources, str | bytes | Path | np.ndarray | Image.Image):
            raise InputError("stream: takes several images; call the recognizer itself with a single one")
        waiting: list[FoundFaces] = []
        for found in self._found(sources, Wanted(every_face, self.min_detection, self.min_face, crops=True), workers):
            waiting.append(found)
            # Without a face there is nothing to wait for, unless an earlier image does.
            if (
                not waiting[0].aligned
                or max(len(waiting), sum(len(one.aligned) for one in waiting)) >= self.engine.batch
            ):
                yield from self._read_pictures(waiting)
                waiting = []
        yield from self._read_pictures(waiting)

    def _found(self, sources: Iterable[Picture], wanted: Wanted, workers: int | None) -> Iterator[FoundFaces]:
        if self.aligned:
            return (whole_picture(Request(source)) for source in sources)
        if workers is None or workers > 1:
            return find_faces(sources, wanted, workers=workers)
        self._detector = detector = self._detector or FaceDetector()
        return (faces_in(Request(source), detector, wanted) for source in sources)

    def _read_pictures(self, pictures: list[FoundFaces]) -> Iterator[PictureFaces]:
        predictions = iter(self.read([crop for found in pictures for crop in found.aligned]))
        for found in pictures:
            faces = tuple(_placed(next(predictions), face) for face in found.faces)
            yield PictureFaces(faces, found.error)

    def read(self, crops: list[np.ndarray]) -> list[Prediction]:
        """Predictions for aligned faces, square uint8 RGB each, without their places. Raises PictureError for other
        images, and InputError for a model whose output is not finite.
        """
        size = self.engine.batch
        batches = (crops[start : start + size] for start in range(0, len(crops), size))
        return [prediction for batch in batches for prediction in self._read_batch(batch)]

    def _read_batch(self, crops: list[np.ndarray]) -> list[Prediction]:
        engine = self.engine
        images = np.stack([to_model_input(engine.form(crop), engine.size_px) for crop in crops])  # (B, 3, S, S)
        probabilities, faces = engine.read(images)  # (B, N)
        rows = enumerate(probabilities.tolist())
        return [self._prediction(row, self._drawer(images[i], None if faces is None else faces[i])) for i, row in rows]

    def _drawer(self, image: np.ndarray, face: np.ndarray | None) -> Callable[[], Image.Image] | None:
        """What makes the drawing of an image, which reading it may have made already."""
        if not self.redraws:
            return None
        return lambda: Image.fromarray(to_picture(self.engine.draw(image[None])[0] if face is None else face))

    def _prediction(self, row: list[float], draw: Callable[[], Image.Image] | None) -> Prediction:
        best = max(range(len(row)), key=row.__getitem__)
        return Prediction(self.labels[best], row[best], dict(zip(self.labels, row, strict=True)), draw=draw)


def _placed(prediction: Prediction, face: Face) -> Prediction:
    box, landmarks, score, turned = face.box_xyxy_px, face.landmarks_xy_px, face.confidence, face.turned_deg
    return replace(prediction, box=box, landmarks=landmarks, score=score, turned=turned)


def _faces_or_error(result: PictureFaces) -> list[Prediction]:
    if result.error is not None:
        raise PictureError(result.error)
    return list(result.faces)


def find_checkpoint(model: str | Path) -> Path:
    """The checkpoint file that a name stands for; ``ifgan-wild`` is the package's own, also where a folder of that name
    lies. Raises InputError where there is none, here or at the hub.
    """
    if str(model) == PACKAGED_MODEL:
        return packaged_model()
    path = Path(model)
    for candidate in (path, path / "checkpoint" / "best.safetensors", *(path / name for name in _FILES)):
        if candidate.is_file():
            return candidate
    if path.exists() or not _is_hub_id(str(model)):
        expected = f"{PACKAGED_MODEL}, a run folder, an .onnx or .safetensors file or a Hugging Face id"
        raise InputError(f"{model}: no model there; expected {expected}")
    with needing("train", f"{model}: no such folder; the Hugging Face hub"):
        from huggingface_hub import hf_hub_download

    reason = ""
    for name in _FILES:
        try:
            found = Path(hf_hub_download(str(model), name))
        except Exception as error:  # the hub client raises many kinds, for no network as for no such repository
            reason = one_line(error)
        else:
            if found.suffix == ".onnx":
                with suppress(Exception):  # not every model has one
                    hf_hub_download(str(model), drawing_file(found).name)
            return found
    raise InputError(f"{model}: no such folder, and the Hugging Face hub gave no model ({reason})")


def _is_hub_id(name: str) -> bool:
    """``owner/name``, but not what only reads so: the mistyped path of a run in a folder that is here."""
    owner, _, rest = name.partition("/")
    local = (
        not owner or owner.startswith((".", "~")) or name.endswith((".onnx", ".safetensors")) or Path(owner).exists()
    )
    return bool(rest) and "/" not in rest and not local
