"""Figures to files and web pages. Figures are drawn without pyplot, so that nothing global is kept or set; and
matplotlib, which writes a font cache into HOME when it is imported, is imported by `new_figure` only.
"""

import base64
import io
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jinja2 import Environment

from ifgan.errors import InputError
from ifgan.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")


@dataclass(frozen=True)
class Picture:
    """A figure as PNG. ``title``, ``note``: of the section of the page that it stands in; ``caption``: its own."""

    title: str
    png: bytes
    note: str = ""
    caption: str = ""

    @property
    def uri(self) -> str:
        """For the page: no second file is needed."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"

    @property
    def file_name(self) -> str:
        """``confusion_ifgan.png``."""
        words = " ".join([self.title, self.caption.split(":")[0].split(",")[0]]).strip().lower()
        return re.sub(r"[^\w-]+", "_", words.replace(" → ", "-to-")) + ".png"


def page(pictures: list[Picture], **content: Any) -> str:
    """A page that opens offline: what is said first, figures by section, tables folded. Undefined ``content`` is left
    out.
    """
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        files("ifgan.experiments").joinpath("templates/report.html").read_text(encoding="utf-8")
    )
    sections: dict[str, list[Picture]] = {}
    for picture in pictures:
        sections.setdefault(picture.title, []).append(picture)
    return template.render(sections=sections, **content)


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
