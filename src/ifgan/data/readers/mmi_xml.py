"""The XML files beside an MMI clip: its emotion, its view, and when its action units are at their apex (§4.1).

``S001-100.xml`` has ``<Metatag Name="Emotion" Value="4"/>``, ``session.xml`` has ``<track view="0">``, and
``S001-100-oao_aucs.xml`` has ``<ActionUnit Number="12"><Marker Frame="31" Type="2"/>...``. Frames count from 1; types:
0 neutral, 1 onset starts, 2 apex starts, 3 offset starts. Namespaces are ignored.
"""

import re
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from xml.etree import ElementTree

from ifgan.errors import PictureError

APEX_STARTS, OFFSET_STARTS = 2, 3
FIRST_BODY_UNIT = 45  # blink, wink, head and eye positions: no expression, and a blink may fall on the apex


@dataclass(frozen=True)
class Apex:
    """One action unit at its apex, from ``first`` to ``last`` frame, counted from 1."""

    unit: int
    first: int
    last: int


def read_emotion(path: Path) -> str:
    """The emotion's code, empty where the file states none. Raises PictureError for a broken file."""
    tag = next((tag for tag in _read(path).iterfind(".//{*}Metatag") if tag.get("Name") == "Emotion"), None)
    return "" if tag is None else tag.get("Value", "").strip()


def read_view(path: Path, clip: str) -> str:
    """The view's code of the clip's track, else of the first. Raises PictureError for a broken file or no view."""
    tracks = [tag for tag in _read(path).iterfind(".//{*}track") if tag.get("view", "").strip()]
    if not tracks:
        raise PictureError(f'{path.name}: names no view; expected <track view="...">')
    own = (tag for tag in tracks if any(value.lower().startswith(f"{clip}.".lower()) for value in tag.attrib.values()))
    return next(own, tracks[0]).get("view", "").strip()


def read_apexes(path: Path) -> tuple[Apex, ...]:
    """When each action unit is at its apex: from its marker of type 2 to the next one, if that is of type 3.

    ``Number`` may name a side (``L12``), which is left out. Raises PictureError for a broken file.
    """
    apexes = []
    for tag in _read(path).iterfind(".//{*}ActionUnit"):
        number = re.search(r"\d+", tag.get("Number", ""))
        markers = sorted(marker for marker in map(_marker, tag.iterfind(".//{*}Marker")) if marker)
        if number is None or int(number[0]) >= FIRST_BODY_UNIT:
            continue
        for (first, kind), (last, next_kind) in pairwise(markers):
            if (kind, next_kind) == (APEX_STARTS, OFFSET_STARTS):
                apexes.append(Apex(int(number[0]), first, last))
    return tuple(apexes)


def middle_of_apex(apexes: tuple[Apex, ...], frames: int) -> int | None:
    """The middle of the frames in which most action units are at their apex, the longest run of them.

    None where no unit is at its apex in any of the clip's ``frames``. Both sides of a unit count once.
    """
    units: list[set[int]] = [set() for _ in range(frames + 1)]
    for apex in apexes:
        for frame in range(max(1, apex.first), min(frames, apex.last) + 1):
            units[frame].add(apex.unit)
    most = max(map(len, units))
    if most == 0:
        return None
    runs = [list(run) for full, run in groupby(range(frames + 1), lambda frame: len(units[frame]) == most) if full]
    longest = max(runs, key=len)  # the first of equals
    return (longest[0] + longest[-1]) // 2


def _read(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except FileNotFoundError as error:
        raise PictureError(f"{path.name}: no such file") from error
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:  # the last two: odd encodings
        raise PictureError(f"{path.name}: can't be read as XML ({_without_path(error)})") from error


def _without_path(error: Exception) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)


def _marker(tag: ElementTree.Element) -> tuple[int, int] | None:
    """(frame, type); None for a marker without them."""
    try:
        return int(tag.get("Frame", "")), int(tag.get("Type", ""))
    except ValueError:
        return None
