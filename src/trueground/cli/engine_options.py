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
        with contextlib.ExitStack() as stack:
            with console.timed("engine"):
                made = engine_named(self.engine, self.workers)
            if isinstance(made, Dask):
                stack.enter_context(made)
            yield made
