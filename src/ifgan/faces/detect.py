"""Faces and their landmarks, by MTCNN. Paper §4.2, [30] (Zhang et al., IEEE SPL 23(10), 2016).

The networks and their weights are facenet-pytorch's (https://github.com/timesler/facenet-pytorch, in its wheel:
nothing is downloaded). Ours adds: bounded memory (a large picture is reduced first), pictures too small
for the library, no draw from the global random state.
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

MAX_SIDE_PX = 1280  # larger pictures are reduced to this for detection
Points = tuple[tuple[float, float], ...]


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
    """MTCNN over lists of pictures of any size."""

    def __init__(self, *, min_face_px: int = 20, thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)) -> None:
        from facenet_pytorch import MTCNN

        with torch.random.fork_rng(devices=[]):  # layers draw initial weights before the trained ones are loaded
            self._mtcnn = MTCNN(min_face_size=min_face_px, thresholds=list(thresholds), keep_all=True)

    def __call__(self, images_hwc_uint8: list[np.ndarray]) -> list[list[Face]]:
        """The faces of every (height, width, 3) uint8 RGB picture, largest and most central first."""
        return [self._find(image) for image in images_hwc_uint8]

    def _find(self, image: np.ndarray) -> list[Face]:
        height, width = image.shape[:2]
        scale = min(1.0, MAX_SIDE_PX / max(height, width))
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            image = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
        if min(image.shape[:2]) < self._mtcnn.min_face_size:
            return []
        with torch.inference_mode():
            boxes, confidences, points = self._mtcnn.detect(image, landmarks=True)
        if boxes is None:
            return []
        found = [
            _face(box / scale, p / scale, c, width, height)
            for box, p, c in zip(boxes, points, confidences, strict=True)
        ]
        return sorted(found, key=lambda face: prominence(face, width, height), reverse=True)


def prominence(face: Face, width: int, height: int) -> float:
    """What decides which face comes first: box area minus twice the squared distance from the picture's centre."""
    x0, y0, x1, y1 = face.box_xyxy_px
    dx, dy = (x0 + x1 - width) / 2, (y0 + y1 - height) / 2
    return (x1 - x0) * (y1 - y0) - 2 * (dx * dx + dy * dy)


def _face(box: np.ndarray, points: np.ndarray, confidence: float, width: int, height: int) -> Face:
    x0, x1 = np.clip(box[[0, 2]], 0, width)
    y0, y1 = np.clip(box[[1, 3]], 0, height)
    landmarks = tuple((float(x), float(y)) for x, y in points)
    return Face((float(x0), float(y0), float(x1), float(y1)), landmarks, float(confidence))
