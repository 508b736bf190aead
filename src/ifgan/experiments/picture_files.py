"""Figures to files and web pages. Figures are drawn without pyplot, so that nothing global is kept or set; and
matplotlib, which writes a font cache into HOME when it is imported, is imported by `new_figure` only.
"""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ifgan.errors import InputError
from ifgan.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")


def new_figure(
    width_inches: float, height_inches: float, layout: Literal["constrained"] | None = "constrained"
) -> "Figure":
    """An empty figure."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_inches, height_inches), layout=layout)


def write_figure(figure: "Figure", path: Path) -> None:
    """To a .png, .pdf or .svg file, all or nothing. Raises InputError for another ending."""
    ending = Path(path).suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise InputError(f"{path}: a figure ends in .{', .'.join(FORMATS)}")
    write_bytes(path, rendered(figure, ending))


def rendered(figure: "Figure", ending: str = "png", dpi: int = 130) -> bytes:
    """The figure as a file's content; without a date, so that equal figures are equal bytes."""
    file = io.BytesIO()
    undated = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[ending]
    figure.savefig(file, format=ending, dpi=dpi, metadata=undated)
    return file.getvalue()


def data_uri(png: bytes) -> str:
    """A PNG inside a page: ``<img src="...">`` that needs no second file."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
