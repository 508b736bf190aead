"""Drawn faces for the tests: no photograph, no licence, found by MTCNN.

``draw_face(seed, expression="happiness")`` gives an image and its five landmarks. The seed is the person (skin, hair,
proportions), the expression moves brows, lids and mouth, so the two can be told apart as in a real set. At 256
pixels the eyes and the nose tip lie near ifgan's template: the image passes for an aligned face as well.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

_SUPERSAMPLING = 2
_UNIT = 256.0  # coordinates below are pixels of a 256-pixel picture


@dataclass(frozen=True)
class Look:
    """Who it is. Lengths in pixels of a 256-pixel image, colours RGB."""

    skin: tuple[int, int, int]
    hair: tuple[int, int, int]
    iris: tuple[int, int, int]
    background: tuple[int, int, int]
    face_half_width: float
    chin_y: float
    eye_distance: float
    nose_y: float
    nose_half_width: float
    mouth_half_width: float
    brow_thickness: float
    hair_line_y: float


@dataclass(frozen=True)
class Moves:
    """What the face does. 0 is at rest; 1 is strong."""

    smile: float = 0.0  # mouth corners up; negative: down
    stretch: float = 0.0  # mouth wider; negative: narrower
    jaw: float = 0.0  # mouth open
    brow_up: float = 0.0  # negative: lowered
    brow_inner: float = 0.0  # inner ends up (sadness, fear); negative: down and together (anger)
    lids: float = 0.0  # eyes wide open; negative: narrowed
    nose_wrinkle: float = 0.0
    one_sided: float = 0.0  # only the corner on the right of the picture goes up


MOVES = {
    "anger": Moves(smile=-0.3, stretch=-0.2, brow_up=-0.7, brow_inner=-1.0, lids=-0.2),
    "disgust": Moves(smile=-0.5, stretch=-0.1, jaw=0.12, brow_up=-0.5, brow_inner=-0.4, lids=-0.6, nose_wrinkle=1.0),
    "fear": Moves(smile=-0.3, stretch=0.6, jaw=0.35, brow_up=0.7, brow_inner=0.8, lids=0.8),
    "happiness": Moves(smile=1.0, stretch=0.6, jaw=0.3, lids=-0.4),
    "sadness": Moves(smile=-0.9, stretch=-0.1, brow_inner=1.0, lids=-0.3),
    "surprise": Moves(stretch=-0.4, jaw=1.0, brow_up=1.0, lids=1.0),
    "neutral": Moves(),
    "contempt": Moves(one_sided=1.0, lids=-0.2),
}


def person(seed: int) -> Look:
    """The look of the person with this number."""
    rng = np.random.default_rng(seed)
    light = rng.uniform(0.45, 1.0)
    skin = np.array([236, 196, 170]) * light + rng.uniform(-8, 8, 3)
    return Look(
        skin=_rgb(skin),
        hair=_rgb(np.array([120, 85, 50]) * rng.uniform(0.15, 1.0) * min(1.0, light + 0.1)),
        iris=_rgb(rng.uniform(20, 90, 3)),
        background=_rgb(rng.uniform(60, 215) + rng.uniform(-20, 20, 3)),
        face_half_width=rng.uniform(66, 78),
        chin_y=rng.uniform(198, 214),
        eye_distance=rng.uniform(64, 72),
        nose_y=rng.uniform(122, 130),
        nose_half_width=rng.uniform(11, 16),
        mouth_half_width=rng.uniform(23, 29),
        brow_thickness=rng.uniform(4, 8),
        hair_line_y=rng.uniform(36, 54),
    )


def draw_face(
    seed: int = 0, size: int = 256, expression: str = "neutral", *, level: float = 1.0, noise: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    """(size, size, 3) uint8 RGB and (5, 2) landmarks: eyes (image left, right), nose tip, mouth corners (left, right).

    ``level`` scales the expression's moves (0 is neutral). The same arguments give the same pixels.
    """
    return draw(person(seed), MOVES[expression], size=size, level=level, noise_seed=seed, noise=noise)


def draw(
    look: Look, moves: Moves, *, size: int = 256, level: float = 1.0, noise_seed: int = 0, noise: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    """As draw_face, for any look and any moves."""
    moves = Moves(**{name: value * level for name, value in vars(moves).items()})
    pen = _Pen(size)
    _head(pen, look)
    pen.soften(2.0)
    for side in (-1, 1):
        _eye(pen, look, moves, side)
        _brow(pen, look, moves, side)
    _nose(pen, look, moves)
    corners = _mouth(pen, look, moves)
    pen.soften(0.7)
    half = look.eye_distance / 2
    landmarks = np.array([(128 - half, 88.0), (128 + half, 88.0), (128.0, look.nose_y), *corners])
    return pen.finish(noise_seed, noise), landmarks * size / _UNIT


def on_canvas(
    faces: list[tuple[np.ndarray, np.ndarray]], height: int, width: int, corners_xy: list[tuple[int, int]]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Several drawn faces pasted on one grey image: (height, width, 3) uint8 and each face's landmarks in it."""
    canvas = np.full((height, width, 3), 128, np.uint8)
    landmarks = []
    for (image, points), (x, y) in zip(faces, corners_xy, strict=True):
        canvas[y : y + image.shape[0], x : x + image.shape[1]] = image
        landmarks.append(points + np.array([x, y]))
    return canvas, landmarks


