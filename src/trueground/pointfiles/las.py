"""Points in LAS and LAZ files, through laspy."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.crs import CompoundCRS
from pyproj.exceptions import CRSError

from trueground.errors import DatumError, InputError
from trueground.pointfiles.columns import Wanted, layout
from trueground.pointfiles.source import CHUNK, Chunk, Mover

Float = NDArray[np.float64]

_VERTICAL_KEY, _VERTICAL_UNIT_KEY = 4096, 4099  # GeoTIFF: VerticalGeoKey, VerticalUnitsGeoKey
_CODES = range(1024, 32767)  # of EPSG's, in GeoTIFF keys
_METRE = 9001
_LARGEST = 2**31 - 1  # of the whole numbers that coordinates are stored as
_COPC = "copc"


def _laspy(source: str) -> Any:
    try:
        import laspy
    except ImportError as error:
        msg = f"{source} needs laspy; install it with pip install 'trueground[las]'"
        raise InputError(msg) from error
    return laspy


@dataclass(frozen=True, kw_only=True)
class LasPoints:
    """A LAS or LAZ file."""

    path: str
    wanted: Wanted
    count: int = field(init=False)
    z: str | None = field(init=False)
    """Dimension that holds the height; None for the points' own z."""
    sigma: str | None = field(init=False)

    def __post_init__(self) -> None:
        wanted = self.wanted
        if isinstance(wanted.z, str) and wanted.z.lower() == "z":
            wanted = replace(wanted, z=None)
        with self._opened() as file:
            self._check_compression(file.header)
            names = [
                n for n in file.header.point_format.dimension_names if n not in ("X", "Y", "Z")
            ]
            object.__setattr__(self, "count", int(file.header.point_count))
        found = layout(names, wanted, source=self.path, dimensions=3)
        object.__setattr__(self, "z", None if found.z is None else names[found.z])
        object.__setattr__(self, "sigma", None if found.sigma is None else names[found.sigma])

    def _check_compression(self, header: Any) -> None:
        laspy = _laspy(self.path)
        if header.are_points_compressed and not laspy.LazBackend.detect_available():
            msg = f"{self.path} needs lazrs; install it with pip install 'trueground[las]'"
            raise InputError(msg)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Say what is wrong with the file where reading fails."""
        laspy = _laspy(self.path)
        try:
            yield
        except OSError as error:
            msg = f"{self.path} cannot be read: {os.strerror(error.errno or 0)}; check the path"
            raise InputError(msg) from error
        except (laspy.LaspyException, ValueError, IndexError, RuntimeError, struct.error) as error:
            msg = (
                f"{self.path} is not a LAS or LAZ file that can be read: {error}; "
                "it may be damaged or cut short"
            )
            raise InputError(msg) from error

    @contextlib.contextmanager
    def _opened(self, **options: Any) -> Iterator[Any]:
        with self._reading():
            opened = _laspy(self.path).open(self.path, **options)
        with opened as file:
            yield file

    def _parts(self, file: Any) -> Iterator[Any]:
        """Read the records, some at a time."""
        for first in range(0, self.count, CHUNK):
            with self._reading():
                points = file.read_points(CHUNK)
            if len(points) < min(CHUNK, self.count - first):
                held = first + len(points)
                msg = f"{self.path} declares {self.count} points and holds {held}; it is damaged or cut short"
                raise InputError(msg)
            yield points

    @property
    def crs(self) -> CRS | None:
        """Reference system that the file declares, with what heights are above where it says it."""
        with self._opened() as file:
            try:
                crs = file.header.parse_crs()
                return None if crs is None else self._with_heights(crs, file.header)
            except CRSError as error:
                msg = f"{self.path} declares a CRS that is not understood ({error}); say which with --points-crs"
                raise InputError(msg) from error

    def _with_heights(self, crs: CRS, header: Any) -> CRS:
        """Add what GeoTIFF keys say about heights; WKT says it itself."""
        if len(crs.axis_info) == 3 or header.vlrs.get("WktCoordinateSystemVlr"):
            return crs
        directories = header.vlrs.get("GeoKeyDirectoryVlr")
        keys = {k.id: k.value_offset for directory in directories for k in directory.geo_keys}
        unit = keys.get(_VERTICAL_UNIT_KEY, _METRE)
        if unit != _METRE:
            msg = (
                f"heights of {self.path} are in the unit EPSG:{unit}; they must be metres: convert them, "
                "and declare a CRS that says so"
            )
            raise DatumError(msg)
        if keys.get(_VERTICAL_KEY) not in _CODES:
            return crs
        vertical = CRS.from_epsg(keys[_VERTICAL_KEY])
        return CompoundCRS(name=f"{crs.name} + {vertical.name}", components=[crs, vertical])

    def chunks(self) -> Iterator[Chunk]:
        """Read the points, in their order."""
        laspy = _laspy(self.path)
        options = {}
        if self.z is None and self.sigma is None:  # the rest need not be decompressed
            chosen = laspy.DecompressionSelection
            options = {"decompression_selection": chosen.xy_returns_channel() | chosen.Z}
        with self._opened(**options) as file:
            for points in self._parts(file):
                yield self._chunk(points)

    def _chunk(self, points: Any) -> Chunk:
        x, y, z = (np.asarray(points[name], dtype=np.float64) for name in "xyz")
        if self.z is not None:
            z = self._dimension(points, self.z)
        return Chunk(x, y, z, None if self.sigma is None else self._dimension(points, self.sigma))

    def _dimension(self, points: Any, name: str) -> Float:
        values = np.asarray(points[name], dtype=np.float64)
        if values.ndim != 1:
            msg = f"{self.path}: dimension {name} holds {values.shape[1]} numbers a point; name another one"
            raise InputError(msg)
        return values

    def rewrite(self, target: Path, mover: Mover) -> None:
        """Write the file again with its points moved; coordinates are rounded to the file's scale, as all in it are."""
        laspy = _laspy(self.path)
        with self._opened() as file:
            header = file.header
            if header.global_encoding.waveform_data_packets_internal:
                msg = f"{self.path} holds waveforms, which cannot be moved; drop them first"
                raise InputError(msg)
            evlrs = file.evlrs
            # The order of a COPC file follows from where its points are: it is a plain LAZ from here on.
            header.vlrs[:] = [v for v in header.vlrs if v.user_id != _COPC]
            compress = target.suffix.lower() == ".laz"
            with laspy.open(target, mode="w", header=header, do_compress=compress) as out:
                for points in self._parts(file):
                    self._move(points, mover)
                    out.write_points(points)
                kept = [v for v in evlrs or () if v.user_id != _COPC]
                if kept:
                    out.write_evlrs(laspy.vlrs.vlrlist.VLRList(kept))

    def _move(self, points: Any, mover: Mover) -> None:
        old = self._chunk(points)
        x, y, z, done = mover(old.x, old.y, old.z)
        for k, (axis, values) in enumerate(zip("XYZ", (x, y, z), strict=True)):
            if axis == "Z" and self.z is not None:
                break
            stored = np.rint((values[done] - points.offsets[k]) / points.scales[k])
            if (np.abs(stored) > _LARGEST).any():
                far = values[done][np.argmax(np.abs(stored))]
                msg = (
                    f"{self.path} stores {axis.lower()} in steps of {points.scales[k]:g} from {points.offsets[k]:g}, "
                    f"and {far:g} is out of their reach; give the file a larger scale"
                )
                raise InputError(msg)
            points.array[axis][done] = stored.astype(np.int32)
        if self.z is not None:
            if points.point_format.dimension_by_name(self.z).kind.name != "FloatingPoint":
                msg = f"{self.path}: dimension {self.z} holds whole numbers, which cannot hold what it is moved to"
                raise InputError(msg)
            points[self.z][done] = z[done]
