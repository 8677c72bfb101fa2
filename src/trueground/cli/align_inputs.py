"""The reference and what is to move, as `trueground align` opens them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trueground.cli.console import console
from trueground.errors import DatumError

if TYPE_CHECKING:
    from trueground.pointcloud import PointCloud
    from trueground.raster import Raster

Datums = tuple[str, str]
"""What heights of the reference, and of what is moved, are above; empty where nobody said."""


@dataclass(frozen=True, kw_only=True)
class PointOptions:
    """Where a file of points keeps what."""

    x: str | None
    y: str | None
    z: str | None
    sigma: str | None
    crs: str | None
    heights: str | None

    @property
    def given(self) -> bool:
        """Whether any was given."""
        return any(v is not None for v in vars(self).values())

    def open(self, path: str, heights: str | None) -> PointCloud:
        """Read the points."""
        from trueground.pointfiles import open_points

        columns = {k: column(getattr(self, k)) for k in ("x", "y", "z", "sigma")}
        return open_points(path, crs=self.crs, heights=self.heights or heights, **columns)


@dataclass(frozen=True, kw_only=True)
class AlignInputs:
    """Two files of heights, and what is said of them."""

    reference: str
    moving: str
    points: PointOptions
    reference_heights: str | None
    moving_heights: str | None

    def open(
        self, of_points: tuple[bool, bool], *, apart: bool
    ) -> tuple[Raster | PointCloud, Raster | PointCloud, Datums]:
        """Open both, in one datum; they may lie `apart` where a motion to begin with is given."""
        from trueground.datum_shift import declaring, in_common_datum
        from trueground.difference import check_overlap
        from trueground.raster import as_float, open_raster
        from trueground.vertical import HEIGHTS_HELP

        if not any(of_points):
            fixed, loose = (as_float(open_raster(p)) for p in (self.reference, self.moving))
            if not apart:
                check_overlap(fixed, loose)
            datums = self._datums(fixed, loose)
            loose = in_common_datum(
                fixed,
                loose,
                reference_heights=self.reference_heights,
                moving_heights=self.moving_heights,
            )
            return declaring(fixed, self.reference_heights), loose, datums
        names = (self.reference, self.moving) if of_points[0] else (self.moving, self.reference)
        said = self.reference_heights, self.moving_heights
        of_cloud, of_raster = said if of_points[0] else said[::-1]
        cloud = self.points.open(names[0], of_cloud)
        raster = declaring(as_float(open_raster(names[1])), of_raster)
        option = "--moving-heights" if of_points[0] else "--reference-heights"
        with _naming("--points-heights"):
            points_above = "" if cloud.datum is None else cloud.datum.name
        with _naming(option):
            raster_above = _datum(raster, None)
        if not points_above and not raster_above:
            console.warn(
                "neither the points nor the DEM declare a vertical datum: their heights are taken to be above the same "
                "surface"
            )
        elif points_above and not raster_above:
            msg = (
                f"heights of {names[1]} have no declared vertical datum, and those of the points are above "
                f"{cloud.datum}; say which with {option} ({HEIGHTS_HELP})"
            )
            raise DatumError(msg)
        both = points_above, raster_above
        return (cloud, raster, both) if of_points[0] else (raster, cloud, both[::-1])

    def _datums(self, fixed: Raster, loose: Raster) -> Datums:
        """Return what heights of two rasters are above; nothing where both declare the same that nobody knows."""
        from trueground.datum_shift import same_vertical

        given = self.reference_heights, self.moving_heights
        try:
            with _naming("--reference-heights"):
                reference = _datum(fixed, given[0])
            with _naming("--moving-heights"):
                moving = _datum(loose, given[1])
        except DatumError:
            if given == (None, None) and same_vertical(fixed.grid.crs, loose.grid.crs):
                return "", ""
            raise
        return reference, moving


@contextlib.contextmanager
def _naming(option: str) -> Iterator[None]:
    """Let errors that name --heights name the option that this command has for it."""
    try:
        yield
    except DatumError as error:
        raise DatumError(str(error).replace("--heights", option)) from error


def _datum(raster: Raster, heights: str | None) -> str:
    """Return the name of what heights are above, as given or declared; empty where nobody says."""
    from trueground.datum_shift import declared_datum
    from trueground.vertical import Datum

    datum = declared_datum(raster) if heights is None else Datum.parse(heights)
    return "" if datum is None else datum.name


def column(name: str | None) -> Any:
    """Return a column's number where it is one, else its name."""
    return int(name) if name is not None and name.isdigit() else name


def described(raster: Raster, heights: str | None) -> str:
    """Say where a DEM lies, and what its heights are above."""
    from trueground.datum_shift import datum_name

    rows, cols = raster.grid.shape
    dx, dy = raster.grid.resolution
    crs = "no CRS" if raster.grid.crs is None else raster.grid.crs.name
    return (
        f"{cols} x {rows} px of {dx:.6g} x {dy:.6g}, {crs}; heights: {datum_name(raster, heights)}"
    )
