"""The section that says how much of the grids holds data."""

from __future__ import annotations

import numpy as np

from trueground.difference import Difference
from trueground.raster import Raster
from trueground.report.differences import Differences
from trueground.report.page import TableSection
from trueground.report.sampled_windows import sampled_windows
from trueground.report.solvers import percent
from trueground.vectors import usable


def valid_data_section(maps: Differences) -> TableSection:
    """Return the shares of cells with data: of both models, of their differences, and of what is used of them."""
    models = {"Reference": maps.reference}
    if isinstance(maps.before, Difference):
        models = {"Reference": maps.before.first, "Moving": maps.before.second}
    rows = [(name, *_row(raster, None)) for name, raster in models.items() if raster is not None]
    for when, dh in (("before", maps.before), ("after", maps.after)):
        rows.append((f"Difference {when}", *_row(dh, None)))
        if (mask := maps.mask_on(dh.grid)) is not None:
            rows.append((f"Difference {when}, {maps.where}", *_row(dh, mask)))
    return TableSection(
        anchor="valid-data",
        half=True,
        heading="Valid data",
        text="How much of each grid holds heights; of a large one, some windows all over it were counted.",
        columns=("", "Rows", "Columns", "Valid"),
        rows=tuple(rows),
    )  # fmt: skip


def _row(raster: Raster, mask: Raster | None) -> tuple[str, str, str]:
    rows, cols = raster.grid.shape
    return f"{rows:,}", f"{cols:,}", percent(_share(raster, mask))


def _share(raster: Raster, mask: Raster | None) -> float:
    cells = known = 0
    for window in sampled_windows(raster.grid):
        keep = np.isfinite(raster.read(window)[0])
        if mask is not None:
            keep &= usable(mask, window)
        cells, known = cells + keep.size, known + int(keep.sum())
    return known / cells
