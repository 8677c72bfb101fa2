"""One function computed of many windows on a cluster: sent, watched, brought home in order."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from trueground.cluster.connection import Connection, check_alike
from trueground.cluster.shipped import Shipped, packed
from trueground.cluster.worker import Answers, compute, this
from trueground.engine import place_of
from trueground.errors import BlockError, TruegroundError
from trueground.findings import enter
from trueground.grid import Window

_EACH = 2  # tasks under way for each thread: one that is computed, one that waits for it
_SHARE = 0.25  # of the workers' memory that results may take
_WORTH = 0.1  # s that a task should take; of quicker blocks several make one
_MOST = 64  # blocks of a task
_LIGHT = 1 << 22  # bytes that results of such a task may have
_TRIES = 3  # times that a block is computed which fails
_SHARED_WITHIN = 10.0  # s, in which all workers are given the function; else they fetch it later
_COMING = 2  # results on their way home, at most
_LOOK_EVERY = 2.0  # s between two looks at the cluster
_WITHOUT_WORKERS = 60.0  # s that a cluster may have none: those that died are replaced by then
_LOST = 5  # times in a row that the cluster may lose what it was sent
_SMALL = 1 << 20  # bytes of a function that the scheduler keeps; more is for workers alone


@dataclass(slots=True)
class _Task:
    """Blocks that are computed together."""

    number: int
    """Of the first of them."""
    windows: tuple[Window, ...]
    sent: Any
    """None while it waits for one that is tried alone, or to be the first of those."""
    coming: concurrent.futures.Future[Answers | None] | None = None
    deaths: int = 0
    """Of workers that had it."""
    is_alone: bool = False
    """Whether it is tried with no other under way, by one worker."""
    worker: str = ""
    """That is to do it alone; any where it is empty."""


class _WorkerDied(Exception):  # noqa: N818 (an answer, as distributed's KilledWorker)
    """The worker has gone that was to do a task alone."""


class Run:
    """What `Dask.map` does."""

    def __init__(
        self,
        connection: Connection,
        function: Callable[[Window], Any],
        windows: Iterable[Window],
    ) -> None:
        self._connection, self._client = connection, connection.client
        self._packed = packed(function)
        self._remaining = iter(windows)
        self._name = f"trueground-{uuid.uuid4().hex[:12]}"
        self._times, self._number = itertools.count(), 0
        self._queue: deque[_Task] = deque()
        self._function: Any = None
        self._parts: Any = []
        self._together = 1  # blocks of a task
        self._largest = 0  # bytes of a result, of those seen
        self._threads, self._memory, self._looked, self._seen = 0, 0.0, -float("inf"), 0.0
        self._workers: frozenset[str] = frozenset()

    def results(self) -> Iterator[tuple[Window, Any]]:
        """Yield windows and results in order."""
        from distributed.comm.core import CommClosedError

        try:
            yield from self._results()
        except CommClosedError as error:
            raise self._gone() from error

    def _results(self) -> Iterator[tuple[Window, Any]]:
        self._fill()
        while self._queue:
            answers = self._first()
            task = self._queue.popleft()
            task.sent.release()
            done, left = answers.done, task.windows[len(answers.done) :]
            if left and done[-1].error is None:
                self._put_back(task.number + len(done), [left])
            self._fill()
            for window, answer in zip(task.windows, done, strict=False):
                if answer.error is not None:
                    raise answer.error
                enter(answer.found)
                yield window, answer.value
            del answers, done, answer

    def close(self) -> None:
        """Let the cluster forget what it has not begun.

        What is on its way home is not cancelled: distributed would cancel all that comes after it as well.
        """
        for task in self._queue:
            self._recall(task)
        self._queue.clear()
        self._function, self._parts = None, []

    def _fill(self) -> None:
        """Send as many blocks as may be under way, none beside one that is tried alone; call the first ones home."""
        if self._queue and self._queue[0].is_alone:
            return
        for task in self._queue:
            if task.sent is None:
                task.sent = self._sent(task.number, task.windows)
        while len(self._queue) < self._limit():
            windows = tuple(itertools.islice(self._remaining, self._together))
            if not windows:
                break
            self._queue.append(self._made(self._number, windows))
            self._number += len(windows)
        for task in itertools.islice(self._queue, _COMING):
            if task.coming is None:
                task.coming = self._called(task.sent)

    def _recall(self, task: _Task) -> None:
        """Let the cluster forget a task."""
        with contextlib.suppress(Exception):
            if task.sent is not None:
                task.sent.release()
        task.sent = task.coming = None

    def _put_back(self, number: int, groups: Iterable[Sequence[Window]]) -> None:
        """Send blocks once more that were not computed, before all others."""
        made = []
        for group in groups:
            made.append(self._made(number, tuple(group)))
            number += len(group)
        self._queue.extendleft(reversed(made))

    def _made(self, number: int, windows: tuple[Window, ...]) -> _Task:
        return _Task(number, windows, self._sent(number, windows))

    def _limit(self) -> int:
        """Return how many tasks may be under way."""
        if time.monotonic() - self._looked > _LOOK_EVERY:
            self._look()
        most = _EACH * self._threads
        if self._largest:
            fitting = int(_SHARE * self._memory / (self._largest * self._together))
            most = min(most, max(fitting, self._threads))
        return max(most, 1)

    def _look(self) -> None:
        """Look at what the cluster is made of now; raise where it has gone."""
        if self._client.status != "running":
            raise self._gone()
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        self._looked = time.monotonic()
        self._threads = sum(w["nthreads"] for w in workers.values())
        # 0 means no limit.
        self._memory = sum(w["memory_limit"] or float("inf") for w in workers.values())
        self._connection.refill(len(workers))
        if self._workers != workers.keys():
            self._workers = frozenset(workers)
            self._share()
        if self._threads or not self._seen:
            self._seen = self._looked
        elif self._looked - self._seen > _WITHOUT_WORKERS:
            msg = (
                f"the Dask cluster at {self._client.scheduler.address} has had no worker for {_WITHOUT_WORKERS:g} s: "
                "look at what ended them, and run again"
            )
            raise BlockError(msg)

    def _share(self) -> None:
        """Give the function to all workers: Dask gives blocks to those that have it."""
        if self._function is not None and len(self._workers) > 1:
            # A worker may die meanwhile: the others have it, and it can be made again.
            with contextlib.suppress(Exception):
                self._client.replicate(self._function, callback_timeout=_SHARED_WITHIN)

    def _sent(self, number: int, windows: tuple[Window, ...], *, worker: str = "") -> Any:
        """Send a task, to any worker or to one."""
        if self._function is None:
            self._function = self._send_function()
            self._share()
        return self._client.submit(
            compute, self._function, windows, this(), key=f"{self._name}-{number}-{next(self._times)}",
            retries=_TRIES - 1, priority=-number, pure=False, workers=[worker] if worker else None,
        )  # fmt: skip

    def _send_function(self) -> Any:
        """Send the function: what is small through the scheduler, which can send it again; large arrays to all."""
        text: Any = self._packed.text
        parts: Any = self._packed.arrays
        if self._packed.nbytes > _SMALL:
            import numpy as np

            text = np.frombuffer(text, dtype=np.uint8)
            self._parts = self._client.scatter([text, *parts], hash=False)
            text, *parts = self._parts
        return self._client.submit(
            Shipped, text, *parts, key=f"{self._name}-function-{next(self._times)}", pure=False
        )

    def _called(self, sent: Any) -> concurrent.futures.Future[Answers | None]:
        """Have results brought here as soon as they are there, while others are written; None where there are none."""
        gathering = self._client.gather(
            sent, errors="skip", direct=self._connection.direct, asynchronous=True
        )
        return asyncio.run_coroutine_threadsafe(gathering, self._client.loop.asyncio_loop)

    def _first(self) -> Answers:
        """Wait for the first task."""
        from distributed.comm.core import CommClosedError
        from distributed.scheduler import KilledWorker

        for lost in itertools.count(1):
            task = self._queue[0]
            if task.is_alone and task.sent is None:
                self._look()
                task.worker = min(self._workers, default="")
                task.sent = self._sent(task.number, task.windows, worker=task.worker)
            place = place_of(task.windows[0])
            try:
                return self._waited(task)
            except concurrent.futures.CancelledError:
                if self._client.status != "running":
                    raise self._gone() from None
                if lost > _LOST:
                    msg = f"{place} was lost by the Dask cluster {lost} times; run again"
                    raise BlockError(msg) from None
                self._send_again()
            except (KilledWorker, _WorkerDied) as error:
                died = error.last_worker.address if isinstance(error, KilledWorker) else task.worker
                task.deaths += error.allowed_failures + 1 if isinstance(error, KilledWorker) else 1
                if task.is_alone and task.deaths >= _TRIES:
                    msg = (
                        f"{place} failed: {task.deaths} workers died that had it, the last {died}; it may need more "
                        "memory than a worker has: give each more, or start fewer"
                    )
                    raise BlockError(msg) from None
                self._try_alone(task)
            except BlockError as error:
                msg = f"{error} (tried {_TRIES} times)"
                raise BlockError(msg) from error
            except (TruegroundError, MemoryError, CommClosedError):
                raise
            except Exception as error:  # a worker that does not understand what it was sent
                check_alike(self._client)
                msg = f"{place} failed: {type(error).__name__}: {error}"
                raise BlockError(msg) from error
        raise AssertionError

    def _waited(self, task: _Task) -> Answers:
        if task.coming is None:
            task.coming = self._called(task.sent)
        is_awaited = not task.coming.done()
        while True:
            try:
                answers = task.coming.result(timeout=_LOOK_EVERY)
                break
            except TimeoutError:
                if task.coming.done():
                    raise
                self._look()
                if task.worker and task.worker not in self._workers:
                    raise _WorkerDied from None
        if answers is not None:
            self._learn(answers, is_awaited=is_awaited)
            return answers
        if task.sent.status != "error":
            raise concurrent.futures.CancelledError
        raise task.sent.exception()

    def _learn(self, answers: Answers, *, is_awaited: bool) -> None:
        """Learn from what came how large results are, and of how many blocks a task is made.

        A task costs some milliseconds on its way: of blocks that take no longer, and are waited for, several make one.
        """
        from dask.sizeof import sizeof

        self._largest = max(self._largest, *(int(sizeof(a.value)) for a in answers.done))
        each = answers.seconds / len(answers.done)
        fitting = min(_MOST, int(_WORTH / max(each, 1e-6)), _LIGHT // max(self._largest, 1))
        most = 2 * self._together if is_awaited else self._together
        self._together = max(min(fitting, most), 1)

    def _try_alone(self, task: _Task) -> None:
        """Have the first blocks tried one by one: of those that a worker had, it is not known which ended it.

        Each is for one worker: a cluster gives to three more, of its own accord, what has ended one.
        """
        for other in self._queue:
            self._recall(other)
        if self._function is not None and self._function.status == "error":
            self._function = None
        self._queue.popleft()
        deaths = min(task.deaths, _TRIES - 1)
        alone = [
            _Task(task.number + k, (window,), None, deaths=deaths, is_alone=True)
            for k, window in enumerate(task.windows)
        ]
        self._queue.extendleft(reversed(alone))

    def _send_again(self) -> None:
        """Send all that is under way once more: the workers that had the function's arrays have gone."""
        self._function, self._parts = None, []
        for task in self._queue:
            is_held_back = task.sent is None or task.is_alone
            self._recall(task)
            if not is_held_back:
                task.sent = self._sent(task.number, task.windows)

    def _gone(self) -> BlockError:
        return BlockError(
            f"the Dask scheduler at {self._client.scheduler.address} has gone: look at what ended it, and run again"
        )
