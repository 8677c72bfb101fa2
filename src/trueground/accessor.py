"""`da.tg`: what trueground does, on `xarray.DataArray`, once `trueground.accessor` is imported.

Everything is lazy: results are backed by dask and computed when they are asked for. Place and CRS follow rioxarray's
conventions, on the way in and on the way out; names, attributes and coordinates of other axes are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import xarray as xr

from trueground.coreg import Result, method_named
from trueground.datum_shift import converted, declared_datum
from trueground.errors import DatumError
from trueground.lazy_array import to_xarray
from trueground.raster import Raster, XarrayRaster, as_float, open_raster
from trueground.sampling import ImageResampling, Resampling
from trueground.terrain import Curvature, Hillshade, Slope
from trueground.vertical import HEIGHTS_HELP, Datum
from trueground.warp import on_grid

if TYPE_CHECKING:
    from trueground.engine import Engine

_PLACE = frozenset(
    {"grid_mapping", "_FillValue", "missing_value", "nodata", "scale_factor", "add_offset", "crs"}
)
_CHUNK = 1024  # px


class _Fitting(Protocol):
    def fit(self, reference: Any, moving: Any, **settings: Any) -> Result: ...


@xr.register_dataarray_accessor("tg")  # type: ignore[no-untyped-call]
class TruegroundAccessor:
    """What trueground does with an array of (y, x) or (band, y, x).

    Examples
    --------
    >>> import numpy as np
    >>> import trueground.accessor
    >>> x, y = 500_000.0 + 10.0 * np.arange(60), 8_000_000.0 - 10.0 * np.arange(50)
    >>> dem = xr.DataArray(
    ...     np.float32(0.5) * np.float32(x - x[0]) + np.zeros((50, 1), np.float32),
    ...     dims=("y", "x"),
    ...     coords={"x": x, "y": y},
    ...     name="dem",
    ...     attrs={"crs": "EPSG:32633"},
    ... )
    >>> slope = dem.tg.slope()
    >>> slope.name, slope.attrs["units"], round(float(slope[20, 30]), 3)
    ('slope', 'degree', 26.565)
    """

    def __init__(self, data: xr.DataArray) -> None:
        self._data = data

    @property
    def raster(self) -> Raster:
        """The array as a raster, read lazily where it is lazy."""
        return open_raster(self._data)

    def fit(
        self,
        reference: xr.DataArray,
        method: str | _Fitting = "nuth-kaab",
        *,
        valid: xr.DataArray | None = None,
        weights: xr.DataArray | None = None,
        engine: Engine | None = None,
    ) -> Result:
        """Find how this DEM has to be moved onto a reference.

        Parameters
        ----------
        reference
            DEM that is trusted [m]; its grid and CRS may differ.
        method
            A method, pipeline or `Blockwise`, or its name as on the command line, such as "nuth-kaab + deramp".
        valid
            Mask of stable terrain on any grid: cells where it is 0 are left out.
        weights
            How much each cell counts, on any grid.
        engine
            Where blocks are computed.

        Raises
        ------
        InputError, FitError, OverlapError, DatumError
            As `NuthKaab.fit` does.
        """
        chosen: Any = method_named(method) if isinstance(method, str) else method
        masks = {"valid": valid, "weights": weights}
        given = {k: open_raster(v) for k, v in masks.items() if v is not None}
        found: Result = chosen.fit(open_raster(reference), self.raster, engine=engine, **given)
        return found

    def align_to(
        self,
        reference: xr.DataArray,
        method: str | _Fitting = "nuth-kaab",
        *,
        valid: xr.DataArray | None = None,
        weights: xr.DataArray | None = None,
        resampling: Resampling = "bilinear",
        engine: Engine | None = None,
    ) -> xr.DataArray:
        """Return this DEM moved onto a reference, lazily; the fit itself is done now. See `fit`.

        The attribute `trueground_alignment` says what was found, as JSON that `read_result` reads.
        """
        found = self.fit(reference, method, valid=valid, weights=weights, engine=engine)
        return self.apply(found, resampling=resampling)

    def apply(self, alignment: Result, *, resampling: Resampling = "bilinear") -> xr.DataArray:
        """Return this DEM moved, and its heights corrected, by what was found for it or another, lazily."""
        moved = alignment.apply(self.raster, resampling=resampling)
        return self._lazily(moved, trueground_alignment=alignment.to_json())

    def to_datum(self, datum: str | Datum, *, heights: str | Datum | None = None) -> xr.DataArray:
        """Return heights above another vertical datum, lazily.

        Parameters
        ----------
        datum
            What heights shall be above: ellipsoid, egm96, egm2008 or a grid file.
        heights
            What they are above now. Default: as the CRS says.

        Raises
        ------
        DatumError
            Where nobody says what they are above.
        """
        raster = as_float(self.raster)
        before = declared_datum(raster) if heights is None else Datum.parse(heights)
        if before is None:
            msg = f"nothing says what heights are above: give heights= ({HEIGHTS_HELP})"
            raise DatumError(msg)
        return self._lazily(converted(raster, before, Datum.parse(datum)))

    def to_grid_of(
        self, other: xr.DataArray, *, resampling: ImageResampling = "bilinear"
    ) -> xr.DataArray:
        """Return this raster on the grid of another, in its CRS, lazily."""
        return self._lazily(on_grid(self.raster, open_raster(other).grid, resampling=resampling))

    def slope(self) -> xr.DataArray:
        """Return the steepness [degrees], by Horn's gradient, lazily."""
        return self._lazily(Slope(self.raster), name="slope", units="degree")

    def curvature(self) -> xr.DataArray:
        """Return the largest absolute curvature [1/(100 m)], lazily."""
        return self._lazily(Curvature(self.raster), name="curvature", units="(100 m)-1")

    def hillshade(self, azimuth: float = 315.0, altitude: float = 45.0) -> xr.DataArray:
        """Return the brightness, 0 to 1, under a lamp in a direction and at a height [degrees], lazily."""
        shaded = Hillshade(self.raster, azimuth, altitude)
        return self._lazily(shaded, name="hillshade", units="1")

    def _lazily(self, raster: Raster, *, name: str | None = None, **said: str) -> xr.DataArray:
        """Return a raster as an array like this one."""
        own = self._data
        array = to_xarray(raster, chunks=_CHUNK)
        kept: Mapping[Any, Any] = (
            {} if name else {k: v for k, v in own.attrs.items() if k not in _PLACE}
        )
        array.attrs = {**kept, **array.attrs, **said}
        array.name = name or own.name
        dims = XarrayRaster.of(own).data.dims
        names = {n: d for n, d in zip(("band", "y", "x"), dims, strict=True) if n != d}
        if own.ndim == 2:
            array = array.isel(band=0, drop=True)
        array = array.rename({n: d for n, d in names.items() if n in array.dims})
        return array.assign_coords(self._other_coordinates(array))

    def _other_coordinates(self, array: xr.DataArray) -> dict[Any, xr.DataArray]:
        """Return those that are no place: of the bands, where there are as many, and of all of the array."""
        own = self._data
        place = {"crs", *(p.get("grid_mapping") for p in (own.attrs, own.encoding)), *array.coords}
        kept = {n: c for n, c in own.coords.items() if c.ndim == 0 and n not in place}
        band = array.dims[0]
        if array.ndim == 3 and band in own.coords and array.sizes[band] == own.sizes[band]:
            kept[band] = own.coords[band]
        return kept
