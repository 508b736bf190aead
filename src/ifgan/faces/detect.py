"""Faces and their landmarks in images of any size: MTCNN. Paper §4.2, [30]: Zhang et al., IEEE Signal Processing
Letters 23(10), 2016.

Two tries. The first reads the image; one larger than MAX_SIDE_PX is reduced to it first, so memory is bounded. Where
nothing is found, the second reads it inside a black border: in a tight crop the face reaches beyond the image, and
only a window that does so too fits it. Thresholds stay the published ones in both tries, so that an image without a
face doesn't get one.

The cascade proposes (P-Net), refines (R-Net), and puts out (O-Net). Networks and weights are facenet-pytorch's
(https://github.com/timesler/facenet-pytorch 2.5.3, MIT) as ONNX files (ifgan/weights); boxes agree with its
``MTCNN.detect`` (tested) except at the image's edge, where the library misplaces them (see _crops). Ours differs in how
pixels reach the networks: one summed-area table gives every pyramid level and every crop by four look-ups a pixel,
where the library averages the whole image again for each. N boxes, (x0, y0, x1, y1) in pixels of the image.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ifgan.onnx_session import Session
from ifgan.weights import packaged_file

MAX_SIDE_PX = 1280  # at this side; a face of 20 px in an image of 4000 px isn't found, one of 63 px is
THRESHOLDS = (0.6, 0.7, 0.7)  # P-Net, R-Net, O-Net, as published
MIN_FACE_PX = 20
_BORDER = 1 / 3  # of the longer side
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Face:
    """One face, in pixels of the image it was found in.

    ``box_xyxy_px`` is clipped to the image. ``landmarks_xy_px``: eye on the left of the image, eye on the right,
    nose tip, left and right mouth corner, all as the upright face has them; they may lie outside. ``confidence`` is
    O-Net's, in [0, 1]. ``turned_deg``: by how much the face is turned clockwise in the image: 0, 90, 180 or 270.
    """

    box_xyxy_px: tuple[float, float, float, float]
    landmarks_xy_px: Points
    confidence: float
    turned_deg: int = 0


class FaceDetector:
    """MTCNN over lists of images.

    An image's faces don't depend on the other images of the list: each is read alone. MIN_FACE_PX counts in
    the image, or in its reduced copy when that is larger than MAX_SIDE_PX. An image's faces are the same bits in any
    process.
    """

    def __init__(self) -> None:
        self._cascade = Cascade()

    def __call__(self, images_hwc_uint8: list[np.ndarray], smallest_px: float = 0.0) -> list[list[Face]]:
        """The faces of every (height, width, 3) uint8 RGB image, largest and most central first (prominence).

        ``smallest_px``: what is clearly smaller isn't looked for, which saves time; a smaller face may be found still.
        """
        return [self._find(image, smallest_px) for image in images_hwc_uint8]

    def _find(self, image: np.ndarray, smallest_px: float) -> list[Face]:
        height, width = image.shape[:2]
        scale = min(1.0, MAX_SIDE_PX / max(height, width))
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            image = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX, reducing_gap=2.0))
        border = 0
        found = self._cascade(image, smallest_px * scale)
        if not len(found[0]):
            border = round(max(image.shape[:2]) * _BORDER)
            found = self._cascade(np.pad(image, ((border, border), (border, border), (0, 0))), smallest_px * scale)
        boxes, landmarks, confidences = found  # (N, 4), (N, 5, 2), (N,)
        rows = zip((boxes - border) / scale, (landmarks - border) / scale, confidences, strict=True)
        faces = [_face(*row, width, height) for row in rows]
        return sorted(faces, key=lambda face: prominence(face, width, height), reverse=True)


def prominence(face: Face, width: int, height: int) -> float:
    """What decides which face comes first: box area minus twice the squared distance from the image's centre."""
    x0, y0, x1, y1 = face.box_xyxy_px
    dx, dy = (x0 + x1 - width) / 2, (y0 + y1 - height) / 2
    return (x1 - x0) * (y1 - y0) - 2 * (dx * dx + dy * dy)


def _face(box: np.ndarray, landmarks: np.ndarray, confidence: float, width: int, height: int) -> Face:
    x0, y0, x1, y1 = box.tolist()
    clipped = (min(max(x0, 0), width), min(max(y0, 0), height), min(max(x1, 0), width), min(max(y1, 0), height))
    return Face(clipped, tuple((x, y) for x, y in landmarks.tolist()), float(confidence))


# The cascade

_STRIDE, _CELL = 2, 12  # P-Net reads 12x12 windows, 2 pixels apart
_BATCH = 128  # windows read at a time by R-Net and O-Net
_PYRAMID_FACTOR = 0.709  # about half the area a level, as published
_NO_BOXES = np.zeros((0, 4), np.float32)


