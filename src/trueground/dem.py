"""Elevation models as heights above the ellipsoid, at any point of any reference system."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS

from trueground.datum_shift import InDatum
from trueground.errors import DatumError, InputError
from trueground.globe import AroundTheGlobe, closed
from trueground.grid import Window
from trueground.kept import Kept, content_key
from trueground.projection import WGS84, count_longitudes_as, project
from trueground.raster import Raster, as_float, name_of, open_raster
from trueground.sampling import Resampling, check_resampling, sample_surface
from trueground.vertical import ELLIPSOID, HEIGHTS_HELP, Datum, check_unit

if TYPE_CHECKING:
    import xarray as xr

_TILE = 256  # px, edge of the tiles whose range of heights is remembered
_STRIP = 64  # tiles read at once
_QUARTER_TURN = 90.0  # degrees
_Ranges = dict[tuple[int, int], tuple[float, float]]
# Of DEMs that came from another process, job after job: equal ones share them.
_known_ranges: Kept[_Ranges] = Kept(16)


@dataclass(frozen=True, kw_only=True)
class Dem:
    """An elevation model whose vertical datum is known.

    Make one with `Dem.open`.

    Examples
    --------
    >>> import numpy as np
    >>> from trueground.samples import small_dem
    >>> dem = small_dem()
    >>> dem.heights(9.9, 46.4)
    array(900.)
    """

    raster: Raster
    """Heights in metres above `datum`, float32, NaN where there is none; closed around the globe where it goes once
    around: then its grid has a few columns more than the file, on both sides."""
    datum: Datum
    """What the heights are counted from."""
    surface: Raster = field(init=False, repr=False, compare=False)
    """The same above the WGS 84 ellipsoid: the nodes between which heights are interpolated."""
    interpolation: Resampling = "bilinear"
    """`nearest`, `bilinear`, or `cubic` (interpolating)."""
    _ranges: _Ranges = field(default_factory=dict, init=False, repr=False, compare=False)
    """Lowest and highest height of the tiles looked at so far."""

    def __post_init__(self) -> None:
        check_resampling(self.interpolation)
        if self.raster.grid.crs is None:
            msg = (
                f"{name_of(self.raster)} has no CRS, so its place is unknown; "
                "assign one with gdal_edit.py -a_srs"
            )
            raise InputError(msg)
        if self.raster.count != 1:
            msg = f"{name_of(self.raster)} has {self.raster.count} bands; a DEM has one"
            raise InputError(msg)
        surface = self.raster
        if self.datum.name != "ellipsoid":
            surface = InDatum(source=surface, before=self.datum, after=ELLIPSOID, crs=self.crs)
        object.__setattr__(self, "surface", surface)

    def __getstate__(self) -> dict[str, Any]:
        return {k: getattr(self, k) for k in ("raster", "datum", "interpolation")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        key = content_key(state)
        ranges: _Ranges = {} if key is None else _known_ranges.get(key, dict)
        self.__dict__.update(state, _ranges=ranges)
        self.__post_init__()

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
            Vertical datum: `ellipsoid`, `egm96`, `egm2008`, or a geoid grid's path. None: as the
            CRS declares.
        interpolation
            How heights between the centres of cells are made.

        Raises
        ------
        DatumError
            Where neither `heights` nor the CRS says what heights are above, or where the CRS
            declares heights that are not metres upwards.
        """
        raster = as_float(open_raster(source))
        check_unit(raster.grid.crs)
        datum = Datum.of_crs(raster.grid.crs) if heights is None else Datum.parse(heights)
        if datum is None:
            msg = (
                f"heights of {name_of(raster)} have no declared vertical datum; "
                f"say which with --heights ({HEIGHTS_HELP})"
            )
            raise DatumError(msg)
        return cls(raster=closed(raster), datum=datum, interpolation=interpolation)

    @property
    def crs(self) -> CRS:
        """Reference system of the raster."""
        crs = self.raster.grid.crs
        if crs is None:
            raise InputError(name_of(self.raster))
        return crs

    def facing(self, lon: float) -> Dem:
        """Return the same DEM with no seam near a longitude, so that neighbours there are neighbours in its pixels.

        A DEM that does not go around the globe is returned as it is, and so is one whose seam is a quarter of a turn or
        more away. Pixel coordinates (`rowcol`) are those of the DEM that is returned.
        """
        if not isinstance(self.raster, AroundTheGlobe):
            return self
        x, _ = project(WGS84, self.crs, lon, 0.0)
        away = abs((float(x) - self.raster.middle + 180.0) % 360.0 - 180.0)
        return self._turned if away > _QUARTER_TURN else self  # NaN is not

    @cached_property
    def _turned(self) -> Dem:
        """The same DEM with its seam on the other side; kept, since it remembers the ranges of its tiles."""
        turned = self.raster.turned() if isinstance(self.raster, AroundTheGlobe) else self.raster
        return replace(self, raster=turned)

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
        return self.heights_at_pixels(row, col)

    def rowcol(
        self, lon: NDArray[np.float64], lat: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return pixel coordinates in the DEM of longitude and latitude, exactly."""
        grid = self.raster.grid
        x, y = project(WGS84, grid.crs, lon, lat)
        return grid.rowcol(count_longitudes_as(grid, x), y)

    def heights_at_pixels(
        self, row: NDArray[np.float64], col: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return heights above the ellipsoid [m] at pixel coordinates of the DEM."""
        return sample_surface(self.surface, row, col, resampling=self.interpolation)

    def height_range(self, window: Window | None = None) -> tuple[float, float]:
        """Return bounds of the heights above the ellipsoid [m]; NaN where all is missing.

        They hold for all tiles that the window touches. A tile is read once and remembered, so that
        asking again, for another window or from another thread, costs little.
        """
        whole = self.raster.grid.window
        window = whole if window is None else window.intersect(whole)
        if window.size == 0:
            return np.nan, np.nan
        low, high = np.nan, np.nan
        for i in range(window.row // _TILE, (window.row + window.height - 1) // _TILE + 1):
            first = window.col // _TILE, (window.col + window.width - 1) // _TILE + 1
            self._look_at(i, range(*first))
            for j in range(*first):
                low = np.fmin(low, self._ranges[i, j][0])
                high = np.fmax(high, self._ranges[i, j][1])
        return float(low), float(high)

    def _look_at(self, i: int, columns: range) -> None:
        """Find the ranges of tiles of one row that are not known yet, reading them in one go."""
        missing = [j for j in columns if (i, j) not in self._ranges]
        for some in (missing[k : k + _STRIP] for k in range(0, len(missing), _STRIP)):
            tiles = Window(i * _TILE, some[0] * _TILE, _TILE, (some[-1] - some[0] + 1) * _TILE)
            values = self.surface.read(tiles)[0]  # NaN beyond the edge
            for j in range(some[0], some[-1] + 1):
                tile = values[:, (j - some[0]) * _TILE : (j - some[0] + 1) * _TILE]
                self._ranges[i, j] = (
                    float(np.fmin.reduce(tile, axis=None)),
                    float(np.fmax.reduce(tile, axis=None)),
                )