class _Pen:
    """Draws in pixels of a 256-pixel image on a finer canvas."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.scale = size * _SUPERSAMPLING / _UNIT
        side = size * _SUPERSAMPLING
        self.image = Image.new("RGB", (side, side))
        self.draw = ImageDraw.Draw(self.image)

    def polygon(self, points: np.ndarray, colour: tuple[int, int, int]) -> None:
        self.draw.polygon([tuple(p) for p in np.asarray(points) * self.scale], fill=colour)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: tuple[int, int, int]) -> None:
        box = np.array([x - rx, y - ry, x + rx, y + ry]) * self.scale
        self.draw.ellipse(tuple(box), fill=colour)

    def shade(self, x: float, y: float, rx: float, ry: float, amount: float) -> None:
        """Darken (amount < 0) or lighten an elliptic spot with a soft edge."""
        reach = np.array([x - 2.2 * rx, y - 2.2 * ry, x + 2.2 * rx, y + 2.2 * ry]) * self.scale
        left, top, right, bottom = reach.clip(0, self.image.size[0]).astype(int)
        ys, xs = np.mgrid[top:bottom, left:right].astype(np.float32) / self.scale
        spot = np.exp(-(((xs - x) / rx) ** 2 + ((ys - y) / ry) ** 2))[..., None]
        part = np.asarray(self.image.crop((left, top, right, bottom)), np.float32) * (1 + amount * spot)
        self.image.paste(Image.fromarray(part.clip(0, 255).astype(np.uint8)), (left, top))

    def soften(self, radius: float) -> None:
        self.image = self.image.filter(ImageFilter.GaussianBlur(radius * self.scale))
        self.draw = ImageDraw.Draw(self.image)

    def finish(self, noise_seed: int, noise: float) -> np.ndarray:
        pixels = np.asarray(self.image.resize((self.size, self.size), Image.Resampling.BOX), np.float32)
        grain = np.random.default_rng(noise_seed).normal(0, noise, pixels.shape[:2])[..., None]
        return (pixels + grain).round().clip(0, 255).astype(np.uint8)


def _head(pen: _Pen, look: Look) -> None:
    pen.draw.rectangle((0, 0, *pen.image.size), fill=look.background)
    top, middle = 26.0, 96.0
    pen.polygon([(20, 256), (60, 226), (196, 226), (236, 256)], _times(look.hair, 0.8))  # shoulders
    pen.polygon([(98, 180), (158, 180), (166, 256), (90, 256)], _times(look.skin, 0.72))  # neck
    pen.ellipse(128, middle, look.face_half_width + 9, middle - top + 8, look.hair)
    angle = np.linspace(0, np.pi, 40)
    width = look.face_half_width
    jaw = np.stack([128 + width * np.cos(angle), middle + (look.chin_y - middle) * np.sin(angle) ** 0.8], axis=1)
    forehead = np.stack(
        [128 - width * np.cos(angle), middle - (middle - look.hair_line_y) * np.sin(angle) ** 0.7], axis=1
    )
    pen.polygon(np.concatenate([jaw, forehead]), look.skin)
    pen.shade(128, 128, look.face_half_width * 0.9, 70, 0.18)
    for side in (-1, 1):
        pen.shade(128 + side * look.eye_distance / 2, 86, 20, 13, -0.32)  # eye sockets
        pen.shade(128 + side * (look.face_half_width + 4), 130, 16, 90, -0.3)  # sides turn from the light
    pen.shade(128, look.chin_y + 12, 60, 14, -0.35)


def _eye(pen: _Pen, look: Look, moves: Moves, side: int) -> None:
    x, y = 128 + side * look.eye_distance / 2, 88.0
    open_half = max(1.2, 5.6 * (1 + 0.55 * moves.lids))
    angle = np.linspace(0, np.pi, 20)
    upper = np.stack([x - 14 * np.cos(angle), y - open_half * np.sin(angle)], axis=1)
    lower = np.stack([x + 14 * np.cos(angle), y + 0.75 * open_half * np.sin(angle)], axis=1)
    pen.polygon(
        np.concatenate([upper - np.array([0, 2.2]), lower + np.array([0, 0.8])]), _times(look.skin, 0.3)
    )  # lashes
    pen.polygon(np.concatenate([upper, lower]), (222, 220, 216))
    pen.ellipse(x, y - 0.5, 5.6, min(5.6, open_half), look.iris)
    pen.ellipse(x, y - 0.5, 2.6, min(2.6, open_half), (8, 8, 8))
    pen.ellipse(x + 1.8, y - 2, 1, min(1, open_half / 3), (250, 250, 250))


def _brow(pen: _Pen, look: Look, moves: Moves, side: int) -> None:
    x, y = 128 + side * look.eye_distance / 2, 71.0 - 8 * moves.brow_up
    inner = np.array([x - side * (17 + 4 * max(0.0, -moves.brow_inner)), y - 7 * moves.brow_inner])
    outer = np.array([x + side * 18, y + 3 + 2 * moves.brow_inner])
    middle = np.array([x, y - 4])
    half = np.array([0, look.brow_thickness / 2])
    upper = [inner - half, middle - half, outer - half * 0.4]
    lower = [outer + half * 0.4, middle + half, inner + half]
    pen.polygon(np.array(upper + lower), _times(look.hair, 0.8))


def _nose(pen: _Pen, look: Look, moves: Moves) -> None:
    y, half = look.nose_y, look.nose_half_width
    pen.shade(128, (88 + y) / 2, 5, 20, 0.14)
    for side in (-1, 1):
        pen.shade(128 + side * half * 0.8, y - 14, 4, 20, -0.2)
        pen.shade(128 + side * half, y + 1, 5, 5, -0.3)
        pen.shade(128 + side * 10, 84, 3, 6 + 4 * moves.nose_wrinkle, -0.3 * moves.nose_wrinkle)
        pen.shade(128 + side * (half + 7), y + 8, 3, 12, -0.3 * max(moves.nose_wrinkle, 0.7 * moves.smile, 0.0))
        pen.ellipse(128 + side * half * 0.5, y + 6, 3.6, 2, _times(look.skin, 0.3))
    pen.shade(128, y - 1, 7, 6, 0.16)
    pen.shade(128, y + 9, half, 3, -0.25)


def _mouth(pen: _Pen, look: Look, moves: Moves) -> list[tuple[float, float]]:
    half = look.mouth_half_width * (1 + 0.3 * moves.stretch)
    y = look.nose_y + 30
    lift = np.array([moves.smile, moves.smile + moves.one_sided]) * 8  # corners: image left, right
    gap = 26 * moves.jaw
    t = np.linspace(-1, 1, 24)
    arch = 1 - t**2
    line = y - np.where(t < 0, lift[0], lift[1]) * t**2
    x = 128 + half * t
    lip = (*_rgb(np.array(look.skin) * (0.78, 0.5, 0.5)),)
    upper, lower = line - 6 * arch**0.8, line + (gap + 8) * arch**0.8
    pen.polygon(_band(x, upper, lower), lip)
    inner_top, inner_bottom = line - 0.7 * arch, line + (gap + 0.9) * arch
    pen.polygon(_band(x, inner_top, inner_bottom), (45, 12, 14))
    if gap > 3:
        teeth = inner_top + np.minimum(7, gap * 0.6) * arch
        pen.polygon(_band(x[3:-3], inner_top[3:-3], teeth[3:-3]), (225, 220, 210))
    pen.shade(128, y + gap + 16, 18, 5, -0.15)
    return [(128 - half, y - lift[0]), (128 + half, y - lift[1])]


def _band(x: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    return np.concatenate([np.stack([x, upper], axis=1), np.stack([x, lower], axis=1)[::-1]])


def _times(colour: tuple[int, int, int], factor: float) -> tuple[int, int, int]:
    return _rgb(np.array(colour) * factor)


def _rgb(values: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = np.clip(values, 0, 255).astype(int).tolist()
    return red, green, blue
