"""Identity-free facial expression recognition. Public names only; importing does nothing else."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ifgan.predict import Prediction, Recognizer

__all__ = ["Prediction", "Recognizer"]


def __getattr__(name: str) -> Any:
    """Load torch, or look up the version, only when that name is used."""
    if name == "__version__":
        from ifgan.versions import versions_of

        return versions_of(["ifgan"])["ifgan"]
    if name in __all__:
        import ifgan.predict

        return getattr(ifgan.predict, name)
    raise AttributeError(f"module 'ifgan' has no attribute {name!r}")
