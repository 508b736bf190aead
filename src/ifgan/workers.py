"""Work spread over threads or processes: results in the order of the input, bounded memory.

Threads suffice where decoding, resizing or encoding an image is all: it releases Python's lock. Processes may die, and
a death loses one item only; they are fresh ones with nothing of the caller's locks, threads or memory. Ctrl-C reaches
the caller alone.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from typing import Any, Generic, TypeVar

from ifgan.errors import InputError

T = TypeVar("T")
R = TypeVar("R")
WAITING_PER_WORKER = 4  # items handed out ahead of the one awaited; bounds memory
_MOST_ON_WINDOWS = 61  # ProcessPoolExecutor takes no more there
_DEATHS_IN_A_ROW = 5  # a machine out of memory, or a script without a main guard


def processors() -> int:
    """Those that this process is bound to, where the system says so; all of the machine otherwise; at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
                if len(waiting) >= WAITING_PER_WORKER * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@dataclass(frozen=True)
class Work(Generic[T, R]):
    """What workers do: ``start(*arguments)`` once in each, then ``do(item)``; all three are pickled.

    ``died(item)`` is the result, made by the caller, for an item that took its worker down. ``preload``: modules that
    workers need and that take long to import.
    """

    do: Callable[[T], R]
    start: Callable[..., None]
    arguments: tuple[Any, ...]
    died: Callable[[T], R]
    preload: tuple[str, ...] = ()


def map_in_processes(work: Work[T, R], items: Iterable[T], workers: int) -> Iterator[R]:
    """One result an item, in order. Raises InputError only when workers keep dying."""
    pool = _Pool(work, workers)
    try:
        running: deque[tuple[T, Future[R]]] = deque()
        for item in items:
            running.append((item, pool.submit(item)))
            if len(running) >= workers * WAITING_PER_WORKER:
                yield pool.result(running)
        while running:
            yield pool.result(running)
    finally:
        pool.close()


class _Pool(Generic[T, R]):
    """Worker processes that are replaced when one dies."""

    def __init__(self, work: Work[T, R], workers: int) -> None:
        self._work = work
        self._workers = min(workers, _MOST_ON_WINDOWS) if sys.platform == "win32" else workers
        self._deaths = 0
        self._executor = self._start(self._workers)

    def submit(self, item: T) -> Future[R]:
        try:
            with _interrupts_held_back():
                return self._executor.submit(self._work.do, item)
        except BrokenProcessPool as error:  # answered by result(), when this item's turn comes
            failed: Future[R] = Future()
            failed.set_exception(error)
            return failed

    def result(self, running: deque[tuple[T, Future[R]]]) -> R:
        """The next result. After a death, the items in flight are done again, each alone until one is to blame."""
        item, future = running.popleft()
        try:
            result = future.result()
            self._deaths = 0
        except BrokenProcessPool:
            result = self._alone(item)
            # A fresh pool does what the dead one had in hand.
            self._replace(self._workers)
            waiting = [item for item, _ in running]
            running.clear()
            running.extend((item, self.submit(item)) for item in waiting)
        return result

    def _alone(self, item: T) -> R:
        self._replace(1)
        try:
            result = self.submit(item).result()
        except BrokenProcessPool:
            return self._death_of(item)
        self._deaths = 0
        return result

    def _death_of(self, item: T) -> R:
        self._deaths += 1
        if self._deaths >= _DEATHS_IN_A_ROW:
            raise InputError(
                f"{self._deaths} worker processes died one after the other (out of memory, or a script without "
                "`if __name__ == '__main__':`); try workers=1"
            )
        return self._work.died(item)

    def _replace(self, workers: int) -> None:
        self.close()
        self._executor = self._start(workers)

    def _start(self, workers: int) -> ProcessPoolExecutor:
        context = _context(self._work.preload)
        return ProcessPoolExecutor(workers, context, initializer=self._work.start, initargs=self._work.arguments)

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)


def _context(preload: tuple[str, ...]) -> BaseContext:
    """On Linux workers are copies of one fresh process that has imported ``preload``: seconds once, not once each."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Processes started in here never see Ctrl-C: they would print tracebacks of their own.

    They inherit that it is blocked. Here another thread may still receive it, so it is noted and raised afterwards:
    an interrupt in the middle of starting a process would leave it behind.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    noted: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: noted.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
        if noted:
            signal.raise_signal(signal.SIGINT)