class Cascade:
    """The three networks."""

    def __init__(self) -> None:
        self._propose, self._refine, self._output = (
            Session(packaged_file(f"mtcnn-{name}.onnx")) for name in ("propose", "refine", "output")
        )

    def __call__(
        self, image_hwc_uint8: np.ndarray, smallest_px: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes (N, 4), landmarks (N, 5, 2) and confidences (N,) of the faces of at least MIN_FACE_PX, float32;
        ``smallest_px``: see FaceDetector.

        The image's longer side must be below 2,900 pixels, or the sums overflow 32 bits.
        """
        table = _summed_area_table(image_hwc_uint8)
        boxes = self._proposals(table, smallest_px)
        boxes = self._refined(table, boxes, THRESHOLDS[1])
        return self._outputs(table, boxes, THRESHOLDS[2])

    def _proposals(self, table: np.ndarray, smallest_px: float) -> np.ndarray:
        levels = [self._level(table, scale, THRESHOLDS[0]) for scale in _scales(table, smallest_px)]
        if not levels:
            return _NO_BOXES
        boxes, scores, shifts = map(np.concatenate, zip(*levels, strict=True))
        keep = nms(boxes, scores, 0.7)
        boxes, shifts = boxes[keep], shifts[keep]
        size = boxes[:, 2:] - boxes[:, :2]  # (N, 2)
        return _squares(boxes + shifts * np.tile(size, 2))

    def _level(self, table: np.ndarray, scale: float, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Windows of one pyramid level that may be faces: boxes (N, 4), scores (N,), shifts (N, 4)."""
        shifts, probabilities = self._propose(_resized(table, scale))
        score_map = probabilities[0, 1]  # (h, w)
        rows, columns = (score_map >= threshold).nonzero()
        corners = np.stack([columns, rows], axis=1).astype(np.float32) * _STRIDE + 1  # (N, 2)
        boxes = np.concatenate([np.floor(corners / scale), np.floor((corners + (_CELL - 1)) / scale)], axis=1)
        scores = score_map[rows, columns]
        keep = nms(boxes, scores, 0.5)
        return boxes[keep], scores[keep], shifts[0, :, rows, columns][keep]

    def _refined(self, table: np.ndarray, boxes: np.ndarray, threshold: float) -> np.ndarray:
        boxes = _touching(table, boxes)
        if not len(boxes):
            return boxes
        shifts, probabilities = _read(self._refine, table, boxes, 24)
        scores = probabilities[:, 1]
        sure = scores > threshold
        boxes, scores, shifts = boxes[sure], scores[sure], shifts[sure]
        keep = nms(boxes, scores, 0.7)
        return _squares(_shifted(boxes[keep], shifts[keep]))

    def _outputs(
        self, table: np.ndarray, boxes: np.ndarray, threshold: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        boxes = _touching(table, boxes)
        if not len(boxes):
            return boxes, np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32)
        shifts, places, probabilities = _read(self._output, table, boxes, 48)
        scores = probabilities[:, 1]
        sure = scores > threshold
        boxes, scores = boxes[sure], scores[sure]
        relative = places[sure].reshape(-1, 2, 5).transpose(0, 2, 1)  # (N, 10): five x, five y -> (N, 5, 2)
        points = relative * _size(boxes)[:, None] + boxes[:, None, :2] - 1
        boxes = _shifted(boxes, shifts[sure])
        keep = _nms_of_smaller(boxes, scores, 0.7)
        return boxes[keep], points[keep], scores[keep]


def _scales(table: np.ndarray, smallest_px: float) -> list[float]:
    """Pyramid scales: the smallest face fills P-Net's window at the first, the image fits it at the last.

    Levels stay where they are whatever ``smallest_px`` is, so that larger faces are found as without it; the level
    below it is kept, because R-Net and O-Net enlarge a window by up to that.
    """
    scale, scales = _CELL / MIN_FACE_PX, []
    shorter = min(table.shape[0], table.shape[1]) - 1
    while shorter * scale >= _CELL:
        if _CELL / scale >= smallest_px * _PYRAMID_FACTOR:
            scales.append(scale)
        scale *= _PYRAMID_FACTOR
    return scales


def _summed_area_table(image_hwc_uint8: np.ndarray) -> np.ndarray:
    """(H+1, W+1, 3) int32: the sum of all pixels above and left of each corner, exact."""
    height, width, channels = image_hwc_uint8.shape
    table = np.zeros((height + 1, width + 1, channels), np.int32)
    np.cumsum(image_hwc_uint8, axis=0, dtype=np.int32, out=table[1:, 1:])
    np.cumsum(table[1:, 1:], axis=1, out=table[1:, 1:])
    return table


def _resized(table: np.ndarray, scale: float) -> np.ndarray:
    """(1, h, w, 3) float32: the whole image by area averaging."""
    height, width = table.shape[0] - 1, table.shape[1] - 1
    (top,), (bottom,) = _cells(np.array([0]), np.array([height]), int(height * scale + 1))
    (left,), (right,) = _cells(np.array([0]), np.array([width]), int(width * scale + 1))
    rows = table.take(bottom, axis=0) - table.take(top, axis=0)  # (h, W+1, 3)
    sums = rows.take(right, axis=1) - rows.take(left, axis=1)  # (h, w, 3)
    area = (bottom - top)[:, None] * (right - left)  # (h, w)
    return (sums.astype(np.float32) / area[..., None].astype(np.float32))[None]


def _window(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and past-the-last pixel of each box, (N, 2) int64 each, as (x, y)."""
    whole = boxes.astype(np.int64)
    return whole[:, :2] - 1, whole[:, 2:]


def _touching(table: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The boxes that hold at least one pixel of the image."""
    start, end = _window(boxes)
    picture_end = np.array([table.shape[1] - 1, table.shape[0] - 1])
    return boxes[((end > start) & (end > 0) & (start < picture_end)).all(axis=1)]


def _read(network: Session, table: np.ndarray, boxes: np.ndarray, side: int) -> list[np.ndarray]:
    """What the network says of each box, in batches: an image of noise has thousands of proposals."""
    batches = (boxes[first : first + _BATCH] for first in range(0, len(boxes), _BATCH))
    found = (network(_crops(table, some, side)) for some in batches)
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _crops(table: np.ndarray, boxes: np.ndarray, side: int) -> np.ndarray:
    """(N, side, side, 3) float32: what the boxes hold, by area averaging.

    Beyond the image there is black, as in the authors' implementation. The library cuts the window to the image
    instead, yet reads the answer as if it hadn't: landmarks of tight crops end up a tenth of an eye distance off.
    """
    height, width = table.shape[0] - 1, table.shape[1] - 1
    start, end = _window(boxes)
    left, right = _cells(start[:, 0], end[:, 0], side)  # (N, side)
    top, bottom = _cells(start[:, 1], end[:, 1], side)
    area = (bottom - top)[:, :, None] * (right - left)[:, None, :]  # (N, side, side)
    left, right = left.clip(0, width), right.clip(0, width)
    top, bottom = top.clip(0, height), bottom.clip(0, height)
    sums = _corner(table, bottom, right) - _corner(table, top, right)
    sums -= _corner(table, bottom, left)
    sums += _corner(table, top, left)
    return sums.astype(np.float32) / area[..., None].astype(np.float32)


def _corner(table: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(N, side, side, 3) from rows and columns of shape (N, side)."""
    index = rows[:, :, None] * table.shape[1] + columns[:, None, :]  # (N, side, side)
    return table.reshape(-1, 3).take(index, axis=0)


def _cells(start: np.ndarray, end: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """[start, end) of each of ``count`` cells along one side, (N, count) each; neighbours may share a pixel."""
    step = np.arange(count + 1) * (end - start)[:, None]  # (N, count + 1)
    first = start[:, None] + step[:, :-1] // count
    last = start[:, None] + -(-step[:, 1:] // count)  # rounded up
    return first, last


def _size(boxes: np.ndarray) -> np.ndarray:
    return boxes[:, 2:] - boxes[:, :2] + 1  # (N, 2); both ends belong to the box where R-Net and O-Net were trained


def _shifted(boxes: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    return boxes + shifts * np.tile(_size(boxes), 2)


def _squares(boxes: np.ndarray) -> np.ndarray:
    """The squares with the boxes' centres and their longer sides."""
    size = boxes[:, 2:] - boxes[:, :2]  # (N, 2)
    side = size.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + (size - side) / 2
    return np.concatenate([corner, corner + side], axis=1)


def nms(boxes: np.ndarray, scores: np.ndarray, overlap: float) -> np.ndarray:
    """Non-maximum suppression by the share of the union, as torchvision's: indices of the boxes (N, 4) to keep, the
    highest score first.
    """
    order = np.argsort(-scores, kind="stable")
    corners = boxes[order]
    area = (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    alive = np.ones(len(order), bool)
    for first in range(len(order)):
        if not alive[first]:
            continue
        rest = np.flatnonzero(alive[first + 1 :]) + first + 1
        low = np.maximum(corners[first, :2], corners[rest, :2])
        high = np.minimum(corners[first, 2:], corners[rest, 2:])
        common = np.maximum(high - low, 0).prod(axis=1)
        alive[rest[common > overlap * (area[first] + area[rest] - common)]] = False
    return order[alive]


def _nms_of_smaller(boxes: np.ndarray, scores: np.ndarray, overlap: float) -> list[int]:
    """Non-maximum suppression by the share of the smaller box: a face found inside another goes."""
    area = _size(boxes).prod(axis=1)
    # Windows cut to the same pixels tie; the library breaks ties by this order.
    keep: list[int] = []
    for i in scores.argsort()[::-1].tolist():
        low, high = np.maximum(boxes[i, :2], boxes[keep, :2]), np.minimum(boxes[i, 2:], boxes[keep, 2:])
        common = np.maximum(high - low + 1, 0).prod(axis=1)  # (len(keep),)
        if not (common / np.minimum(area[i], area[keep]) > overlap).any():
            keep.append(i)
    return keep
