"""A reference and a moving DEM, looked at together at a sample of the reference's cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from trueground.coreg.base import Alignment
from trueground.datum_shift import in_common_datum
from trueground.difference import check_overlap
from trueground.engine import Engine, Threads
from trueground.errors import FitError, InputError, OverlapError
from trueground.grid import Grid, Window
from trueground.kernels import choice
from trueground.projection import count_longitudes_as, project, same_place
from trueground.raster import ArrayRaster, Raster, as_float
from trueground.sampling import Resampling, sample_surface
from trueground.vectors import usable
from trueground.warp import PixelMap, Resampled

Float = NDArray[np.float64]
_BLOCK = 1024  # px
_SPARSE = 0.1  # share of all cells below which each is projected alone
_IN_MEMORY = 1 << 25  # px; smaller moving DEMs are read once and kept


class _Cells(NamedTuple):
    """The sampled cells of a block."""

    position: NDArray[np.int32]
    """Position in the block, row by row."""
    height: NDArray[np.float32]
    """Reference [m]."""
    slope_x: NDArray[np.float32]
    """Rise of the reference towards east [m per unit of the CRS]."""
    slope_y: NDArray[np.float32]
    """Rise of the reference towards north."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The cells of a reference at which a moving DEM is compared with it.

    Cells are chosen by a hash of their row and column, so that the choice depends neither on
    blocks nor on threads. What is kept of them is small; the moving DEM is read again, block by
    block, for each shift.
    """

    reference: Raster
    moving: Raster
    cells: tuple[tuple[Window, _Cells], ...]
    engine: Engine

    @classmethod
    def of(
        cls,
        reference: Raster,
        moving: Raster,
        *,
        valid: Raster | None,
        engine: Engine | None,
        samples: int,
        seed: int,
        with_slopes: bool,
    ) -> Pair:
        """Choose the cells and take the reference's heights and slopes there.

        Raises
        ------
        OverlapError
            Where the rasters share no ground.
        FitError
            Where no usable cell is left.
        DatumError
            Where one of them declares a vertical datum and the other does not.
        """
        if samples < 1:
            msg = f"{samples} samples: must be at least 1"
            raise InputError(msg)
        check_overlap(reference, moving)
        reference, moving = as_float(reference), as_float(moving)
        for raster in (reference, moving):
            if raster.count != 1:
                msg = f"a raster of {raster.count} bands: a DEM has one"
                raise InputError(msg)
        moving = in_common_datum(reference, moving, undeclared="accept")
        mask = None
        if valid is not None:
            mask = valid if valid.grid == reference.grid else _mask_on(valid, reference.grid)
        use = engine or Threads()
        grid = reference.grid
        share = min(1.0, samples / (grid.shape[0] * grid.shape[1]))

        def choose(window: Window) -> _Cells:
            return _choose(reference, mask, window, share, seed, with_slopes)

        windows = [b.core for b in grid.blocks(_BLOCK)]
        cells = tuple((w, c) for w, c in use.map(choose, windows) if c.position.size)
        if not cells:
            msg = "no cell of the reference has a height and is not masked: nothing to align with"
            raise FitError(msg)
        if moving.grid.shape[0] * moving.grid.shape[1] <= _IN_MEMORY:
            moving = _kept(moving, use)
        return cls(reference=reference, moving=moving, cells=cells, engine=use)

    @property
    def slopes(self) -> tuple[Float, Float]:
        """Rise of the reference towards east and north at all cells."""
        x = np.concatenate([c.slope_x for _, c in self.cells]).astype(np.float64)
        y = np.concatenate([c.slope_y for _, c in self.cells]).astype(np.float64)
        return x, y

    @property
    def centroid(self) -> tuple[float, float, float]:
        """Middle of the reference's bounds, and the median height of the cells."""
        west, south, east, north = self.reference.grid.bounds
        z = np.median(np.concatenate([c.height for _, c in self.cells]))
        return (west + east) / 2.0, (south + north) / 2.0, float(z)

    @property
    def xyz(self) -> tuple[Float, Float, Float]:
        """Easting, northing and reference height of all cells."""
        parts = [self._places(window, chosen) for window, chosen in self.cells]
        x, y = (np.concatenate(values) for values in zip(*parts, strict=True))
        return x, y, np.concatenate([c.height for _, c in self.cells]).astype(np.float64)

    def dh_under(self, alignment: Alignment, *, resampling: Resampling = "bilinear") -> Float:
        """Return reference - moving at all cells, moving transformed; NaN where it has no height."""
        moved = alignment.apply(self.moving, grid=self.reference.grid, resampling=resampling)
        return self._minus(lambda window, chosen: moved.heights(*self._places(window, chosen)))

    def dh(self, shift_x: float, shift_y: float, *, resampling: Resampling = "bilinear") -> Float:
        """Return reference - moving at all cells, moving shifted; NaN where it has no height."""
        grid = self.reference.grid
        t = grid.transform
        back = replace(grid, transform=Affine(t.a, t.b, t.c - shift_x, t.d, t.e, t.f - shift_y))
        place = PixelMap(source=back, target=self.moving.grid)
        one, two = grid.crs, self.moving.grid.crs
        warped = one is not None and two is not None and not same_place(one, two)
        # Decided for all blocks at once, so that a position depends on its cell alone.
        number = sum(c.position.size for _, c in self.cells)
        alone = warped and number < _SPARSE * grid.shape[0] * grid.shape[1]

        def heights(window: Window, chosen: _Cells) -> Float:
            at = np.divmod(chosen.position, window.width)
            if alone:
                row, col = _at_points(
                    back, self.moving.grid, (window.row + at[0], window.col + at[1])
                )
            else:
                row, col = (v[at] for v in place.at(window))
            return sample_surface(self.moving, row, col, resampling=resampling)

        return self._minus(heights)

    def _places(self, window: Window, chosen: _Cells) -> tuple[Float, Float]:
        """Return easting and northing of the chosen cells of a block."""
        row, col = np.divmod(chosen.position, window.width)
        return self.reference.grid.xy(window.row + row + 0.5, window.col + col + 0.5)

    def _minus(self, heights: Callable[[Window, _Cells], Float]) -> Float:
        """Return reference - heights at all cells, block by block."""
        cells = dict(self.cells)
        ends = np.cumsum([c.position.size for c in cells.values()])
        out = np.empty(ends[-1])
        parts = dict(zip(cells, np.split(out, ends[:-1]), strict=True))

        def part(window: Window) -> None:
            chosen = cells[window]
            np.subtract(chosen.height, heights(window, chosen), out=parts[window])

        for _ in self.engine.map(part, cells):
            pass
        return out


