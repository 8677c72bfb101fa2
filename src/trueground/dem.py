"""Elevation models as heights above the ellipsoid, at any point of any reference system."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS

from trueground.engine import Serial, reduce_blocks
from trueground.errors import DatumError, InputError
from trueground.grid import Window
from trueground.projection import WGS84, project
from trueground.raster import FileRaster, Raster, as_float, open_raster
from trueground.sampling import Resampling, check_resampling, sample_surface
from trueground.vertical import HEIGHTS_HELP, Datum

if TYPE_CHECKING:
    import xarray as xr

_STREAM = 2048  # px, edge of the blocks in which the whole DEM is looked at


@dataclass(frozen=True, kw_only=True)
class Dem:
    """An elevation model whose vertical datum is known.

    Make one with `Dem.open`.
    """

    raster: Raster
    """Heights in metres above `datum`, float32, NaN where there is none."""
    datum: Datum
    """What the heights are counted from."""
    interpolation: Resampling = "bilinear"
    """`nearest`, `bilinear`, or `cubic` (interpolating)."""

    def __post_init__(self) -> None:
        check_resampling(self.interpolation)
        if self.raster.grid.crs is None:
            msg = f"{name_of(self.raster)} has no CRS, so its place is unknown; assign one with gdal_edit.py -a_srs"
            raise InputError(msg)
        if self.raster.count != 1:
            msg = f"{name_of(self.raster)} has {self.raster.count} bands; a DEM has one"
            raise InputError(msg)

    @classmethod
    def open(
        cls,
        source: str | os.PathLike[str] | xr.DataArray | Raster,
        *,
        heights: str | os.PathLike[str] | Datum | None = None,
        interpolation: Resampling = "bilinear",
    ) -> Dem:
        """Open an elevation model.

        Parameters
        ----------
        source
            Path, DataArray or raster of heights in metres.
        heights
            Vertical datum: `ellipsoid`, `egm96`, `egm2008`, or a geoid grid's path. None: as the CRS declares.
        interpolation
            How heights between the centres of cells are made.

        Raises
        ------
        DatumError
            Where neither `heights` nor the CRS says what heights are above.
        """
        raster = as_float(open_raster(source))
        datum = Datum.of_crs(raster.grid.crs) if heights is None else Datum.parse(heights)
        if datum is None:
            msg = (
                f"heights of {name_of(raster)} have no declared vertical datum; "
                f"say which with --heights ({HEIGHTS_HELP})"
            )
            raise DatumError(msg)
        return cls(raster=raster, datum=datum, interpolation=interpolation)

    @property
    def crs(self) -> CRS:
        """Reference system of the raster."""
        crs = self.raster.grid.crs
        if crs is None:
            raise InputError(name_of(self.raster))
        return crs

    def heights(self, x: ArrayLike, y: ArrayLike, *, crs: CRS = WGS84) -> NDArray[np.float64]:
        """Return heights above the WGS 84 ellipsoid.

        Parameters
        ----------
        x, y
            Easting or longitude, northing or latitude in `crs`, any shape, broadcast.
        crs
            Reference system of the points; longitude and latitude on WGS 84 by default.

        Returns
        -------
        float64 array [m]; NaN outside the DEM, and where a node that carries weight is missing.
        """
        x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
        lon, lat = project(crs, WGS84, x, y)
        row, col = self.rowcol(lon, lat)
        return self.heights_at_pixels(row, col, lon, lat)

    def rowcol(
        self, lon: NDArray[np.float64], lat: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return pixel coordinates in the DEM of longitude and latitude, exactly."""
        grid = self.raster.grid
        x, y = project(WGS84, grid.crs, lon, lat)
        if self.crs.is_geographic:  # a DEM may count longitudes beyond 180
            middle = (grid.bounds[0] + grid.bounds[2]) / 2.0
            x = x + 360.0 * np.round((middle - x) / 360.0)
        return grid.rowcol(x, y)

    def heights_at_pixels(
        self,
        row: NDArray[np.float64],
        col: NDArray[np.float64],
        lon: NDArray[np.float64],
        lat: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return heights above the ellipsoid [m] at pixel coordinates of the DEM whose place is known already."""
        own = sample_surface(self.raster, row, col, resampling=self.interpolation)
        return self.datum.to_ellipsoid(own, lon, lat)

    def height_range(self, window: Window | None = None) -> tuple[float, float]:
        """Return the lowest and highest height [m] above the DEM's own datum, by streaming; NaN where all is missing."""
        window = self.raster.grid.window if window is None else window.intersect(self.raster.grid.window)
        if window.size == 0:
            return np.nan, np.nan
        pieces = self.raster.grid.crop(window).blocks(_STREAM)
        found = reduce_blocks(
            Serial(),
            self._range_of,
            lambda a, b: (float(np.fmin(a[0], b[0])), float(np.fmax(a[1], b[1]))),
            [
                Window(p.core.row + window.row, p.core.col + window.col, p.core.height, p.core.width)
                for p in pieces
            ],
        )
        return (np.nan, np.nan) if found is None else found

    def _range_of(self, window: Window) -> tuple[float, float]:
        values = self.raster.read(window)
        if np.isnan(values).all():
            return np.nan, np.nan
        return float(np.nanmin(values)), float(np.nanmax(values))


def name_of(raster: Raster) -> str:
    """Return what to call a raster in a message."""
    source = getattr(raster, "source", raster)
    return source.path if isinstance(source, FileRaster) else "the DEM"
