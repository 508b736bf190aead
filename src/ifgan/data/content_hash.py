"""What a prepared image tells of the image that it was made from: a mark of its content, in the PNG itself."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

SOURCE = "Source"  # a keyword that the PNG standard registers (11.3.4.2)


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
