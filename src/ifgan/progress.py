"""Progress of long work: a live bar with rate and time left on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 10.0


def track(
    items: Iterable[T],
    what: str,
    total: int | None = None,
    unit: str = "images",
    stream: TextIO | None = None,
    *,
    part: bool = False,
) -> Iterator[T]:
    """Yield ``items`` unchanged and show how far it is on ``stream`` (standard error).

    ``total`` may be None when it isn't known. Off a terminal a line is printed every ten seconds and at the end. What
    is ``part`` of longer work that speaks for itself leaves no bar behind, and no line at its end.
    """
    stream = stream or sys.stderr
    show = _bar if stream.isatty() else _lines
    return show(items, what, total, unit, stream, part)


def _lines(  # noqa: PLR0917
    items: Iterable[T], what: str, total: int | None, unit: str, stream: TextIO, part: bool
) -> Iterator[T]:
    started = shown = time.monotonic()
    done = 0
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - shown >= SECONDS_BETWEEN_LINES and done != total:
            shown = now
            print(_line(what, done, total, unit, now - started), file=stream, flush=True)
    if not part:
        print(_line(what, done, done, unit, time.monotonic() - started), file=stream, flush=True)


def _line(what: str, done: int, total: int | None, unit: str, seconds: float) -> str:
    rate = done / max(seconds, 1e-9)
    line = f"{what}: {done}{'' if total is None else f'/{total}'} {unit}, {rate:.1f}/s"
    if total == done:
        return f"{line}, {duration(seconds)}"
    return line if total is None or not done else f"{line}, {duration((total - done) / rate)} left"


def duration(seconds: float) -> str:
    """``75`` -> ``"1 min 15 s"``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _bar(  # noqa: PLR0917
    items: Iterable[T], what: str, total: int | None, unit: str, stream: TextIO, part: bool
) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    started = time.monotonic()
    with Progress(*columns, console=Console(file=stream), transient=part) as progress:
        task = progress.add_task(what, total=total, rate="")
        for done, item in enumerate(items, start=1):
            yield item
            rate = done / max(time.monotonic() - started, 1e-9)
            progress.update(task, completed=done, rate=f"{rate:.1f} {unit}/s")
