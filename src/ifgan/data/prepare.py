"""From a source as its owner distributes it to a prepared set: aligned 256x256 faces and their manifest (§4.1, §4.2).

A prepared set is a folder with ``manifest.csv``, ``images/`` and ``prepare.json`` (source, options, counts,
rejected images with reasons, versions). It holds no absolute path and can be moved.

Resumable: every image is written beside and renamed, and an image that is there already, of the same source, is not
done again: each carries its source's fingerprint as text.
Idempotent: a second run changes no byte. Rejected images are tried again, so a repaired one joins on the next run.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ifgan.data.leaks import SOURCE
from ifgan.data.prepare_report import PrepareReport, begin, finish
from ifgan.data.readers import read, reader_options
from ifgan.data.readers.base import Reading, Rejected, SourcePicture
from ifgan.data.sample import UNKNOWN, Sample
from ifgan.errors import InputError
from ifgan.faces.align import align_face
from ifgan.faces.picture import as_picture, to_png
from ifgan.faces.pipeline import FoundFaces, Request, Wanted, find_faces, whole_picture
from ifgan.files import write_bytes
from ifgan.progress import track
from ifgan.workers import map_in_order

Item = SourcePicture | Rejected


def prepare(
    set_name: str,
    root: Path,
    out: Path,
    *,
    aligned: bool = False,
    subjects_unknown: bool = False,
    workers: int | None = None,
    **options: Any,
) -> PrepareReport:
    """Prepare the source ``root`` of the set ``set_name`` into ``out``; what was done, and which images failed.

    ``aligned``: faces are cropped already, only resize. ``subjects_unknown``: images without a subject each count
    as a person of their own. ``workers``: by default one a processor. ``options``: the reader's own, such as
    ``neutral=True``; None and False leave its defaults. Raises InputError for a wrong source, an option that the set
    doesn't have, an ``out`` that holds another set or the same set with other options, and when not one image could
    be used.
    """
    root, out = _apart(Path(root), Path(out))
    given = {name: value for name, value in options.items() if value not in (None, False)}
    reading = read(set_name, root, **given)
    told = {name: value.name if isinstance(value, Path) else value for name, value in given.items()}
    header = {
        "set": set_name,
        "dataset": reading.dataset,
        "source": root.name,
        "options": {"aligned": aligned, "subjects_unknown": subjects_unknown, **reader_options(set_name), **told},
    }
    begin(out, header)
    align = _cropped if aligned or reading.aligned else _found
    samples, rejected = _prepare_all(reading, align(reading.items, out, workers), subjects_unknown)
    if not samples:
        first = f"; the first, {rejected[0].file}: {rejected[0].reason}" if rejected else ""
        raise InputError(f"{root}: none of its {len(rejected)} images could be used{first}")
    return finish(out, header, reading, samples, rejected)


def _apart(root: Path, out: Path) -> tuple[Path, Path]:
    """Both resolved. Raises InputError for an ``out`` inside ``root``: the next run would read its own images."""
    root, out = root.resolve(), out.resolve()
    if out == root or root in out.parents:
        raise InputError(f"{out}: lies inside the source {root}; choose a folder outside it")
    return root, out


def _prepare_all(
    reading: Reading, outcomes: Iterator[Item], subjects_unknown: bool
) -> tuple[list[Sample], list[Rejected]]:
    samples: list[Sample] = []
    rejected: list[Rejected] = []
    names: set[str] = set()
    for item in track(outcomes, f"prepare {reading.dataset}", reading.total):
        if isinstance(item, Rejected):
            rejected.append(item)
            continue
        if item.name.lower() in names:  # some file systems don't tell case
            raise InputError(f"{item.source}: the name {item.name!r} occurs twice in the set {reading.dataset}")
        names.add(item.name.lower())
        sample = item.sample()
        unknown = subjects_unknown and not sample.subject
        samples.append(replace(sample, subject=f"{UNKNOWN}{item.name}") if unknown else sample)
    return samples, rejected


def _cropped(items: Iterable[Item], out: Path, workers: int | None) -> Iterator[Item]:
    """For faces that are cropped already: each image's central square, resized and written, on threads."""

    def work(item: Item) -> Item:
        if isinstance(item, Rejected) or not _is_to_do(item, out):
            return item
        return _write_found(item, whole_picture(Request(item.image)), out)

    return map_in_order(work, items, workers)


def _found(items: Iterable[Item], out: Path, workers: int | None) -> Iterator[Item]:
    """The most prominent face of each image, or the owner's landmarks, aligned and written, on all cores."""
    # Items twice: once for those still to do, which the pipeline draws ahead, once for all, each to meet its answer.
    ahead, marked = itertools.tee(map_in_order(lambda item: _marked(item, out), items, workers))
    requests = (Request(item.image, item.landmarks_xy_px) for item, to_do in ahead if to_do)
    answers = find_faces(requests, Wanted(every=False), workers=workers)
    answered = ((item, next(answers) if to_do else None) for item, to_do in marked)
    return map_in_order(lambda answer: _write_found(*answer, out), answered, workers)


def _marked(item: Item, out: Path) -> tuple[Any, bool]:
    """An item, and whether it is to do; one that only waits for its turn is not to fill the memory with its pixels."""
    to_do = _is_to_do(item, out)
    return (item if to_do or isinstance(item, Rejected) else replace(item, image=Path())), to_do


def _write_found(item: Item, found: FoundFaces | None, out: Path) -> Item:
    if found is None or isinstance(item, Rejected):
        return item
    if found.aligned:
        return _write(item, found.aligned[0], out)
    if found.error is None and item.usual_landmarks_xy_px is not None:
        return _write(item, align_face(as_picture(item.image), item.usual_landmarks_xy_px), out)
    return _rejected(item, found.error or "no face found")


def _is_to_do(item: Item, out: Path) -> bool:
    """Whether its image is not there yet, or is that of another source; one of an earlier version, which tells
    nothing of its source, is taken for its own.
    """
    if isinstance(item, Rejected):
        return False
    path = out / item.sample().image
    if not path.exists():
        return True
    try:
        with Image.open(path) as picture:
            known = picture.info.get(SOURCE)
            picture.verify()  # every byte, without decoding
    except (OSError, SyntaxError, ValueError):  # no whole image, as a copy to a full disk leaves it
        return True
    return known is not None and known != _fingerprint(item)


def _fingerprint(item: SourcePicture) -> str:
    """Of what the source holds, whatever it is called; empty for a file that can't be read."""
    try:
        content = item.image.read_bytes() if isinstance(item.image, Path) else item.image.tobytes()
    except OSError:
        return ""
    return hashlib.sha256(content).hexdigest()[:16]


def _write(item: SourcePicture, aligned_hwc_uint8: np.ndarray, out: Path) -> SourcePicture:
    write_bytes(out / item.sample().image, _png(aligned_hwc_uint8, _fingerprint(item)))
    return item


def _rejected(item: SourcePicture, reason: str) -> Rejected:
    """The user knows the file by its place in the source; the path on this machine would be wrong after a move."""
    return Rejected(item.source, reason.removeprefix(f"{item.image}: ") if isinstance(item.image, Path) else reason)


def _png(image_hwc_uint8: np.ndarray, source: str) -> bytes:
    """Lossless; grey images take one channel, a third of the space. ``source``: its fingerprint, kept as text."""
    red = image_hwc_uint8[..., :1]
    grey = (image_hwc_uint8 == red).all()
    text = PngInfo()
    text.add_text(SOURCE, source)
    return to_png(red[..., 0] if grey else image_hwc_uint8, compress_level=4, pnginfo=text)
