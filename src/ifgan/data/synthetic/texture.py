"""The texture of one person: skin with freckles and stubble, brows and hairline, irises, gaps between teeth.

The skin's part is laid around the base head as a cylinder whose axis is vertical; right of it lie the two eyes,
seen from the front, and the teeth. The vertices' colours are multiplied by it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from ifgan.data.synthetic.render import GAMMA

TEXTURE_PX, EYE_PX, TEETH_PX = 640, 128, 128
_TOP_DM, _BOTTOM_DM, _AXIS_Z_DM, _CROWN_Y_DM = 9.3, 5.2, 0.45, 7.8


@dataclass(frozen=True)
class Paint:
    """One person's colours: linear RGB triples in [0, 1], and shares in [0, 1] unless said otherwise."""

    skin: tuple[float, float, float]
    lips: tuple[float, float, float]
    iris: tuple[float, float, float]
    brow: tuple[float, float, float]
    hair: tuple[float, float, float]
    shirt: tuple[float, float, float]
    lashes: float
    brow_thickness_dm: float
    brow_density: float
    brow_arch_dm: float
    blush: float
    freckles: float
    stubble: float
    teeth_yellow: float
    sclera_red: float
    skin_gloss: float
    hair_thickness_dm: float
    hairline: float


def linear(srgb: ArrayLike) -> np.ndarray:
    """sRGB codes 0..255 -> linear RGB 0..1."""
    return (np.asarray(srgb, float) / 255) ** GAMMA


def paint_texture(paint: Paint, rng: np.random.Generator) -> np.ndarray:
    """(640, 896, 3) float32 linear RGB factors in [0, 1.2]; ``rng`` places freckles and hairs."""
    texture = np.ones((TEXTURE_PX, TEXTURE_PX + 2 * EYE_PX, 3), np.float32)
    texture[:, :TEXTURE_PX] = _skin_texture(paint, rng)
    iris = _iris(paint, rng)
    texture[:EYE_PX, TEXTURE_PX : TEXTURE_PX + EYE_PX] = iris
    texture[:EYE_PX, TEXTURE_PX + EYE_PX :] = iris[:, ::-1]
    texture[EYE_PX : EYE_PX + TEETH_PX, TEXTURE_PX : TEXTURE_PX + TEETH_PX] = _teeth(paint)
    return texture


