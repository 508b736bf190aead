"""Faces and their landmarks in images of any size: MTCNN. Paper §4.2, [30]: Zhang et al., IEEE Signal Processing
Letters 23(10), 2016.

Two tries. The first reads the image; one larger than MAX_SIDE_PX is reduced to it first, so memory is bounded. Where
nothing is found, the second reads it inside a black border: in a tight crop the face reaches beyond the image, and
only a window that does so too fits it. Thresholds stay the published ones in both tries, so that an image without a
face doesn't get one.

The cascade proposes (P-Net), refines (R-Net), and puts out (O-Net). Networks and weights are facenet-pytorch's
(https://github.com/timesler/facenet-pytorch, in its wheel); boxes agree with its ``MTCNN.detect`` (tested) except at
the image's edge, where the library misplaces them (see _crops). Ours differs in how pixels reach the networks: one
summed-area table gives every pyramid level and every crop by four look-ups a pixel, where the library averages the
whole image again for each. N boxes, (x0, y0, x1, y1) in pixels of the image.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import Module
from torchvision.ops import nms

MAX_SIDE_PX = 1280  # at this side; a face of 20 px in an image of 4000 px isn't found, one of 63 px is
THRESHOLDS = (0.6, 0.7, 0.7)  # P-Net, R-Net, O-Net, as published
MIN_FACE_PX = 20
_BORDER = 1 / 3  # of the longer side
Points = tuple[tuple[float, float], ...]
_ENTERING = threading.Lock()
_inside: list[None] = []  # one for each detector at work
_threads: list[int] = []  # torch's, before the first of them


@dataclass(frozen=True)
class Face:
    """One face, in pixels of the image it was found in.

    ``box_xyxy_px`` is clipped to the image. ``landmarks_xy_px``: eye on the left of the image, eye on the right,
    nose tip, left and right mouth corner; they may lie outside. ``confidence`` is O-Net's, in [0, 1].
    """

    box_xyxy_px: tuple[float, float, float, float]
    landmarks_xy_px: Points
    confidence: float


class FaceDetector:
    """MTCNN over lists of images.

    An image's faces don't depend on the other images of the list: each is read alone. MIN_FACE_PX counts in
    the image, or in its reduced copy when that is larger than MAX_SIDE_PX. Works with one torch thread, so that
    an image's faces are the same bits in any process; the networks are too small to gain from more.
    """

    def __init__(self) -> None:
        self._cascade = Cascade()

    def __call__(self, images_hwc_uint8: list[np.ndarray]) -> list[list[Face]]:
        """The faces of every (height, width, 3) uint8 RGB image, largest and most central first (prominence)."""
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

    def _cascade_on(self, image: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        writable = image if image.flags.writeable else image.copy()  # torch warns about the others
        return self._cascade(torch.from_numpy(np.ascontiguousarray(writable)))


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Convolutions add in another order on two threads: landmarks would move by 1e-5 px. Detectors at work side by side
    give back what the first of them found.
    """
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
    """What decides which face comes first: box area minus twice the squared distance from the image's centre."""
    x0, y0, x1, y1 = face.box_xyxy_px
    dx, dy = (x0 + x1 - width) / 2, (y0 + y1 - height) / 2
    return (x1 - x0) * (y1 - y0) - 2 * (dx * dx + dy * dy)


def _face(box: Tensor, landmarks: Tensor, confidence: Tensor, width: int, height: int) -> Face:
    x0, y0, x1, y1 = box.tolist()
    clipped = (min(max(x0, 0), width), min(max(y0, 0), height), min(max(x1, 0), width), min(max(y1, 0), height))
    return Face(clipped, tuple((x, y) for x, y in landmarks.tolist()), float(confidence))


# The cascade

_STRIDE, _CELL = 2, 12  # P-Net reads 12x12 windows, 2 pixels apart
_BATCH = 128  # windows read at a time by R-Net and O-Net
_PYRAMID_FACTOR = 0.709  # about half the area a level, as published


