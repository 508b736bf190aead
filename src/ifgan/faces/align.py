"""Alignment on the eye centres and the nose tip. Paper §4.2.

A similarity (rotation, one scale, shift: 4 degrees of freedom) takes the two eye centres and the nose tip to
fixed places of a 256x256 image, in the least-squares sense (Umeyama, IEEE TPAMI 13(4), 1991). Three points
would allow an affine map, but that one would squash the expression; mouth corners are left out because the
expression itself moves them.

The template keeps 2.2 eye distances below the eye line inside the central 224 pixels: a wide-open mouth keeps
its chin (docs/choices.md). The tighter public face-recognition templates cut it.

Coordinates are continuous: the image spans [0, width] x [0, height], the centre of its first pixel is
(0.5, 0.5). Scaling an image by s therefore scales its landmarks by s exactly.
"""

import numpy as np
from PIL import Image

from ifgan.errors import PictureError

ALIGNED_SIZE = 256
ALIGNED_SHAPE = (ALIGNED_SIZE, ALIGNED_SIZE, 3)  # of an aligned face, and of an average one, uint8 RGB
# Eye on the left of the image, eye on the right, nose tip.
TEMPLATE_XY_PX = np.array([(94.0, 88.0), (162.0, 88.0), (128.0, 124.0)])
# Where MTCNN finds eyes, nose and mouth corners in tight crops of faces, in shares of the sides (250 of FER2013's).
USUAL_XY = np.array([(0.321, 0.382), (0.693, 0.380), (0.511, 0.592), (0.349, 0.787), (0.654, 0.786)])
# A head thrown back shows its nose at the eye line; swapped eyes give -0.4 and less.
_NOSE_BELOW_EYES_MIN = -0.25
_MARGIN_PX = 3  # what interpolation reads beyond the sampled point


def align_face(image_hwc_uint8: np.ndarray, landmarks_xy_px: np.ndarray) -> np.ndarray:
    """The face as (256, 256, 3) uint8, eyes and nose on the template.

    ``landmarks_xy_px``: eye on the left of the image, eye on the right, nose tip; further points (mouth
    corners) are allowed and not used. Where the template reaches beyond the image its edge pixels are
    repeated: a black border would be an edge for the networks to learn. Raises PictureError for landmarks that
    no face has (see similarity_from_landmarks) or that lie outside the image.
    """
    matrix = similarity_from_landmarks(landmarks_xy_px)
    height, width = image_hwc_uint8.shape[:2]
    x, y = np.asarray(landmarks_xy_px, dtype=np.float64)[:3].mean(axis=0)
    if not (0 <= x <= width and 0 <= y <= height):
        raise PictureError(f"landmarks around ({x:.0f}, {y:.0f}) lie outside the {width}x{height} image")
    return warp(image_hwc_uint8, matrix, (ALIGNED_SIZE, ALIGNED_SIZE))


def central_square(image_hwc_uint8: np.ndarray) -> np.ndarray:
    """For faces that are cropped already: the largest central square, resized to (256, 256, 3)."""
    x0, y0, x1, y1 = central_box(image_hwc_uint8)
    square = Image.fromarray(np.ascontiguousarray(image_hwc_uint8[y0:y1, x0:x1]))
    return np.asarray(square.resize((ALIGNED_SIZE, ALIGNED_SIZE), Image.Resampling.BICUBIC))


def central_box(image_hwc_uint8: np.ndarray) -> tuple[int, int, int, int]:
    """What `central_square` takes, as (x0, y0, x1, y1)."""
    height, width = image_hwc_uint8.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def similarity_from_landmarks(landmarks_xy_px: np.ndarray) -> np.ndarray:
    """The (2, 3) float64 similarity from image to template: ``aligned = matrix @ (x, y, 1)``.

    With points as complex numbers z -> a·z + b, least squares gives a = Σ conj(z - z̄)(t - t̄) / Σ|z - z̄|².
    Raises PictureError when the points are not finite, coincide, or are mirrored (eyes swapped).
    """
    points = _checked_points(landmarks_xy_px)
    source, target = points @ (1, 1j), TEMPLATE_XY_PX @ (1, 1j)  # (3,) complex
    centred = source - source.mean()
    a = np.vdot(centred, target - target.mean()) / np.vdot(centred, centred).real
    b = target.mean() - a * source.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def invert_similarity(matrix: np.ndarray) -> np.ndarray:
    """The (2, 3) map back: from the template to the image the matrix came from."""
    turned = np.linalg.inv(matrix[:, :2])
    return np.hstack([turned, -turned @ matrix[:, 2:]])


