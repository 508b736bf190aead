"""From a source as its owner distributes it to a prepared set: aligned 256x256 faces and their manifest (§4.1, §4.2).

A prepared set is a folder with ``manifest.csv``, ``images/`` and ``prepare.json`` (source, options, counts,
rejected pictures with reasons, versions). It holds no absolute path and can be moved.

Resumable: every picture is written beside and renamed, and a picture that is there already is not done again.
Idempotent: a second run changes no byte. Rejected pictures are tried again, so a repaired one joins on the next run.
"""

import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ifgan.data.prepare_report import PrepareReport, begin, finish
from ifgan.data.readers import read, reader_options
from ifgan.data.readers.base import Reading, Rejected, SourcePicture
from ifgan.data.sample import Sample
from ifgan.data.workers import map_in_order
from ifgan.errors import InputError, PictureError
from ifgan.faces.align import ALIGNED_SIZE, align_face
from ifgan.faces.picture import as_picture
from ifgan.files import write_bytes
from ifgan.progress import track

if TYPE_CHECKING:
    from ifgan.faces.detect import FaceDetector  # brings torch, which cropped faces don't need

ToFace = Callable[[SourcePicture], np.ndarray]  # aligned (256, 256, 3) uint8


def prepare(
    set_name: str,
    root: Path,
    out: Path,
    *,
    aligned: bool = False,
    subjects_unknown: bool = False,
    workers: int | None = None,
    levels: str | None = None,
    neutral: bool = False,
) -> PrepareReport:
    """Prepare the source ``root`` of the set ``set_name`` into ``out``; what was done, and which pictures failed.

    ``aligned``: faces are cropped already, only resize. ``subjects_unknown``: pictures without a subject each count
    as a person of their own. ``workers``: threads, by default one a processor. ``levels``, ``neutral``: bu3dfe.
    Raises InputError for a wrong source, for an ``out`` that holds another set or the same set with other options,
    and when not one picture could be used.
    """
    root, out = _apart(Path(root), Path(out))
    given = {name: value for name, value in (("levels", levels), ("neutral", neutral)) if value}
    reading = read(set_name, root, **given)
    header = {
        "set": set_name,
        "dataset": reading.dataset,
        "source": root.name,
        "options": {"aligned": aligned, "subjects_unknown": subjects_unknown, **reader_options(set_name), **given},
    }
    begin(out, header)
    to_face = _cropped if aligned or reading.aligned else _found_by(_detector())
    samples, rejected = _prepare_all(reading, out, to_face, subjects_unknown, workers)
    if not samples:
        first = f"; the first, {rejected[0].file}: {rejected[0].reason}" if rejected else ""
        raise InputError(f"{root}: none of its {len(rejected)} pictures could be used{first}")
    return finish(out, header, reading, samples, rejected)


def _apart(root: Path, out: Path) -> tuple[Path, Path]:
    """Both resolved. Raises InputError for an ``out`` inside ``root``: the next run would read its own pictures."""
    root, out = root.resolve(), out.resolve()
    if out == root or root in out.parents:
        raise InputError(f"{out}: lies inside the source {root}; choose a folder outside it")
    return root, out


def _prepare_all(
    reading: Reading, out: Path, to_face: ToFace, subjects_unknown: bool, workers: int | None
) -> tuple[list[Sample], list[Rejected]]:
    samples: list[Sample] = []
    rejected: list[Rejected] = []
    names: set[str] = set()
    outcomes = map_in_order(partial(_prepare_one, out, to_face), reading.items, workers)
    for item in track(outcomes, f"prepare {reading.dataset}", reading.total):
        if isinstance(item, Rejected):
            rejected.append(item)
            continue
        if item.name.lower() in names:  # some file systems don't tell case
            raise InputError(f"{item.source}: the name {item.name!r} occurs twice in the set {reading.dataset}")
        names.add(item.name.lower())
        sample = item.sample()
        unknown = subjects_unknown and not sample.subject
        samples.append(replace(sample, subject=f"unknown-{item.name}") if unknown else sample)
    return samples, rejected


def _prepare_one(out: Path, to_face: ToFace, item: SourcePicture | Rejected) -> SourcePicture | Rejected:
    """Write the picture's aligned face, unless it is there; the picture without its pixels, or why it can't be used."""
    if isinstance(item, Rejected):
        return item
    target = out / item.sample().image
    if not target.exists():
        try:
            write_bytes(target, _png(to_face(item)))
        except PictureError as error:
            return Rejected(item.source, str(error).removeprefix(f"{item.image}: "))
    return replace(item, image=target)


def _png(image_hwc_uint8: np.ndarray) -> bytes:
    """Lossless; grey pictures take one channel, a third of the space."""
    red = image_hwc_uint8[..., :1]
    grey = (image_hwc_uint8 == red).all()
    file = io.BytesIO()
    Image.fromarray(red[..., 0] if grey else image_hwc_uint8).save(file, "PNG", compress_level=4)
    return file.getvalue()


def _cropped(picture: SourcePicture) -> np.ndarray:
    """The largest central square, resized: for faces that are cropped already."""
    image = as_picture(picture.image)
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(np.ascontiguousarray(image[top : top + side, left : left + side]))
    return np.asarray(square.resize((ALIGNED_SIZE, ALIGNED_SIZE), Image.Resampling.BICUBIC))


def _detector() -> "FaceDetector":
    from ifgan.faces.detect import FaceDetector

    return FaceDetector()


def _found_by(detector: "FaceDetector") -> ToFace:
    """Align on the owner's landmarks where there are some, else on those of the largest, most central face."""

    def to_face(picture: SourcePicture) -> np.ndarray:
        image = as_picture(picture.image)
        if picture.landmarks_xy_px is not None:
            return align_face(image, picture.landmarks_xy_px)
        faces = detector([image])[0]
        if not faces:
            raise PictureError(f"{picture.image}: no face found")
        return align_face(image, np.array(faces[0].landmarks_xy_px))

    return to_face
