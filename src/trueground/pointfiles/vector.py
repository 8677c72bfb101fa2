"""Points in vector files that GDAL reads: GeoPackage, shapefile, FlatGeobuf, GeoJSON."""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.errors import InputError
from trueground.pointfiles import arrow, wkb
from trueground.pointfiles.columns import Wanted, layout
from trueground.pointfiles.source import CHUNK, Chunk, Mover
from trueground.projection import parse_crs
from trueground.quiet import quiet

Float = NDArray[np.float64]

DRIVERS: Mapping[str, str] = {
    ".gpkg": "GPKG",
    ".shp": "ESRI Shapefile",
    ".fgb": "FlatGeobuf",
    ".geojson": "GeoJSON",
    ".json": "GeoJSON",
}
# An index would put the features of a FlatGeobuf in another order.
_OPTIONS: Mapping[str, Mapping[str, str]] = {".fgb": {"SPATIAL_INDEX": "NO"}}
# GDAL 3.12's own Arrow stream of a FlatGeobuf is broken behind a feature without geometry.
_PLAIN_STREAM = "OGR_FLATGEOBUF_STREAM_BASE_IMPL"
_LOOKED_AT = 1000  # features that tell whether there are heights
_FID = "fid"  # column of a GeoPackage's feature numbers


@dataclass(frozen=True, kw_only=True)
class VectorPoints:
    """A layer of points: the only one in its file."""

    path: str
    wanted: Wanted
    layer: str = field(init=False)
    places: arrow.Places = field(init=False)
    crs: CRS | None = field(init=False)
    count: int = field(init=False)
    _info: dict[str, Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        import pyogrio

        with self._reading():
            layers = pyogrio.list_layers(self.path)
            self._set("layer", self._only(layers))
            info = pyogrio.read_info(self.path, layer=self.layer, force_feature_count=True)
        self._set("_info", info)
        names = [str(name) for name in info["fields"]]
        look = self._read(columns=[], max_features=_LOOKED_AT)[0][2]
        found = layout(
            names, self.wanted, source=self.path, dimensions=3 if np.isfinite(look).any() else 2
        )
        places = (None if i is None else names[i] for i in found)
        self._set("places", arrow.Places(info["geometry_name"] or "wkb_geometry", *places))
        crs = None if info["crs"] is None else parse_crs(info["crs"])
        nowhere = crs is None or crs.is_engineering or crs.name.startswith("Undefined")
        self._set("crs", None if nowhere else crs)
        self._set("count", int(info["features"]))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, ValueError) as error:
            msg = f"{self.path} is not a vector file that GDAL can read: {error}"
            raise InputError(msg) from error

    def _only(self, layers: NDArray[Any]) -> str:
        """Return the layer that may hold points."""
        found = [
            str(n)
            for n, kind in layers
            if kind is not None and ("Point" in kind or kind in ("Unknown", "3D Unknown"))
        ]
        if len(found) == 1:
            return found[0]
        if not found:
            held = ", ".join(str(kind) for _, kind in layers) or "nothing"
            msg = f"{self.path} holds no points, but {held}; give a file of points"
        else:
            msg = f"{self.path} holds points in the layers {', '.join(found)}; give a file with one of them"
        raise InputError(msg)

    def _read(self, **options: Any) -> tuple[Float, list[NDArray[Any]]]:
        """Read x, y, z (3, n) of the geometries, and columns."""
        import pyogrio

        with self._reading():
            _, _, shapes, columns = pyogrio.raw.read(self.path, layer=self.layer, **options)
        shapes = [] if shapes is None else [b"" if s is None else bytes(s) for s in shapes]
        sizes = np.array([len(s) for s in shapes], dtype=np.int64)
        known = sizes > 0
        xyz = np.full((3, sizes.size), np.nan)
        data = np.frombuffer(b"".join(shapes), dtype=np.uint8)
        starts = np.cumsum(sizes) - sizes
        xyz[:, known] = wkb.coordinates(data, starts[known], self.path)[0]
        return xyz, columns

    def chunks(self) -> Iterator[Chunk]:
        """Read the points, in their order."""
        by_index = self._info["capabilities"]["fast_set_next_by_index"]
        step = CHUNK if by_index else max(self.count, 1)
        wanted = [n for n in (self.places.z, self.places.sigma) if n is not None]
        fields = [str(name) for name in self._info["fields"]]
        wanted = sorted(set(wanted), key=fields.index)  # the order in which they come back
        for start in range(0, self.count, step):
            xyz, columns = self._read(columns=wanted, skip_features=start, max_features=step)
            named = dict(zip(wanted, columns, strict=True))
            z = xyz[2] if self.places.z is None else self._numbers(named, self.places.z)
            sigma = None if self.places.sigma is None else self._numbers(named, self.places.sigma)
            yield Chunk(xyz[0], xyz[1], z, sigma)

    def _numbers(self, columns: Mapping[str, NDArray[Any]], name: str) -> Float:
        if columns[name].dtype.kind not in "iuf":
            msg = f"{self.path}: column {name} is not one of numbers; name another one"
            raise InputError(msg)
        return np.asarray(columns[name], dtype=np.float64)

    def rewrite(self, target: Path, mover: Mover) -> None:
        """Write the layer again with its points moved, batch by batch; other layers are left out."""
        import pyogrio

        pa = arrow.import_arrow(self.path)
        suffix = Path(self.path).suffix.lower()
        failed: list[Exception] = []
        before = pyogrio.get_gdal_config_option(_PLAIN_STREAM)
        pyogrio.set_gdal_config_options({_PLAIN_STREAM: True})
        try:
            with (
                self._reading(),
                pyogrio.open_arrow(
                    self.path,
                    layer=self.layer,
                    use_pyarrow=True,
                    return_fids=suffix == ".gpkg",
                    datetime_as_string=True,  # keeps their time zones
                ) as (meta, reader),
            ):

                def batches() -> Iterator[Any]:
                    try:
                        for batch in reader:
                            yield arrow.rewritten(batch, self.places, mover, source=self.path)
                    except Exception as error:  # what Arrow says of it is a number
                        failed.append(error)
                        raise

                with quiet(UserWarning):  # of a missing CRS, which was missing before
                    self._write(
                        pa.RecordBatchReader.from_batches(reader.schema, batches()), target, meta
                    )
        except (InputError, OSError):
            if failed:
                raise failed[0] from None
            raise
        finally:
            pyogrio.set_gdal_config_options({_PLAIN_STREAM: before})

    def _write(self, stream: Any, target: Path, meta: Mapping[str, Any]) -> None:
        import pyogrio

        suffix = Path(self.path).suffix.lower()
        try:
            pyogrio.write_arrow(
                stream,
                target,
                layer=self.layer if suffix == ".gpkg" else None,
                driver=DRIVERS[suffix],
                geometry_name=self.places.geometry,
                geometry_type=meta["geometry_type"],
                crs=meta["crs"],
                encoding="UTF-8" if suffix == ".shp" else None,
                layer_options=dict(_OPTIONS.get(suffix, {})),
            )
        except RuntimeError as error:
            raise OSError(errno.EIO, str(error)) from error
        if suffix == ".fgb":
            self._check_whole(target)

    def _check_whole(self, target: Path) -> None:
        """Raise where not all features can be read back: on a full disk GDAL closes a FlatGeobuf without an error."""
        import pyogrio

        try:
            found = len(pyogrio.raw.read(target, columns=[])[2])
        except RuntimeError:
            found = -1
        if found != self.count:
            msg = "the file cannot be read back after writing; is the disk full?"
            raise OSError(errno.ENOSPC, msg)


