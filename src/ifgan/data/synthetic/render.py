"""A small software renderer: triangles to pixels with a depth buffer, lit at the vertices, textured at the pixels.

Faces are drawn with numpy alone because an OpenGL renderer (VTK, PyVista) needs a graphics driver that a bare
machine lacks, and gives other bits under another driver.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

SIZE_PX = 352  # side of the finished image
SIDE_PX = 528  # drawn larger, then averaged down: that is the anti-aliasing
GAMMA = 2.0  # close to sRGB's curve, and a square root is quick
_MIRROR = 1.0  # gloss above this is lit at every pixel: a highlight in an eye is smaller than its triangles


@dataclass(frozen=True)
class Light:
    """``direction`` (3,) from the face towards the key light, unit; ``key``, ``fill`` (3,) linear RGB; ``ambient``
    a number. ``fill`` comes from the other side of the key."""

    direction: tuple[float, float, float]
    key: tuple[float, float, float]
    fill: tuple[float, float, float]
    ambient: float


@dataclass(frozen=True)
class Camera:
    """``distance_dm`` from the origin (shorter: stronger perspective); ``origin_xy_px`` where the origin falls in the
    finished image (y down); ``px_per_dm`` at the origin's distance, in the finished image."""

    distance_dm: float
    origin_xy_px: tuple[float, float]
    px_per_dm: float


@dataclass(frozen=True)
class Surface:
    """What is drawn. ``triangles`` (T, 3); ``colours`` (V, 3) linear RGB; ``gloss`` (V,) strength of highlights;
    ``occlusion`` (V,) share of the light that arrives; ``texel_xy`` (V, 2) places in ``texture`` (H, W, 3), by
    which the vertex colour is multiplied."""

    triangles: np.ndarray
    colours: np.ndarray
    gloss: np.ndarray
    occlusion: np.ndarray
    texel_xy: np.ndarray
    texture: np.ndarray


def render(
    vertices: np.ndarray, normals: np.ndarray, surface: Surface, *, light: Light, camera: Camera, background: np.ndarray
) -> np.ndarray:
    """Draw one image.

    vertices (V, 3) dm, normals (V, 3), looking along +z; background (SIDE_PX, SIDE_PX, 3) linear RGB.
    Returns (SIZE_PX, SIZE_PX, 3) uint8 sRGB.
    """
    pixels, corners, weights = rasterise(_project(vertices, camera), surface.triangles, SIDE_PX)
    toward_camera = _unit(np.array([0, 0, camera.distance_dm]) - vertices)
    lit = surface.colours * _diffuse(normals, light) * surface.occlusion[:, None]
    shine = _highlight(normals, toward_camera, surface.gloss, light) * surface.occlusion * (surface.gloss <= _MIRROR)
    attributes = np.concatenate([lit, shine[:, None], surface.texel_xy], axis=1).astype(np.float32)
    values = _interpolate(attributes, corners, weights)
    column, row = np.rint(values[:, 4]).astype(np.int32), np.rint(values[:, 5]).astype(np.int32)
    texel = np.clip(row, 0, surface.texture.shape[0] - 1) * surface.texture.shape[1] + column
    colour = values[:, :3] * surface.texture.reshape(-1, 3)[texel]
    shine = values[:, 3]
    mirror = np.flatnonzero(surface.gloss[corners[:, 0]] > _MIRROR)
    smooth = _interpolate(np.concatenate([normals, toward_camera], axis=1), corners[mirror], weights[mirror])
    shine[mirror] = _highlight(smooth[:, :3], smooth[:, 3:], surface.gloss[corners[mirror, 0]], light)
    image = background.reshape(-1, 3).copy()
    image[pixels] = colour + shine[:, None] * np.asarray(light.key, np.float32)
    return _finish(image.reshape(SIDE_PX, SIDE_PX, 3))


def _project(vertices: np.ndarray, camera: Camera) -> np.ndarray:
    """(V, 3): x and y in pixels (y down), and a depth that grows towards the camera."""
    near = camera.distance_dm / (camera.distance_dm - vertices[:, 2])
    scale = SIDE_PX / SIZE_PX
    x = (camera.origin_xy_px[0] + vertices[:, 0] * near * camera.px_per_dm) * scale
    y = (camera.origin_xy_px[1] - vertices[:, 1] * near * camera.px_per_dm) * scale
    return np.stack([x, y, near], axis=1).astype(np.float32)


