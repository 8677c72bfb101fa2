"""Windows of pixels, and the grid that places them on the ground."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS

from trueground.errors import InputError, OverlapError

Bounds = tuple[float, float, float, float]

_SLACK = 1e-6  # px: bounds that lie on the edge of a pixel but for round-off touch no further one


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of pixels.

    It may hang over the edge of a grid, or lie outside of it: such pixels read as no data.

    Examples
    --------
    >>> from trueground import Window
    >>> Window(row=10, col=20, height=5, width=8).pad(2)
    Window(row=8, col=18, height=9, width=12)
    """

    row: int
    """First row."""
    col: int
    """First column."""
    height: int
    """Number of rows."""
    width: int
    """Number of columns."""

    def __post_init__(self) -> None:
        if self.height < 0 or self.width < 0:
            msg = f"window of {self.height} x {self.width} pixels: sizes must not be negative"
            raise InputError(msg)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.height, self.width

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self.height * self.width

    def pad(self, pixels: int) -> Window:
        """Grow by `pixels` on each side; shrink where it is negative."""
        return Window(
            self.row - pixels,
            self.col - pixels,
            max(self.height + 2 * pixels, 0),
            max(self.width + 2 * pixels, 0),
        )

    def intersect(self, other: Window) -> Window:
        """Return the pixels that both hold; a window of size zero where there are none."""
        row = max(self.row, other.row)
        col = max(self.col, other.col)
        height = min(self.row + self.height, other.row + other.height) - row
        width = min(self.col + self.width, other.col + other.width) - col
        if height <= 0 or width <= 0:
            return Window(row, col, 0, 0)
        return Window(row, col, height, width)

    def contains(self, other: Window) -> bool:
        """Tell whether all pixels of `other` are in this window."""
        return self.intersect(other) == other

    def slices_in(self, outer: Window) -> tuple[slice, slice]:
        """Return the slices that cut this window out of an array that holds `outer`."""
        row, col = self.row - outer.row, self.col - outer.col
        return slice(row, row + self.height), slice(col, col + self.width)

    def pixel_centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the rows (height, 1) and columns (1, width) of the pixel centres."""
        rows = np.arange(self.row, self.row + self.height, dtype=np.float64) + 0.5
        cols = np.arange(self.col, self.col + self.width, dtype=np.float64) + 0.5
        return rows[:, np.newaxis], cols[np.newaxis, :]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a grid to work on: its own pixels, and those around it that the work needs.

    Examples
    --------
    >>> import numpy as np
    >>> from affine import Affine
    >>> from pyproj import CRS
    >>> from trueground import ArrayRaster, Grid
    >>> grid = Grid(crs=CRS(32633), transform=Affine(10, 0, 5e5, 0, -10, 8e6), shape=(3, 4))
    >>> first = next(grid.blocks(2, halo=1))
    >>> first.core, first.outer
    (Window(row=0, col=0, height=2, width=2), Window(row=-1, col=-1, height=4, width=4))
    """

    core: Window
    """Its own pixels, of the grid."""
    outer: Window
    """Those and the ones around them; it may hang over the grid's edge."""

    @property
    def inner(self) -> tuple[slice, slice]:
        """Slices of the core in an array of the outer window."""
        return self.core.slices_in(self.outer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Where the pixels of a raster lie: reference system, affine transform and shape. Immutable.

    Examples
    --------
    >>> import numpy as np
    >>> from affine import Affine
    >>> from pyproj import CRS
    >>> from trueground import ArrayRaster, Grid
    >>> grid = Grid(crs=CRS(32633), transform=Affine(10, 0, 5e5, 0, -10, 8e6), shape=(3, 4))
    >>> grid.bounds
    (500000.0, 7999970.0, 500040.0, 8000000.0)
    >>> grid.rowcol(500_015.0, 7_999_995.0)
    (np.float64(0.5), np.float64(1.5))
    """

    crs: CRS | None
    """Reference system; None where the file declares none."""
    transform: Affine
    """From (column, row), counted from the outer corner, to (x, y)."""
    shape: tuple[int, int]
    """Rows and columns."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", (int(self.shape[0]), int(self.shape[1])))
        if min(self.shape) < 1:
            msg = f"grid of {self.shape[0]} x {self.shape[1]} pixels: both must be at least 1"
            raise InputError(msg)
        t = self.transform
        area = t.a * t.e - t.b * t.d
        if area == 0.0 or not all(map(math.isfinite, (area, t.c, t.f))):
            msg = f"transform {tuple(t)[:6]} has no inverse: pixels need an area"
            raise InputError(msg)

    def __repr__(self) -> str:
        crs = "no CRS" if self.crs is None else self.crs.name
        x, y = self.resolution
        return f"Grid({self.shape[0]} x {self.shape[1]} px of {x:g} x {y:g}, {crs})"

    @classmethod
    def covering(
        cls,
        bounds: Bounds,
        resolution: float | tuple[float, float],
        *,
        crs: CRS | None,
        snap: bool = False,
    ) -> Grid:
        """Make the north-up grid that covers `bounds` with pixels of `resolution`.

        Bounds are west, south, east, north. With `snap`, edges lie on multiples of the resolution.

        Raises
        ------
        InputError
            Where the resolution is not positive, or bounds are not finite and in order.
        """
        dx, dy = resolution if isinstance(resolution, tuple) else (resolution, resolution)
        west, south, east, north = bounds
        if not (dx > 0 and dy > 0 and all(map(math.isfinite, (dx, dy)))):
            msg = f"resolution {resolution}: must be a positive number"
            raise InputError(msg)
        if not (east > west and north > south and all(map(math.isfinite, bounds))):
            msg = f"bounds {bounds}: must be finite, with west < east and south < north"
            raise InputError(msg)
        if snap:
            west = math.floor(west / dx + _SLACK) * dx
            north = math.ceil(north / dy - _SLACK) * dy
        cols = max(math.ceil((east - west) / dx - _SLACK), 1)
        rows = max(math.ceil((north - south) / dy - _SLACK), 1)
        return cls(crs=crs, transform=Affine(dx, 0.0, west, 0.0, -dy, north), shape=(rows, cols))

    @property
    def window(self) -> Window:
        """All pixels."""
        return Window(0, 0, *self.shape)

    @property
    def resolution(self) -> tuple[float, float]:
        """Size of a pixel along its columns and rows, in units of the CRS, positive."""
        t = self.transform
        return math.hypot(t.a, t.d), math.hypot(t.b, t.e)

    @property
    def bounds(self) -> Bounds:
        """West, south, east, north of the outer corners, in units of the CRS."""
        rows, cols = self.shape
        x, y = self.xy(np.array([0, 0, rows, rows]), np.array([0, cols, 0, cols]))
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())

    def xy(self, row: ArrayLike, col: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return x and y of pixel coordinates; `row + 0.5, col + 0.5` is the centre of a pixel."""
        t = self.transform
        row, col = np.asarray(row, dtype=np.float64), np.asarray(col, dtype=np.float64)
        return t.a * col + t.b * row + t.c, t.d * col + t.e * row + t.f

    def rowcol(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the pixel coordinates of x and y, the inverse of `xy`."""
        t = self.transform
        dx, dy = np.asarray(x, dtype=np.float64) - t.c, np.asarray(y, dtype=np.float64) - t.f
        if t.b == 0.0 and t.d == 0.0:
            return dy / t.e, dx / t.a
        area = t.a * t.e - t.b * t.d
        return (t.a * dy - t.d * dx) / area, (t.e * dx - t.b * dy) / area

    def crop(self, window: Window) -> Grid:
        """Return the grid of a window; the window may reach beyond this grid."""
        t = self.transform
        x, y = self.xy(window.row, window.col)
        moved = Affine(t.a, t.b, float(x), t.d, t.e, float(y))
        return replace(self, transform=moved, shape=window.shape)

    def pad(self, pixels: int) -> Grid:
        """Return the grid with `pixels` more on each side."""
        return self.crop(self.window.pad(pixels))

    def snap(self) -> Grid:
        """Return the smallest grid around this one with edges on multiples of the resolution."""
        return Grid.covering(self.bounds, self.resolution, crs=self.crs, snap=True)

    def window_of(self, bounds: Bounds) -> Window:
        """Return the pixels that `bounds` touch, clipped to this grid.

        Raises
        ------
        OverlapError
            Where bounds and grid share nothing.
        InputError
            Where a bound is not a finite number.
        """
        if not all(map(math.isfinite, bounds)):
            msg = f"bounds {bounds}: must be finite numbers"
            raise InputError(msg)
        west, south, east, north = bounds
        x, y = np.array([west, west, east, east]), np.array([south, north, south, north])
        row, col = self.rowcol(x, y)
        first_row, first_col = math.floor(row.min() + _SLACK), math.floor(col.min() + _SLACK)
        height = max(math.ceil(row.max() - _SLACK) - first_row, 1)
        width = max(math.ceil(col.max() - _SLACK) - first_col, 1)
        window = Window(first_row, first_col, height, width).intersect(self.window)
        if window.size == 0:
            msg = (
                f"bounds {bounds} lie outside the grid, whose bounds are {self.bounds}: they must "
                "overlap"
            )
            raise OverlapError(msg)
        return window

    def blocks(self, size: int | tuple[int, int], *, halo: int = 0) -> Iterator[Block]:
        """Cut the grid into blocks of `size` pixels, row by row; those at the end may be smaller.

        The outer window of a block has `halo` more pixels on each side and may hang over the edge.

        Raises
        ------
        InputError
            Where the size or the halo is no number of pixels.
        """
        rows, cols = size if isinstance(size, tuple) else (size, size)
        if rows < 1 or cols < 1 or halo < 0:
            msg = (
                f"blocks of {rows} x {cols} pixels with a halo of {halo}: sizes from 1, halo from 0"
            )
            raise InputError(msg)
        for row in range(0, self.shape[0], rows):
            for col in range(0, self.shape[1], cols):
                core = Window(row, col, rows, cols).intersect(self.window)
                yield Block(core, core.pad(halo))

    def outline(self, points_per_side: int = 21) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return x and y of points around the outer edge, each side densified."""
        t = np.linspace(0.0, 1.0, points_per_side)
        one, zero = np.ones_like(t), np.zeros_like(t)
        rows = np.concatenate([zero, t, one, one - t]) * self.shape[0]
        cols = np.concatenate([t, one, one - t, zero]) * self.shape[1]
        return self.xy(rows, cols)
