"""Rasters of heights brought from one vertical datum to another, computed when they are read."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.crs import CompoundCRS
from pyproj.exceptions import CRSError

from trueground.errors import DatumError
from trueground.grid import Grid, Window
from trueground.projection import WGS84, GridProjection, horizontal
from trueground.raster import Raster, as_float, computed, name_of
from trueground.vertical import HEIGHTS_HELP, Datum


class UndeclaredDatumWarning(UserWarning):
    """Two rasters of heights were taken as above the same surface, since neither names one."""


@dataclass(frozen=True, kw_only=True)
class InDatum:
    """Heights of another raster, above another datum."""

    source: Raster
    """Heights [m] above `before`, float32."""
    before: Datum
    after: Datum
    crs: CRS
    """CRS of the result."""
    _lonlat: GridProjection = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_lonlat", GridProjection(self.source.grid, WGS84))

    @property
    def grid(self) -> Grid:
        """Grid of the source, with the vertical part of the CRS changed."""
        return replace(self.source.grid, crs=self.crs)

    @property
    def count(self) -> int:
        """Always one band."""
        return 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always float32."""
        return np.dtype(np.float32)

    @property
    def nodata(self) -> float:
        """Always NaN."""
        return float("nan")

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window of converted heights."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.float32]:
        own = self.source.read(window)[0].astype(np.float64)
        lon, lat = self._lonlat.at(window)
        lon, lat = np.where(np.isnan(own), np.nan, lon), np.where(np.isnan(own), np.nan, lat)
        height = own + self.before.undulation(lon, lat) - self.after.undulation(lon, lat)
        out: NDArray[np.float32] = height[np.newaxis].astype(np.float32)
        return out


def in_common_datum(
    reference: Raster,
    moving: Raster,
    *,
    reference_heights: str | Datum | None = None,
    moving_heights: str | Datum | None = None,
) -> Raster:
    """Return the moving raster with heights above the reference's vertical datum.

    Datums are those given, or declared by the CRS. Declared on both: converted where they differ.
    On neither: taken as equal, with a warning. On one alone: an error.

    Raises
    ------
    DatumError
        Where one raster declares a datum and the other does not.
    """
    datums = [
        Datum.of_crs(raster.grid.crs) if given is None else Datum.parse(given)
        for raster, given in ((reference, reference_heights), (moving, moving_heights))
    ]
    target, source = datums
    if target is None and source is None:
        warnings.warn(
            "neither DEM declares a vertical datum: "
            "their heights are taken to be above the same surface",
            UndeclaredDatumWarning,
            stacklevel=2,
        )
        return moving
    if target is None or source is None:
        silent, other = (reference, source) if target is None else (moving, target)
        role = "reference" if target is None else "moving"
        msg = (
            f"heights of {name_of(silent)} have no declared vertical datum, and those of the other "
            f"DEM are above {other}; say which with --{role}-heights ({HEIGHTS_HELP})"
        )
        raise DatumError(msg)
    if target == source:
        return moving
    crs = moving.grid.crs
    if crs is None:
        msg = (
            f"{name_of(moving)} has no CRS, so its heights cannot be brought to {target}; "
            "assign one with gdal_edit.py -a_srs"
        )
        raise DatumError(msg)
    return InDatum(
        source=as_float(moving),
        before=source,
        after=target,
        crs=_with_vertical_of(crs, reference.grid.crs),
    )


def _with_vertical_of(crs: CRS, other: CRS | None) -> CRS:
    """Return the horizontal part of a CRS with the vertical part of another, if it has one."""
    flat = horizontal(crs)
    if other is not None and other.is_compound:
        try:
            vertical = other.sub_crs_list[-1]
            return CompoundCRS(name=f"{flat.name} + {vertical.name}", components=[flat, vertical])
        except CRSError:
            return flat
    return flat
