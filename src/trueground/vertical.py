"""Vertical datums: heights above a geoid made heights above the ellipsoid, and never a guess."""

from __future__ import annotations

import lzma
import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.datadir import get_data_dir, get_user_data_dir  # type: ignore[attr-defined]

from trueground.errors import DatumError, InputError
from trueground.file_raster import is_local
from trueground.grid import Grid, Window
from trueground.projection import WGS84, count_longitudes_as, is_geocentric
from trueground.raster import ArrayRaster, Raster, as_float, open_raster
from trueground.sampling import sample_surface
from trueground.surface import OfSource

HEIGHTS_HELP = "ellipsoid, egm96, egm2008 or a grid file"
_EPSG_OF_HEIGHT = {5773: "egm96", 3855: "egm2008"}
_EGM96_FILES = ("egm96_15.gtx", "us_nga_egm96_15.tif")
_EGM2008_FILES = ("us_nga_egm08_25.tif", "egm08_25.gtx", "us_nga_egm08_1.tif")
_LARGEST_UNDULATION = 150.0  # m; the geoid stays within -107 m and +86 m of the ellipsoid


@dataclass(frozen=True, slots=True)
class Datum:
    """What heights are counted from.

    Make one with `Datum.parse` (``"ellipsoid"``, ``"egm96"``, ``"egm2008"`` or the path of a geoid
    grid) or read it from a DEM's CRS with `Datum.of_crs`.

    Examples
    --------
    >>> from trueground import Datum
    >>> egm96 = Datum.parse("egm96")
    >>> egm96.undulation(np.array([9.9]), np.array([46.4])).round(1)
    array([49.8])
    """

    name: str
    """`ellipsoid`, `egm96`, `egm2008`, or the path of a grid of undulations [m]."""

    @classmethod
    def parse(cls, text: str | os.PathLike[str] | Datum) -> Datum:
        """Read a datum from what a user says, and make sure that its grid is there.

        Raises
        ------
        DatumError
            Where the name is not known, or the grid cannot be found or read.
        """
        if isinstance(text, Datum):
            return text
        name = os.fspath(text)
        plain = name.lower().replace("-", "").replace("_", "")
        if plain in ("ellipsoid", "egm96", "egm2008", "egm08"):
            datum = cls("egm2008" if plain == "egm08" else plain)
        elif is_local(name) and not Path(name).exists():
            msg = f"vertical datum {name!r} is neither known nor a file; use {HEIGHTS_HELP}"
            raise DatumError(msg)
        else:
            datum = cls(name)
        datum.geoid()
        return datum

    @classmethod
    def of_crs(cls, crs: CRS | None) -> Datum | None:
        """Read the datum from a CRS; None where it says nothing about heights.

        Raises
        ------
        DatumError
            Where the CRS declares heights that trueground has no grid for.
        """
        if crs is None:
            return None
        if crs.is_bound and crs.source_crs is not None:
            return cls.of_crs(crs.source_crs)
        if crs.is_compound:
            vertical = crs.sub_crs_list[-1]
            return cls._of_vertical(vertical, crs.sub_crs_list[0])
        if len(crs.axis_info) == 3 and (crs.is_geographic or crs.is_projected):
            _check_metres(crs)
            return cls._above_ellipsoid_of(crs)
        return None

    @classmethod
    def _of_vertical(cls, vertical: CRS, plane: CRS) -> Datum:
        _check_metres(vertical)
        code = vertical.to_epsg(min_confidence=70)
        if code in _EPSG_OF_HEIGHT:
            return cls.parse(_EPSG_OF_HEIGHT[code])
        name = vertical.name.lower().replace(" ", "").replace("_", "")
        for word, known in (("egm96", "egm96"), ("egm2008", "egm2008"), ("egm08", "egm2008")):
            if word in name:
                return cls.parse(known)
        if "ellipsoid" in name:
            return cls._above_ellipsoid_of(plane)
        operation = vertical.coordinate_operation if vertical.is_bound else None
        for parameter in () if operation is None else operation.params:
            if isinstance(parameter.value, str):  # "+geoidgrids=FILE"
                return cls.parse(_known_grid(parameter.value))
        msg = (
            f"vertical CRS {vertical.name!r} is not one that trueground has a geoid grid for; "
            f"say what heights are above with --heights ({HEIGHTS_HELP})"
        )
        raise DatumError(msg)

    @classmethod
    def _above_ellipsoid_of(cls, crs: CRS) -> Datum:
        if is_geocentric(crs):
            return cls("ellipsoid")
        ellipsoid = "unknown" if crs.ellipsoid is None else crs.ellipsoid.name
        msg = (
            f"CRS {crs.name!r} counts heights from the ellipsoid {ellipsoid}, which lies elsewhere "
            f"than that of WGS 84; convert them, or say what they are above with --heights "
            f"({HEIGHTS_HELP})"
        )
        raise DatumError(msg)

    def __str__(self) -> str:
        known = {"ellipsoid": "the WGS 84 ellipsoid", "egm96": "EGM96", "egm2008": "EGM2008"}
        return known.get(self.name, self.name)

    def geoid(self) -> Raster | None:
        """Return the raster of undulations [m]; None for the ellipsoid."""
        return None if self.name == "ellipsoid" else _geoid(self.name)

    def undulation(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the height [m] of this datum's zero above the ellipsoid.

        Parameters
        ----------
        lon, lat
            Degrees on WGS 84, any shape; NaN gives NaN.

        Returns
        -------
        float64 array: zeros for the ellipsoid, else bilinear between the grid's nodes.

        Raises
        ------
        DatumError
            Where a point lies outside the grid.
        """
        geoid = self.geoid()
        lon, lat = np.broadcast_arrays(lon, lat)
        asked = np.isfinite(lon) & np.isfinite(lat)
        if geoid is None:
            return np.where(asked, 0.0, np.nan)
        row, col = geoid.grid.rowcol(count_longitudes_as(geoid.grid, lon), lat)
        result = sample_surface(geoid, row, col)
        missing = np.isnan(result) & asked
        if missing.any():
            i = int(np.flatnonzero(missing)[0])
            msg = (
                f"the geoid grid {self} has no value at longitude {lon.flat[i]:.4f}, latitude "
                f"{lat.flat[i]:.4f}; "
                "give one that covers the DEM with --heights"
            )
            raise DatumError(msg)
        largest = np.fmax.reduce(np.abs(result), axis=None, initial=0.0)
        if largest > _LARGEST_UNDULATION:
            msg = (
                f"{self} holds values of {largest:.0f} m, and a geoid stays "
                "within 110 m of the ellipsoid; "
                "give a grid of undulations, not a DEM"
            )
            raise DatumError(msg)
        return result

    def to_ellipsoid(
        self, height: NDArray[np.float64], lon: NDArray[np.float64], lat: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return heights above the ellipsoid [m] of heights above this datum; NaN stays NaN."""
        if self.name == "ellipsoid":
            return height
        known = np.isfinite(height)
        return height + self.undulation(np.where(known, lon, np.nan), np.where(known, lat, np.nan))


def check_unit(crs: CRS | None) -> None:
    """Raise where a CRS declares heights that are not metres upwards, whatever they are above.

    Raises
    ------
    DatumError
        With the axis and its unit.
    """
    if crs is None:
        return
    if crs.is_bound:
        check_unit(crs.source_crs)
    elif crs.is_compound:
        _check_metres(crs.sub_crs_list[-1])
    elif len(crs.axis_info) == 3 and (crs.is_geographic or crs.is_projected):
        _check_metres(crs)


def _check_metres(crs: CRS) -> None:
    """Raise where the last axis of a CRS is not a height in metres."""
    axis = crs.axis_info[-1]
    if axis.direction != "up" or axis.unit_name.lower() not in ("metre", "meter", "m"):
        msg = (
            f"CRS {crs.name!r} counts heights {axis.direction} in {axis.unit_name}; they must be "
            "metres upwards: convert them, and assign a CRS that says so"
        )
        raise DatumError(msg)


def _known_grid(file: str) -> str:
    """Return the datum that a well-known file of PROJ's holds, or where the file is."""
    name = Path(file).name
    if name in _EGM96_FILES:
        return "egm96"
    return "egm2008" if name in _EGM2008_FILES else _find_grid((file,)) or file


ELLIPSOID = Datum("ellipsoid")


@dataclass(frozen=True, slots=True)
class _AroundTheGlobe(OfSource):
    """A global raster that goes on beyond its first and last column."""

    source: Raster
    grid: Grid

    def read(self, window: Window) -> NDArray[Any]:
        width = self.source.grid.shape[1]
        first = window.col - 1  # this grid starts a column before the source
        parts = []
        for turn in range(first // width, (first + window.width - 1) // width + 1):
            start, stop = max(first, turn * width), min(first + window.width, (turn + 1) * width)
            parts.append(
                self.source.read(
                    Window(window.row, start - turn * width, window.height, stop - start)
                )
            )
        return np.concatenate(parts, axis=2)


@lru_cache(maxsize=8)
def _geoid(name: str) -> Raster:
    """Open a grid of undulations; a global one is closed around the globe."""
    if name == "egm96":
        raster: Raster = _egm96()
    else:
        path = _find_egm2008() if name == "egm2008" else name
        try:
            raster = as_float(open_raster(path))
        except InputError as error:
            msg = f"the geoid grid cannot be used: {error}; use {HEIGHTS_HELP}"
            raise DatumError(msg) from error
    grid = raster.grid
    t = grid.transform
    if grid.crs is None or not grid.crs.is_geographic or t.b != 0.0 or t.d != 0.0:
        msg = f"{name} is not a geoid grid in longitude and latitude; use {HEIGHTS_HELP}"
        raise DatumError(msg)
    if abs(grid.shape[1] * abs(t.a) - 360.0) < abs(t.a) / 2.0:
        wider = grid.crop(Window(0, -1, grid.shape[0], grid.shape[1] + 2))
        return _AroundTheGlobe(raster, wider)
    return raster


def _egm96() -> ArrayRaster:
    """Unpack the grid that comes with trueground (see tools/pack_egm96.py)."""
    packed = files("trueground").joinpath("data/egm96_15.xz").read_bytes()
    planes = np.frombuffer(lzma.decompress(packed), dtype=np.uint8).reshape(2, -1)
    values = np.ascontiguousarray(planes.T).view("<i2").astype(np.int64).reshape(721, 1440)
    for _ in range(2):
        values = np.cumsum(np.cumsum(values, axis=0), axis=1)
    transform = Affine(0.25, 0.0, -180.125, 0.0, -0.25, 90.125)
    grid = Grid(crs=WGS84, transform=transform, shape=(721, 1440))
    return ArrayRaster(array=(values / 1000.0).astype(np.float32), grid=grid)


def _proj_folders() -> list[Path]:
    """Return the folders in which PROJ's grids may lie."""
    folders = [
        *os.environ.get("PROJ_DATA", "").split(os.pathsep),
        *os.environ.get("PROJ_LIB", "").split(os.pathsep),
    ]
    folders += [*get_data_dir().split(os.pathsep), get_user_data_dir()]
    folders += [str(Path(sys.prefix) / "share/proj"), "/usr/share/proj", "/usr/local/share/proj"]
    return list(dict.fromkeys(Path(f) for f in folders if f))


def _find_grid(names: tuple[str, ...]) -> str | None:
    for folder in _proj_folders():
        for name in names:
            if (folder / name).is_file():
                return str(folder / name)
    return None


def _find_egm2008() -> str:
    found = _find_grid(_EGM2008_FILES)
    if found is None:
        looked = ", ".join(map(str, _proj_folders()))
        msg = (
            f"no EGM2008 grid: none of {', '.join(_EGM2008_FILES)} lies in PROJ's folders "
            f"({looked}); "
            "fetch one with 'projsync --file us_nga_egm08_25.tif' or give its path with --heights"
        )
        raise DatumError(msg)
    return found
