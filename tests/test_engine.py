"""Engines: order, bounded blocks in flight, exceptions, cancelling, reductions."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trueground.engine import Serial, Threads, available_processors, reduce_blocks
from trueground.errors import BlockError, InputError
from trueground.grid import Window

ENGINES = [Serial(), Threads(1), Threads(3)]


def _windows(number):
    return [Window(k, 0, 1, 1) for k in range(number)]


class Count:
    """A function of windows that counts the calls that began, and those that go on."""

    def __init__(self, pause=0.0):
        self.lock, self.pause = threading.Lock(), pause
        self.begun = self.running = self.most = 0

    def __call__(self, window):
        with self.lock:
            self.begun += 1
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(self.pause * (1 + window.row % 3))
        with self.lock:
            self.running -= 1
        return window.row


@pytest.mark.parametrize("engine", ENGINES)
def test_results_come_in_order_and_once(engine):
    found = list(engine.map(Count(0.001), _windows(50)))
    assert [window.row for window, _ in found] == list(range(50))
    assert [result for _, result in found] == list(range(50))
    assert list(engine.map(Count(), [])) == []


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_blocks_in_flight_are_bounded(workers):
    count = Count(0.001)
    drawn = []

    def windows():
        for window in _windows(60):
            drawn.append(window)
            yield window

    for taken, _ in enumerate(Threads(workers).map(count, windows())):
        time.sleep(0.002)  # a slow consumer: workers must wait for it
        assert count.begun - taken <= workers + 2  # with the one that we hold
        assert len(drawn) - taken <= workers + 2
    assert count.most <= workers
    assert count.begun == 60


@pytest.mark.parametrize("engine", ENGINES)
def test_an_exception_stops_the_run_and_names_the_window(engine):
    count = Count(0.001)

    def fails(window):
        count(window)
        if window.row == 7:
            raise ZeroDivisionError("oh")
        return window.row

    done = []
    with pytest.raises(BlockError, match=r"row 7, column 0.*ZeroDivisionError: oh") as caught:
        done.extend(result for _, result in engine.map(fails, _windows(500)))
    assert done == list(range(7))
    assert count.begun <= 8 + 2 * 3
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_blocks_that_wait_are_cancelled():
    begun = []

    def fails(window):
        begun.append(window.row)
        if window.row == 0:
            raise InputError("oh")
        time.sleep(0.1)

    with pytest.raises(InputError):
        list(Threads(4).map(fails, _windows(100)))
    assert len(begun) <= 5  # five were under way, one of them waiting


@pytest.mark.parametrize("engine", ENGINES)
def test_errors_of_ours_keep_their_class_and_name_the_window(engine):
    def fails(_):
        raise InputError("dem.tif is damaged")

    with pytest.raises(InputError, match=r"^dem\.tif is damaged; in the block at row 0, column 0 "):
        list(engine.map(fails, _windows(3)))

    def within(_):
        list(engine.map(lambda w: 1 // w.row, _windows(3)))

    with pytest.raises(BlockError, match="block at row") as caught:
        list(engine.map(within, _windows(3)))
    assert str(caught.value).count("block at row") == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_a_lack_of_memory_stays_one(engine):
    def fails(_):
        np.empty((1 << 60,), dtype=np.uint8)  # raises numpy's own subclass

    with pytest.raises(MemoryError, match=r"block at row 0, column 0"):
        list(engine.map(fails, _windows(3)))


def test_a_thread_that_dies_of_a_lack_of_memory_stops_the_run(monkeypatch, caplog):
    """It cannot say so: what it computed would be waited for for ever."""
    kept = Future.set_result

    def set_result(future, result):
        if result == 3:
            raise MemoryError
        kept(future, result)

    monkeypatch.setattr(Future, "set_result", set_result)
    monkeypatch.setattr("trueground.engine._LOOK_EVERY", 0.1)
    found = []
    with pytest.raises(MemoryError, match="lack of memory"):
        found.extend(row for _, row in Threads(2).map(lambda w: w.row, _windows(20)))
    assert found == [0, 1, 2]
    assert "MemoryError" in caplog.text
    monkeypatch.undo()
    assert len(list(Threads(2).map(lambda w: w.row, _windows(20)))) == 20


@pytest.mark.parametrize("engine", ENGINES)
def test_windows_may_fail_too(engine):
    def windows():
        yield Window(0, 0, 1, 1)
        raise InputError("no more")

    with pytest.raises(InputError, match="no more"):
        list(engine.map(Count(), windows()))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_generator_closed_early_stops_and_leaves_no_thread(engine):
    list(engine.map(Count(0.01), _windows(20)))  # threads are there from now on
    before = threading.active_count()
    count = Count(0.001)
    results = engine.map(count, _windows(1000))
    next(results)
    next(results)
    results.close()
    assert threading.active_count() <= before
    begun = count.begun
    assert begun <= 2 + 2 * 3 + 1
    time.sleep(0.01)
    assert count.begun == begun


@pytest.mark.parametrize("engine", ENGINES)
def test_keyboard_interrupt_passes_and_stops(engine):
    count = Count(0.001)

    def interrupted(window):
        count(window)
        if window.row == 3:
            raise KeyboardInterrupt
        return 0

    with pytest.raises(KeyboardInterrupt):
        list(engine.map(interrupted, _windows(1000)))
    assert count.begun <= 4 + 2 * 3
    before = count.begun
    time.sleep(0.01)
    assert count.begun == before


def test_keyboard_interrupt_of_the_consumer_stops_too():
    count = Count(0.001)

    def consume():
        for _ in Threads(2).map(count, _windows(1000)):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert count.begun < 20


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(1, 5))
def test_a_reduction_is_the_same_on_every_engine(number, workers):
    """Sums of real numbers depend on their order: it has to be that of the windows."""

    def partial(window):
        return np.float32(1.0) / np.float32(window.row + 1)

    def total(engine):
        return reduce_blocks(engine, partial, lambda a, b: a + b, _windows(number))

    assert total(Threads(workers)) == total(Serial())


def test_reduction_reports_progress_and_knows_nothing_as_none():
    calls = []
    reduce_blocks(
        Serial(), Count(), lambda a, b: a + b, _windows(3), progress=lambda *a: calls.append(a)
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert reduce_blocks(Serial(), Count(), lambda a, b: a + b, []) is None


def test_number_of_threads():
    assert Threads().workers == available_processors() >= 1
    with pytest.raises(InputError, match="-2 threads"):
        Threads(-2)
