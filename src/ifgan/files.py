"""Files of ours: under names that every system takes, never half written (beside, flushed to disk, renamed over); and
folders as somebody else left them: links, odd names and all.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from ifgan.errors import InputError


def safe_name(relative: str) -> str:
    """A file name for any relative path: readable, portable, and different for different paths.

    ``"happy/José 1.jpg"`` -> ``"happy__Jos_1-5e0c1f4a"`` (the tail is the path's hash).
    """
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", relative).replace("/", "__")
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_")[-80:]
    return f"{readable or 'picture'}-{hashlib.sha256(relative.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call ``write`` on a temporary file beside ``path``, sync it, then rename it to ``path``.

    A crash at any moment leaves the old file whole. Raises InputError that names the path when the
    disk is full or the folder can't be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path}: can't be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):  # renamed by now, or never made; what went wrong is told above
            temporary.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """``content`` to ``path``, all or nothing."""
    write_atomically(path, lambda file: file.write(content))


def write_text(path: Path, text: str) -> None:
    """UTF-8 text to ``path``, all or nothing."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Indented JSON to ``path``, all or nothing."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_text(path: Path) -> str:
    """The UTF-8 text in ``path``. Raises InputError when it is missing or no text."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't be read as text ({error})") from error


def read_json(path: Path) -> Any:
    """The JSON value in ``path``. Raises InputError when it is missing or broken."""
    text = read_text(path)
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: can't be read as JSON ({error})") from error


def read_object(path: Path, *fields: str) -> dict[str, Any]:
    """The JSON object in ``path``. Raises InputError when it is missing, broken, or lacks one of ``fields``."""
    content = read_json(path)
    if not isinstance(content, dict) or not set(fields) <= content.keys():
        raise InputError(f"{path}: expected a JSON object" + (f" with {', '.join(fields)}" if fields else ""))
    return content


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
