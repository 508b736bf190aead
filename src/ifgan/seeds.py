"""Seeds derived from what they are for, so that no draw depends on how many others came before it."""

import hashlib

import numpy as np
import torch


def seed_for(*purpose: object) -> int:
    """A 63-bit seed from a purpose, e.g. ``seed_for("augment", run_seed, epoch, index)``.

    The same purpose gives the same seed on every machine; different purposes give unrelated ones.
    """
    digest = hashlib.sha256("\x1f".join(map(str, purpose)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def numpy_rng(*purpose: object) -> np.random.Generator:
    """A numpy generator of its own for one purpose."""
    return np.random.default_rng(seed_for(*purpose))


def torch_rng(*purpose: object) -> torch.Generator:
    """A torch CPU generator of its own for one purpose."""
    return torch.Generator().manual_seed(seed_for(*purpose))
