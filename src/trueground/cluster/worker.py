"""What runs in a worker: one block, and once what gets its process ready.

A worker imports this module before any kernel, so that it can say where its kernels are kept.
"""

from __future__ import annotations

import contextlib
import platform
import shutil
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trueground import __version__
from trueground.cluster.shipped import Shipped
from trueground.engine import guarded
from trueground.errors import BlockError, InputError, TruegroundError, WriteError
from trueground.findings import Finding, collected
from trueground.grid import Window
from trueground.lock import locked

_SLOTS = 256  # processes of one computer with kernels of their own
_SLOTS_IN = "workers"
_NO_KERNELS = {"trueground.kernels._code_files"}
_open = contextlib.ExitStack()  # the lock of this process's slot, until it ends
_ready = threading.Event()
_once = threading.Lock()


class Answer(NamedTuple):
    """What comes back from a block."""

    value: Any
    found: list[Finding]
    """What rasters have learnt of themselves."""
    error: TruegroundError | None
    """What the user can mend, and would be the same another time."""


class Answers(NamedTuple):
    """What comes back from the first blocks of a task, all of them if none failed."""

    done: list[Answer]
    seconds: float
    """That they took."""


class About(NamedTuple):
    """What has to be alike where work is sent to."""

    trueground: str
    python: str
    """Major and minor version: functions are sent as its byte code."""


def compute(shipped: Shipped, windows: Sequence[Window], sender: About) -> Answers:
    """Compute some blocks, up to the first that fails; where that is the first of all, raise what may be an accident.

    What is raised is tried again by Dask. Blocks after one that failed are left for another task. A worker that joined
    later is asked here whether it is made of the same as the process that sends the work.
    """
    prepare()
    found = unlike(sender, this(), socket.gethostname())
    if found is not None:
        return Answers([Answer(None, [], InputError(found))], 0.0)
    start = time.perf_counter()
    done: list[Answer] = []
    for window in windows:
        try:
            done.append(_answer(shipped, window))
        except (BlockError, MemoryError):
            if not done:
                raise
            break
        if done[-1].error is not None:
            break
    return Answers(done, time.perf_counter() - start)


def _answer(shipped: Shipped, window: Window) -> Answer:
    with collected() as found:
        try:
            value = guarded(shipped, window)
        except BlockError:
            raise
        except TruegroundError as error:
            return Answer(None, [], error)
    return Answer(value, found, None)


def unlike(here: About, there: About, worker: str) -> str | None:
    """Return in what a worker is not like the process that sends the work; None where it is."""
    for name, own, other in zip(here._fields, here, there, strict=True):
        if own != other:
            return (
                f"the worker {worker} has {name} {other}, and this process {own}: they must be the same; install one "
                "version on all"
            )
    return None


def about() -> About:
    """Get this process ready; tell what it is made of."""
    prepare()
    return this()


def this() -> About:
    """Return what this process is made of."""
    return About(__version__, ".".join(platform.python_version_tuple()[:2]))


def prepare() -> None:
    """Get this process ready, the first time that it is called: kernels of its own, libraries that take a second."""
    if _ready.is_set():
        return
    with _once:
        if not _ready.is_set():
            # Where kernels are loaded, this is the process that sends the work, or has been told otherwise.
            if not any(
                name.startswith("trueground.kernels.") for name in sys.modules.keys() - _NO_KERNELS
            ):
                _keep_kernels_apart()
            import trueground.sampling  # noqa: F401 (with it numba, and the kernels that all need)

            _ready.set()


def _keep_kernels_apart() -> None:
    """Give this process a folder of its own for compiled kernels, which is kept for the processes that come after."""
    from trueground import kernels

    folder = _slot(kernels.CACHE_FOLDER)
    if folder is None:
        return
    _copy_kernels(kernels.CACHE_FOLDER, folder)
    kernels.CACHE_FOLDER = folder


def _slot(shared: Path) -> Path | None:
    """Return a folder that no other process has; None where there is none to be had, and kernels are compiled anew."""
    host = "".join(c if c.isalnum() else "-" for c in socket.gethostname())
    for number in range(_SLOTS):
        folder = shared / _SLOTS_IN / f"{host}-{number}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _open.enter_context(locked(folder))
        except WriteError:  # another has it
            continue
        except OSError:
            return None
        return folder
    return None


def _copy_kernels(source: Path, target: Path) -> None:
    """Take over what was compiled here before."""
    from trueground.kernels._code_files import ENDING

    for code in sorted(source.rglob(f"*{ENDING}")):
        place = target / code.relative_to(source)
        if _SLOTS_IN in code.relative_to(source).parts or place.exists():
            continue
        with contextlib.suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(code, place)
