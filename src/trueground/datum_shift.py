"""Rasters of heights brought from one vertical datum to another, computed when they are read."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.crs import CompoundCRS
from pyproj.exceptions import CRSError

from trueground.errors import DatumError, InputError
from trueground.grid import Grid, Window
from trueground.projection import (
    ELLIPSOIDAL_HEIGHT,
    WGS84,
    GridProjection,
    horizontal,
    is_geocentric,
    same_place,
)
from trueground.raster import Raster, as_float, computed, name_of
from trueground.surface import ComputedSurface
from trueground.vertical import HEIGHTS_HELP, Datum

_EPSG_OF = {"egm96": 5773, "egm2008": 3855}


class UndeclaredDatumWarning(UserWarning):
    """Two rasters of heights were taken as above the same surface, since neither names one."""


@dataclass(frozen=True, kw_only=True)
class InDatum(ComputedSurface):
    """Heights of another raster, above another datum; equal datums only declare it."""

    source: Raster
    """Heights [m] above `before`, float32."""
    before: Datum
    after: Datum
    crs: CRS
    """CRS of the result."""
    _lonlat: GridProjection = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.source.count != 1:
            msg = f"{name_of(self.source)} has {self.source.count} bands; a DEM has one"
            raise InputError(msg)
        object.__setattr__(self, "_lonlat", GridProjection(self.source.grid, WGS84))

    @property
    def grid(self) -> Grid:
        """Grid of the source, with the vertical part of the CRS changed."""
        return replace(self.source.grid, crs=self.crs)

    def read(self, window: Window) -> NDArray[np.float32]:
        """Return a window of converted heights."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.float32]:
        if self.before == self.after:
            return self.source.read(window)
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
    undeclared: Literal["warn", "accept"] = "warn",
) -> Raster:
    """Return the moving raster with heights above the reference's vertical datum.

    Datums are those given, or declared by the CRS. Declared on both: converted where they differ.
    On neither: taken as equal, with a warning unless `undeclared` is `accept`. On one alone: an
    error. A CRS that declares another datum than the result's is changed to say what is true.

    Raises
    ------
    DatumError
        Where one raster declares a datum and the other does not.
    """
    if (
        reference_heights is None
        and moving_heights is None
        and same_vertical(reference.grid.crs, moving.grid.crs)
    ):
        return moving
    target = (
        declared_datum(reference) if reference_heights is None else Datum.parse(reference_heights)
    )
    source = declared_datum(moving) if moving_heights is None else Datum.parse(moving_heights)
    if target is None and source is None:
        if undeclared == "warn":
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
    return converted(moving, source, target)


def converted(raster: Raster, before: Datum, after: Datum) -> Raster:
    """Return a raster of heights above `before` as one above `after`, whose CRS says so.

    Raises
    ------
    DatumError
        Where the heights change and the raster has no CRS.
    """
    crs = raster.grid.crs
    if before == after and (crs is None or _declares(raster, after)):
        return raster
    if crs is None:
        msg = (
            f"{name_of(raster)} has no CRS, so its heights cannot be brought to {after}; "
            "assign one with gdal_edit.py -a_srs"
        )
        raise DatumError(msg)
    return InDatum(source=as_float(raster), before=before, after=after, crs=_declaring(crs, after))


def declaring(raster: Raster, heights: str | Datum | None) -> Raster:
    """Return a raster whose CRS says that its heights are above a datum; None: as it is."""
    if heights is None:
        return raster
    datum = Datum.parse(heights)
    return converted(raster, datum, datum)


def declared_datum(raster: Raster) -> Datum | None:
    """Return the datum that a raster declares, by its CRS or because it was brought there."""
    return raster.after if isinstance(raster, InDatum) else Datum.of_crs(raster.grid.crs)


def datum_name(raster: Raster, heights: str | Datum | None = None) -> str:
    """Return what heights are above, as given or declared, for a product's history."""
    if heights is not None:
        return str(Datum.parse(heights))
    try:
        return str(declared_datum(raster) or "not declared")
    except DatumError:  # no grid is needed to name it
        crs = raster.grid.crs
        return "not declared" if crs is None else crs.name


def _declares(raster: Raster, datum: Datum) -> bool:
    try:
        return declared_datum(raster) == datum
    except DatumError:  # a datum that trueground has no grid for
        return False


def in_datum_of(grid: Grid, raster: Raster) -> Raster:
    """Return a raster above the datum that a grid declares; itself where one of them has none."""
    known = isinstance(raster, InDatum) or _has_heights(raster.grid.crs)
    if not (known and _has_heights(grid.crs)) or same_vertical(grid.crs, raster.grid.crs):
        return raster
    before, after = declared_datum(raster), Datum.of_crs(grid.crs)
    return raster if before is None or after is None else converted(raster, before, after)


def _has_heights(crs: CRS | None) -> bool:
    return crs is not None and len(crs.axis_info) == 3


def same_vertical(one: CRS | None, two: CRS | None) -> bool:
    """Tell whether two CRSs name the same vertical CRS, be its datum known or not."""
    if one is None or two is None or not (one.is_compound and two.is_compound):
        return False
    return one.sub_crs_list[-1].equals(two.sub_crs_list[-1])


def _declaring(crs: CRS, datum: Datum) -> CRS:
    """Return the horizontal part of a CRS with the vertical part that names a datum.

    A datum that is a file of undulations has no name that all software understands: none, then.
    """
    flat = horizontal(crs)
    if datum.name == "ellipsoid":
        if same_place(flat, WGS84):
            return flat.to_3d()
        if not is_geocentric(flat):  # an ellipsoid of its own, from which nobody counted here
            return flat
        vertical = ELLIPSOIDAL_HEIGHT
    elif datum.name in _EPSG_OF:
        vertical = CRS.from_epsg(_EPSG_OF[datum.name])
    else:
        return flat
    try:
        return CompoundCRS(name=f"{flat.name} + {vertical.name}", components=[flat, vertical])
    except CRSError:
        return flat