def _kept(raster: Raster, engine: Engine) -> ArrayRaster:
    """Read a raster of one band into memory, block by block."""
    if isinstance(raster, ArrayRaster):
        return raster
    grid = raster.grid
    array = np.empty(grid.shape, dtype=raster.dtype)

    def fill(window: Window) -> None:
        array[window.slices_in(grid.window)] = raster.read(window)[0]

    for _ in engine.map(fill, (b.core for b in grid.blocks(_BLOCK))):
        pass
    return ArrayRaster(array=array, grid=grid)


def _at_points(
    source: Grid, target: Grid, pixels: tuple[NDArray[Any], NDArray[Any]]
) -> tuple[Float, Float]:
    """Return row, col in another grid of the centres of some pixels, each projected exactly."""
    x, y = source.xy(pixels[0] + 0.5, pixels[1] + 0.5)
    x, y = project(source.crs, target.crs, x, y)
    return target.rowcol(count_longitudes_as(target, x), y)


def _mask_on(valid: Raster, grid: Grid) -> Raster:
    if (
        valid.grid.crs is not None
        and grid.crs is not None
        and not same_place(valid.grid.crs, grid.crs)
    ):
        check_overlap(valid, ArrayRaster(array=np.zeros(grid.shape, dtype=np.uint8), grid=grid))
    return Resampled(source=valid, grid=grid, resampling="nearest")


def _choose(  # noqa: PLR0917 (the parts of the choice)
    reference: Raster,
    mask: Raster | None,
    window: Window,
    share: float,
    seed: int,
    with_slopes: bool,
) -> _Cells:
    """Sample the cells of one block."""
    outer = reference.read(window.pad(1))[0]
    height = outer[1:-1, 1:-1]
    keep = np.isfinite(height)
    if mask is not None:
        keep &= usable(mask, window)
    if share < 1.0:
        keep &= _hash(window, seed) < share
    index = np.flatnonzero(keep)
    row, col = index // window.width, index % window.width
    if with_slopes:
        along_col = (outer[row + 1, col + 2].astype(np.float64) - outer[row + 1, col]) / 2.0
        along_row = (outer[row + 2, col + 1].astype(np.float64) - outer[row, col + 1]) / 2.0
        t = reference.grid.transform
        area = t.a * t.e - t.b * t.d
        slope_x = (t.e * along_col - t.d * along_row) / area
        slope_y = (t.a * along_row - t.b * along_col) / area
        known = np.isfinite(slope_x) & np.isfinite(slope_y)
        index, row, col = index[known], row[known], col[known]
        slope_x, slope_y = slope_x[known], slope_y[known]
    else:
        slope_x = slope_y = np.zeros(index.shape)
    return _Cells(
        index.astype(np.int32),
        height[row, col],
        slope_x.astype(np.float32),
        slope_y.astype(np.float32),
    )


def _hash(window: Window, seed: int) -> Float:
    """Return a number in [0, 1) for each pixel, from row, column and seed."""
    out = np.empty(window.shape)
    choice.uniform(window.row, window.col, seed, out)
    return out


def require_projected(grid: Grid) -> None:
    """Raise where a reference counts in degrees, in which slopes and shifts mean nothing.

    Raises
    ------
    InputError
        With the name of its system.
    """
    if grid.crs is not None and grid.crs.is_geographic:
        msg = (
            f"the reference is in degrees ({grid.crs.name}): "
            "give one in a projected CRS (gdalwarp -t_srs)"
        )
        raise InputError(msg)


def require_samples(dh: Float, least: int) -> None:
    """Raise where too few differences are left.

    Raises
    ------
    OverlapError
        Where not a single cell has both heights.
    FitError
        Where there are fewer than `least`.
    """
    count = int(np.isfinite(dh).sum())
    if count == 0:
        msg = (
            "the DEMs have no cell in common: "
            "where one has heights, the other has none or is masked"
        )
        raise OverlapError(msg)
    if count < least:
        msg = f"{count} usable cells in common: at least {least} are needed for a fit"
        raise FitError(msg)
