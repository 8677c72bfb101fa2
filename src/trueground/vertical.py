"""Vertical datums: heights above a geoid made heights above the WGS 84 ellipsoid, and never a guess."""

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
from pyproj import CRS, datadir

from trueground.errors import DatumError
from trueground.grid import Grid, Window
from trueground.projection import WGS84
from trueground.raster import ArrayRaster, Raster, as_float, is_local, open_raster
from trueground.sampling import sample_surface

HEIGHTS_HELP = "ellipsoid, egm96, egm2008 or a grid file"
_EPSG_OF_HEIGHT = {5773: "egm96", 3855: "egm2008"}
_EGM2008_FILES = ("us_nga_egm08_25.tif", "egm08_25.gtx", "us_nga_egm08_1.tif")
_LARGEST_UNDULATION = 150.0  # m; the geoid stays within -107 m and +86 m of the ellipsoid


@dataclass(frozen=True, slots=True)
class Datum:
    """What heights are counted from.

    Make one with `Datum.parse` (``"ellipsoid"``, ``"egm96"``, ``"egm2008"`` or the path of a geoid
    grid) or read it from a DEM's CRS with `Datum.of_crs`.
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
            return cls._of_vertical(vertical)
        if len(crs.axis_info) == 3 and (crs.is_geographic or crs.is_projected):
            return cls("ellipsoid")
        return None

    @classmethod
    def _of_vertical(cls, vertical: CRS) -> Datum:
        code = vertical.to_epsg(min_confidence=70)
        if code in _EPSG_OF_HEIGHT:
            return cls.parse(_EPSG_OF_HEIGHT[code])
        name = vertical.name.lower().replace(" ", "").replace("_", "")
        for word, known in (("egm96", "egm96"), ("egm2008", "egm2008"), ("egm08", "egm2008")):
            if word in name:
                return cls.parse(known)
        if "ellipsoid" in name:
            return cls("ellipsoid")
        if vertical.is_bound:
            grids = (
                [p.value for p in vertical.coordinate_operation.params]
                if vertical.coordinate_operation
                else []
            )
            for grid in grids:
                if isinstance(grid, str):
                    return cls.parse(_find_grid((grid,)) or grid)
        msg = (
            f"vertical CRS {vertical.name!r} is not one that trueground has a geoid grid for; "
            f"say what heights are above with --heights ({HEIGHTS_HELP})"
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
        if geoid is None:
            return np.where(np.isfinite(lon) & np.isfinite(lat), 0.0, np.nan)
        west = geoid.grid.bounds[0] + geoid.grid.resolution[0] / 2.0  # centre of the first column
        row, col = geoid.grid.rowcol(west + np.mod(lon - west, 360.0), lat)
        result = sample_surface(geoid, np.asarray(row), np.asarray(col))
        missing = np.isnan(result) & np.isfinite(lon) & np.isfinite(lat)
        if missing.any():
            i = int(np.flatnonzero(missing)[0])
            msg = (
                f"the geoid grid {self} has no value at longitude {lon.flat[i]:.4f}, latitude "
                f"{lat.flat[i]:.4f}; "
                "give one that covers the DEM with --heights"
            )
            raise DatumError(msg)
        if result.size and np.nanmax(np.abs(result), initial=0.0) > _LARGEST_UNDULATION:
            msg = (
                f"{self} holds values of {np.nanmax(np.abs(result)):.0f} m, and a geoid stays "
                "within 110 m of the ellipsoid; "
                "give a grid of undulations, not a DEM"
            )
            raise DatumError(msg)
        return result

    def to_ellipsoid(
        self, height: NDArray[np.float64], lon: NDArray[np.float64], lat: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return heights above the WGS 84 ellipsoid [m] of heights above this datum; NaN stays NaN."""
        if self.name == "ellipsoid":
            return height
        known = np.isfinite(height)
        return height + self.undulation(np.where(known, lon, np.nan), np.where(known, lat, np.nan))


@dataclass(frozen=True, slots=True)
class _AroundTheGlobe:
    """A global raster that goes on beyond its first and last column."""

    source: Raster
    grid: Grid

    @property
    def count(self) -> int:
        return 1

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.source.dtype

    @property
    def nodata(self) -> float | None:
        return self.source.nodata

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
    elif name == "egm2008":
        raster = as_float(open_raster(_find_egm2008()))
    else:
        raster = as_float(open_raster(name))
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
    folders += [*datadir.get_data_dir().split(os.pathsep), datadir.get_user_data_dir()]
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
