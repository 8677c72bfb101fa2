"""An error as one line for the user."""

from __future__ import annotations

from cyclopts.exceptions import CycloptsError

from trueground.errors import TruegroundError


def said_of(error: Exception) -> str:
    """Return what is wrong and what to do about it."""
    if isinstance(error, CycloptsError | TruegroundError):
        return str(error).strip()
    if isinstance(error, FileNotFoundError):
        return f"{error.filename or error} does not exist; check its path"
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}; check permissions and free space"
    if isinstance(error, MemoryError):
        return "out of memory; use fewer threads (--threads) or a machine with more"
    return f"{type(error).__name__}: {error}; run again with --verbose for the traceback, and please report it"
