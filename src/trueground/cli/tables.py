"""Tables of points on standard output or in a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trueground.cli.console import console
from trueground.points import Columns, to_csv, to_geojson
from trueground.status import Status
from trueground.writer import write_text


def emit(
    columns: Columns,
    status: NDArray[np.uint8],
    computed: Sequence[str],
    *,
    output: Path | None,
) -> None:
    """Write the table, and say how many points failed and why."""
    if output is None:
        sys.stdout.write(to_csv(columns, status, computed))
    else:
        form = to_geojson if output.suffix.lower() in (".geojson", ".json") else to_csv
        write_text(output, form(columns, status, computed))
        console.note(f"wrote {output}")
    for code, number in zip(
        *np.unique(status[status != Status.OK], return_counts=True), strict=True
    ):
        console.note(f"{number} of {status.size} points: {Status(int(code)).label}")
