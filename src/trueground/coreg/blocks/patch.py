"""Several blocks read together: tiles of a file are decoded once, and a moved DEM is computed once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from numpy.typing import NDArray

from trueground.coreg.pairs import kept
from trueground.engine import Engine
from trueground.grid import Window
from trueground.raster import Raster
from trueground.sampling import Held

# px of the reference; larger blocks stand alone. At borders tiles of the file are decoded once more.
TALL, WIDE = 4096, 5120
_LEAST = 16  # patches, if there are so many blocks: threads share them
_SMALL = 1 << 22  # px
_LARGEST = 1 << 25  # px that are held at once


def held(source: Raster, window: Window) -> Raster:
    """Read a window of a raster; leave the raster as it is where that would be too much."""
    inside = window.intersect(source.grid.window)
    return Held.of(source, inside) if 0 < inside.size <= _LARGEST else source


def in_memory(raster: Raster, engine: Engine) -> Raster:
    """Read a small DEM whole; leave others as they are."""
    return kept(raster, engine) if raster.grid.window.size <= _SMALL else raster


def around(raster: Raster, window: Window) -> tuple[NDArray[Any], Window]:
    """Return values (1, rows, cols) of a window at least, and the window that they are of: all that is held of it."""
    if isinstance(raster, Held) and raster.window.contains(window):
        return raster.values, raster.window
    return raster.read(window), window


def patches(windows: Iterable[Window]) -> dict[Window, list[Window]]:
    """Put blocks that lie together into patches; return the blocks of each, by the window around them."""
    listed = list(windows)
    most = max(math.isqrt(len(listed) // _LEAST), 1)
    tall, wide = (
        min(max(side // max(getattr(w, name) for w in listed), 1), most)
        for side, name in ((TALL, "height"), (WIDE, "width"))
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
