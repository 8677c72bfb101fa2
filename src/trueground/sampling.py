"""Values of a raster at any points, given in its own pixel coordinates.

Everything that warps goes through here: heights for an RPC, the moving DEM under a shift, pixels of
an orthoimage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.kernels import convolve, majority, resample
from trueground.raster import ArrayRaster, Raster, fill_value
from trueground.remembered import Remembered
from trueground.surface import OfSource

Resampling = Literal["nearest", "bilinear", "cubic"]
ImageResampling = Literal[
    "nearest", "bilinear", "cubic", "cubic-spline", "lanczos", "average", "mode"
]
SURFACE = get_args(Resampling)  # what a surface can be resampled with
IMAGE = get_args(ImageResampling)  # and an image
UNSCALED = (1.0, 1.0)

_REACH = {"nearest": 1, "bilinear": 2, "cubic": 3}  # px read around the outermost point
_KERNELS = {
    "bilinear": convolve.BILINEAR,
    "cubic": convolve.CUBIC,
    "cubic-spline": convolve.SPLINE,
    "lanczos": convolve.LANCZOS,
    "average": convolve.AREA,
}
# Pixels of the image in one of the output up to which a kernel is not stretched: what would alias lies beyond 0.4
# cycles a pixel, where the sensor has blurred it already, and grids of the image's own resolution stay here.
_FINE = 1.2
_LARGEST_WINDOW = 1 << 23  # px read at once
_TILE = 1024  # px, for points that are scattered wider than that


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held(OfSource):
    """A raster of which a window has been read already: what lies in it is not read again."""

    source: Raster
    window: Window
    values: NDArray[Any]
    """(count, rows, cols) of the window."""

    @classmethod
    def of(cls, source: Raster, window: Window) -> Held:
        """Read a window, and hold it."""
        return cls(source=source, window=window, values=source.read(window))

    @property
    def grid(self) -> Grid:
        """Grid of the source."""
        return self.source.grid

    def read(self, window: Window) -> NDArray[Any]:
        """Return the held values themselves where all of them are asked for, a copy of a part, or else read."""
        if window == self.window:
            return self.values
        if not self.window.contains(window):
            return self.source.read(window)
        rows, cols = window.slices_in(self.window)
        return np.ascontiguousarray(self.values[:, rows, cols])  # as kernels take it


def check_resampling(name: str, allowed: tuple[str, ...] = SURFACE) -> None:
    """Raise where a kernel has no such name."""
    if name not in allowed:
        msg = f"resampling {name!r} is not known; use one of {', '.join(allowed)}"
        raise InputError(msg)


def is_plain(raster: Raster) -> bool:
    """Tell whether a raster of real numbers is an array that kernels can take as it is."""
    return (
        isinstance(raster, ArrayRaster)
        and raster.dtype.kind == "f"
        and (raster._stored_nodata is None or math.isnan(raster._stored_nodata))
        and bool(raster.array[0].flags.c_contiguous)
    )


def surface_in(raster: Raster, window: Window) -> tuple[NDArray[Any], Window]:
    """Return heights of a window at least, and the window that they are of: all of an array, without a copy."""
    if isinstance(raster, ArrayRaster) and is_plain(raster):
        return raster.array[0], raster.grid.window
    if isinstance(raster, Remembered):
        return raster.around(window)
    return raster.read(window)[0], window


def sample_surface(
    raster: Raster,
    row: NDArray[np.float64],
    col: NDArray[np.float64],
    *,
    resampling: Resampling = "bilinear",
) -> NDArray[np.float64]:
    """Interpolate the first band of a float raster as a surface, strict about NaN.

    Parameters
    ----------
    raster
        Raster of real numbers (see `raster.as_float`).
    row, col
        Pixel coordinates counted from the outer corner, any shape.
    resampling
        `nearest`, `bilinear`, or `cubic` (Keys 1981, a = -1/2, interpolating; bilinear next to
        holes).

    Returns
    -------
    float64 array of the shape of `row`: NaN outside and where a node that carries weight is NaN.
    """
    check_resampling(resampling)
    out = np.full(row.shape, np.nan)
    flat_out, flat_row, flat_col = out.reshape(-1), _flat(row), _flat(col)
    windows: Iterable[tuple[Window, slice | NDArray[np.intp]]] = [(raster.grid.window, slice(None))]
    if not is_plain(raster):
        windows = _windows(raster, flat_row, flat_col, _REACH[resampling])
    for wanted, chosen in windows:
        source, window = surface_in(raster, wanted)
        rows = np.ascontiguousarray(flat_row[chosen])
        cols = np.ascontiguousarray(flat_col[chosen])
        all_at_once = isinstance(chosen, slice)
        values = flat_out if all_at_once else np.empty(rows.shape)
        if resampling == "nearest":
            resample.nearest(source, window.row, window.col, rows, cols, np.nan, values)
        elif resampling == "bilinear":
            resample.bilinear(source, window.row, window.col, rows, cols, values)
        else:
            resample.cubic(source, window.row, window.col, rows, cols, values)
        if not all_at_once:
            flat_out[chosen] = values
    return out


def sample_image(
    raster: Raster,
    row: NDArray[np.float64],
    col: NDArray[np.float64],
    *,
    fill: float,
    declared: bool = True,
    resampling: ImageResampling = "bilinear",
    scale: tuple[float, float] = UNSCALED,
    antialias: bool = True,
) -> NDArray[np.generic]:
    """Resample all bands of an image in its own type; weights leave out what is no data.

    Parameters
    ----------
    raster
        Image of integers or real numbers.
    row, col
        Pixel coordinates counted from the outer corner, any shape.
    fill
        Value where there is no data.
    declared
        Whether `fill` is the nodata that the product declares. A valid integer equal to it is then
        moved by one, so that it stays valid; else it is kept.
    resampling
        `nearest`; `bilinear`; `cubic` (Keys 1981, a = -1/2, doi:10.1109/TASSP.1981.1163711);
        `cubic-spline` (B-spline, smooths); `lanczos` (three lobes, Duchon 1979); `average` (mean of
        the output pixel's footprint); `mode` (the value that covers most of it, for classes).
    scale
        Pixels of the image in one pixel of the output, along the image's rows and columns (see
        `scale_at`): the footprint is a box of that size. One for the whole output, so that no value
        depends on the window that was read.
    antialias
        Stretch the kernels of `bilinear` to `lanczos` by `scale` along axes where it is above 1.2;
        `average` and `mode` take the footprint in any case.

    Returns
    -------
    (count, *row.shape) of the raster's type; `fill` where the pixel that holds the point is no data
    or outside.

    Raises
    ------
    InputError
        Where the resampling is not known, the scale not positive, or the image complex.
    """
    check_resampling(resampling, IMAGE)
    check_image_type(raster.dtype)
    if not all(math.isfinite(s) and s > 0.0 for s in scale):
        msg = (
            f"scale {scale}: must be two numbers above 0, pixels of the image in one of the output"
        )
        raise InputError(msg)
    scale = _stretched(scale, resampling, antialias)
    out = np.full((raster.count, *row.shape), fill, dtype=raster.dtype)
    flat_out = out.reshape(raster.count, -1)
    flat_row, flat_col = _flat(row), _flat(col)
    integer = raster.dtype.kind in "iu"
    lowest, highest = _range_of(raster.dtype) if integer else (0.0, 0.0)
    nodata = math.nan if raster.nodata is None else float(raster.nodata)
    half = _half_widths(resampling, scale)
    for window, chosen in _windows(raster, flat_row, flat_col, _reach_of(half)):
        source = raster.read(window)
        if resampling == "nearest" and nodata != fill:
            missing = source == nodata
            if integer and declared:
                moved = fill + 1.0 if fill < highest else fill - 1.0
                source = np.where(source == fill, source.dtype.type(moved), source)
            source = np.where(missing, source.dtype.type(fill), source)
        rows = np.ascontiguousarray(flat_row[chosen])
        cols = np.ascontiguousarray(flat_col[chosen])
        for band in range(raster.count):
            at = (np.ascontiguousarray(source[band]), window.row, window.col, rows, cols)
            all_at_once = isinstance(chosen, slice)
            values = flat_out[band] if all_at_once else np.empty(rows.shape, dtype=raster.dtype)
            made = (nodata, fill, declared, lowest, highest, integer, values)
            if resampling == "nearest":
                resample.nearest(*at, values.dtype.type(fill), values)
            elif resampling == "mode":
                majority.image_mode(*at, scale, nodata, fill, declared, highest, values)
            elif resampling == "bilinear" and scale == UNSCALED:
                resample.image_bilinear(*at, *made)
            else:
                convolve.image_convolved(*at, _KERNELS[resampling], scale, half, *made)
            if not all_at_once:
                flat_out[band, chosen] = values
    return out


def check_image_type(dtype: np.dtype[Any]) -> None:
    """Raise where an image's values cannot be weighed."""
    if dtype.kind not in "iuf":
        msg = f"an image of type {dtype}: must hold integers or real numbers"
        if dtype.kind == "c":
            msg += "; take its amplitude, or its parts as two bands"
        raise InputError(msg)


