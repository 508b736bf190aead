"""Drawings put back into the image that they come from, and images that tell what was read in them. Pillow only."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ifgan.faces.align import invert_similarity

_OVAL = (0.06, 0.02, 0.94, 0.98)  # what of the drawing covers the face, in shares of its sides
_FEATHER = 0.04  # standard deviation of the oval's edge, in shares of the drawing's side
_SIDE_PX = (320, 1280)  # longer side of an annotated image, without its panel: at least, at most
_PANEL_PX, _ROW_PX, _DRAWING_PX, _BAR_PX = 330, 130, 112, 12
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito's, told apart by all


class Read(Protocol):
    """What is drawn of a face."""

    @property
    def box(self) -> tuple[float, ...]: ...
    @property
    def expression(self) -> str: ...
    @property
    def confidence(self) -> float: ...
    @property
    def probabilities(self) -> dict[str, float]: ...
    @property
    def average_face(self) -> Image.Image | None: ...


def paste_drawing(image_hwc_uint8: np.ndarray, drawing: Image.Image, transform: np.ndarray) -> np.ndarray:
    """A copy of the image, (height, width, 3), with the drawing where its face is, turned and sized like it, its oval
    edge blended.

    ``transform``: (2, 3), from pixels of the image to those of the drawing.
    """
    height, width = image_hwc_uint8.shape[:2]
    side = drawing.width
    corners = invert_similarity(transform) @ np.array([(0, side, 0, side), (0, 0, side, side), (1, 1, 1, 1)])  # (2, 4)
    x0, y0 = np.clip(np.floor(corners.min(axis=1)).astype(int) - 1, 0, (width, height)).tolist()
    x1, y1 = np.clip(np.ceil(corners.max(axis=1)).astype(int) + 1, 0, (width, height)).tolist()
    result = image_hwc_uint8.copy()
    if x1 <= x0 or y1 <= y0:
        return result
    # From the part of the image to the drawing, as Pillow asks for it.
    to_drawing = (transform @ np.array([(1, 0, x0), (0, 1, y0), (0, 0, 1)])).ravel().tolist()
    size = (x1 - x0, y1 - y0)
    face, oval = (
        picture.transform(size, Image.Transform.AFFINE, to_drawing, resample=Image.Resampling.BICUBIC)
        for picture in (drawing.convert("RGB"), _oval(side))
    )
    part = Image.fromarray(np.ascontiguousarray(result[y0:y1, x0:x1]))
    part.paste(face, mask=oval)
    result[y0:y1, x0:x1] = np.asarray(part)
    return result


def _oval(side: int) -> Image.Image:
    """(side, side) grey: 255 where the drawing covers, 0 where the image stays."""
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).ellipse([share * side for share in _OVAL], fill=255)
    return mask.filter(ImageFilter.GaussianBlur(_FEATHER * side))


def annotated(image_hwc_uint8: np.ndarray, faces: Sequence[Read]) -> Image.Image:
    """The image, (height, width, 3), with a box and the expression at every face; in a panel beside it each face's
    drawing and the probability of every expression as a bar, for as many faces as the panel has room for. Larger and
    much smaller images are resized (_SIDE_PX).
    """
    image = Image.fromarray(image_hwc_uint8)
    longer = max(image.size)
    scale = min(max(longer, _SIDE_PX[0]), _SIDE_PX[1]) / longer
    image = image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.LANCZOS)
    rows = min(len(faces), max(1, image.height // _ROW_PX))
    canvas = Image.new("RGB", (image.width + _PANEL_PX, max(image.height, rows * _ROW_PX)), "white")
    canvas.paste(image)
    draw = ImageDraw.Draw(canvas)
    for number, face in enumerate(faces):
        _draw_box(draw, number, face, scale, image.size)
    for number, face in enumerate(faces[:rows]):
        _draw_row(canvas, draw, number, face, image.width + 8)
    return canvas


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _draw_box(draw: ImageDraw.ImageDraw, number: int, face: Read, scale: float, size: tuple[int, int]) -> None:
    if not face.box:
        return
    x0, y0, x1, y1 = (value * scale for value in face.box)
    draw.rectangle((x0, y0, max(x1, x0), max(y1, y0)), outline=_colour(number), width=2)
    text, font = f"{number + 1} {face.expression} {face.confidence:.2f}", ImageFont.load_default(14)
    left, _, right, bottom = draw.textbbox((0, 0), text, font=font)
    x = min(max(x0, 0), max(size[0] - (right - left) - 6, 0))
    y = y0 - (bottom + 4) if y0 >= bottom + 4 else min(y1, size[1] - bottom - 4)
    draw.rectangle((x, y, x + right - left + 6, y + bottom + 4), fill=_colour(number))
    draw.text((x + 3, y + 1), text, fill="white", font=font)


def _draw_row(canvas: Image.Image, draw: ImageDraw.ImageDraw, number: int, face: Read, left: int) -> None:
    top, font = number * _ROW_PX + 4, ImageFont.load_default(11)
    if face.average_face is not None:
        canvas.paste(face.average_face.convert("RGB").resize((_DRAWING_PX, _DRAWING_PX)), (left, top))
    draw.rectangle((left - 4, top, left - 2, top + _DRAWING_PX), fill=_colour(number))
    left += _DRAWING_PX + 8
    for place, (expression, probability) in enumerate(face.probabilities.items()):
        y = top + place * (_BAR_PX + 2)
        draw.text((left, y - 1), expression, fill="black", font=font)
        bar = left + 70
        draw.rectangle((bar, y + 1, bar + 100 * probability, y + _BAR_PX - 1), fill=_colour(number))
        draw.text((bar + 100 * probability + 3, y - 1), f"{probability:.2f}", fill="black", font=font)
