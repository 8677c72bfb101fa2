"""Points in GeoParquet, or in a Parquet table with columns for x and y."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.errors import InputError
from trueground.pointfiles import arrow
from trueground.pointfiles.columns import Wanted, layout
from trueground.pointfiles.source import CHUNK, Chunk, Mover
from trueground.projection import parse_crs

_LONLAT = "OGC:CRS84"  # where GeoParquet says nothing


@dataclass(frozen=True, kw_only=True)
class ParquetPoints:
    """A Parquet file of points."""

    path: str
    wanted: Wanted
    places: arrow.Places = field(init=False)
    crs: CRS | None = field(init=False)
    count: int = field(init=False)

    def __post_init__(self) -> None:
        with self._opened() as file:
            schema = file.schema_arrow
            count = file.metadata.num_rows
            geo = json.loads((schema.metadata or {}).get(b"geo", b"{}"))
            name = geo.get("primary_column")
            dimensions = 0
            if name is not None:
                dimensions = self._dimensions(file, name)
        about = geo.get("columns", {}).get(name, {})
        others = [n for n in schema.names if n != name]
        found = layout(others, self.wanted, source=self.path, dimensions=dimensions)
        object.__setattr__(self, "count", count)
        object.__setattr__(
            self, "places", arrow.Places(name, *(None if i is None else others[i] for i in found))
        )
        crs = about.get("crs", _LONLAT) if name is not None else None
        declared = (
            None if crs is None else parse_crs(json.dumps(crs) if isinstance(crs, dict) else crs)
        )
        object.__setattr__(self, "crs", declared)

    def _opened(self) -> Any:
        pa = arrow.import_arrow(self.path)
        from pyarrow import parquet

        try:
            return parquet.ParquetFile(self.path)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(f"{self.path} is not a Parquet file that can be read: {_short(error)}")

    def _dimensions(self, file: Any, name: str) -> int:
        """Return 3 where the points of the first batch that has any have heights, else 2."""
        for batch in file.iter_batches(columns=[name], batch_size=4096):
            chunk = arrow.points(batch, arrow.Places(name, None, None, None, None), self.path)
            if np.isfinite(chunk.x).any():
                return 3 if np.isfinite(chunk.z).any() else 2
        return 2

    def _batches(self, columns: list[str] | None) -> Iterator[Any]:
        pa = arrow.import_arrow(self.path)
        with self._opened() as file:
            try:
                yield from file.iter_batches(columns=columns, batch_size=CHUNK)
            except (pa.ArrowException, OSError) as error:
                raise self._unreadable(error) from error

    def chunks(self) -> Iterator[Chunk]:
        """Read the points, in their order."""
        for batch in self._batches(self.places.used):
            yield arrow.points(batch, self.places, self.path)

    def rewrite(self, target: Path, mover: Mover) -> None:
        """Write the table again with its points moved; the bounds in its metadata, known at the end, are left out."""
        pa = arrow.import_arrow(self.path)
        from pyarrow import parquet

        with self._opened() as file:
            schema, compression = file.schema_arrow, _compression(file.metadata)
        said = dict(schema.metadata or {})
        covering = None
        if b"geo" in said and self.places.geometry is not None:
            geo = json.loads(said[b"geo"])
            about = geo["columns"][self.places.geometry]
            about.pop("bbox", None)
            covering = about.get("covering", {}).get("bbox", {}).get("xmin", [None])[0]
            said[b"geo"] = json.dumps(geo).encode()
        schema = schema.with_metadata(said)
        with parquet.ParquetWriter(target, schema, compression=compression) as writer:
            for batch in self._batches(None):
                new = arrow.rewritten(batch, self.places, mover, source=self.path)
                if covering is not None and covering in new.schema.names:
                    chunk = arrow.points(new, self.places, self.path)
                    new = _covered(new, covering, chunk, pa=pa)
                writer.write_batch(new.replace_schema_metadata(said))


def _covered(batch: Any, name: str, chunk: Chunk, *, pa: Any) -> Any:
    """Return a batch with the box of each point, in a column that readers trust, where it is now."""
    column = batch.column(name)
    by_axis = {"x": chunk.x, "y": chunk.y, "z": chunk.z}
    parts = []
    for i in range(column.type.num_fields):
        kind = column.type.field(i)
        values: NDArray[Any] = by_axis[kind.name[0]]
        near = np.asarray(values, dtype=kind.type.to_pandas_dtype())
        if near.dtype != values.dtype:  # a box must hold its point
            low, high = near > values, near < values
            near = np.where(
                low & kind.name.endswith("min"), np.nextafter(near, near.dtype.type(-np.inf)), near
            )
            near = np.where(
                high & kind.name.endswith("max"), np.nextafter(near, near.dtype.type(np.inf)), near
            )
        parts.append(pa.array(near, type=kind.type, mask=~np.isfinite(values)))
    boxes = pa.StructArray.from_arrays(parts, fields=list(column.type), mask=column.is_null())
    return batch.set_column(batch.schema.get_field_index(name), batch.schema.field(name), boxes)


def _compression(metadata: Any) -> str:
    if not (metadata.num_row_groups and metadata.num_columns):
        return "snappy"
    name = metadata.row_group(0).column(0).compression.lower()
    return "none" if name == "uncompressed" else str(name)


def _short(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
