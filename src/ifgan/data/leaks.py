"""The same image twice: equal in every pixel, or nearly the same.

A leak is an image that occurs in two parts of a protocol: in train and test, or under two subjects whom folds may
separate (the protocol of §4.1 is subject-exclusive). Aligned faces resemble each other, so "nearly" asks for two
things: gradient signs (a 256-bit "dHash") that differ in few places, and grey reductions that correlate.
On FER2013's two public parts this finds copies that were saved again, tinted or stamped, and no pair of others.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from ifgan.errors import PictureError
from ifgan.faces.picture import open_picture
from ifgan.workers import map_in_order

NEAR_BITS = 16  # of 256
NEAR_CORRELATION = 0.99
_SIGNS, _GREY = 16, 32  # sides of the two reductions
_ROWS_AT_ONCE = 64
SOURCE = "Source"  # a keyword that the PNG standard registers (11.3.4.2): a mark of what the image was made from


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What is kept of an image: SHA-256 of its pixels, (4,) uint64 gradient signs, (1024,) uint8 grey reduction."""

    digest: bytes
    signs: np.ndarray
    grey: np.ndarray


def fingerprint_of(image_hwc_uint8: np.ndarray) -> Fingerprint:
    """The signs are those of horizontal steps in a 16 x 17 reduction; brightness and contrast don't change them."""
    grey = Image.fromarray(image_hwc_uint8).convert("L")
    small = np.asarray(grey.resize((_SIGNS + 1, _SIGNS), Image.Resampling.BOX), dtype=np.int16)  # (16, 17)
    signs = np.packbits(np.diff(small, axis=1) > 0).view(np.uint64)  # (4,)
    reduction = np.asarray(grey.resize((_GREY, _GREY), Image.Resampling.BOX)).ravel()  # (1024,)
    return Fingerprint(hashlib.sha256(image_hwc_uint8.tobytes()).digest(), signs, reduction)


def same_pixels(looks: list[Fingerprint]) -> list[list[int]]:
    """Groups of indices whose images are equal, two or more each, in the order of the first."""
    groups: dict[bytes, list[int]] = {}
    for index, look in enumerate(looks):
        groups.setdefault(look.digest, []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def near_pairs(looks: list[Fingerprint], parts: list[str]) -> list[tuple[int, int]]:
    """Index pairs of nearly the same, not equal, images that lie in different ``parts``.

    Every pair of two parts is compared, in blocks: FER2013's 29,000 with its other 3,600 take some seconds.
    """
    if not looks:
        return []
    part = np.unique(np.array(parts), return_inverse=True)[1]  # (N,)
    order = np.argsort(part, kind="stable")  # part after part: a block is compared with what follows its first part
    part, signs = part[order], np.stack([look.signs for look in looks])[order]  # (N,), (N, 4)
    candidates: list[tuple[int, int]] = []
    for start in range(0, len(looks), _ROWS_AT_ONCE):
        rows, others = slice(start, start + _ROWS_AT_ONCE), int(np.searchsorted(part, part[start], side="right"))
        differing = np.bitwise_count(signs[rows, None] ^ signs[None, others:]).sum(axis=2, dtype=np.uint16)  # (R, N')
        near = (differing <= NEAR_BITS) & (part[rows, None] < part[None, others:])
        found = np.argwhere(near) + np.array([start, others])  # (M, 2)
        candidates += [(min(pair), max(pair)) for pair in order[found].tolist()]
    candidates.sort()
    return [(i, j) for i, j in candidates if looks[i].digest != looks[j].digest and _correlate(looks[i], looks[j])]


@dataclass(frozen=True)
class Leak:
    """An image of the training part that a held-out part (validation or test) has too; indices into the two lists."""

    training: int
    held_out: int
    exact: bool


def leaks_between(training: list[Path], held_out: list[Path]) -> list[Leak]:
    """Images that are equal, or nearly the same, in training and in what is held out.

    Raises PictureError that names an image which can't be read.
    """
    looks = fingerprints_of([*training, *held_out])
    parts = ["training"] * len(training) + ["held out"] * len(held_out)
    pairs = {pair: False for pair in near_pairs(looks, parts)}
    for group in same_pixels(looks):
        pairs |= {(i, j): True for i in group if i < len(training) for j in group if j >= len(training)}
    return [Leak(i, j - len(training), exact) for (i, j), exact in sorted(pairs.items())]


def fingerprints_of(paths: Iterable[Path]) -> list[Fingerprint]:
    """A look at every file; files that were looked at before in this process, and haven't changed, only once."""
    return list(map_in_order(lambda path: _fingerprint_of_file(path, _changed_ns(path)), paths))


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise PictureError(f"{path}: {error.strerror}") from error


@lru_cache(maxsize=50_000)
def _fingerprint_of_file(path: Path, _at_ns: int) -> Fingerprint:
    return fingerprint_of(open_picture(path))


def _correlate(one: Fingerprint, other: Fingerprint) -> bool:
    a, b = (look.grey - look.grey.mean() for look in (one, other))
    return float(a @ b) >= NEAR_CORRELATION * float(np.linalg.norm(a) * np.linalg.norm(b)) > 0


def source_of(path: Path) -> str:
    """The mark of a prepared image; empty where it has none, as one of an earlier version, or can't be read."""
    try:
        with Image.open(path) as picture:  # the header only
            return str(picture.info.get(SOURCE, ""))
    except OSError:
        return ""


def hash_of_all(paths: Iterable[Path]) -> str:
    """One mark of what all these prepared images were made from, in whatever order and under whatever names; empty
    where one of them has none.
    """
    marks = sorted(map(source_of, paths))
    return hashlib.sha256(" ".join(marks).encode()).hexdigest() if marks and all(marks) else ""
