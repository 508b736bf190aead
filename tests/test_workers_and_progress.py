"""Order, bounded memory and errors of the worker threads; what progress prints off a terminal."""

import io
import time

import pytest

from ifgan import progress
from ifgan.workers import map_in_order, worker_count


def test_results_come_in_the_order_of_the_input():
    def late(i):
        time.sleep(0.002 * (i % 5 == 0))
        return i * i

    assert list(map_in_order(late, range(60), workers=4)) == [i * i for i in range(60)]
    assert list(map_in_order(late, [], workers=4)) == []


def test_the_input_is_never_read_far_ahead():
    read = []
    results = map_in_order(lambda i: i, (read.append(i) or i for i in range(1000)), workers=2)
    for done in range(20):
        next(results)
        assert len(read) <= done + 8
    results.close()


def test_an_error_is_raised_at_its_place():
    results = map_in_order(lambda i: 1 / (3 - i), range(9), workers=3)
    assert [next(results) for _ in range(3)] == [1 / 3, 1 / 2, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_worker_count():
    assert worker_count(3) == 3 and worker_count(0) == 1 and worker_count(None) >= 1


def test_plain_lines_off_a_terminal(monkeypatch):
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    assert list(progress.track(range(6), "check", 6, stream=stream)) == list(range(6))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "check: 3/6 images, 0.2/s, 12 s left"
    assert lines[-1].startswith("check: 6/6 images")


def test_unknown_total_and_nothing_at_all():
    stream = io.StringIO()
    assert list(progress.track(iter("ab"), "x", stream=stream)) == ["a", "b"]
    assert list(progress.track([], "x", 0, stream=stream)) == []
    assert "x: 2/2 images" in stream.getvalue() and "x: 0/0" in stream.getvalue()


def test_a_bar_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    assert list(progress.track(range(3), "prepare", 3, stream=stream)) == [0, 1, 2]
    assert "3/3" in stream.getvalue()


def test_durations():
    assert [progress.duration(s) for s in (0.2, 75, 3700)] == ["0 s", "1 min 15 s", "1 h 01 min"]
