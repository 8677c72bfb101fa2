"""Points in the columns of an Arrow table: read, and put back moved with all other columns as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueground.errors import InputError
from trueground.pointfiles import wkb
from trueground.pointfiles.source import Chunk, Mover

if TYPE_CHECKING:
    import pyarrow as pa

Float = NDArray[np.float64]


class Places(NamedTuple):
    """Names of the columns that hold the points."""

    geometry: str | None
    """Points in well-known binary; None where x and y are columns."""
    x: str | None
    y: str | None
    z: str | None
    """None where the geometry says it."""
    sigma: str | None

    @property
    def used(self) -> list[str]:
        """All columns that are read."""
        return [name for name in self if name is not None]


def import_arrow(source: str) -> Any:
    """Import pyarrow, or say which extra brings it."""
    try:
        import pyarrow
    except ImportError as error:
        msg = f"{source} needs pyarrow; install it with pip install 'trueground[arrow]'"
        raise InputError(msg) from error
    return pyarrow


class _Geometry(NamedTuple):
    """A column of points, taken apart."""

    data: wkb.Bytes
    """All bytes, a copy."""
    offsets: wkb.Index
    """(n + 1,)"""
    known: NDArray[np.bool_]
    """(n,) where there is a geometry."""
    xyz: Float
    """(3, n)"""
    places: wkb.Index
    """(n,) where the coordinates begin; 0 where there is none."""
    has_z: NDArray[np.bool_]
    """(n,)"""


def points(batch: pa.RecordBatch, names: Places, source: str) -> Chunk:
    """Return the points of a batch."""
    return _points(batch, names, source)[0]


def _points(batch: pa.RecordBatch, names: Places, source: str) -> tuple[Chunk, _Geometry | None]:
    geometry = None
    if names.geometry is not None:
        geometry = _taken_apart(batch.column(names.geometry), source)
        x, y, z = geometry.xyz
    else:
        x, y = (numbers(batch, name, source) for name in (names.x, names.y))
        z = x
    if names.z is not None:
        z = numbers(batch, names.z, source)
    sigma = None if names.sigma is None else numbers(batch, names.sigma, source)
    return Chunk(x, y, z, sigma), geometry


def numbers(batch: pa.RecordBatch, name: str | None, source: str) -> Float:
    """Return a column as float64 (n,), NaN where it is empty."""
    column = batch.column(name)
    pa = import_arrow(source)
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        msg = f"{source}: column {name} holds {kind}, not numbers; name another one"
        raise InputError(msg)
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=np.float64)


def _taken_apart(column: Any, source: str) -> _Geometry:
    pa = import_arrow(source)
    column = getattr(column, "storage", column)
    wide = pa.types.is_large_binary(column.type)
    if not (wide or pa.types.is_binary(column.type)):
        msg = f"{source}: its points are stored as {column.type}; write it with geometry_encoding='WKB'"
        raise InputError(msg)
    _, offsets, data = column.buffers()
    kind = np.dtype(np.int64 if wide else np.int32)
    at = np.frombuffer(offsets, kind, len(column) + 1, column.offset * kind.itemsize)
    at = at.astype(np.int64)
    raw = np.empty(0, dtype=np.uint8) if data is None else np.frombuffer(data, dtype=np.uint8)
    raw = raw[at[0] : at[-1]].copy()
    at = at - at[0]
    known = np.asarray(column.is_valid().to_numpy(zero_copy_only=False)) & (np.diff(at) > 0)
    xyz = np.full((3, len(column)), np.nan)
    places, has_z = np.zeros(len(column), dtype=np.int64), np.zeros(len(column), dtype=bool)
    xyz[:, known], places[known], has_z[known] = wkb.coordinates(raw, at[:-1][known], source)
    return _Geometry(raw, at, known, xyz, places, has_z)


def rewritten(batch: pa.RecordBatch, names: Places, mover: Mover, *, source: str) -> pa.RecordBatch:
    """Return a batch with its points moved and all other columns as they are."""
    pa = import_arrow(source)
    old, geometry = _points(batch, names, source)
    x, y, z, done = mover(old.x, old.y, old.z)
    columns = {name: batch.column(i) for i, name in enumerate(batch.schema.names)}
    if geometry is not None:
        which = np.flatnonzero(done)
        for k, values in enumerate((x, y) if names.z is not None else (x, y, z)):
            wkb.put(geometry.data, geometry.places[which] + 8 * k, values[which])
        columns[str(names.geometry)] = _put_together(columns[str(names.geometry)], geometry, pa)
    for name, values in zip((names.x, names.y, names.z), (x, y, z), strict=True):
        if name is not None:
            columns[name] = _replaced(columns[name], values, done, name=name, source=source)
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=batch.schema)


def _put_together(column: Any, geometry: _Geometry, pa: Any) -> Any:
    storage = getattr(column, "storage", column)
    width = np.int64 if pa.types.is_large_binary(storage.type) else np.int32
    valid = np.asarray(storage.is_valid().to_numpy(zero_copy_only=False))
    buffers = [
        pa.py_buffer(np.packbits(valid, bitorder="little")),
        pa.py_buffer(geometry.offsets.astype(width)),
        pa.py_buffer(geometry.data),
    ]
    new = pa.Array.from_buffers(storage.type, len(column), buffers)
    return new if storage is column else pa.ExtensionArray.from_storage(column.type, new)


def _replaced(
    column: Any, values: Float, done: NDArray[np.bool_], *, name: str, source: str
) -> Any:
    pa = import_arrow(source)
    import pyarrow.compute as pc

    if not pa.types.is_floating(column.type):
        if np.array_equal(values[done], np.round(values[done])) and pa.types.is_integer(
            column.type
        ):
            new = pa.array(np.where(done, values, 0.0).astype(np.int64)).cast(column.type)
            return pc.if_else(pa.array(done), new, column)
        msg = (
            f"{source}: column {name} holds {column.type}, which cannot hold what it is moved to; "
            "make it a column of real numbers"
        )
        raise InputError(msg)
    new = pa.array(values).cast(column.type, safe=False)
    return pc.if_else(pa.array(done), new, column)
