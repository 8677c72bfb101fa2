"""Which windows of a reference cells are chosen in, so that what lies below in the moving DEM is read once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from pyproj import CRS

from trueground.coreg.cells import Cells, Choice
from trueground.engine import Engine
from trueground.errors import OverlapError
from trueground.grid import Grid, Window
from trueground.projection import count_longitudes_as, project

Parts = tuple[tuple[Window, slice], ...]
Found = list[tuple[Window, Cells]]
BESIDE = 64  # px beyond the moving DEM in which cells are looked at as well
_BLOCK = 1024  # px
_DRAWS = 6  # of cells, until there are about as many as are asked for
_SIDE = 256  # px of the moving DEM below a tile
_SIDES = 16, 1024  # px of a tile, at least and at most
_ROOM = 16  # px around a tile that kernels ask for, and rotations


class Tiles(NamedTuple):
    """Parts of a DEM that are looked at where not all of it can be."""

    number: int
    side: int
    """[px]"""


def everywhere(choice: Choice, engine: Engine) -> tuple[Cells, Parts]:
    """Choose cells in all blocks."""
    windows = choice.blocks(_BLOCK)
    area = sum(w.size for w in windows)
    found: Found = []
    share = min(1.0, choice.samples / max(area, 1))
    for _ in range(_DRAWS):  # a mask, or holes, may leave few of what is drawn
        found = _drawn(choice, engine, windows, share=share)
        number = sum(c.x.size for _, c in found)
        if number >= choice.samples / 2.0 or share >= 1.0:
            break
        share = min(1.0, share * choice.samples / max(number, 1))
    return _in_order(found)


def in_tiles(choice: Choice, engine: Engine, tiles: Tiles) -> tuple[Cells, Parts]:
    """Choose cells in so many tiles: others in place of empty ones, and more cells of each where few of them count."""
    number = tiles.number
    listed = choice.tiles(tiles.side)
    share = min(1.0, choice.samples / max(sum(w.size for w in listed[:number]), 1))
    found: Found = []
    for first in range(0, len(listed), number):
        batch = listed[first : first + number]
        drawn = dict(_drawn(choice, engine, sorted(batch, key=_place), share=share))
        found += [(w, drawn[w]) for w in batch if w in drawn]
        if len(found) >= number:
            break
    found = sorted(found[:number], key=lambda one: _place(one[0]))
    counted = sum(c.x.size for _, c in found)
    if 0 < counted < choice.samples / 2.0 and share < 1.0:
        more = min(1.0, share * choice.samples / counted)
        found = _drawn(choice, engine, [w for w, _ in found], share=more)
    return _in_order(found)


def tiles_kept(reference: Grid, moving: Grid, area: Window, *, limit: int) -> Tiles | None:
    """Return the tiles of a part of the reference below which so many pixels of the moving DEM lie; None for all."""
    tall, wide = _below_a_pixel(reference, moving, area)
    side = min(max(round(_SIDE / math.sqrt(tall * wide)), _SIDES[0]), _SIDES[1])
    around = 2.0 * (BESIDE + _ROOM)
    number = max(int(limit / ((side * tall + around) * (side * wide + around))), 1)
    return None if number * side**2 >= area.size else Tiles(number, side)


def _below_a_pixel(reference: Grid, moving: Grid, area: Window) -> tuple[float, float]:
    """Return height and width [px of the moving DEM] around a pixel in the middle of a part of the reference."""
    row, col = area.row + area.height / 2.0, area.col + area.width / 2.0
    x, y = reference.xy(row + np.array([0.0, 0.0, 1.0, 1.0]), col + np.array([0.0, 1.0, 1.0, 0.0]))
    if reference.crs is not None and moving.crs is not None:
        x, y = project(reference.crs, moving.crs, x, y)
    rows, cols = moving.rowcol(count_longitudes_as(moving, x), y)
    if not (np.isfinite(rows).all() and np.isfinite(cols).all()):
        return 1.0, 1.0
    return float(np.ptp(rows)), float(np.ptp(cols))


def _drawn(choice: Choice, engine: Engine, windows: Sequence[Window], *, share: float) -> Found:
    """Draw a share of the cells of windows; leave out windows in which there is none."""
    return [(w, c) for w, c in engine.map(partial(choice.of, share=share), windows) if c.x.size]


def _place(window: Window) -> tuple[int, int]:
    return window.row, window.col


def _in_order(found: Found) -> tuple[Cells, Parts]:
    """Put what was chosen in windows one after the other, and tell which of it lies in each."""
    ends = list(accumulate((c.x.size for _, c in found), initial=0))
    parts = ((w, slice(a, b)) for (w, _), a, b in zip(found, ends, ends[1:], strict=False))
    columns = zip(*(c for _, c in found), strict=True) if found else ([np.empty(0)],) * 6
    return Cells(*(np.concatenate(v) for v in columns)), tuple(parts)


def by_tiles(cells: Cells, grid: Grid, crs: CRS | None) -> tuple[Cells, Parts]:
    """Sort points by tiles of the moving DEM, and leave out those far from it.

    Raises
    ------
    OverlapError
        Where none is left.
    """
    x, y = cells.x, cells.y
    if crs is not None and grid.crs is not None:
        x, y = project(crs, grid.crs, x, y)
    row, col = grid.rowcol(count_longitudes_as(grid, x), y)
    rows, cols = grid.shape
    near = (row > -BESIDE) & (row < rows + BESIDE) & (col > -BESIDE) & (col < cols + BESIDE)
    if x.size and not near.any():
        msg = f"none of the {x.size} points lies on the DEM: check their CRS"
        raise OverlapError(msg)
    row, col = np.clip(row[near], 0, rows - 1), np.clip(col[near], 0, cols - 1)
    across = -(-cols // _BLOCK)
    tile = (row // _BLOCK).astype(np.int64) * across + (col // _BLOCK).astype(np.int64)
    order = np.argsort(tile, kind="stable")
    numbers, starts = np.unique(tile[order], return_index=True)
    ends = [*starts[1:].tolist(), tile.size]
    parts = tuple(
        (Window(n // across * _BLOCK, n % across * _BLOCK, _BLOCK, _BLOCK), slice(a, b))
        for n, a, b in zip(numbers.tolist(), starts.tolist(), ends, strict=True)
    )
    return Cells(*(v[near][order] for v in cells)), parts
