"""Ways to a cluster: the one at an address, one that was given, or processes of this computer."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
from dataclasses import dataclass
from typing import Any

from trueground.cluster.worker import about, this, unlike
from trueground.errors import InputError

_ADDRESS = re.compile(r"(dask|tcp|tls)://((?:\[[0-9a-fA-F:]+\]|[^\s:/\[\]]+):[0-9]{1,5})/?")
_REACHED_WITHIN = 2.0  # s, a worker by this process
_GONE_WITHIN = 1.0  # s, processes that are told to go
# Of processes of this computer: nobody looks at their profiles, which take time; and of each that ends is told at once.
_OWN = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.scheduler.allowed-failures": 0,
    "distributed.deploy.lost-worker-timeout": "10s",
}


@dataclass(frozen=True, slots=True)
class Connection:
    """A client of a cluster, and what has to be closed with it."""

    client: Any
    cluster: Any = None
    """Processes that were started for this, if any."""
    is_own: bool = False
    """Whether the client is closed at the end."""
    direct: bool = False
    """Whether workers are reached from here, so that the scheduler need not pass results on."""

    def refill(self, workers: int) -> None:
        """Start processes of this computer anew where fewer are left than were asked for.

        Dask does so by itself, but for one that dies before its start is known to be over.
        """
        if self.cluster is not None and workers < len(self.cluster.worker_spec):
            self.cluster.scale(len(self.cluster.worker_spec))

    def close(self, *, at_once: bool) -> None:
        """Close what was opened; at once where nobody waits for what workers still do."""
        if self.cluster is not None and at_once:
            # What is sent to processes that are gone is no news.
            logging.getLogger("distributed").setLevel(logging.CRITICAL)
            _kill(self.cluster)
        with contextlib.suppress(Exception):  # a cluster that has gone needs no farewell
            if self.is_own:
                self.client.close(timeout=_GONE_WITHIN)
            if self.cluster is not None:
                self.cluster.close(timeout=_GONE_WITHIN)


def address_of(text: str) -> str:
    """Return the address that distributed knows for `dask://HOST:PORT`.

    Raises
    ------
    InputError
        Where it is none.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found[2].rpartition(":")[2]) < 1 << 16:
        msg = (
            f"{text!r} is no address of a Dask scheduler: give dask://HOST:PORT, such as dask://10.0.0.5:8786, as "
            "'dask scheduler' prints it"
        )
        raise InputError(msg)
    return f"{'tcp' if found[1] == 'dask' else found[1]}://{found[2]}"


def connect(where: Any, *, workers: int, wait: float) -> Connection:
    """Open a cluster: an address, a client, a cluster of Dask's own, or None for processes of this computer.

    Raises
    ------
    InputError
        Where it is not there, has no workers, or they are made of something else than this process.
    """
    distributed = _distributed()
    if where is None:
        made = _processes(distributed, workers)
    elif isinstance(where, str):
        made = _at(distributed, address_of(where), wait)
    elif isinstance(where, distributed.Client):
        if where.asynchronous:
            msg = "an asynchronous client of Dask: blocks are waited for; give Client(..., asynchronous=False)"
            raise InputError(msg)
        made = Connection(where)
    elif isinstance(where, distributed.deploy.Cluster):
        made = Connection(distributed.Client(where, set_as_default=False), is_own=True)
    else:
        kind = type(where).__name__
        msg = f"{kind} is no way to a Dask cluster: give an address, a Client or a Cluster of Dask's, or None"
        raise InputError(msg)
    try:
        return _checked(made, wait)
    except BaseException:
        made.close(at_once=True)
        raise


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        msg = (
            f"the engine dask needs the package distributed ({error}): install it with "
            "pip install 'trueground[distributed]', or take the engine threads"
        )
        raise InputError(msg) from error
    return distributed


def _processes(distributed: Any, workers: int) -> Connection:
    """Start a cluster of processes of one thread each on this computer."""
    import dask

    kind = distributed.LocalCluster
    cluster = kind.__new__(kind)  # to have it in hand where its start is interrupted
    try:
        with dask.config.set(_OWN):
            kind.__init__(
                cluster, n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1",
                dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
            )  # fmt: skip
        client = distributed.Client(cluster, set_as_default=False)
    except BaseException:
        cluster.shutdown_on_close = False  # else the end of this process would wait for it
        _kill(cluster)
        cluster.status = distributed.Status.closed  # else it would warn, whenever it is collected
        raise
    return Connection(client, cluster, is_own=True)


def _at(distributed: Any, address: str, wait: float) -> Connection:
    try:
        client = distributed.Client(address, timeout=wait, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        msg = (
            f"no Dask scheduler answers at {address} within {wait:g} s: check host and port, and that it runs "
            "('dask scheduler'), or take the engine dask without an address"
        )
        raise InputError(msg) from error
    return Connection(client, is_own=True)


def _checked(made: Connection, wait: float) -> Connection:
    """Wait for a worker, and hold all against this process."""
    client = made.client
    try:
        client.wait_for_workers(1, timeout=wait)
    except TimeoutError as error:
        msg = (
            f"the Dask scheduler at {client.scheduler.address} has had no worker for {wait:g} s: start some with "
            f"'dask worker {client.scheduler.address}', or wait for those that were asked for"
        )
        raise InputError(msg) from error
    answers = check_alike(client)
    direct = all(_is_reached(worker) for worker in answers[:1])
    return Connection(client, made.cluster, made.is_own, direct=direct)


def check_alike(client: Any) -> list[str]:
    """Return the addresses of all workers, each of which is ready then.

    Raises
    ------
    InputError
        Where one does not answer, or is made of something else than this process.
    """
    own = this()
    try:
        answers = client.run(about, on_error="return")
    except OSError as error:
        msg = f"workers of the Dask scheduler at {client.scheduler.address} do not answer: {error}"
        raise InputError(msg) from error
    for worker, said in answers.items():
        if isinstance(said, Exception):
            msg = (
                f"the worker {worker} cannot run trueground ({type(said).__name__}: {said}): install trueground "
                f"{own.trueground} there"
            )
            raise InputError(msg)
        found = unlike(own, said, worker)
        if found is not None:
            raise InputError(found)
    return list(answers)


def _is_reached(worker: str) -> bool:
    """Tell whether a worker takes connections from here."""
    host, _, port = worker.partition("://")[2].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACHED_WITHIN).close()
    except (OSError, ValueError):
        return False
    return True


def _kill(cluster: Any) -> None:
    """End the processes of a cluster of this computer, whatever they do."""
    for nanny in list(getattr(cluster, "workers", {}).values()):
        process = getattr(getattr(nanny, "process", None), "process", None)
        with contextlib.suppress(Exception):
            if process is not None and process.pid is not None:
                nanny.auto_restart = False
                os.kill(process.pid, signal.SIGKILL)
