"""Options that say where blocks are computed: one place for all commands."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trueground.cli.console import console

if TYPE_CHECKING:
    from trueground.cluster import Dask
    from trueground.engine import Engine


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Where blocks are computed."""

    engine: str = "threads"
    """Where blocks are computed: threads, serial, dask (processes of this computer), or dask://HOST:PORT, a cluster."""
    workers: Annotated[int, Parameter(name=["--workers", "--threads"])] = 0
    """Number of threads, or of processes with --engine dask; 0 takes all processors."""

    @property
    def is_given(self) -> bool:
        """Whether anything was said."""
        return self != EngineOptions()

    def check(self) -> None:
        """Raise, before any work, where there is no such engine.

        Raises
        ------
        InputError
            With the engines that there are.
        """
        from trueground.cluster import check_engine

        check_engine(self.engine, self.workers)

    @contextlib.contextmanager
    def opened(self, *, estimate: bool = False) -> Iterator[Engine]:
        """Give the engine; processes that it started end with the context.

        Parameters
        ----------
        estimate
            Nothing will be computed by it: no cluster is looked for, and threads stand for its processes.

        Raises
        ------
        InputError
            Where a cluster does not answer.
        """
        from trueground.cluster import Dask, engine_named
        from trueground.engine import Threads

        self.check()
        if estimate:
            yield Threads(self.workers)
            return
        if not console.verbose:  # what matters of it is raised
            for name in ("distributed", "tornado", "asyncio"):
                logging.getLogger(name).setLevel(logging.CRITICAL)
        key = (self.engine, self.workers)
        made: Engine | Dask | None = None if _shared is None else _shared.pop(key, None)
        if isinstance(made, Dask) and made.client.status != "running":  # it has gone meanwhile
            made.close(at_once=True)
            made = None
        if made is None:
            with console.timed("engine"):
                made = engine_named(self.engine, self.workers)
        if not isinstance(made, Dask):
            yield made
            return
        with contextlib.ExitStack() as stack:
            stack.push(made)
            yield made
            if _shared is not None and made.client.status == "running":
                stack.pop_all()
                _shared[key] = made


_shared: dict[tuple[str, int], Dask] | None = None
"""Clusters that wait for the next command, by engine and workers; None where each command has its own."""


@contextlib.contextmanager
def clusters_shared() -> Iterator[None]:
    """Let commands that are run one after the other in this process share clusters; one that failed closes its own."""
    global _shared  # noqa: PLW0603 (of the process, as its standard output is)
    _shared = {}
    try:
        yield
    finally:
        left, _shared = _shared, None
        for made in left.values():
            made.close()
