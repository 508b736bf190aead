"""From image files to aligned faces, on every core, in order. Paper §4.2 as one stream.

``find_faces`` is what ``prepare`` and ``predict`` iterate over. Only file names go out to the workers and 256-pixel
crops come back. An image that fails, or that takes its worker down, is reported in its place and the others go on.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from ifgan.errors import PictureError
from ifgan.faces.align import (
    ALIGNED_SIZE,
    USUAL_XY,
    align_face,
    central_box,
    central_square,
    similarity_from_landmarks,
)
from ifgan.faces.detect import Face, FaceDetector
from ifgan.faces.picture import as_picture
from ifgan.workers import Work, map_in_processes, processors

# The surest face of 193 photographs of faces-wild is surer than this in 0.95 of them; on their side in none, upside
# down in 0.02.
_SURE = 0.95
_WORTH_A_POOL = 24  # starting workers takes as long as this many photographs
_CROP_PX = (40, 112)  # sides of images that are handed round as crops of one face
_CROP_CONTRAST_MIN = 5.0  # standard deviation of grey values; a plain area is no face
_TOO_LARGE = "not enough memory for this image"
_NETWORKS = ("ifgan.faces.detect", "ifgan.onnx_session")

Source = str | Path | bytes | np.ndarray | Image.Image


@dataclass(frozen=True)
class Request:
    """One image, with the landmarks that are known already, if any: (5, 2) or (3, 2), no detection then.
    ``unreadable``: why it can't be read, where that has been seen.
    """

    picture: Source
    landmarks_xy_px: np.ndarray | None = None
    unreadable: str | None = None


@dataclass(frozen=True)
class FoundFaces:
    """What became of one request.

    ``aligned[i]`` is the (256, 256, 3) uint8 crop of ``faces[i]``; ``faces[0]`` is the most prominent one. No face
    gives two empty tuples. ``error`` is None or one sentence; there are no faces then.
    """

    faces: tuple[Face, ...] = ()
    aligned: tuple[np.ndarray, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Wanted:
    """Which faces are aligned and returned: every one, or with ``every=False`` the most prominent only, of those that
    the detector is as sure of as ``min_confidence``, in [0, 1], and whose box is ``min_side_px`` wide and high.
    ``crops``: a thumbnail in which none is found is one, at the place where a crop's face usually lies; its confidence
    is 0.
    """

    every: bool = True
    min_confidence: float = 0.0
    min_side_px: float = 0.0
    crops: bool = False

    def of(self, faces: list[Face]) -> list[Face]:
        """Those of all that were found."""
        return [face for face in faces if face.confidence >= self.min_confidence and _side(face) >= self.min_side_px]


_ALL = Wanted()


def _side(face: Face) -> float:
    x0, y0, x1, y1 = face.box_xyxy_px
    return min(x1 - x0, y1 - y0)


def find_faces(
    requests: Iterable[Request | Source], wanted: Wanted = _ALL, *, workers: int | None = None
) -> Iterator[FoundFaces]:
    """One FoundFaces a request, in the same order.

    An image that lies on its side or upside down, without a flag that says so, is turned where no sure face is found
    otherwise; its faces are aligned upright, and boxes and landmarks are those in the image as it is. ``workers``: None
    takes the cores that this process may use; 0 or 1 works in this process, as do short lists. Raises InputError only
    when workers keep dying.
    """
    waiting = (item if isinstance(item, Request) else Request(item) for item in requests)
    workers = processors() if workers is None else workers
    first = list(itertools.islice(waiting, _WORTH_A_POOL)) if workers > 1 else []
    if workers <= 1 or len(first) < _WORTH_A_POOL:
        detector = FaceDetector()
        yield from (faces_in(request, detector, wanted) for request in itertools.chain(first, waiting))
    else:
        work = Work(_work, _start_worker, (wanted,), _died, preload=_NETWORKS)
        yield from map_in_processes(work, map(_decoded, itertools.chain(first, waiting)), workers)


def _decoded(request: Request) -> Request:
    """A PIL image reads its file when it is sent to a worker, where nobody would answer for one that is cut off."""
    if not isinstance(request.picture, Image.Image):
        return request
    try:
        return replace(request, picture=as_picture(request.picture))
    except PictureError as error:
        return replace(request, picture="", unreadable=str(error))
    except MemoryError:
        return replace(request, picture="", unreadable=_TOO_LARGE)


def faces_in(request: Request, detector: FaceDetector, wanted: Wanted = _ALL) -> FoundFaces:
    """The faces of one image, aligned; an image that can't be used gives its error, nothing is raised.

    Among several, a face whose landmarks can't be aligned is left out: one false find loses no true one.
    """

    try:
        image = _opened(request)
        known = request.landmarks_xy_px is not None
        faces = _known_face(request) if known else wanted.of(_sought(image, detector, wanted))
        found = _alignable(image, faces, len(faces) if wanted.every else 1)
    except (PictureError, MemoryError) as error:
        return _failed(request, error)
    return FoundFaces(tuple(face for face, _ in found), tuple(crop for _, crop in found))


def _sought(image: np.ndarray, detector: FaceDetector, wanted: Wanted) -> list[Face]:
    return _found_upright(image, detector, wanted.min_side_px) or (_as_crop(image) if wanted.crops else [])


def _as_crop(image: np.ndarray) -> list[Face]:
    height, width = image.shape[:2]
    usual = min(height, width) >= _CROP_PX[0] and max(height, width) <= _CROP_PX[1] and 0.8 <= width / height <= 1.25
    if not usual or image.std() < _CROP_CONTRAST_MIN:
        return []
    points = USUAL_XY * (width, height)
    return [Face((0.0, 0.0, float(width), float(height)), tuple(map(tuple, points.tolist())), 0.0)]


def _found_upright(image: np.ndarray, detector: FaceDetector, smallest_px: float) -> list[Face]:
    """The faces of the image as it lies, or turned by as many quarters as its surest face needs; ``smallest_px``: as
    FaceDetector's.
    """
    found = detector([image], smallest_px)[0]
    for quarters in (1, 2, 3):
        if _surest(found) >= _SURE:
            break
        turned = detector([np.ascontiguousarray(np.rot90(image, quarters))], smallest_px)[0]
        if _surest(turned) >= _SURE:
            found = [_turned_back(face, quarters, *image.shape[:2]) for face in turned]
    return found


def _surest(faces: list[Face]) -> float:
    return max((face.confidence for face in faces), default=0.0)


def _turned_back(face: Face, quarters: int, height: int, width: int) -> Face:
    """A face of ``np.rot90(image, quarters)`` in the image itself, which is ``height`` and ``width`` large."""

    def back(x: float, y: float) -> tuple[float, float]:
        return {1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}[quarters]

    x0, y0, x1, y1 = face.box_xyxy_px
    corners = np.array([back(x0, y0), back(x1, y1)])
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    points = tuple(back(x, y) for x, y in face.landmarks_xy_px)
    return Face((left, top, right, bottom), points, face.confidence, 90 * quarters)


def to_aligned(face: Face) -> np.ndarray:
    """(2, 3): from pixels of the image to those of the aligned face."""
    if face.landmarks_xy_px:
        return similarity_from_landmarks(np.array(face.landmarks_xy_px))
    x0, y0, x1, _ = face.box_xyxy_px  # whole_picture's
    scale = ALIGNED_SIZE / (x1 - x0)
    return np.array([(scale, 0, -scale * x0), (0, scale, -scale * y0)])


def whole_picture(request: Request) -> FoundFaces:
    """For faces that are cropped already: the central square is the face, with its box and no landmarks."""
    try:
        image = _opened(request)
        return FoundFaces((Face(central_box(image), (), 1.0),), (central_square(image),))
    except (PictureError, MemoryError) as error:
        return _failed(request, error)


def _opened(request: Request) -> np.ndarray:
    if request.unreadable is not None:
        raise PictureError(request.unreadable)
    return as_picture(request.picture)


def _failed(request: Request, error: Exception) -> FoundFaces:
    reason = _TOO_LARGE if isinstance(error, MemoryError) else str(error)
    return FoundFaces(error=reason if reason == request.unreadable else _naming(request, reason))


def _alignable(image: np.ndarray, faces: list[Face], wanted: int) -> list[tuple[Face, np.ndarray]]:
    """The first ``wanted`` faces that can be aligned, with their crops. Raises PictureError when none of some can."""
    kept: list[tuple[Face, np.ndarray]] = []
    reason = None
    for face in faces:
        if len(kept) == wanted:
            break
        try:
            kept.append((face, align_face(image, np.array(face.landmarks_xy_px))))
        except PictureError as error:
            reason = error
    if reason is not None and not kept:
        raise reason
    return kept


def _known_face(request: Request) -> list[Face]:
    points = np.asarray(request.landmarks_xy_px, dtype=np.float64)
    if points.ndim != 2 or points.shape[-1] != 2:
        raise PictureError(f"landmarks must be points (x, y), got an array of shape {points.shape}")
    low, high = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return [Face((low[0], low[1], high[0], high[1]), tuple((float(x), float(y)) for x, y in points), 1.0)]


def _naming(request: Request, reason: str) -> str:
    """The reason, with the file's name in front unless it has it already."""
    if isinstance(request.picture, str | Path) and not reason.startswith(str(request.picture)):
        return f"{request.picture}: {reason}"
    return reason


def _died(request: Request) -> FoundFaces:
    return FoundFaces(error=_naming(request, "the process that read it died (out of memory?)"))


_worker: tuple[FaceDetector, Wanted]  # set in worker processes only, by _start_worker


def _start_worker(wanted: Wanted) -> None:
    global _worker  # noqa: PLW0603  a process pool hands its workers no other place to keep the networks
    _worker = FaceDetector(), wanted


def _work(request: Request) -> FoundFaces:
    return faces_in(request, *_worker)
