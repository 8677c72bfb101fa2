"""Several blocks read together: tiles of a file are decoded once, and a moved DEM is computed once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueground.grid import Grid, Window
from trueground.raster import Raster, computed

SIDE = 4096  # px of the reference; larger blocks stand alone. At borders tiles of the file are decoded once more
_LEAST = 16  # patches, if there are so many blocks: threads share them
_LARGEST = 1 << 25  # px that are held at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A raster of one band, a window of which is in memory; what lies beyond is read."""

    source: Raster
    window: Window
    values: NDArray[Any]
    """(height, width) of the window."""

    @classmethod
    def of(cls, source: Raster, window: Window) -> Raster:
        """Read a window of a raster; leave the raster as it is where that would be too much."""
        inside = window.intersect(source.grid.window)
        if not 0 < inside.size <= _LARGEST:
            return source
        return cls(source=source, window=inside, values=source.read(inside)[0])

    @property
    def grid(self) -> Grid:
        """Grid of the source."""
        return self.source.grid

    @property
    def count(self) -> int:
        """Always one band."""
        return 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the source."""
        return self.source.dtype

    @property
    def nodata(self) -> float | None:
        """Value of the source that stands for no data."""
        return self.source.nodata

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window of the source."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[Any]:
        if not self.window.contains(window):
            return self.source.read(window)
        rows, cols = window.slices_in(self.window)
        return np.ascontiguousarray(self.values[np.newaxis, rows, cols])  # as kernels take it


def patches(windows: Iterable[Window]) -> dict[Window, list[Window]]:
    """Put blocks that lie together into patches; return the blocks of each, by the window around them."""
    listed = list(windows)
    most = max(math.isqrt(len(listed) // _LEAST), 1)
    tall, wide = (
        min(max(SIDE // max(getattr(w, n) for w in listed), 1), most) for n in ("height", "width")
    )
    rows, cols = (
        {v: k for k, v in enumerate(sorted({getattr(w, n) for w in listed}))}
        for n in ("row", "col")
    )

    def place(window: Window) -> tuple[int, int]:
        return rows[window.row] // tall, cols[window.col] // wide

    groups = (list(g) for _, g in groupby(sorted(listed, key=place), key=place))
    return {_around(group): group for group in groups}


def _around(windows: list[Window]) -> Window:
    top, left = min(w.row for w in windows), min(w.col for w in windows)
    bottom = max(w.row + w.height for w in windows)
    return Window(top, left, bottom - top, max(w.col + w.width for w in windows) - left)
