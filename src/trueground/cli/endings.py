"""Endings of the names of outputs: each says a format, and one that says none is refused before any work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trueground.cli.options import usage

TABLES = (".csv", ".geojson", ".json")
PAGES = (".html", ".htm")
RPC_FILES = (".RPB", ".TXT", ".json")


def check_ending(output: Path | None, endings: Sequence[str], what: str) -> None:
    """Raise where the name of an output ends otherwise, in letters of any size.

    Parameters
    ----------
    output
        The name; None passes.
    endings
        Those that are allowed.
    what
        What is written there, such as `points`.
    """
    if output is None or output.suffix.lower() in (e.lower() for e in endings):
        return
    *first, last = endings
    msg = f"{output}: {what} as {', '.join(first)} or {last}; give a name that ends so."
    raise usage(msg)
