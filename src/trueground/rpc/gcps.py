"""Ground control points: where known places of the ground are seen in an image."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.errors import DatumError, InputError
from trueground.points import Columns, read_labels, read_points
from trueground.projection import WGS84, parse_crs, project
from trueground.vectors import read_outlines
from trueground.vertical import HEIGHTS_HELP, Datum

if TYPE_CHECKING:
    import geopandas as gpd

Float = NDArray[np.float64]

_TEXT = (".csv", ".txt")
_GEOJSON = (".geojson", ".json")
_LABELS = ("name", "id", "gcp", "point")
_COLUMNS = "row,col and lon,lat,height or x,y,z"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gcps:
    """Ground control points. Read them from a file with `read_gcps`."""

    row: Float
    """(n,) [px] from the outer corner of the image's first pixel, whose centre is 0.5."""
    col: Float
    """(n,) [px]"""
    lon: Float
    """(n,) [degrees] on WGS 84."""
    lat: Float
    """(n,) [degrees]"""
    height: Float
    """(n,) [m] above the WGS 84 ellipsoid."""
    label: tuple[str, ...] = ()
    """(n,) names of the points; numbers from 1 by default."""

    def __post_init__(self) -> None:
        names = ("row", "col", "lon", "lat", "height")
        arrays = [np.array(getattr(self, name), dtype=np.float64) for name in names]
        if any(a.ndim != 1 or a.shape != arrays[0].shape for a in arrays):
            shapes = ", ".join(f"{n} {a.shape}" for n, a in zip(names, arrays, strict=True))
            msg = f"ground control points have the shapes {shapes}: must be vectors of one length"
            raise InputError(msg)
        labels = self.label or tuple(str(i + 1) for i in range(arrays[0].size))
        if len(labels) != arrays[0].size:
            msg = f"{len(labels)} labels for {arrays[0].size} ground control points: one each is needed"
            raise InputError(msg)
        for name, values in zip(names, arrays, strict=True):
            bad = np.flatnonzero(~np.isfinite(values))
            if bad.size:
                msg = (
                    f"{name} of ground control point {labels[bad[0]]} is {values[bad[0]]}: must be a number; "
                    "complete the point or leave it out"
                )
                raise InputError(msg)
            values.flags.writeable = False
            object.__setattr__(self, name, values)
        object.__setattr__(self, "label", tuple(labels))

    def __len__(self) -> int:
        return int(self.row.size)


def read_gcps(
    path: str | os.PathLike[str],
    *,
    crs: str | int | CRS | None = None,
    heights: str | os.PathLike[str] | Datum | None = None,
) -> Gcps:
    r"""Read ground control points from a table or a vector file.

    Parameters
    ----------
    path
        CSV with a header: `row,col` and either `lon,lat,height` or `x,y,z`; a column `name` or `id` names the points.
        Or GeoJSON, GeoPackage, or any vector file of points with the attributes `row` and `col`; the height is the
        third coordinate, or the attribute `height` or `z`.
    crs
        Of the ground coordinates. Default: WGS 84 for `lon,lat`; for a vector file its own; needed for `x,y`.
    heights
        What heights are above: ellipsoid, egm96, egm2008 or a grid file. Default: as the CRS says. Where it says
        nothing: a column `height` and the heights of a GeoJSON (RFC 7946, section 4) are above the ellipsoid.

    Returns
    -------
    Gcps
        Longitudes, latitudes and heights on WGS 84.

    Raises
    ------
    InputError
        Where a column or the CRS is missing, or a cell is not a number.
    DatumError
        Where nothing says what heights are above.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from trueground import read_gcps
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = Path(folder) / "gcps.csv"
    ...     _ = table.write_text("row,col,lon,lat,height\n100.5,200.5,9.9,46.4,1200\n")
    ...     points = read_gcps(table)
    >>> points.height
    array([1200.])
    """
    name = os.fspath(path)
    wanted = None if crs is None else parse_crs(crs)
    if Path(name).suffix.lower() in _TEXT:
        table, labels = (
            read_points(name, ("row", "col"), optional=("lon", "lat", "height", "x", "y", "z")),
            read_labels(name, _LABELS),
        )
        declared = None
    else:
        table, labels, declared = _vector(name)
    if table["row"].size == 0:
        msg = f"{name} holds no ground control points; give a line or a feature for each"
        raise InputError(msg)
    x, y, system = _place(table, wanted or declared, name)
    z, datum = _height(table, system, heights, name=name)
    lon, lat = project(system, WGS84, x, y)
    lost = np.flatnonzero(~(np.isfinite(lon) & np.isfinite(lat)) & np.isfinite(x) & np.isfinite(y))
    if lost.size:
        i = int(lost[0])
        msg = (
            f"{name}: x, y of point {labels[i]} are {x[i]:.10g}, {y[i]:.10g}: outside of {system.name!r}; "
            "check --crs and the order of the columns"
        )
        raise InputError(msg)
    try:
        return Gcps(
            row=table["row"],
            col=table["col"],
            lon=lon,
            lat=lat,
            height=datum.to_ellipsoid(z, lon, lat),
            label=tuple(labels),
        )
    except InputError as error:
        msg = f"{name}: {error}"
        raise InputError(msg) from error


