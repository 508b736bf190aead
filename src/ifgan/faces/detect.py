"""Faces and their landmarks in pictures of any size. Paper §4.2, [30]; the networks are in mtcnn.py.

Two tries. The first reads the picture; a picture larger than MAX_SIDE_PX is reduced to it first, so memory is
bounded. Where nothing is found, the second reads it inside a black border: in a tight crop the face reaches beyond
the picture, and only a window that does so too fits it. Thresholds stay the published ones in both tries, so
that a picture without a face doesn't get one.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import torch

MAX_SIDE_PX = 1280  # at this side; a face of 20 px in a picture of 4000 px isn't found, one of 63 px is
THRESHOLDS = (0.6, 0.7, 0.7)  # P-Net, R-Net, O-Net, as published
_BORDER = 1 / 3  # of the longer side
Points = tuple[tuple[float, float], ...]
_ENTERING = threading.Lock()
_inside: list[None] = []  # one for each detector at work
_threads: list[int] = []  # torch's, before the first of them


@dataclass(frozen=True)
class Face:
    """One face, in pixels of the picture it was found in.

    ``box_xyxy_px`` is clipped to the picture. ``landmarks_xy_px``: eye on the left of the picture, eye on the right,
    nose tip, left and right mouth corner; they may lie outside. ``confidence`` is O-Net's, in [0, 1].
    """

    box_xyxy_px: tuple[float, float, float, float]
    landmarks_xy_px: Points
    confidence: float


class FaceDetector:
    """MTCNN over lists of pictures.

    A picture's faces don't depend on the other pictures of the list: each is read alone. ``min_face_px`` counts
    in the picture, or in its reduced copy when that is larger than MAX_SIDE_PX. Works with one torch thread, so that
    a picture's faces are the same bits in any process; the networks are too small to gain from more.
    """

    def __init__(self, *, min_face_px: int = 20, thresholds: tuple[float, float, float] = THRESHOLDS) -> None:
        from ifgan.faces.mtcnn import Cascade

        self._cascade = Cascade()
        self._min_face_px = min_face_px
        self._thresholds = thresholds

    def __call__(self, images_hwc_uint8: list[np.ndarray]) -> list[list[Face]]:
        """The faces of every (height, width, 3) uint8 RGB picture, largest and most central first (prominence)."""
        with _one_torch_thread():
            return [self._find(image) for image in images_hwc_uint8]

    def _find(self, image: np.ndarray) -> list[Face]:
        height, width = image.shape[:2]
        scale = min(1.0, MAX_SIDE_PX / max(height, width))
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            image = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX, reducing_gap=2.0))
        border = 0
        found = self._cascade_on(image)
        if not len(found[0]):
            border = round(max(image.shape[:2]) * _BORDER)
            found = self._cascade_on(np.pad(image, ((border, border), (border, border), (0, 0))))
        boxes, landmarks, confidences = found  # (N, 4), (N, 5, 2), (N,)
        rows = zip((boxes - border) / scale, (landmarks - border) / scale, confidences, strict=True)
        faces = [_face(*row, width, height) for row in rows]
        return sorted(faces, key=lambda face: prominence(face, width, height), reverse=True)

    def _cascade_on(self, image: np.ndarray) -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
        import torch

        writable = image if image.flags.writeable else image.copy()  # torch warns about the others
        return self._cascade(torch.from_numpy(np.ascontiguousarray(writable)), self._min_face_px, self._thresholds)


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Convolutions add in another order on two threads: landmarks would move by 1e-5 px. Detectors at work side by side
    give back what the first of them found.
    """
    import torch

    with _ENTERING:
        if not _inside:
            _threads[:] = [torch.get_num_threads()]
        _inside.append(None)
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _ENTERING:
            _inside.pop()
            torch.set_num_threads(_threads[0])


def prominence(face: Face, width: int, height: int) -> float:
    """What decides which face comes first: box area minus twice the squared distance from the picture's centre."""
    x0, y0, x1, y1 = face.box_xyxy_px
    dx, dy = (x0 + x1 - width) / 2, (y0 + y1 - height) / 2
    return (x1 - x0) * (y1 - y0) - 2 * (dx * dx + dy * dy)


def _face(box: "torch.Tensor", landmarks: "torch.Tensor", confidence: "torch.Tensor", width: int, height: int) -> Face:
    x0, y0, x1, y1 = box.tolist()
    clipped = (min(max(x0, 0), width), min(max(y0, 0), height), min(max(x1, 0), width), min(max(y1, 0), height))
    return Face(clipped, tuple((x, y) for x, y in landmarks.tolist()), float(confidence))
