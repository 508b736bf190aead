"""Who is who across prepared sets: only sets of one source call their people by the same names."""

from ifgan.data.readers.bu3dfe import RENDERED
from ifgan.data.readers.folder import FOLDER

# Every set of rendered people counts from F0001, and a folder of images has whatever ids it has.
_OWN_NAMES = ("", RENDERED, FOLDER)


def same_names(dataset: str, other: str) -> bool:
    """Whether a name means the same person in sets of these two sources, as a manifest names them."""
    return dataset == other and dataset not in _OWN_NAMES