class GeoJsonPoints(VectorPoints):
    """A collection of features in GeoJSON, written again as it is but for what moves."""

    def rewrite(self, target: Path, mover: Mover) -> None:
        """Write the collection again with its points moved."""
        whole = json.loads(Path(self.path).read_text(encoding="utf-8-sig"))
        features = whole.get("features", [whole])
        *old, _ = next(_joined(self.chunks()))
        *new, done = mover(*old)
        if len(features) != done.size:
            msg = f"{self.path} holds {len(features)} features and {done.size} points; give a collection of points"
            raise InputError(msg)
        for i in np.flatnonzero(done).tolist():
            place = features[i]["geometry"]["coordinates"]
            place = place[0] if isinstance(place[0], list) else place  # a multipoint of one
            place[0], place[1] = float(new[0][i]), float(new[1][i])
            if self.places.z is None:
                place[2] = float(new[2][i])
            else:
                features[i]["properties"][self.places.z] = float(new[2][i])
        target.write_text(json.dumps(whole, ensure_ascii=False) + "\n", encoding="utf-8")


def _joined(chunks: Iterator[Chunk]) -> Iterator[tuple[Float, Float, Float, None]]:
    parts = list(chunks)
    x, y, z = (np.concatenate([np.empty(0), *(np.asarray(p[k]) for p in parts)]) for k in range(3))
    yield x, y, z, None
