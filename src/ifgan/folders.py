"""Folders as somebody else left them: links, odd names and all."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ifgan.errors import InputError


def existing_folder(root: Path) -> Path:
    """``root`` as a Path. Raises InputError unless it is a folder."""
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}")
    return root


def walk(root: Path, onerror: Callable[[OSError], None] | None = None) -> Iterator[tuple[str, list[str], list[str]]]:
    """``os.walk`` in the order of names, also through links, as on shared storage; no folder twice."""
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, onerror=onerror, followlinks=True):
        if (place := os.path.realpath(folder)) in seen:
            folders.clear()
            continue
        seen.add(place)
        folders.sort()
        yield folder, folders, sorted(files)


def files_below(root: Path) -> list[Path]:
    """Every file below ``root``, through links too."""
    return [Path(folder) / name for folder, _, files in walk(root) for name in files]
