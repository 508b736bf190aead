"""The sources that ``ifgan prepare`` knows, by name. One small file a source; each streams `SourcePicture`s."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ifgan.data.readers.base import Reading
from ifgan.data.readers.bu3dfe import read_bu3dfe
from ifgan.data.readers.ckplus import read_ckplus
from ifgan.data.readers.fer2013 import read_fer2013
from ifgan.data.readers.folder import read_folder
from ifgan.data.readers.jaffe import read_jaffe
from ifgan.data.readers.mmi import read_mmi
from ifgan.data.readers.rafdb import read_rafdb
from ifgan.errors import InputError

READERS: dict[str, Callable[..., Reading]] = {
    "bu3dfe": read_bu3dfe,
    "ckplus": read_ckplus,
    "fer2013": read_fer2013,
    "folder": read_folder,
    "jaffe": read_jaffe,
    "mmi": read_mmi,
    "rafdb": read_rafdb,
}


def read(set_name: str, root: Path, **options: Any) -> Reading:
    """Open the source ``root`` as the set ``set_name``. Options that are None keep the reader's default.

    Raises InputError for an unknown set, an option the set doesn't have, or a source that isn't what it should be.
    """
    if set_name not in READERS:
        raise InputError(f"{set_name!r} is no known data set; expected one of {', '.join(READERS)}")
    given = {name: value for name, value in options.items() if value is not None}
    unknown = given.keys() - reader_options(set_name).keys()
    if unknown:
        owners = [name for name in READERS if min(unknown) in reader_options(name)]
        belongs = f"; it belongs to {', '.join(owners)}" if owners else ""
        raise InputError(f"{min(unknown)}: the set {set_name} has no such option{belongs}")
    return READERS[set_name](Path(root), **given)


def reader_options(set_name: str) -> dict[str, Any]:
    """The options of a set's reader and their defaults."""
    parameters = inspect.signature(READERS[set_name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