def rasterise(screen: np.ndarray, triangles: np.ndarray, side_px: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which triangle each pixel sees.

    screen (V, 3) x, y in pixels and a depth, larger is nearer; triangles (T, 3), counter-clockwise as seen.
    Returns flat pixel indices (P,), the vertices of the triangle seen there (P, 3) and their weights (P, 3).
    """
    corners = screen[triangles]
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    drawn = np.flatnonzero(ac[:, 0] * ab[:, 1] - ab[:, 0] * ac[:, 1] > 1e-6)
    owner, y, left, right = _spans(corners[drawn], side_px)
    planes = _planes(corners[drawn])
    count = right - left + 1
    step = np.arange(count.sum(), dtype=np.int32) - np.repeat((np.cumsum(count) - count).astype(np.int32), count)
    planes = planes[owner]
    start = planes[:, :, 0] * left[:, None].astype(np.float32) + planes[:, :, 1] * y[:, None].astype(np.float32)
    start += planes[:, :, 2]
    weight_b, weight_c, depth = (
        np.repeat(start[:, i], count) + np.repeat(planes[:, i, 0], count) * step.astype(np.float32) for i in range(3)
    )
    pixel = np.repeat(y * side_px + left, count) + step
    nearest = np.full(side_px * side_px, -np.inf, np.float32)
    np.maximum.at(nearest, pixel, depth)
    seen = np.flatnonzero(depth == nearest[pixel])
    winner = np.full(side_px * side_px, -1, np.int64)
    winner[pixel[seen]] = seen
    pixels = np.flatnonzero(winner >= 0)
    chosen = winner[pixels]
    weights = np.stack([1 - weight_b[chosen] - weight_c[chosen], weight_b[chosen], weight_c[chosen]], axis=1)
    return pixels, triangles[drawn[np.repeat(owner, count)[chosen]]], weights


def _planes(corners: np.ndarray) -> np.ndarray:
    """(T, 3, 3): for triangles (T, 3 corners, x y depth), the coefficients of a pixel's x, y and 1 for the second
    corner's weight, the third corner's weight and the depth at the pixel's centre."""
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    determinant = ab[:, 0] * ac[:, 1] - ac[:, 0] * ab[:, 1]
    second = np.stack([ac[:, 1], -ac[:, 0]], axis=1) / determinant[:, None]
    third = np.stack([-ab[:, 1], ab[:, 0]], axis=1) / determinant[:, None]
    slopes = np.stack([second, third, second * ab[:, 2:] + third * ac[:, 2:]], axis=1)
    offsets = (slopes * (0.5 - a[:, None, :2])).sum(axis=2)
    offsets[:, 2] += a[:, 2]
    return np.concatenate([slopes, offsets[:, :, None]], axis=2).astype(np.float32)


def _spans(corners: np.ndarray, side_px: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows of pixels whose centres lie in the triangles (T, 3 corners, x y ...): triangle, y, first x and last x.

    A triangle's row begins and ends where the row crosses its edges. All int32 (S,)."""
    ys = corners[:, :, 1] - 0.5
    top = np.maximum(np.ceil(ys.min(axis=1)), 0).astype(np.int32)
    bottom = np.minimum(np.floor(ys.max(axis=1)), side_px - 1).astype(np.int32)
    count = np.maximum(bottom - top + 1, 0)
    owner = np.repeat(np.arange(len(corners), dtype=np.int32), count)
    y = np.arange(len(owner), dtype=np.int32) - np.repeat(np.cumsum(count) - count - top, count).astype(np.int32)
    low, high = np.full(len(owner), np.inf, np.float32), np.full(len(owner), -np.inf, np.float32)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        start, end = corners[owner, i, :2] - 0.5, corners[owner, j, :2] - 0.5
        rise = end[:, 1] - start[:, 1]
        place = (y - start[:, 1]) / np.where(rise == 0, np.inf, rise)
        crosses = (rise != 0) & (place >= 0) & (place <= 1)
        x = start[:, 0] + place * (end[:, 0] - start[:, 0])
        low, high = np.where(crosses, np.minimum(low, x), low), np.where(crosses, np.maximum(high, x), high)
    # A hair wider, so that rounding leaves no crack between neighbours.
    left = np.clip(np.ceil(low - 1e-3), 0, side_px).astype(np.int32)
    right = np.clip(np.floor(high + 1e-3), -1, side_px - 1).astype(np.int32)
    kept = np.flatnonzero(right >= left)
    return owner[kept], y[kept], left[kept], right[kept]


def _interpolate(attributes: np.ndarray, corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Vertex attributes (V, A) at pixels: vertices seen there (P, 3) and their weights (P, 3) -> (P, A)."""
    return sum(np.take(attributes, corners[:, i], axis=0) * weights[:, i, None] for i in range(3))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _diffuse(normals: np.ndarray, light: Light) -> np.ndarray:
    """(N, 3) light that arrives and is scattered, for unit normals (N, 3)."""
    key, wrap = np.array(light.direction), np.array([0.30, 0.18, 0.14])  # light bleeds through skin, red the farthest
    other = _unit(key * [-1, 0.3, 1])
    toward_key, toward_fill = (normals * key).sum(axis=1)[:, None], (normals * other).sum(axis=1)[:, None]
    lit = np.maximum((toward_key + wrap) / (1 + wrap), 0) * light.key + np.maximum(toward_fill, 0) * light.fill
    return lit + light.ambient * (0.75 + 0.25 * normals[:, 1:2])


def _highlight(normals: np.ndarray, toward_camera: np.ndarray, gloss: np.ndarray, light: Light) -> np.ndarray:
    """(N,) Blinn's highlight of the key light; the glossier, the smaller."""
    normals, key = _unit(normals), np.array(light.direction)
    shine = np.maximum((normals * _unit(toward_camera + key)).sum(axis=1), 0)
    return gloss * 0.45 * shine ** (12 + 90 * np.minimum(gloss, 1)) * ((normals * key).sum(axis=1) > 0)


def _finish(image: np.ndarray) -> np.ndarray:
    """(S, S, 3) linear RGB -> (SIZE_PX, SIZE_PX, 3) uint8 sRGB."""
    codes = np.sqrt(np.clip(image, 0, 1)) * 255 + 0.5
    picture = Image.fromarray(codes.astype(np.uint8))
    return np.asarray(picture.resize((SIZE_PX, SIZE_PX), Image.Resampling.BICUBIC))
