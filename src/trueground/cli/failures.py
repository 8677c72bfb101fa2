"""An error as one line for the user."""

from __future__ import annotations

import errno
import re

from cyclopts.exceptions import CycloptsError, MissingArgumentError, UnusedCliTokensError

from trueground.errors import TruegroundError

_NUL = re.compile(r"embedded null (byte|character)")
_MEMORY = "out of memory; use fewer threads (--threads) or a machine with more"
# What is said of threads and libraries for which there is no memory.
_NO_MEMORY = re.compile(
    r"can't start new thread|failed to map segment|[Cc]annot allocate memory|not enough memory"
)


def said_of(error: Exception) -> str:
    """Return what is wrong and what to do about it."""
    if isinstance(error, CycloptsError):
        return _of_usage(error)
    if isinstance(error, TruegroundError):
        return str(error).strip()
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)) is not None:
        return _MEMORY
    if isinstance(error, RecursionError):
        return "an input is nested too deeply to be read; is it damaged?"
    return _of_name(error) or (
        f"{type(error).__name__}: {error}; run again with --verbose for the traceback, and please report it"
    )


def _of_usage(error: CycloptsError) -> str:
    """Return what is wrong with a command line: what is left over, or is not there at all, in words of our own."""
    said = str(error).strip()
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        left = " ".join(repr(token) for token in error.unused_tokens)
        return f"{left}: not expected there; options have names, flags no value, and names with spaces need quotes."
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        is_absent = error.keyword is None and not error.argument.tokens
        if is_absent and error.command_chain and "Did you mean" not in said:
            return (
                f"{' '.join(error.command_chain)} needs {error.argument.name}, which was not given."
            )
    return said


def _of_system(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{error.filename or error} does not exist; check its path"
    if error.errno == errno.ENOMEM:
        return _MEMORY
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}; check permissions and free space"


def _of_name(error: Exception) -> str | None:
    """Return what is wrong with a name that the system, or GDAL, cannot be given; None of another error."""
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        return f"{error.object!a}: a name whose bytes are no UTF-8 cannot be given to GDAL; rename the file"
    if isinstance(error, ValueError) and _NUL.fullmatch(str(error)) is not None:
        return "a name holds the character NUL, which no file's name can; take it out"
    return None
