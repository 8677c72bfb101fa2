"""Engines by the names that they have on a command line and in files."""

from __future__ import annotations

from trueground.cluster.connection import address_of
from trueground.cluster.dask import Dask
from trueground.engine import Engine, Serial, Threads
from trueground.errors import InputError

ENGINES = "threads, serial, dask or dask://HOST:PORT"


def check_engine(name: str, workers: int = 0) -> None:
    """Raise where there is no such engine; nothing is started.

    Parameters
    ----------
    name
        What the user called it: see `engine_named`.
    workers
        How many were asked for; 0: all processors.

    Raises
    ------
    InputError
        With the engines that there are, or the rule that the number of workers breaks.
    """
    if name in ("threads", "dask"):
        Threads(workers)  # refuses what is no number
        return
    if name != "serial" and "://" not in name:
        msg = f"engine {name!r} is not known: give {ENGINES}"
        raise InputError(msg)
    if name != "serial":
        address_of(name)
    if workers:
        what = "one block after the other" if name == "serial" else "the workers that it has"
        msg = f"{workers} workers for the engine {name}: it takes {what}; leave their number out"
        raise InputError(msg)


def engine_named(name: str, workers: int = 0) -> Engine | Dask:
    """Return an engine; one of a cluster has to be closed.

    Parameters
    ----------
    name
        `threads`, `serial`, `dask` for processes of this computer, `dask://HOST:PORT` for a cluster.
    workers
        Number of threads or processes; 0 means one for each processor.

    Raises
    ------
    InputError
        Where it is not known, or the cluster does not answer.
    """
    check_engine(name, workers)
    if name == "serial":
        return Serial()
    if name == "threads":
        return Threads(workers)
    return Dask(None if name == "dask" else name, workers=workers)