class Cascade:
    """The three networks. Construction draws nothing from the global random state."""

    def __init__(self) -> None:
        from facenet_pytorch.models.mtcnn import ONet, PNet, RNet

        with torch.random.fork_rng(devices=[]):  # layers draw initial weights before the trained ones are loaded
            networks = PNet(), RNet(), ONet()
        self._propose, self._refine, self._output = (
            network.requires_grad_(False).eval().to(memory_format=torch.channels_last) for network in networks
        )

    @torch.inference_mode()
    def __call__(self, image_hwc_uint8: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (N, 4), landmarks (N, 5, 2) and confidences (N,) of the faces of at least MIN_FACE_PX.

        The image's longer side must be below 2,900 pixels, or the sums overflow 32 bits.
        """
        table = _summed_area_table(image_hwc_uint8)
        boxes = self._proposals(table)
        boxes = self._refined(table, boxes, THRESHOLDS[1])
        return self._outputs(table, boxes, THRESHOLDS[2])

    def _proposals(self, table: Tensor) -> Tensor:
        levels = [self._level(table, scale, THRESHOLDS[0]) for scale in _scales(table)]
        if not levels:
            return torch.zeros(0, 4)
        boxes, scores, shifts = map(torch.cat, zip(*levels, strict=True))
        keep = nms(boxes, scores, 0.7)
        boxes, shifts = boxes[keep], shifts[keep]
        size = boxes[:, 2:] - boxes[:, :2]  # (N, 2)
        return _squares(boxes + shifts * size.repeat(1, 2))

    def _level(self, table: Tensor, scale: float, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
        """Windows of one pyramid level that may be faces: boxes (N, 4), scores (N,), shifts (N, 4)."""
        shifts, probabilities = self._propose(_network_input(_resized(table, scale)))
        score_map = probabilities[0, 1]  # (h, w)
        rows, columns = (score_map >= threshold).nonzero(as_tuple=True)
        corners = torch.stack([columns, rows], dim=1).float() * _STRIDE + 1  # (N, 2)
        boxes = torch.cat([(corners / scale).floor(), ((corners + _CELL - 1) / scale).floor()], dim=1)
        scores = score_map[rows, columns]
        keep = nms(boxes, scores, 0.5)
        return boxes[keep], scores[keep], shifts[0, :, rows, columns].T[keep]

    def _refined(self, table: Tensor, boxes: Tensor, threshold: float) -> Tensor:
        boxes = _touching(table, boxes)
        if not len(boxes):
            return boxes
        shifts, probabilities = _read(self._refine, table, boxes, 24)
        scores = probabilities[:, 1]
        sure = scores > threshold
        boxes, scores, shifts = boxes[sure], scores[sure], shifts[sure]
        keep = nms(boxes, scores, 0.7)
        return _squares(_shifted(boxes[keep], shifts[keep]))

    def _outputs(self, table: Tensor, boxes: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
        boxes = _touching(table, boxes)
        if not len(boxes):
            return boxes, torch.zeros(0, 5, 2), torch.zeros(0)
        shifts, places, probabilities = _read(self._output, table, boxes, 48)
        scores = probabilities[:, 1]
        sure = scores > threshold
        boxes, scores = boxes[sure], scores[sure]
        relative = places[sure].view(-1, 2, 5).transpose(1, 2)  # (N, 10): five x, five y -> (N, 5, 2)
        points = relative * _size(boxes)[:, None] + boxes[:, None, :2] - 1
        boxes = _shifted(boxes, shifts[sure])
        keep = _nms_of_smaller(boxes, scores, 0.7)
        return boxes[keep], points[keep], scores[keep]


def _scales(table: Tensor) -> list[float]:
    """Pyramid scales: the smallest face fills P-Net's window at the first, the image fits it at the last."""
    scale, scales = _CELL / MIN_FACE_PX, []
    shorter = min(table.shape[0], table.shape[1]) - 1
    while shorter * scale >= _CELL:
        scales.append(scale)
        scale *= _PYRAMID_FACTOR
    return scales


def _summed_area_table(image_hwc_uint8: Tensor) -> Tensor:
    """(H+1, W+1, 3) int32: the sum of all pixels above and left of each corner, exact."""
    height, width, channels = image_hwc_uint8.shape
    table = torch.zeros(height + 1, width + 1, channels, dtype=torch.int32)
    sums = image_hwc_uint8.permute(2, 0, 1).to(torch.int32).cumsum(1, dtype=torch.int32)
    table[1:, 1:] = sums.cumsum(2, dtype=torch.int32).permute(1, 2, 0)
    return table


def _resized(table: Tensor, scale: float) -> Tensor:
    """(1, h, w, 3) float32: the whole image by area averaging."""
    height, width = table.shape[0] - 1, table.shape[1] - 1
    top, bottom = _cells(torch.tensor([0]), torch.tensor([height]), int(height * scale + 1))
    left, right = _cells(torch.tensor([0]), torch.tensor([width]), int(width * scale + 1))
    rows = table.index_select(0, bottom[0]) - table.index_select(0, top[0])  # (h, W+1, 3)
    sums = rows.index_select(1, right[0]) - rows.index_select(1, left[0])  # (h, w, 3); twice as fast as rows[:, right]
    area = (bottom - top).T * (right - left)  # (h, w)
    return (sums / area[..., None])[None]


def _window(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """First and past-the-last pixel of each box, (N, 2) int64 each, as (x, y)."""
    whole = boxes.trunc().long()
    return whole[:, :2] - 1, whole[:, 2:]


def _touching(table: Tensor, boxes: Tensor) -> Tensor:
    """The boxes that hold at least one pixel of the image."""
    start, end = _window(boxes)
    picture_end = torch.tensor([table.shape[1] - 1, table.shape[0] - 1])
    return boxes[((end > start) & (end > 0) & (start < picture_end)).all(dim=1)]


def _read(network: Module, table: Tensor, boxes: Tensor, side: int) -> tuple[Tensor, ...]:
    """What the network says of each box, in batches: an image of noise has thousands of proposals."""
    parts = [network(_network_input(_crops(table, some, side))) for some in boxes.split(_BATCH)]
    return tuple(map(torch.cat, zip(*parts, strict=True)))


def _crops(table: Tensor, boxes: Tensor, side: int) -> Tensor:
    """(N, side, side, 3) float32: what the boxes hold, by area averaging.

    Beyond the image there is black, as in the authors' implementation. The library cuts the window to the image
    instead, yet reads the answer as if it hadn't: landmarks of tight crops end up a tenth of an eye distance off.
    """
    height, width = table.shape[0] - 1, table.shape[1] - 1
    start, end = _window(boxes)
    left, right = _cells(start[:, 0], end[:, 0], side)  # (N, side)
    top, bottom = _cells(start[:, 1], end[:, 1], side)
    area = (bottom - top)[:, :, None] * (right - left)[:, None, :]  # (N, side, side)
    left, right = left.clamp(0, width), right.clamp(0, width)
    top, bottom = top.clamp(0, height), bottom.clamp(0, height)
    sums = _corner(table, bottom, right) - _corner(table, top, right)
    sums = sums - _corner(table, bottom, left) + _corner(table, top, left)
    return sums / area[..., None]


def _corner(table: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(N, side, side, 3) from rows and columns of shape (N, side)."""
    index = rows[:, :, None] * table.shape[1] + columns[:, None, :]  # (N, side, side)
    return table.view(-1, 3).index_select(0, index.flatten()).view(*index.shape, 3)


def _cells(start: Tensor, end: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """[start, end) of each of ``count`` cells along one side, (N, count) each; neighbours may share a pixel."""
    step = torch.arange(count + 1) * (end - start)[:, None]  # (N, count + 1)
    first = start[:, None] + step[:, :-1] // count
    last = start[:, None] + -(-step[:, 1:] // count)  # rounded up
    return first, last


def _network_input(pixels: Tensor) -> Tensor:
    return pixels.sub_(127.5).mul_(1 / 128).permute(0, 3, 1, 2)  # (N, 3, h, w), channels last in memory


def _size(boxes: Tensor) -> Tensor:
    return boxes[:, 2:] - boxes[:, :2] + 1  # (N, 2); both ends belong to the box where R-Net and O-Net were trained


def _shifted(boxes: Tensor, shifts: Tensor) -> Tensor:
    return boxes + shifts * _size(boxes).repeat(1, 2)


def _squares(boxes: Tensor) -> Tensor:
    """The squares with the boxes' centres and their longer sides."""
    size = boxes[:, 2:] - boxes[:, :2]  # (N, 2)
    side = size.amax(dim=1, keepdim=True)
    corner = boxes[:, :2] + (size - side) / 2
    return torch.cat([corner, corner + side], dim=1)


def _nms_of_smaller(boxes: Tensor, scores: Tensor, overlap: float) -> list[int]:
    """Non-maximum suppression by the share of the smaller box: a face found inside another goes."""
    area = _size(boxes).prod(dim=1)
    # Windows cut to the same pixels tie; numpy's order breaks ties as the library does.
    keep: list[int] = []
    for i in scores.numpy().argsort()[::-1].tolist():
        low, high = torch.maximum(boxes[i, :2], boxes[keep, :2]), torch.minimum(boxes[i, 2:], boxes[keep, 2:])
        common = (high - low + 1).clamp(min=0).prod(dim=1)  # (len(keep),)
        if not (common / torch.minimum(area[i], area[keep]) > overlap).any():
            keep.append(i)
    return keep
