"""Ends that come from outside: a process that a signal ends dies of it, so that a shell's loop around it ends too."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn

SIGNALLED = 128
"""More than this is 128 and the number of a signal."""


class Ended(KeyboardInterrupt):
    """A signal that ends a process has come."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def code_of(error: KeyboardInterrupt) -> int:
    """Return the exit code that tells of an interrupt."""
    return SIGNALLED + (error.number if isinstance(error, Ended) else signal.SIGINT)


def interrupt(number: int, _frame: FrameType | None) -> None:
    """Let a signal end the work as Ctrl-C does."""
    raise Ended(number)


def die_of(number: int) -> NoReturn:
    """End this process by a signal."""
    if os.name == "posix":
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(SIGNALLED + number)
