"""Tables of points on standard output or in a file."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trueground.cli.console import console
from trueground.cli.drawn_table import print_table
from trueground.errors import InputError
from trueground.points import Columns, to_csv, to_geojson
from trueground.status import Status
from trueground.writer import write_text


def warn_beside_image(image: str, row: NDArray[np.float64], col: NDArray[np.float64]) -> None:
    """Say where rows and columns are none of the image's own: those of a scene, perhaps, of which it is a part."""
    from trueground.raster import open_raster
    from trueground.rpc.readers import is_rpc_file

    if is_rpc_file(image):  # it knows no size
        return
    try:
        rows, cols = open_raster(image).grid.shape
    except InputError:  # the RPC came from elsewhere
        return
    beside = np.isfinite(row + col) & ((row < 0) | (row > rows) | (col < 0) | (col > cols))
    number = int(beside.sum())
    if number:
        first = f"row {row[beside][0]:.10g}, column {col[beside][0]:.10g}"
        console.warn(
            f"{number} of {row.size} points lie beside {image}, which has {rows} rows and {cols} columns (the first at "
            f"{first}): the RPC is used all the same"
        )


def emit(
    columns: Columns,
    status: NDArray[np.uint8],
    computed: Sequence[str],
    *,
    output: Path | None,
    done: str,
) -> None:
    """Write the table, and say how many points failed and why; `done` is what happened to the others."""
    if output is None:
        text = to_csv(columns, status, computed)
        if sys.stdout.isatty():
            names, *rows = csv.reader(text.splitlines())
            print_table(names, rows, left=("status",))
        else:
            sys.stdout.write(text)
    else:
        form = to_geojson if output.suffix.lower() in (".geojson", ".json") else to_csv
        write_text(output, form(columns, status, computed))
        console.note(f"wrote {output}")
    codes, numbers = np.unique(status, return_counts=True)
    counts = {Status(c): n for c, n in zip(codes.tolist(), numbers.tolist(), strict=True)}
    say_failures(counts, "points", total=status.size, done=done)


def say_failures(counts: Mapping[Status, int], what: str, *, total: int, done: str) -> None:
    """Say how many of some points failed and why; a warning where all of them did.

    The exit code stays 0: the table is whole, and it is the table that scripts read.
    """
    failed = {code.label: number for code, number in counts.items() if code != Status.OK}
    if failed and Status.OK not in counts:
        reasons = ", ".join(f"{number} {label}" for label, number in failed.items())
        msg = f"none of {total} {what} could be {done} ({reasons}); docs/locate.md says what each status asks for"
        console.warn(msg)
        return
    for label, number in failed.items():
        console.note(f"{number} of {total} {what}: {label}")
