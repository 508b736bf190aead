"""Work spread over threads, results in the order of the input, bounded memory.

Threads suffice: decoding, resizing and encoding an image all release Python's lock.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ifgan.processors import processors

T = TypeVar("T")
R = TypeVar("R")


def worker_count(workers: int | None) -> int:
    """The number asked for, at least one; by default the processors this process may use."""
    return processors() if workers is None else max(1, workers)


def map_in_order(function: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Iterator[R]:
    """``map(function, items)`` on threads. Holds at most four unfinished or waiting results a worker.

    The first exception that ``function`` raises is raised here, at that item's place.
    """
    count = worker_count(workers)
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= 4 * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
