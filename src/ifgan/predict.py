"""Expressions and redrawn faces, from images.

recognizer = Recognizer.from_pretrained()
for face in recognizer("photo.jpg"):
    print(face.expression, face.confidence, face.box)
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from PIL import Image

from ifgan.engines import Engine, find_checkpoint, load_engine
from ifgan.errors import InputError, PictureError, needing
from ifgan.faces.align import ALIGNED_SIZE
from ifgan.faces.annotate import annotated, paste_drawing
from ifgan.faces.detect import Face, FaceDetector
from ifgan.faces.model_input import input_transform, to_model_input, to_picture
from ifgan.faces.picture import as_picture
from ifgan.faces.pipeline import FoundFaces, Request, Wanted, faces_in, find_faces, to_aligned, whole_picture
from ifgan.header import Redraw
from ifgan.weights import PACKAGED_MODEL

Picture = str | Path | bytes | Image.Image | np.ndarray


@dataclass(frozen=True)
class Prediction:
    """One face: ``box`` [x0, y0, x1, y1] and ``landmarks`` five [x, y] in pixels of the image (none of a face that
    the caller said is aligned), and the probability of every expression that the model knows. ``score``: how sure the
    face finder is that it is one, in [0, 1], 0 for a thumbnail in which it finds none and that is read as the crop of
    one; ``turned``: by how many degrees the face lies turned clockwise in the image, 0, 90, 180 or 270.
    ``transform``: two rows of three, the similarity from pixels of the image to those of `average_face`, for OpenCV's
    warpAffine and the like; empty without landmarks.
    """

    expression: str
    confidence: float
    probabilities: dict[str, float]
    box: tuple[float, ...] = ()
    landmarks: tuple[tuple[float, float], ...] = ()
    score: float = 1.0
    turned: int = 0
    transform: tuple[tuple[float, float, float], ...] = field(default=(), repr=False)
    draw: Callable[[], Image.Image] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def average_face(self) -> Image.Image | None:
        """The redrawn face, drawn when it is first asked for; None from a baseline, which draws none."""
        return None if self.draw is None else self.draw()

    def paste_into(self, image: Picture) -> Image.Image:
        """The image with `average_face` in place of this face, its edge blended. Hair, ears and neck stay, and with
        them much of who it is. Raises PictureError for an image that can't be read, and InputError for a face without
        drawing or place.
        """
        if self.average_face is None or not self.transform:
            raise InputError("nothing to paste: the model draws no faces, or the face came without landmarks")
        return Image.fromarray(paste_drawing(as_picture(image), self.average_face, np.array(self.transform)))

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
class PictureFaces(Sequence[Prediction]):
    """The faces of one image, the largest and most central first, as a sequence. ``image``: its file, None for an image
    that came without one; ``error``: None or one sentence, and no faces then. ``source``: what was read.
    """

    faces: tuple[Prediction, ...] = ()
    error: str | None = None
    image: str | None = None
    source: Picture | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.faces)

    @overload
    def __getitem__(self, place: int) -> Prediction: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Prediction, ...]: ...

    def __getitem__(self, place: int | slice) -> Prediction | tuple[Prediction, ...]:
        return self.faces[place]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without pixels."""
        return {"image": self.image, "faces": [face.to_dict() for face in self.faces], "error": self.error}

    def rows(self, labels: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Flat, a row a face: image, face (its number), box, score, turned, expression, confidence, a column for the
        probability of each expression, error. An image without faces is one row with None in these places;
        ``labels``: the expressions, for the columns of such a row.
        """
        faces = [_row(number, face) for number, face in enumerate(self.faces)] or [_row(None, None, labels)]
        return [{"image": self.image} | row | {"error": self.error} for row in faces]

    def to_pandas(self) -> Any:
        """`rows` as a pandas DataFrame; ``pd.concat`` joins those of several images. InputError without pandas."""
        with needing(None, "a DataFrame"):
            import pandas

        return pandas.DataFrame(self.rows())

    def plot(self, image: Picture | None = None) -> Image.Image:
        """The image with a box and the expression at every face, and beside it their drawings and probabilities.
        ``image``: where what was read has gone since. Raises PictureError for one that can't be read.
        """
        source = self.source if image is None else image
        if source is None:
            raise PictureError("the image isn't at hand; give it to plot")
        return annotated(as_picture(source), self.faces)


class Recognizer:
    """Reads expressions off every face of an image."""

    def __init__(
        self,
        engine: Engine,
        *,
        aligned: bool = False,
        bgr: bool = False,
        min_detection: float = 0.0,
        min_face: float = 0.0,
    ) -> None:
        self.engine = engine
        self.aligned, self.bgr, self.min_detection, self.min_face = aligned, bgr, min_detection, min_face
        self._detector: FaceDetector | None = None

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = PACKAGED_MODEL,
        *,
        device: str = "cpu",
        aligned: bool = False,
        bgr: bool = False,
        redraw: Redraw | None = None,
        min_detection: float = 0.0,
        min_face: float = 0.0,
    ) -> "Recognizer":
        """From the model in the package (docs/model_card.md), a run folder, an ``.onnx`` or ``.safetensors`` file, a
        folder with ``model.onnx`` or ``model.safetensors``, or a Hugging Face id. Checkpoints of runs need torch.

        ``aligned``: images are aligned faces already, their central square is read without detection. ``bgr``: arrays
        are BGR, as OpenCV's, not RGB. ``redraw``: "free" for faces as G draws them, "mixture" for the nearest mixture
        of average faces, which says less about who it was; None for what the model was trained with. ``device``:
        "cpu", "cuda", or "auto" for a GPU where a checkpoint can use one. Faces that the face finder is less sure of
        than ``min_detection``, in [0, 1], or whose box is narrower or lower than ``min_face`` pixels, are left out.
        Raises InputError for a model that isn't there or is broken, a device that isn't there, a redrawing that the
        model can't do, and a ``min_detection`` or ``min_face`` out of range or beside ``aligned``.
        """
        if not 0 <= min_detection <= 1:
            raise InputError(f"min_detection {min_detection}: expected 0 to 1")
        if not 0 <= min_face < float("inf"):
            raise InputError(f"min_face {min_face}: expected pixels, at least 0")
        if aligned and (min_detection or min_face):
            raise InputError("aligned: no face is sought then, so that min_detection and min_face do nothing")
        engine = load_engine(find_checkpoint(model), device, redraw)
        return cls(engine, aligned=aligned, bgr=bgr, min_detection=min_detection, min_face=min_face)

    @property
    def labels(self) -> tuple[str, ...]:
        """The expressions that the model knows, in the canonical order."""
        return self.engine.labels

    @property
    def redraws(self) -> bool:
        """Whether predictions have an ``average_face``; the baseline has no generator."""
        return self.engine.redraws

    @overload
    def __call__(self, source: Picture) -> PictureFaces: ...

    @overload
    def __call__(self, source: list[Picture] | tuple[Picture, ...]) -> list[PictureFaces]: ...

    def __call__(self, source: Picture | list[Picture] | tuple[Picture, ...]) -> PictureFaces | list[PictureFaces]:
        """`predict` for an image (path, a file's bytes, PIL image, uint8 array, (height, width, 3) or grey),
        `predict_batch` for a list or tuple of them.
        """
        return self.predict_batch(source) if isinstance(source, list | tuple) else self.predict(source)

    def predict(self, image: Picture) -> PictureFaces:
        """The faces of one image, the largest and most central first. Raises PictureError."""
        return _checked(next(self.stream([image], workers=0)))

    def predict_batch(self, images: Iterable[Picture]) -> list[PictureFaces]:
        """The faces of each image. Raises PictureError for one that can't be read; `stream` goes on."""
        return [_checked(result) for result in self.stream(images, workers=0)]

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
        wanted = Wanted(every_face, self.min_detection, self.min_face, crops=True)
        taken: deque[Picture] = deque()  # those whose results are to come
        waiting: list[tuple[Picture, FoundFaces]] = []
        for found in self._found(self._taken(sources, taken), wanted, workers):
            waiting.append((taken.popleft(), found))
            # Without a face there is nothing to wait for, unless an earlier image does.
            faces = sum(len(one.aligned) for _, one in waiting)
            if not waiting[0][1].aligned or max(len(waiting), faces) >= self.engine.batch:
                yield from self._read_pictures(waiting)
                waiting = []
        yield from self._read_pictures(waiting)

    def _taken(self, sources: Iterable[Picture], taken: deque[Picture]) -> Iterator[Picture]:
        for source in sources:
            if isinstance(source, np.ndarray):
                # A copy: a camera may write its next frame into this one before it is read.
                swapped = self.bgr and source.ndim == 3
                source = np.array(source[..., ::-1] if swapped else source)  # noqa: PLW2901
            taken.append(source)
            yield source

    def _found(self, sources: Iterable[Picture], wanted: Wanted, workers: int | None) -> Iterator[FoundFaces]:
        if self.aligned:
            return (whole_picture(Request(source)) for source in sources)
        if workers is None or workers > 1:
            return find_faces(sources, wanted, workers=workers)
        self._detector = detector = self._detector or FaceDetector()
        return (faces_in(Request(source), detector, wanted) for source in sources)

    def _read_pictures(self, pictures: list[tuple[Picture, FoundFaces]]) -> Iterator[PictureFaces]:
        predictions = iter(self.read([crop for _, found in pictures for crop in found.aligned]))
        for source, found in pictures:
            faces = tuple(self._placed(next(predictions), face) for face in found.faces)
            name = str(source) if isinstance(source, str | Path) else None
            yield PictureFaces(faces, found.error, name, source)

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

    def _placed(self, prediction: Prediction, face: Face) -> Prediction:
        to_input = input_transform(self.engine.form, self.engine.size_px, ALIGNED_SIZE)
        transform = to_input @ np.vstack([to_aligned(face), (0, 0, 1)])  # (2, 3)
        return replace(
            prediction,
            box=face.box_xyxy_px,
            landmarks=face.landmarks_xy_px,
            score=face.confidence,
            turned=face.turned_deg,
            transform=tuple(map(tuple, transform.tolist())),
        )

    def _prediction(self, row: list[float], draw: Callable[[], Image.Image] | None) -> Prediction:
        best = max(range(len(row)), key=row.__getitem__)
        return Prediction(self.labels[best], row[best], dict(zip(self.labels, row, strict=True)), draw=draw)


def _row(number: int | None, face: Prediction | None, labels: Sequence[str] = ()) -> dict[str, Any]:
    """One of `PictureFaces.rows`; its columns don't depend on whether there is a face."""
    told = {} if face is None else face.to_dict()
    box = dict(zip(("x0", "y0", "x1", "y1"), told.get("box", (None,) * 4), strict=True))
    columns = ("score", "turned", "expression", "confidence")
    return (
        {"face": number}
        | box
        | {name: told.get(name) for name in columns}
        | told.get("probabilities", dict.fromkeys(labels))
    )


def _checked(result: PictureFaces) -> PictureFaces:
    if result.error is not None:
        raise PictureError(result.error)
    return result
