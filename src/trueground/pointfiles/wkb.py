"""Points in well-known binary: coordinates out, and changed where they stand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trueground.errors import InputError

Float = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Index = NDArray[np.int64]

_HEAD = 5  # bytes before the coordinates: byte order, type
_POINT, _MULTIPOINT = 1, 4
_EWKB_Z, _EWKB_M, _EWKB_SRID = 0x80000000, 0x40000000, 0x20000000
_EWKB = _EWKB_Z | _EWKB_M | _EWKB_SRID


def coordinates(data: Bytes, starts: Index, source: str) -> tuple[Float, Index, NDArray[np.bool_]]:
    """Read the points of a buffer.

    Parameters
    ----------
    data
        Bytes of all geometries.
    starts
        (n,) where each begins.
    source
        What to call the file in a message.

    Returns
    -------
    xyz
        (3, n); z is NaN for a point in the plane, all three for an empty one.
    starts
        (n,) where the coordinates begin.
    has_z
        (n,) whether there is a third.

    Raises
    ------
    InputError
        Where a geometry is no point.
    """
    if not starts.size:
        return np.empty((3, 0)), starts, np.empty(0, dtype=bool)
    if (data[starts] != 1).any():
        msg = f"{source} holds geometries of big-endian bytes; convert it with ogr2ogr"
        raise InputError(msg)
    kind, dimension = _kind(data, starts)
    many = kind == _MULTIPOINT
    if many.any():
        alone = _unsigned(data, starts[many] + _HEAD) == 1
        starts = starts + np.where(many, _HEAD + 4, 0)
        if not alone.all():
            kind[np.flatnonzero(many)[~alone]] = 0
        kind[many & (kind == _MULTIPOINT)] = _POINT
    if (kind != _POINT).any():
        i = int(np.flatnonzero(kind != _POINT)[0])
        msg = (
            f"{source}: feature {i + 1} is no point, or more than one; give one point for each "
            "(ogr2ogr -explodecollections makes them of multipoints)"
        )
        raise InputError(msg)
    has_z = (dimension == 1) | (dimension == 3)
    places = starts + _HEAD
    xyz = np.full((3, starts.size), np.nan)
    for k in range(3):
        which = has_z if k == 2 else np.ones(starts.size, dtype=bool)
        xyz[k, which] = _doubles(data, places[which] + 8 * k)
    return xyz, places, has_z


def _kind(data: Bytes, starts: Index) -> tuple[Index, Index]:
    """Return the geometry's type and 0, 1, 2 or 3 for XY, XYZ, XYM and XYZM."""
    code = _unsigned(data, starts + 1)
    plain = (code & ~np.int64(_EWKB)) % 1000
    iso = (code & ~np.int64(_EWKB)) // 1000
    flags = ((code & _EWKB_Z) != 0) + 2 * ((code & _EWKB_M) != 0)
    plain[(code & _EWKB_SRID) != 0] = 0  # not in files
    return plain, np.where(flags > 0, flags, iso)


def _unsigned(data: Bytes, at: Index) -> Index:
    values = data[at[:, np.newaxis] + np.arange(4)].view("<u4")[:, 0]
    return np.asarray(values, dtype=np.int64)


def _doubles(data: Bytes, at: Index) -> Float:
    return np.asarray(data[at[:, np.newaxis] + np.arange(8)].view("<f8")[:, 0], dtype=np.float64)


def put(data: Bytes, at: Index, values: Float) -> None:
    """Write numbers (n,) at places (n,) of a buffer."""
    bytes_of = np.ascontiguousarray(values, dtype="<f8").view(np.uint8).reshape(-1, 8)
    data[at[:, np.newaxis] + np.arange(8)] = bytes_of