def scale_at(
    pixels: Callable[
        [NDArray[np.float64], NDArray[np.float64]],
        tuple[NDArray[np.float64], NDArray[np.float64]],
    ],
    transform: Affine,
    centre: tuple[float, float],
) -> tuple[float, float]:
    """Return how many pixels of an image lie in one of an output, along the image's rows and columns.

    Parameters
    ----------
    pixels
        Gives row and col in the image of points x, y of the output's reference system.
    transform
        The output's affine transform.
    centre
        x, y of the point where the image is looked at.

    Returns
    -------
    Of the derivatives of row, and of col, by the output's rows and columns, the lengths: 1 for an
    image that is only turned. Three decimals; (1, 1) where the point has no place in the image.
    """
    along = np.array([0.5, -0.5, 0.0, 0.0])  # output columns; its rows the other way round
    down = along[::-1]
    x = centre[0] + transform.a * along + transform.b * down
    y = centre[1] + transform.d * along + transform.e * down
    row, col = (np.asarray(a, dtype=np.float64) for a in pixels(x, y))
    lengths = [round(math.hypot(v[0] - v[1], v[2] - v[3]), 3) for v in (row, col)]
    usable = all(math.isfinite(length) and length > 0.0 for length in lengths)
    return (lengths[0], lengths[1]) if usable else UNSCALED


