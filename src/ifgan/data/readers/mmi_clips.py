"""Which of MMI's files are clips of the set, by their labels only: no video is opened (§4.1).

The rule that gives the paper's 208 sequences of 31 people: an emotion of 1 to 6, a frontal or dual view, less EXCLUDED.
Everything else is left aside by name; a clip whose labels are in doubt is a rejected one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ifgan.data.readers.base import Rejected
from ifgan.data.readers.mmi_xml import Apex, read_apexes, read_emotion, read_view
from ifgan.errors import InputError, PictureError
from ifgan.faces.picture import PICTURE_SUFFIXES
from ifgan.files import existing_folder, files_below
from ifgan.labels import BASIC

CLIP_NAME = re.compile(r"(s\d{3}-\d{3})\.(avi|xml)")  # of a name in lower case
OWN_NAME = re.compile(r"s\d{3}-\d{3}.*|session\.xml")
CODES = {str(code): expression for code, expression in enumerate(BASIC, start=1)}
FRONTAL, DUAL = "0", "2"  # 1 is profile
EXCLUDED = ("S002-106",)  # labelled and in dual view, but left out of the public list of 208 (mmi_sequences.py)


@dataclass(frozen=True)
class Clip:
    """A clip of the set. ``apexes``: empty without action units, None where their file is broken."""

    video: Path
    source: str
    subject: str
    number: str
    expression: str
    view: str
    apexes: tuple[Apex, ...] | None

    @property
    def name(self) -> str:
        """``"S001-100"``, as the public list has it."""
        return f"{self.subject}-{self.number}"


@dataclass(frozen=True)
class LeftAside:
    """Something of MMI that isn't of the set: its ``kind`` in words, and its name."""

    kind: str
    name: str


@dataclass
class Listing:
    """What the labels say; clips in the order of their names."""

    clips: list[Clip] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    aside: list[LeftAside] = field(default_factory=list)

    def add(self, item: Clip | Rejected | LeftAside) -> None:
        """Put it where its kind belongs."""
        lists: dict[type, list[Any]] = {Clip: self.clips, Rejected: self.rejected, LeftAside: self.aside}
        lists[type(item)].append(item)


@dataclass(frozen=True)
class Session:
    """A folder with MMI's files; ``files`` by their names in lower case, as some copies are written in upper case."""

    root: Path
    folder: Path
    files: dict[str, Path]

    def file(self, name: str) -> Path:
        """The file as it is spelled there; where it's missing, as it should be."""
        return self.files.get(name.lower(), self.folder / name)

    def source(self, stem: str) -> str:
        """The clip's video as the user finds it, relative to the root."""
        return self.file(f"{stem}.avi").relative_to(self.root).as_posix()

    def stems(self) -> list[str]:
        """``["S001-100"]``; none for a session of images, whose labels have the same names."""
        return [] if self.of_pictures() else sorted({m[1].upper() for m in map(CLIP_NAME.fullmatch, self.files) if m})

    def of_pictures(self) -> bool:
        """Whether it holds images and no video."""
        suffixes = {path.suffix.lower() for path in self.files.values()}
        return ".avi" not in suffixes and not suffixes.isdisjoint(PICTURE_SUFFIXES)


def list_clips(root: Path) -> Listing:
    """Every clip below ``root``, judged. Raises InputError when none is, or might be, one of the set."""
    root = existing_folder(root)
    listing, found = Listing(), dict[str, Clip | Rejected | LeftAside]()
    for session in _sessions(root):
        if session.of_pictures():
            listing.add(LeftAside("sessions of images", session.folder.relative_to(root).as_posix()))
        for stem in session.stems():
            item = None if isinstance(found.get(stem), Clip) else _clip_or_reason(session, stem)
            if item is not None and (stem not in found or isinstance(item, Clip)):
                found[stem] = item  # a whole copy, where the first one lacked a file
            else:
                listing.add(LeftAside("clips that occur again", session.source(stem)))
    for _, item in sorted(found.items(), key=lambda pair: pair[0]):
        listing.add(item)
    if not listing.clips and not listing.rejected:
        raise InputError(
            f"{root}: no MMI clip with an emotion and a frontal face below it; expected files such as "
            "Sessions/224/S002-105.avi with S002-105.xml and session.xml"
        )
    return listing


def _sessions(root: Path) -> Iterator[Session]:
    folders: dict[Path, dict[str, Path]] = {}
    for path in sorted(files_below(root)):
        if not path.name.startswith("."):
            folders.setdefault(path.parent, {})[path.name.lower()] = path
    for folder, files in folders.items():
        if any(map(OWN_NAME.fullmatch, files)):
            yield Session(root, folder, files)


def _clip_or_reason(session: Session, stem: str) -> Clip | Rejected | LeftAside:
    source = session.source(stem)
    try:
        code, view = _labels(session, stem)
        kind = _why_aside(stem, code, view)
        if kind:
            return LeftAside(kind, stem)
        video = session.file(f"{stem}.avi")
        if not video.is_file():
            return Rejected(source, "no such file")
        subject, number = stem.split("-")
        return Clip(video, source, subject, number, CODES[code], view, _apexes(session, stem))
    except PictureError as error:
        return Rejected(source, str(error))


def _labels(session: Session, stem: str) -> tuple[str, str]:
    """(emotion, view); most of MMI's clips have no emotion, and their view doesn't matter."""
    labels = session.file(f"{stem}.xml")
    code = read_emotion(labels) if labels.exists() else ""
    return code, read_view(session.file("session.xml"), stem) if code in CODES else ""


def _why_aside(stem: str, code: str, view: str) -> str:
    """The kind of what isn't of the set; empty for what is."""
    if code not in CODES:
        return f"clips of emotion {code}" if code else "clips without an emotion"
    if view not in (FRONTAL, DUAL):
        return f"clips in view {view}, not frontal"
    return "clips that the public list of 208 leaves out" if stem in EXCLUDED else ""


def _apexes(session: Session, stem: str) -> tuple[Apex, ...] | None:
    path = session.file(f"{stem}-oao_aucs.xml")
    try:
        return read_apexes(path) if path.exists() else ()
    except PictureError:
        return None
