"""A reference and a moving DEM, looked at together at a sample of the reference's cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.coreg import motion
from trueground.coreg.aligned import surface_of
from trueground.coreg.base import Alignment, translation
from trueground.coreg.cells import Cells, Choice, metric_crs, of_points
from trueground.coreg.choosing import BESIDE, Parts, by_tiles, everywhere, in_tiles, tiles_kept
from trueground.coreg.plain import matrix_of
from trueground.datum_shift import InDatum, in_common_datum
from trueground.difference import bounds_as_in, check_overlap
from trueground.engine import Engine, Threads, nearby
from trueground.errors import FitError, InputError, OverlapError
from trueground.grid import Grid, Window
from trueground.kernels import medians
from trueground.pointcloud import PointCloud
from trueground.projection import count_longitudes_as, project
from trueground.raster import ArrayRaster, Raster, as_float
from trueground.remembered import Remembered
from trueground.sampling import Resampling, is_plain
from trueground.vertical import Datum, check_unit

Float = NDArray[np.float64]
_BAND = 512  # rows read at a time of what is kept
_IN_MEMORY = 1 << 26  # px; smaller moving DEMs are read once and kept


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The cells of a reference at which a moving DEM is compared with it.

    Cells are chosen by a hash of their row and column, so that the choice depends neither on blocks nor on threads.
    What is kept of them is small. Of a moving DEM that is too large to be kept, so much is looked at, in tiles that
    are chosen by a hash as well, as can be.
    """

    cells: Cells
    parts: Parts
    """Blocks of the reference, and which cells lie in each: the moving DEM is read for them together."""
    moving: Raster
    crs: CRS | None
    """Working CRS, in metres: that of the cells."""
    pixel: float
    """Pixel of the reference [m]."""
    engine: Engine
    resampling: Resampling = "cubic"
    """How heights of the moving DEM are made between its nodes."""

    points: bool = False
    """Whether the reference is of points, so that slopes are those of the moving DEM."""

    @classmethod
    def of(
        cls,
        reference: Raster | PointCloud,
        moving: Raster,
        *,
        samples: int,
        seed: int = 0,
        valid: Raster | None = None,
        weights: Raster | None = None,
        slope_range: tuple[float, float] | None = None,
        with_slopes: bool = True,
        resampling: Resampling = "cubic",
        initial: Alignment | None = None,
        engine: Engine | None = None,
    ) -> Pair:
        """Choose the cells and take the reference's heights and slopes there.

        Raises
        ------
        OverlapError
            Where the two share no ground.
        FitError
            Where no usable cell is left.
        DatumError
            Where one of them declares a vertical datum and the other does not.
        """
        if samples < 1:
            msg = f"{samples} samples: must be at least 1"
            raise InputError(msg)
        use = engine or Threads()
        moving = one_band(moving)
        fits = moving.grid.window.size <= _IN_MEMORY
        if isinstance(reference, PointCloud):
            if (reference.crs is None) != (moving.grid.crs is None):
                alone = "the points have" if moving.grid.crs is None else "the DEM has"
                msg = f"only {alone} a CRS: say that of the other (--points-crs, or gdal_edit.py -a_srs)"
                raise InputError(msg)
            crs = metric_crs(moving.grid, moving.grid.window)
            above: Datum | CRS | None = moving.grid.crs
            if isinstance(moving, InDatum):
                above = moving.after
            cloud = reference.heights_in(above).thinned(samples, seed)
            cells, parts = by_tiles(of_points(cloud, crs, valid, weights), moving.grid, crs)
            grid, area = moving.grid, moving.grid.window
        else:
            reference = one_band(reference)
            if initial is None:
                check_overlap(reference, moving)
            if (reference.grid.crs is None) != (moving.grid.crs is None):
                alone = "moving" if reference.grid.crs is None else "reference"
                msg = f"only the {alone} DEM has a CRS: assign that of the other with gdal_edit.py -a_srs"
                raise InputError(msg)
            moving = in_common_datum(reference, moving, undeclared="accept")
            grid = reference.grid
            area = shared(grid, moving.grid, initial)
            crs = metric_crs(grid, area)
            choice = Choice(
                reference=reference, crs=crs, valid=valid, weights=weights, samples=samples, seed=seed,
                slope_range=slope_range, with_slopes=with_slopes,
                area=area,
            )  # fmt: skip
            tiles = None if fits else tiles_kept(grid, moving.grid, area, limit=_IN_MEMORY)
            cells, parts = (
                everywhere(choice, use) if tiles is None else in_tiles(choice, use, tiles)
            )
        if not cells.x.size:
            msg = "no cell of the reference has a height and is not masked: nothing to align with"
            raise FitError(msg)
        remembered = Remembered(source=moving, margin=BESIDE, limit=_IN_MEMORY)
        moving = kept(moving, use) if fits else remembered
        return cls(
            cells=cells, parts=parts, moving=moving, crs=crs, pixel=pixel_of(grid, crs, area), engine=use,
            resampling=resampling, points=isinstance(reference, PointCloud),
        )  # fmt: skip

    def under(self, alignment: Alignment) -> Pair:
        """Return the pair with slopes as they are under an alignment: they differ where points are the reference."""
        if not self.points:
            return self
        slope_x, slope_y = self.slopes_of_moving(alignment)
        return replace(self, cells=self.cells._replace(slope_x=slope_x, slope_y=slope_y))

    def thinned(self, samples: int) -> Pair:
        """Return the pair with every so many-th of the cells."""
        every = -(-self.cells.x.size // samples)
        if every == 1:
            return self
        parts = ((w, slice(-(-p.start // every), -(-p.stop // every))) for w, p in self.parts)
        return replace(
            self,
            cells=Cells(*(np.ascontiguousarray(v[::every]) for v in self.cells)),
            parts=tuple((w, p) for w, p in parts if p.start < p.stop),
        )

    @cached_property
    def centroid(self) -> tuple[float, float, float]:
        """Mean place and median height of the cells, to the millimetre."""
        x, y, z = self.cells[:3]
        return (
            round(float(x.mean()), 3),
            round(float(y.mean()), 3),
            round(float(medians.middle(z)), 3),
        )

    def start(self, method: str, initial: Alignment | None = None) -> Alignment:
        """Return the motion from which a fit sets out, about the centroid: none, or the initial one.

        Raises
        ------
        InputError
            Where the initial alignment counts in another CRS.
        """
        crs = None if self.crs is None else self.crs.to_wkt()
        matrix = translation((0.0, 0.0, 0.0))
        if initial is not None:
            if crs is not None and initial.crs not in {None, crs}:
                one, two = CRS.from_wkt(str(initial.crs)), CRS.from_wkt(crs)
                if one.to_2d() != two.to_2d():
                    msg = (
                        f"the initial alignment counts in {one.name!r} and the fit in {two.name!r}: "
                        "they must be the same"
                    )
                    raise InputError(msg)
            moved = motion.about(initial.matrix, initial.centroid, self.centroid)
            matrix = matrix_of(moved)
        return Alignment(
            matrix=matrix, centroid=self.centroid, crs=crs, method=method,
            nmad_before=math.nan, nmad_after=math.nan, samples=0,
        )  # fmt: skip

    def heights(
        self, alignment: Alignment, *, beside: Sequence[tuple[float, float]] = ((0.0, 0.0),)
    ) -> Float:
        """Return heights [m] of the moved DEM (k, n), at (x, y) [m] beside all cells; NaN where it has none."""
        moved = surface_of(self.moving, alignment, resampling=self.resampling)
        x, y = self.cells.x, self.cells.y
        if len(self.parts) == 1 and is_plain(self.moving):  # nothing to read, nor to share out
            if len(beside) == 1:
                return moved.heights(x + beside[0][0], y + beside[0][1])[np.newaxis]
            aside = np.array(beside).T[:, :, np.newaxis]
            all_x, all_y = ((v + d).ravel() for v, d in zip((x, y), aside, strict=True))
            return moved.heights(all_x, all_y).reshape(len(beside), -1)
        parts = dict(self.parts)

        def below(window: Window) -> list[Float]:
            part = parts[window]
            return [moved.heights(x[part] + dx, y[part] + dy) for dx, dy in beside]

        out = np.empty((len(beside), x.size))
        for window, found in nearby(self.engine).map(below, parts):
            out[:, parts[window]] = found
        return out

    def dh(self, alignment: Alignment) -> Float:
        """Return reference - moving at all cells, moving moved; NaN where it has no height."""
        return np.asarray(self.cells.z - self.heights(alignment)[0])

    def slopes_of_moving(self, alignment: Alignment) -> tuple[Float, Float]:
        """Return the rise of the moved DEM towards east and north at all cells, over two pixels."""
        step = self.pixel
        around = self.heights(
            alignment, beside=((step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step))
        )
        return (around[0] - around[1]) / (2.0 * step), (around[2] - around[3]) / (2.0 * step)


def shared(reference: Grid, moving: Grid, initial: Alignment | None = None) -> Window:
    """Return the part of the reference on which the moving DEM lies, moved, with room for a shift."""
    west, south, east, north = bounds_as_in(reference, moving)
    x, y = np.array([west, east, east, west]), np.array([south, south, north, north])
    if initial is not None:
        x, y, _ = initial.transform(x, y, np.full(4, initial.centroid[2]), crs=reference.crs)
        x = count_longitudes_as(reference, x)
    row, col = reference.rowcol(x, y)
    if not (np.isfinite(row).all() and np.isfinite(col).all()):
        return reference.window
    top, left = math.floor(row.min()) - BESIDE, math.floor(col.min()) - BESIDE
    height, width = math.ceil(row.max()) + BESIDE - top, math.ceil(col.max()) + BESIDE - left
    found = Window(top, left, height, width).intersect(reference.window)
    if not found.size:
        msg = "the moving DEM, moved by the initial alignment, does not lie on the reference"
        raise OverlapError(msg)
    return found


def one_band(raster: Raster) -> Raster:
    """Return a DEM as real numbers; raise where it has several bands, or is no raster.

    Raises
    ------
    InputError
        With their number, or with what it is.
    """
    if isinstance(raster, PointCloud):
        msg = (
            "heights of points cannot be corrected, points can be moved by a rigid motion only: leave out the methods "
            "that correct, or make the points the reference and correct the raster"
        )
        raise InputError(msg)
    if not isinstance(cast("object", raster), ArrayRaster | Raster):  # the former is seen sooner
        msg = f"{raster!r:.60} is not a raster, of which a fit is made: give open_raster(...) of it"
        raise InputError(msg)
    raster = as_float(raster)
    check_unit(raster.grid.crs)
    if raster.count != 1:
        msg = f"a raster of {raster.count} bands: a DEM has one"
        raise InputError(msg)
    return raster


def pixel_of(grid: Grid, crs: CRS | None, area: Window | None = None) -> float:
    """Return the shorter side of a pixel in the middle of a window of a grid, in the working CRS."""
    window = area or grid.window
    row, col = window.row + window.height / 2.0, window.col + window.width / 2.0
    rows, cols = np.array([row, row + 1.0, row]), np.array([col, col, col + 1.0])
    x, y = grid.xy(rows, cols)
    if crs is not None:
        x, y = project(grid.crs, crs, x, y)
    return float(np.hypot(x[1:] - x[0], y[1:] - y[0]).min())


def kept(raster: Raster, engine: Engine) -> ArrayRaster:
    """Read a raster of one band into memory, block by block."""
    if isinstance(raster, ArrayRaster):
        return raster
    grid = raster.grid
    array = np.empty(grid.shape, dtype=raster.dtype)
    rows, cols = grid.shape
    # Whole rows: strips, and rows of tiles, are decoded once.
    bands = (Window(r, 0, min(_BAND, rows - r), cols) for r in range(0, rows, _BAND))
    for window, values in engine.map(raster.read, bands):
        array[window.slices_in(grid.window)] = values[0]
    return ArrayRaster(array=array, grid=grid)


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