def image_reach(resampling: str, *, scale: tuple[float, float], antialias: bool) -> int:
    """Return how many pixels around a point `sample_image` looks at."""
    return _reach_of(_half_widths(resampling, _stretched(scale, resampling, antialias)))


def _stretched(scale: tuple[float, float], resampling: str, antialias: bool) -> tuple[float, float]:
    """Return the scale that a kernel is stretched by."""
    if resampling in ("average", "mode"):
        return scale
    if resampling == "nearest" or not antialias:
        return UNSCALED
    row, col = (s if s > _FINE else 1.0 for s in scale)
    return row, col


def _half_widths(resampling: str, scale: tuple[float, float]) -> tuple[float, float]:
    """Return how far the kernel reaches along rows and columns [px]."""
    kind = _KERNELS.get(resampling, convolve.AREA)  # nearest and mode look at an area as well
    return convolve.half_width(kind, scale[0]), convolve.half_width(kind, scale[1])


def _reach_of(half: tuple[float, float]) -> int:
    return math.ceil(max(half)) + 2


def _range_of(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the lowest and highest real number that an integer type can hold."""
    info = np.iinfo(dtype)
    highest = float(info.max)
    if highest > info.max:  # 64 bits: the nearest double lies beyond
        highest = float(np.nextafter(highest, 0.0))
    return float(info.min), highest


def _windows(  # noqa: PLR0917
    raster: Raster, row: NDArray[np.float64], col: NDArray[np.float64], reach: int
) -> Iterator[tuple[Window, slice | NDArray[np.intp]]]:
    """Yield windows to read and the points that each serves, without those outside the raster.

    Points close together are served by one window; scattered ones tile by tile, so that memory
    stays bounded.
    """
    rows, cols = raster.grid.shape
    top, bottom, left, right, number = resample.extent(row, col, rows, cols)
    if number == 0:
        return
    window = Window(
        top - reach, left - reach, bottom - top + 1 + 2 * reach, right - left + 1 + 2 * reach
    ).intersect(raster.grid.window)
    if isinstance(raster, Held) and raster.window.contains(window):
        window = raster.window
    if window.size <= _LARGEST_WINDOW:
        yield window, slice(None)
        return
    with np.errstate(invalid="ignore"):
        inside = (row >= 0.0) & (row <= rows) & (col >= 0.0) & (col <= cols)  # False for NaN
    chosen = np.flatnonzero(inside)
    some_row, some_col = row[chosen], col[chosen]
    tiles = np.floor(some_row / _TILE).astype(np.int64) * (cols // _TILE + 2) + np.floor(
        some_col / _TILE
    ).astype(np.int64)
    order = np.argsort(tiles, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(tiles[order])) + 1):
        members = chosen[group]
        yield _around(row[members], col[members], reach).intersect(raster.grid.window), members


def _flat(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.ascontiguousarray(values).reshape(-1)


def _around(row: NDArray[np.float64], col: NDArray[np.float64], reach: int) -> Window:
    first_row, first_col = math.floor(row.min()) - reach, math.floor(col.min()) - reach
    return Window(
        first_row,
        first_col,
        math.floor(row.max()) + reach + 1 - first_row,
        math.floor(col.max()) + reach + 1 - first_col,
    )


def fill_of(raster: Raster) -> float:
    """Return the value that stands for no data in what is made from this raster."""
    return fill_value(raster.dtype, raster.nodata)
