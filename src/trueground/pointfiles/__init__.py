"""Files of points: read into a cloud, and written anew with their points moved."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.errors import InputError
from trueground.pointcloud import PointCloud, Transform, usable
from trueground.pointfiles.columns import Column, Wanted
from trueground.pointfiles.las import LasPoints
from trueground.pointfiles.parquet import ParquetPoints
from trueground.pointfiles.source import Chunk, Mover, PointSource
from trueground.pointfiles.text import TextPoints
from trueground.pointfiles.vector import GeoJsonPoints, VectorPoints
from trueground.projection import WGS84, parse_crs, same_place
from trueground.thinning import Draw, chances_of
from trueground.vertical import Datum, check_unit
from trueground.writer import atomic, check_output, write_errors

__all__ = ["Column", "WrittenPoints", "is_point_file", "open_points", "write_points"]

_GEOJSON = (".geojson", ".json")
_KINDS: tuple[tuple[tuple[str, ...], type], ...] = (
    ((".csv", ".tsv", ".txt", ".xyz"), TextPoints),
    ((".gpkg", ".shp", ".fgb"), VectorPoints),
    (_GEOJSON, GeoJsonPoints),
    ((".parquet", ".geoparquet"), ParquetPoints),
    ((".las", ".laz"), LasPoints),
)
_ENDINGS = ", ".join(ending for endings, _ in _KINDS for ending in endings)
# Indices that other programs keep beside a shapefile, of the points as they were.
_STALE = (".qix", ".sbn", ".sbx")


def is_point_file(path: str | os.PathLike[str]) -> bool:
    """Tell by its ending whether a file is one of points."""
    return any(Path(path).suffix.lower() in endings for endings, _ in _KINDS)


def open_points(
    path: str | os.PathLike[str],
    *,
    x: Column | None = None,
    y: Column | None = None,
    z: Column | None = None,
    sigma: Column | None = None,
    crs: str | int | CRS | None = None,
    heights: str | os.PathLike[str] | Datum | None = None,
    samples: int | None = None,
    seed: int = 0,
) -> PointCloud:
    r"""Read points with heights: altimetry, lidar.

    Parameters
    ----------
    path
        CSV, TSV or TXT (separated by comma, tab, semicolon, bar or blanks; without a header the first three columns are
        x, y, z); GeoPackage, shapefile, FlatGeobuf, GeoJSON; GeoParquet (extra `arrow`); LAS, LAZ (extra `las`).
    x, y, z, sigma
        Columns, by name or by number from 1. Default: the usual names (`x`, `easting`, `lon`, ...; `z`, `h`, `height`,
        `elevation`, ...; `sigma`, `h_sigma`, ...); the geometry where it has a height.
    crs
        Reference system of x and y, and of the heights where it is compound. Default: as the file declares.
    heights
        What heights are above: ellipsoid, egm96, egm2008 or a grid file. Default: as the CRS says; those of a GeoJSON
        in longitude and latitude are above the ellipsoid (RFC 7946, section 4).
    samples
        At most so many usable points, drawn while the file is read: `PointCloud.thinned`. Default: all points.
    seed
        Another number draws other points.

    Returns
    -------
    PointCloud
        In the file's order. Without `samples` all points are there, usable or not.

    Raises
    ------
    InputError
        Where the file, a column or the CRS is missing, a cell is not a number, or no point is usable.
    DatumError
        Where the CRS declares heights that are not metres.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from trueground import open_points
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = Path(folder) / "points.csv"
    ...     _ = table.write_text("x,y,z\n500010,7999990,12.5\n500020,7999980,13.5\n")
    ...     points = open_points(table, crs="EPSG:32633")
    >>> points.z
    array([12.5, 13.5])
    """
    given = None if crs is None else parse_crs(crs)
    source = _source(path, Wanted(x=x, y=y, z=z, sigma=sigma, crs=given))
    name = os.fspath(path)
    system = source.crs if given is None else given
    if system is None:
        msg = (
            f"{name} declares no CRS, so the place of its points is unknown; "
            "say which with --points-crs (EPSG:32631, ...)"
        )
        raise InputError(msg)
    check_unit(system)
    datum = None if heights is None else Datum.parse(heights)
    if (
        datum is None
        and Path(name).suffix.lower() in _GEOJSON
        and same_place(system, WGS84)
        and len(system.axis_info) == 2
    ):
        datum = Datum("ellipsoid")
    values, count = _all(source, name) if samples is None else _drawn(source, samples, seed)
    cloud = PointCloud(
        x=values[0],
        y=values[1],
        z=values[2],
        sigma=values[3] if len(values) == 4 else None,
        crs=system,
        heights=datum,
        name=name,
    )
    if not count:
        msg = f"{name} holds no points; give a file with a line or a feature for each"
        raise InputError(msg)
    north = max(map(abs, cloud.bounds[1::2]))  # raises where no point is usable
    if system.is_geographic and north > 90.0:
        msg = (
            f"{name}: a latitude is {north:g}, and they end at 90 degrees; "
            "check --points-crs and the order of x and y"
        )
        raise InputError(msg)
    return cloud


def _source(path: str | os.PathLike[str], wanted: Wanted) -> PointSource:
    name = os.fspath(path)
    suffix = Path(name).suffix.lower()
    kind = next((kind for endings, kind in _KINDS if suffix in endings), None)
    if kind is None:
        msg = f"{name}: the ending {suffix!r} is not one of points; give one of {_ENDINGS}"
        raise InputError(msg)
    if not Path(name).is_file():
        msg = f"{name} does not exist, or is not a file; check the path of the points"
        raise InputError(msg)
    source: PointSource = kind(path=name, wanted=wanted)
    return source


def _columns(chunk: Chunk) -> list[NDArray[np.float64]]:
    return [values for values in chunk if values is not None]


def _all(source: PointSource, name: str) -> tuple[list[NDArray[np.float64]], int]:
    """Read all points; into arrays of their final size where the file says how many there are."""
    known = source.count
    if known is None:
        parts = [_columns(chunk) for chunk in source.chunks()]
        joined = []
        while parts and parts[0]:  # column by column, so that little is held twice
            joined.append(np.concatenate([part.pop(0) for part in parts]))
        return joined or [np.empty(0)] * 3, joined[0].size if joined else 0
    out: list[NDArray[np.float64]] = [np.empty(0)] * 3
    done = 0
    for chunk in source.chunks():
        columns = _columns(chunk)
        if not done:
            out = [np.empty(known) for _ in columns]
        for target, values in zip(out, columns, strict=True):
            target[done : done + values.size] = values
        done += chunk.x.size
    if done != known:
        msg = f"{name} declares {known} points and holds {done}; it is damaged or cut short"
        raise InputError(msg)
    return out, done


def _drawn(source: PointSource, samples: int, seed: int) -> tuple[list[NDArray[np.float64]], int]:
    draw, first, columns = Draw(samples=samples), 0, 3
    for chunk in source.chunks():
        values = np.stack(_columns(chunk))
        columns, size = values.shape
        keep = np.flatnonzero(usable(*chunk))
        draw.add(chances_of(first, size, seed)[keep], keep + first, values[:, keep])
        first += size
    _, values = draw.drawn()
    return list(values) if len(values) else [np.empty(0)] * columns, first


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPoints:
    """What became of the points of a file."""

    path: Path
    """The file written."""
    count: int
    """Points in it."""
    moved: int
    """Those that were moved."""

    @property
    def kept(self) -> int:
        """Points that stayed as they are, for want of coordinates or because they could not be moved."""
        return self.count - self.moved

    def __str__(self) -> str:
        rest = f"; {self.kept} could not be moved and are as they were" if self.kept else ""
        return f"{self.path}: {self.moved} of {self.count} points moved{rest}"


def write_points(
    path: str | os.PathLike[str],
    target: str | os.PathLike[str],
    transform: Transform,
    *,
    x: Column | None = None,
    y: Column | None = None,
    z: Column | None = None,
    crs: str | int | CRS | None = None,
) -> WrittenPoints:
    """Write a file of points again, in the same format, with its points moved.

    All other columns, dimensions and header records are kept, and so is the order. A point without finite coordinates,
    or which the transform makes NaN, stays as it is. The file is read and written in pieces.

    Of a file with several layers, the one with the points is written. FlatGeobuf is written without an index, COPC as
    plain LAZ: the order of both follows from where points are. Coordinates in LAS are rounded to the file's scale.

    Parameters
    ----------
    path
        File of points.
    target
        Name of the new file, with the same ending (or .laz for .las, and the other way round); it may be the same file.
    transform
        From x, y, z (n,) to x, y, z (n,) in the CRS and above the datum of the file.
    x, y, z, crs
        As for `open_points`.

    Returns
    -------
    WrittenPoints
        How many points were moved.

    Raises
    ------
    InputError
        Where the file cannot be read, or the endings differ.
    WriteError
        Where the new one could not be written; nothing is left under its name, or what was there before.
    """
    final = Path(target)
    source = _source(path, Wanted(x=x, y=y, z=z, crs=None if crs is None else parse_crs(crs)))
    before, after = Path(path).suffix.lower(), final.suffix.lower()
    if before != after and not any(
        {before, after} <= set(e) for e in ((".las", ".laz"), _GEOJSON, (".parquet", ".geoparquet"))
    ):
        msg = f"{final.name}: moved points are written as they were read, with the ending {before}; name it so"
        raise InputError(msg)
    mover = Mover(transform)
    with _shapefile(final) if after == ".shp" else atomic(final) as temporary:
        source.rewrite(temporary, mover)
    return WrittenPoints(path=final, count=mover.count, moved=mover.moved)


@contextlib.contextmanager
def _shapefile(final: Path) -> Iterator[Path]:
    """Give a temporary name for a shapefile, all of whose files take their final names on success."""
    check_output(final)
    with (
        write_errors(final),
        tempfile.TemporaryDirectory(dir=final.parent, prefix=f".{final.stem}.") as folder,
    ):
        yield Path(folder) / final.name
        made = sorted(Path(folder).iterdir(), key=lambda file: file.suffix.lower() == ".shp")
        for file in made:  # the one that is opened comes last
            with atomic(final.with_name(file.name)) as temporary:
                file.replace(temporary)
    for ending in _STALE:
        final.with_suffix(ending).unlink(missing_ok=True)
