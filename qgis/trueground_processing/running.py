"""One run of the command `trueground`, without a shell: its lines, its progress, its end. Nothing here is of QGIS."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Protocol

PROGRAM = "trueground"
# QGIS says with these where its own Python, GDAL and PROJ are; the command has others.
_OF_QGIS = (
    "PYTHONHOME", "PYTHONPATH", "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA",
)  # fmt: skip
_PROGRESS = re.compile(r"progress: (.+) (\d+) %")
_POLL = 0.1  # s, between looks at whether the user has cancelled
_GRACE = 10.0  # s, that a cancelled command has to end by itself


class Feedback(Protocol):
    """What QGIS gives an algorithm to speak with its user, as far as it is used here."""

    def pushInfo(self, info: str) -> None:
        """Say what was found or done."""

    def pushWarning(self, warning: str) -> None:
        """Say what may be wrong."""

    def setProgress(self, progress: float) -> None:
        """Say how much is done [%]."""

    def setProgressText(self, text: str) -> None:
        """Say what is being done."""

    def isCanceled(self) -> bool:
        """Tell whether the user has cancelled."""


class CommandError(Exception):
    """The command has ended without a result; the text is what it said about it."""


class CancelledError(Exception):
    """The user has cancelled."""


def program_named(given: str) -> str:
    """Return the program to call: the one given in the settings, else the one on the search path.

    Raises
    ------
    CommandError
        Where there is none.
    """
    found = shutil.which(given or PROGRAM)
    if found is None:
        where = f"{given} is no program" if given else f"{PROGRAM} is not on the search path"
        msg = (
            f"{where}: install trueground (pip install trueground), and give its place under Settings, Options, "
            "Processing, Providers, trueground"
        )
        raise CommandError(msg)
    return found


def environment(own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment without what QGIS has said to its own libraries."""
    return {k: v for k, v in own.items() if k not in _OF_QGIS}


def run(program: str, words: Sequence[str], feedback: Feedback) -> list[str]:
    """Run the command and return the lines of its results; warnings and progress are passed on as they come.

    Raises
    ------
    CommandError
        Where it fails, with what it said about it.
    CancelledError
        Where the user has cancelled; then nothing half-written is left.
    """
    process = subprocess.Popen(
        [program, "--progress=lines", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, encoding="utf-8", errors="replace", env=environment(), **_OWN_GROUP,
    )  # fmt: skip
    results: list[str] = []
    errors: list[str] = []
    try:
        for is_result, line in _lines(process, feedback):
            if is_result:
                results.append(line)
                feedback.pushInfo(line)
            else:
                _tell(line, errors, feedback)
    finally:
        if process.poll() is None:
            _end(process)
    if process.returncode != 0:
        raise CommandError("\n".join(errors) or f"it ended with code {process.returncode}")
    return results


def _tell(line: str, errors: list[str], feedback: Feedback) -> None:
    found = _PROGRESS.fullmatch(line)
    if found is not None:
        feedback.setProgressText(found[1])
        feedback.setProgress(float(found[2]))
    elif line.startswith("error: "):
        errors.append(line.removeprefix("error: "))
    elif line.startswith("warning: "):
        feedback.pushWarning(line.removeprefix("warning: "))
    else:
        feedback.pushInfo(line)


def _lines(process: subprocess.Popen[str], feedback: Feedback) -> Iterator[tuple[bool, str]]:
    """Give what a process says as it says it, and whether that is a result."""
    said: queue.Queue[tuple[bool, str | None]] = queue.Queue()

    def read(stream: IO[str], is_result: bool) -> None:
        with stream:
            for line in stream:
                said.put((is_result, line.rstrip("\n")))
        said.put((is_result, None))

    streams = ((process.stdout, True), (process.stderr, False))
    for stream, is_result in streams:
        threading.Thread(target=read, args=(stream, is_result), daemon=True).start()
    still_open = len(streams)
    while still_open:
        if feedback.isCanceled():
            _end(process)
            raise CancelledError
        try:
            is_result, line = said.get(timeout=_POLL)
        except queue.Empty:
            continue
        if line is None:
            still_open -= 1
        else:
            yield is_result, line
    while process.poll() is None:  # it has closed its streams and not ended
        if feedback.isCanceled():
            _end(process)
            raise CancelledError
        time.sleep(_POLL)


def _end(process: subprocess.Popen[str]) -> None:
    """Ask a process to end, and end it where it does not, or cannot be asked: on Windows, one without a console."""
    try:
        process.send_signal(_INTERRUPT)
        process.wait(_GRACE)
    except (OSError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()


if sys.platform == "win32":
    _OWN_GROUP = {
        "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    }
    _INTERRUPT = signal.CTRL_BREAK_EVENT
else:
    _OWN_GROUP = {"start_new_session": True}
    _INTERRUPT = signal.SIGTERM  # what was begun in the background would ignore that of Ctrl-C
