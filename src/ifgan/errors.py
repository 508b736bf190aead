"""What a user is told: one sentence that names the file, the field and what was expected; and the exit status."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

FAILED = 1  # exit status: some inputs failed, the others are done
WRONG_USE = 2  # nothing was done, or what had to be done couldn't be


class InputError(ValueError):
    """Bad input. The command line prints the message without a traceback and exits with status 2."""


class PictureError(InputError):
    """One image that can't be used. Batches skip it, list it with this reason, and go on."""


def one_line(error: BaseException) -> str:
    """What another library's error says, on one line; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def some_of(names: Iterable[str], limit: int = 5, between: str = ", ") -> str:
    """The first few names, and how many more there are: for messages."""
    listed = list(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return between.join(listed[:limit]) + more


@contextmanager
def needing(extra: str | None, what: str, error_type: type[InputError] = InputError) -> Iterator[None]:
    """Imports that only come with an extra of this package, or with None by themselves. Raises ``error_type``: ``what``
    needs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise error_type(f"{what}: {missing(error, extra)}") from error


def missing(error: ModuleNotFoundError, extra: str | None = "train") -> str:
    """What is said of a package that isn't installed."""
    wanted = error.name if extra is None else f'"ifgan[{extra}]"'
    return f"needs {error.name}, which is not installed; pip install {wanted}"