def _place(table: Columns, crs: CRS | None, name: str) -> tuple[Float, Float, CRS]:
    if "lon" in table and "lat" in table:
        system = crs or WGS84
        if not system.is_geographic:
            msg = f"{name} has lon, lat, and the CRS given is {system.name!r}; call them x, y or leave out --crs"
            raise InputError(msg)
        return table["lon"], table["lat"], system
    if "x" not in table or "y" not in table:
        msg = f"{name} says nowhere where its points are on the ground: {_COLUMNS} are needed"
        raise InputError(msg)
    if crs is None:
        msg = f"{name} has x, y and no CRS, so their place is unknown; say which with --crs (EPSG:32631, ...)"
        raise InputError(msg)
    return table["x"], table["y"], crs


def _height(
    table: Columns, crs: CRS, heights: str | os.PathLike[str] | Datum | None, *, name: str
) -> tuple[Float, Datum]:
    """Return heights and what they are above."""
    column = next((n for n in ("height", "z") if n in table), None)
    if column is None:
        msg = f"{name} has no heights: {_COLUMNS} are needed"
        raise InputError(msg)
    datum = Datum.of_crs(crs) if heights is None else Datum.parse(heights)
    if datum is None and (column == "height" or Path(name).suffix.lower() in _GEOJSON):
        datum = Datum("ellipsoid")
    if datum is None:
        msg = f"heights of {name} (z) have no declared vertical datum; say which with --heights ({HEIGHTS_HELP})"
        raise DatumError(msg)
    return table[column], datum


def _vector(name: str) -> tuple[Columns, list[str], CRS | None]:
    """Read a vector file of points: row, col, x, y and z or height."""
    frame = read_outlines(name)
    columns = {str(c).lower(): c for c in frame.columns if c != frame.geometry.name}
    if "row" not in columns or "col" not in columns:
        msg = f"{name} has the attributes {','.join(columns) or '(none)'}: row and col are needed"
        raise InputError(msg)
    if not (frame.geom_type == "Point").all():
        msg = f"{name} holds other things than points; give one point for each ground control point"
        raise InputError(msg)
    table: Columns = {n: _numbers(frame, columns[n], name) for n in ("row", "col")}
    table["x"], table["y"] = (
        np.asarray(v, dtype=np.float64) for v in (frame.geometry.x, frame.geometry.y)
    )
    if frame.geometry.has_z.all():
        table["z"] = np.asarray(frame.geometry.z, dtype=np.float64)
    else:
        table.update(
            {n: _numbers(frame, columns[n], name) for n in ("height", "z") if n in columns}
        )
    label = next((columns[n] for n in _LABELS if n in columns), None)
    labels = (
        [str(i + 1) for i in range(len(frame))] if label is None else [str(v) for v in frame[label]]
    )
    return table, labels, None if frame.crs is None else CRS.from_user_input(frame.crs)


def _numbers(frame: gpd.GeoDataFrame, column: str, name: str) -> Float:
    try:
        return np.asarray(frame[column], dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{name}: the attribute {column} is not a number everywhere ({error}); mend or remove these points"
        raise InputError(msg) from error
