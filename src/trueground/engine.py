"""Where blocks are computed: one after the other, or in threads; on a cluster, see `trueground.cluster`.

Blocks in flight are bounded, and results come in order.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

from trueground.errors import BlockError, InputError, TruegroundError
from trueground.grid import Window

T = TypeVar("T")
S = TypeVar("S")
Progress = Callable[[int, int], None]
"""Called with the number of blocks done and their total."""


class Engine(Protocol):
    """Computes a function of windows."""

    @property
    def workers(self) -> int:
        """How many blocks are computed at the same time."""

    def map(
        self, function: Callable[[Window], T], windows: Iterable[Window]
    ) -> Iterator[tuple[Window, T]]:
        """Yield (window, result) in the order of the windows; the first exception stops the run."""


def place_of(window: Window) -> str:
    """Return what to call a block in a message."""
    return f"block at row {window.row}, column {window.col} ({window.height} x {window.width} px)"


def guarded(function: Callable[[Window], T], window: Window) -> T:
    """Run one block; any exception is raised with the block's window in its message.

    Errors of ours and a lack of memory keep their class; what was not expected is a BlockError.
    """
    where = place_of(window)
    try:
        return function(window)
    except BlockError:  # an engine within an engine: the inner one has named its block
        raise
    except TruegroundError as error:
        msg = f"{error}; in the {where}"
        raise type(error)(msg) from error
    except MemoryError as error:  # not of its own class: numpy's cannot be made from a message
        msg = f"{error}; in the {where}"
        raise MemoryError(msg) from error
    except Exception as error:
        msg = f"{where} failed: {type(error).__name__}: {error}"
        raise BlockError(msg) from error


@dataclass(frozen=True, slots=True)
class Serial:
    """One block after the other, in this thread.

    Examples
    --------
    >>> from trueground import Serial, Window
    >>> list(Serial().map(lambda window: window.width, [Window(0, 0, 2, 3)]))
    [(Window(row=0, col=0, height=2, width=3), 3)]
    """

    @property
    def workers(self) -> int:
        """One."""
        return 1

    def map(
        self, function: Callable[[Window], T], windows: Iterable[Window]
    ) -> Iterator[tuple[Window, T]]:
        """Yield (window, result) in order."""
        for window in windows:
            yield window, guarded(function, window)


@dataclass(frozen=True, slots=True)
class Threads:
    """Blocks in threads of this process; kernels and GDAL release the GIL.

    Examples
    --------
    >>> from trueground import Threads, Window
    >>> list(Threads(2).map(lambda window: window.width, [Window(0, 0, 2, 3)]))
    [(Window(row=0, col=0, height=2, width=3), 3)]
    """

    workers: int = 0
    """Number of threads; 0 means the processors that this process may use."""

    def __post_init__(self) -> None:
        if self.workers < 0:
            msg = f"{self.workers} threads: must be at least 1, or 0 for all processors"
            raise InputError(msg)
        if self.workers == 0:
            object.__setattr__(self, "workers", available_processors())

    def map(
        self, function: Callable[[Window], T], windows: Iterable[Window]
    ) -> Iterator[tuple[Window, T]]:
        """Yield (window, result) in order.

        At most `workers + 2` blocks are in flight, running or finished, with the one that the
        caller holds: memory is theirs.
        """
        queue: deque[tuple[Window, Future[T]]] = deque()
        remaining = iter(windows)
        with _pool(self.workers) as pool:

            def submit(number: int) -> None:
                for window in islice(remaining, number):
                    queue.append((window, pool.submit(_at_work, function, window)))

            try:
                submit(self.workers + 1)
                while queue:
                    window, result = queue[0][0], _waited(queue[0][1], pool)
                    queue.popleft()
                    yield window, result
                    del result
                    submit(1)
            except BaseException as error:
                running = [future for _, future in queue if not future.cancel()]
                if isinstance(error, KeyboardInterrupt | GeneratorExit):
                    _left.update(running)  # nobody waits for what nobody wants
                else:
                    _let_end(running, pool)
                raise


_LOOK_EVERY = 2.0  # s between two looks at the threads
_thread = threading.local()  # whether it computes a block
_left: WeakSet[Future[Any]] = WeakSet()  # blocks under way when a run was broken off


def is_busy() -> bool:
    """Tell whether threads still compute blocks of a run that was broken off: Python would wait for them at its end."""
    return any(not future.done() for future in _left)


def _waited(future: Future[T], pool: ThreadPoolExecutor) -> T:
    """Return what comes of a block.

    Raises
    ------
    MemoryError
        Where a thread has died of a lack of it: nobody else would ever end its block.
    """
    while not wait([future], timeout=_LOOK_EVERY).done:
        if _has_lost_a_thread(pool):
            msg = "a thread could not go on for lack of memory"
            raise MemoryError(msg)
    return future.result()


def _let_end(running: Iterable[Future[Any]], pool: ThreadPoolExecutor) -> None:
    """Wait for blocks under way, but for those whose thread has died."""
    while running := wait(running, timeout=_LOOK_EVERY).not_done:
        if _has_lost_a_thread(pool):
            _left.update(running)
            return


def _has_lost_a_thread(pool: ThreadPoolExecutor) -> bool:
    """Tell whether a thread has died, as it does where there is no memory to say what went wrong in its block."""
    if all(thread.is_alive() for thread in pool._threads):
        return False
    _lasting_pool.cache_clear()
    return True


def _at_work(function: Callable[[Window], T], window: Window) -> T:
    _thread.works = True
    return guarded(function, window)


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Give threads, the same again each time: they keep their files open, and what PROJ has to be told in each.

    A block that has blocks of its own gets others: it would wait for itself.
    """
    if not getattr(_thread, "works", False):
        yield _lasting_pool(workers)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="trueground") as pool:
        yield pool


@functools.cache
def _lasting_pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="trueground")


def nearby(engine: Engine) -> Engine:
    """Return the engine for work on what this process holds in memory: to send that elsewhere would take longer."""
    return engine if isinstance(engine, Serial | Threads) else Threads()


def available_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(len(os.sched_getaffinity(0)), 1)
    return os.cpu_count() or 1


def reduce_blocks(  # noqa: PLR0917 (the parts of a reduction, in its order)
    engine: Engine,
    partial: Callable[[Window], S],
    combine: Callable[[S, S], S],
    windows: Iterable[Window],
    *,
    progress: Progress | None = None,
) -> S | None:
    """Compute `partial` of every window and combine the results in the order of the windows."""
    listed = list(windows)
    total: S | None = None
    for done, (_, part) in enumerate(engine.map(partial, listed), start=1):
        total = part if total is None else combine(total, part)
        if progress is not None:
            progress(done, len(listed))
    return total
