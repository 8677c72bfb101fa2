"""An error as one line for the user."""

from __future__ import annotations

import re

from cyclopts.exceptions import CycloptsError

from trueground.errors import TruegroundError

# What is said of threads and libraries for which there is no memory.
_NO_MEMORY = re.compile(
    r"can't start new thread|failed to map segment|[Cc]annot allocate memory|not enough memory"
)


def said_of(error: Exception) -> str:
    """Return what is wrong and what to do about it."""
    if isinstance(error, CycloptsError | TruegroundError):
        return str(error).strip()
    if isinstance(error, FileNotFoundError):
        return f"{error.filename or error} does not exist; check its path"
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}; check permissions and free space"
    if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)) is not None:
        return "out of memory; use fewer threads (--threads) or a machine with more"
    if isinstance(error, RecursionError):
        return "an input is nested too deeply to be read; is it damaged?"
    return f"{type(error).__name__}: {error}; run again with --verbose for the traceback, and please report it"