def around(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Base mesh places (V, 3) -> angle around the head (0 in front) and height in dm, which goes on as an arc length
    over the crown, where y alone would stretch the texture."""
    forward = places[:, 2] - _AXIS_Z_DM
    above = places[:, 1] - _CROWN_Y_DM
    crown = 0.95 * np.arctan2(above, np.hypot(places[:, 0], forward))
    return np.arctan2(places[:, 0], forward), _CROWN_Y_DM + np.where(above > 0, crown, above)


def texel_column(angle: np.ndarray) -> np.ndarray:
    """Texture column of an angle around the head; the back half repeats the rims."""
    return (np.clip(angle, -np.pi / 2, np.pi / 2) / np.pi + 0.5) * (TEXTURE_PX - 1)


def texel_row(height_dm: np.ndarray) -> np.ndarray:
    """Texture row of a height as ``around`` gives it."""
    return (_TOP_DM - height_dm) / (_TOP_DM - _BOTTOM_DM) * (TEXTURE_PX - 1)


def _noise(rng: np.random.Generator, shape: tuple[int, int], blur_px: float | tuple[float, float]) -> np.ndarray:
    """Smooth noise of mean 0 and standard deviation 1."""
    field = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), blur_px, mode="wrap", truncate=2.5)
    return field / field.std()


def _skin_texture(paint: Paint, rng: np.random.Generator) -> np.ndarray:
    """(640, 640, 3): what the skin's colour is multiplied by, in [0, 1.2]."""
    shape = (TEXTURE_PX, TEXTURE_PX)
    y = _TOP_DM - np.arange(TEXTURE_PX)[:, None] / (TEXTURE_PX - 1) * (_TOP_DM - _BOTTOM_DM)
    arc = (np.arange(TEXTURE_PX)[None, :] / (TEXTURE_PX - 1) - 0.5) * np.pi  # 1 dm is about one radian here
    blotches = np.kron(_noise(rng, (40, 40), 0.8), np.ones((16, 16), np.float32))
    texture = np.repeat((1 + 0.025 * blotches + 0.02 * _noise(rng, shape, 1.2))[:, :, None], 3, axis=2)
    spots = np.clip(_noise(rng, shape, 1.6) - 2.2 + 1.2 * paint.freckles, 0, 1) * paint.freckles
    spots *= np.exp(-((np.abs(arc) - 0.35) ** 2) / 0.12 - (y - 7.0) ** 2 / 0.12)
    texture *= 1 - spots[:, :, None] * [0.25, 0.4, 0.45]
    beard = _beard_share(y, arc) * paint.stubble * np.clip(0.75 + 0.35 * _noise(rng, shape, 0.8), 0, 1.3)
    brow = _brow_share(paint, rng, y, arc)
    strands = 1 + 0.28 * _noise(rng, shape, (9, 0.8))
    scalp = hair_share(paint, y + 0.012 * _noise(rng, shape, 2.0), arc, 0.08)
    hair = np.array(paint.hair)
    for share, colour in ((beard * 0.6, hair), (brow, np.array(paint.brow)), (scalp * 0.96, hair * strands[..., None])):
        ratio = np.clip(colour / np.array(paint.skin), 0, 1)
        texture = texture + (ratio - texture) * np.clip(share, 0, 1)[:, :, None]
    return np.clip(texture, 0, 1.2)


def hair_share(paint: Paint, y: np.ndarray, arc: np.ndarray, softness_dm: float) -> np.ndarray:
    """How much of the scalp is hair at height ``y`` and angle ``arc`` (0 in front): high in front, down the temples
    to before the ears, low at the neck."""
    arcs, heights = (0, 0.35, 0.62, 0.8, 1.02, 1.2, 1.6, 2.2, 3.2), (8.06, 8.07, 7.95, 7.72, 7.5, 7.1, 6.9, 6.6, 6.5)
    line = np.interp(np.abs(arc), arcs, heights)
    front = np.clip((1.3 - np.abs(arc)) / 0.4, 0, 1)
    return np.clip((y - line - paint.hairline * (front if paint.hairline < 1 else 1)) / softness_dm + 0.5, 0, 1)


def _brow_share(paint: Paint, rng: np.random.Generator, y: np.ndarray, arc: np.ndarray) -> np.ndarray:
    """(640, 640) how much of the skin is covered by brow hairs."""
    along = (np.abs(arc) - 0.115) / 0.47  # 0 at the inner end, 1 at the tail
    middle = 7.44 + paint.brow_arch_dm * np.sin(np.clip(along, 0, 1) ** 0.9 * np.pi * 0.75)
    thickness = paint.brow_thickness_dm * np.clip(1.15 - 0.75 * np.clip(along, 0, 1) ** 1.4, 0.1, 1.2)
    edge = np.clip(along / 0.2, 0, 1) * np.clip((1.03 - along) / 0.2, 0, 1)
    body = np.exp(-(np.abs((y - middle) / (thickness * 0.66)) ** 2.4)) * edge
    hairs = _noise(rng, body.shape, (2.2, 0.7))
    return np.clip(body * (paint.brow_density + 0.15 * hairs), 0, 0.97)


def _beard_share(y: np.ndarray, arc: np.ndarray) -> np.ndarray:
    jaw = np.clip((6.72 + 0.55 * np.clip(np.abs(arc) - 0.45, 0, 1) - y) / 0.12, 0, 1)
    jaw *= np.clip((y - 6.16) / 0.14, 0, 1) * np.clip((1.35 - np.abs(arc)) / 0.15, 0, 1)
    moustache = np.exp(-(((y - 6.75) / 0.07) ** 2)) * np.clip((0.33 - np.abs(arc)) / 0.08, 0, 1)
    lips = np.exp(-(((y - 6.605) / 0.11) ** 4) - (arc / 0.24) ** 4)
    return np.clip(jaw + moustache, 0, 1) * (1 - lips)


def _iris(paint: Paint, rng: np.random.Generator) -> np.ndarray:
    """(128, 128, 3): an eyeball seen from the front."""
    y, x = (np.mgrid[:EYE_PX, :EYE_PX] - (EYE_PX - 1) / 2) / (EYE_PX / 2)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    white = 1 - paint.sclera_red * np.clip(radius - 0.3, 0, 1)[:, :, None] * [0.1, 0.5, 0.5]
    rays = 1 + 0.3 * np.interp(angle, np.linspace(-np.pi, np.pi, 97), rng.standard_normal(97))
    rings = np.interp(radius, [0.1, 0.25, 0.42, 0.46], [0.75, 1.1, 0.9, 0.3])
    iris = np.array(paint.iris) / 0.82 * (rays * rings)[:, :, None]  # the eyeball's own colour is 0.82
    eye = white + (iris - white) * np.clip((0.47 - radius) / 0.04, 0, 1)[:, :, None]
    return np.clip(eye * np.clip((radius - 0.17) / 0.04, 0.02, 1)[:, :, None], 0, 1)


def _teeth(paint: Paint) -> np.ndarray:
    """(128, 128, 3): dark gaps between the teeth along the arch."""
    place = np.arange(TEETH_PX) / TEETH_PX * 22
    gap = 1 - 0.45 * np.exp(-(((place % 1) - 0.5) ** 2) / 0.004)
    colour = np.array([1, 1 - 0.10 * paint.teeth_yellow, 1 - 0.38 * paint.teeth_yellow])
    return np.broadcast_to(gap[None, :, None] * colour, (TEETH_PX, TEETH_PX, 3))