def transform_points(matrix: np.ndarray, points_xy_px: np.ndarray) -> np.ndarray:
    """(N, 2) points through a (2, 3) map."""
    return np.asarray(points_xy_px, dtype=np.float64) @ matrix[:, :2].T + matrix[:, 2]


def _checked_points(landmarks_xy_px: np.ndarray) -> np.ndarray:
    points = np.asarray(landmarks_xy_px, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise PictureError(f"landmarks must be at least 3 points (x, y), got an array of shape {points.shape}")
    points = points[:3]  # (3, 2)
    if not np.isfinite(points).all():
        raise PictureError(f"landmarks must be finite numbers, got {points.tolist()}")
    eyes, nose = points[1] - points[0], points[2] - points[0]
    if np.hypot(*eyes) < 1:
        raise PictureError(f"the eyes are less than a pixel apart: {points.tolist()}")
    below_eyes = (eyes[0] * nose[1] - eyes[1] * nose[0]) / (eyes @ eyes)  # in eye distances; template 0.53
    if below_eyes < _NOSE_BELOW_EYES_MIN:
        raise PictureError(f"the nose is above the eyes (left and right eye swapped?): {points.tolist()}")
    return points


def warp(image_hwc_uint8: np.ndarray, matrix: np.ndarray, size_wh: tuple[int, int]) -> np.ndarray:
    """The image through a (2, 3) similarity as (height, width, 3) uint8, edges repeated beyond the image.

    A shrinking map first reduces the part that is needed, antialiased, so that a 12-megapixel portrait doesn't
    alias; what remains to interpolate is a rotation and a shift.
    """
    width, height = size_wh
    inverse = invert_similarity(matrix)
    corners = transform_points(inverse, np.array([(0, 0), (width, 0), (0, height), (width, height)]))
    scale = min(1.0, float(np.hypot(*matrix[:, 0])))
    part, origin = _padded_part(image_hwc_uint8, corners, scale)
    # The same map, from the output to the reduced and padded part.
    to_part = np.hstack([inverse[:, :2] * scale, (inverse[:, 2:] * scale) - origin[:, None]])
    picture = Image.fromarray(part).transform(
        size_wh, Image.Transform.AFFINE, to_part.ravel().tolist(), resample=Image.Resampling.BICUBIC
    )
    return np.array(picture)


def _padded_part(image: np.ndarray, corners: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """What the warp reads, at ``scale``: (h, w, 3) uint8 and the (x, y) of its first corner at that scale."""
    full = np.array(image.shape[1::-1])  # (width, height)
    low, high = np.floor(corners.min(axis=0) * scale) - _MARGIN_PX, np.ceil(corners.max(axis=0) * scale) + _MARGIN_PX
    inside_low = np.clip(low, 0, np.ceil(full * scale) - 1)
    inside_high = np.clip(high, inside_low + 1, np.maximum(np.ceil(full * scale), inside_low + 1))
    size = (inside_high - inside_low).astype(int)
    box = np.concatenate([inside_low, inside_high]) / scale
    box = np.minimum(box, np.tile(full, 2))
    part = _reduced(image, box, size, scale)
    before, after = (inside_low - low).astype(int), (high - inside_high).astype(int)
    padding = ((before[1], after[1]), (before[0], after[0]), (0, 0))
    return np.pad(part, padding, mode="edge"), low


def _reduced(image: np.ndarray, box: np.ndarray, size: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1.0:
        x0, y0, x1, y1 = box.astype(int)
        return image[y0:y1, x0:x1]
    # Only the part is handed to Pillow; a 100-megapixel image isn't copied for one face.
    x0, y0 = np.floor(box[:2]).astype(int)
    x1, y1 = np.ceil(box[2:]).astype(int)
    part = Image.fromarray(np.ascontiguousarray(image[y0:y1, x0:x1]))
    shifted = tuple(box - (x0, y0, x0, y0))
    return np.asarray(part.resize(tuple(size), Image.Resampling.BOX, box=shifted))
