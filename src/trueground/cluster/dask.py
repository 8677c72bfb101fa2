"""The engine of a cluster: blocks are tasks of dask.distributed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from trueground.cluster.connection import Connection, connect
from trueground.cluster.run import Run
from trueground.engine import Serial, Threads
from trueground.grid import Window

if TYPE_CHECKING:
    from distributed import Client
    from distributed.deploy.cluster import Cluster

T = TypeVar("T")


class Dask:
    """Blocks as tasks on a cluster of dask.distributed.

    What is computed is sent once to each worker that takes part: paths and parameters, by which workers open files for
    themselves, and arrays that are in memory. Blocks that are under way are bounded, and come home in order. Those of
    a worker that died are computed again; one that fails three times stops the run.

    Parameters
    ----------
    cluster
        `dask://HOST:PORT` of a scheduler; any cluster of Dask's (dask-jobqueue, Kubernetes, ...) or a client of it,
        which are left open at the end; by default processes of one thread each on this computer.
    workers
        Number of such processes; 0 means the processors that this process may use.
    wait
        Seconds in which scheduler and a first worker must answer.

    Raises
    ------
    InputError
        Where the package distributed is missing, the cluster does not answer, or its workers have another version of
        trueground or Python.

    Examples
    --------
    >>> from trueground import Dask, write
    >>> with Dask() as engine:  # doctest: +SKIP
    ...     write(orthoimage, "ortho.tif", engine=engine)

    Notes
    -----
    In a script, processes are started below ``if __name__ == "__main__":``, as always with Python's multiprocessing.
    """

    def __init__(
        self, cluster: Client | Cluster | str | None = None, *, workers: int = 0, wait: float = 10.0
    ) -> None:
        number = Threads(workers).workers  # refuses what is no number
        self._connection: Connection | None = connect(cluster, workers=number, wait=wait)

    @property
    def client(self) -> Any:
        """The client of the cluster."""
        return self._open.client

    @property
    def workers(self) -> int:
        """Threads of all workers that there are now."""
        threads: dict[str, int] = self.client.nthreads()
        return max(sum(threads.values()), 1)

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            msg = "this engine is closed: make another Dask(...)"
            raise ValueError(msg)
        return self._connection

    def map(
        self, function: Callable[[Window], T], windows: Iterable[Window]
    ) -> Iterator[tuple[Window, T]]:
        """Yield (window, result) in order.

        At most two tasks for each thread of the cluster are under way, and one that the caller holds; fewer where
        results would take more than a quarter of the workers' memory. A task is a block; of blocks that take some
        milliseconds, and are waited for, several.
        """
        connection = self._open
        with contextlib.closing(Run(connection, function, windows)) as run:
            yield from run.results()

    def close(self, *, at_once: bool = False) -> None:
        """End the processes that were started, and the connection; a client that was given stays open.

        Parameters
        ----------
        at_once
            Do not wait for blocks that are under way.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(at_once=at_once)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(at_once=kind is not None)

    def __reduce__(self) -> tuple[Any, ...]:
        # Within a block, on a worker, there is nothing to share out.
        return Serial, ()
