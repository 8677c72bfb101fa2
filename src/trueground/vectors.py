"""Outlines (polygons) as mask rasters."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

from trueground.errors import InputError
from trueground.file_raster import is_local
from trueground.grid import Grid, Window
from trueground.projection import horizontal, same_place
from trueground.quiet import quiet
from trueground.raster import Raster, computed, open_raster
from trueground.shown import Shown
from trueground.warp import on_grid

if TYPE_CHECKING:
    from typing import TypeAlias

    import geopandas as gpd

    Outlines: TypeAlias = str | os.PathLike[str] | gpd.GeoDataFrame

_METRES_IN_A_DEGREE = 111_320.0  # of latitude
_LONGEST_EDGE = 200.0  # m; the chord of an arc of so much errs by centimetres at most
_MOST_STEPS = 4096  # of a side, for outlines larger than a few hundred kilometres


class _Mask(Shown):
    """A raster of ones and zeros."""

    @property
    def count(self) -> int:
        """Always one band."""
        return 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Always uint8."""
        return np.dtype(np.uint8)

    @property
    def nodata(self) -> None:
        """None: each pixel is one or zero."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OutlineMask(_Mask):
    """1 in the pixels whose centre lies inside any of the polygons, 0 elsewhere."""

    outlines: gpd.GeoSeries
    """Polygons in the CRS of the grid."""
    grid: Grid
    invert: bool = False
    """Swap inside and outside."""
    _index: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", self.outlines.sindex)

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Return a window of ones and zeros."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.uint8]:
        from rasterio.errors import NotGeoreferencedWarning
        from rasterio.features import rasterize
        from shapely.geometry import box

        part = self.grid.crop(window)
        near = self.outlines.iloc[self._index.query(box(*part.bounds))]
        inside: NDArray[np.uint8]
        if len(near):
            with quiet(
                NotGeoreferencedWarning
            ):  # of a file in memory, that another thread has taken the filters from
                inside = rasterize(
                    near.geometry, out_shape=part.shape, transform=part.transform, dtype="uint8"
                )
        else:
            inside = np.zeros(part.shape, dtype=np.uint8)
        return (1 - inside if self.invert else inside)[np.newaxis]


def read_outlines(path: str | os.PathLike[str]) -> gpd.GeoDataFrame:
    """Read the polygons of a vector file (GeoPackage, Shapefile, GeoJSON, GeoParquet, ...)."""
    import geopandas as gpd
    from shapely.errors import ShapelyError

    name = os.fspath(path)
    if is_local(name) and not os.path.exists(name):  # noqa: PTH110 (may be a folder or a file)
        msg = f"{name} does not exist; check the path of the outlines"
        raise InputError(msg)
    try:
        frame = gpd.read_parquet(name) if name.endswith(".parquet") else gpd.read_file(name)
    except ImportError as error:
        msg = f"{name} needs pyarrow: install it, or convert the file to GeoPackage"
        raise InputError(msg) from error
    except (RuntimeError, ValueError, OSError, ShapelyError) as error:
        msg = f"{name} is not a vector file that GDAL can read: {error}"
        raise InputError(msg) from error
    if not isinstance(frame, gpd.GeoDataFrame):
        msg = f"{name} holds no geometry; give a file of polygons"
        raise InputError(msg)
    return frame


def outline_mask(
    outlines: Outlines | Sequence[Outlines],
    grid: Grid,
    *,
    invert: bool = False,
) -> OutlineMask:
    """Make a mask raster on `grid` of all polygons in `outlines`, whatever their CRS.

    Parameters
    ----------
    outlines
        Vector files or GeoDataFrames, one or several.
    grid
        Grid of the mask.
    invert
        True: 1 outside of the polygons, so that the mask says where terrain is usable.

    Raises
    ------
    InputError
        Where outlines hold no polygons.
    ProjectionError
        Where they declare no CRS and the grid has one.

    Examples
    --------
    >>> from trueground.samples import small_raster
    >>> grid = small_raster().grid
    >>> import geopandas as gpd, shapely
    >>> box = gpd.GeoDataFrame(geometry=[shapely.box(5e5, 7_999_980, 500_020, 8e6)], crs=32633)
    >>> from trueground import outline_mask
    >>> outline_mask([box], grid).read(grid.window)[0]
    array([[1, 1, 0, 0],
           [1, 1, 0, 0],
           [0, 0, 0, 0]], dtype=uint8)
    """
    import geopandas as gpd
    import pandas as pd

    parts = []
    for source in _listed(outlines):
        name = "the outlines" if isinstance(source, gpd.GeoDataFrame) else os.fspath(source)
        frame = source if isinstance(source, gpd.GeoDataFrame) else read_outlines(source)
        shapes = frame.geometry[frame.geom_type.isin(["Polygon", "MultiPolygon"])]
        shapes = shapes[~shapes.is_empty]
        if shapes.empty:
            msg = f"{name}: no polygons in it; lines and points cannot mask"
            raise InputError(msg)
        parts.append(_placed(shapes, grid.crs, name).reset_index(drop=True))
    merged = gpd.GeoSeries(pd.concat(parts, ignore_index=True)) if parts else gpd.GeoSeries([])
    return OutlineMask(outlines=merged, grid=grid, invert=invert)


def _placed(shapes: gpd.GeoSeries, crs: CRS | None, name: str) -> gpd.GeoSeries:
    """Bring polygons into a CRS; those that it cannot hold lie far from any raster in it."""
    if crs is None:
        return shapes
    if shapes.crs is None:
        msg = f"{name}: no CRS declared, so its place is unknown; assign one with ogr2ogr -a_srs"
        raise InputError(msg)
    parts = shapes.explode()
    if not same_place(shapes.crs, crs):
        parts = _curved(parts)
    moved = parts.to_crs(horizontal(crs))
    return moved[np.isfinite(moved.bounds).all(axis=1)]


def _curved(shapes: gpd.GeoSeries) -> gpd.GeoSeries:
    """Put points on long edges: what is straight in one CRS is a curve in another."""
    longest = _LONGEST_EDGE / (_METRES_IN_A_DEGREE if shapes.crs.is_geographic else 1.0)
    extent = shapes.bounds[["maxx", "maxy"]].to_numpy() - shapes.bounds[["minx", "miny"]].to_numpy()
    # Outlines as large as continents need not hold millions of points.
    step = np.maximum(longest, extent.max(axis=1) / _MOST_STEPS)
    return shapes.segmentize(step)


@dataclass(frozen=True, kw_only=True, eq=False)
class StableTerrain(_Mask):
    """1 where terrain may be used, 0 elsewhere: what all of its parts agree on."""

    parts: tuple[Raster, ...]
    """Masks on one grid; a cell counts where none of them is 0."""
    grid: Grid
    outlines: gpd.GeoSeries | None = None
    """What was excluded, in the CRS of the grid."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Return a window of ones and zeros."""
        out = np.ones((1, *window.shape), dtype=np.uint8)
        for part in self.parts:
            out &= usable(part, window)
        return out


def usable(mask: Raster, window: Window) -> NDArray[np.bool_]:
    """Tell where a mask says that cells are valid: neither 0 nor without data."""
    values = mask.read(window)[0]
    keep = (values != 0) & (values == values)  # noqa: PLR0124 (NaN)
    if mask.nodata is not None:
        keep &= values != mask.nodata
    return np.asarray(keep)


def _listed(outlines: Outlines | Sequence[Outlines]) -> Sequence[Outlines]:
    """Return outlines as a list, also where one alone was given."""
    is_one = isinstance(outlines, str | os.PathLike) or hasattr(outlines, "geometry")
    return [outlines] if is_one else outlines  # type: ignore[return-value]


def stable_terrain(
    grid: Grid,
    *,
    exclude: Outlines | Sequence[Outlines] = (),
    include: Outlines | Sequence[Outlines] = (),
    mask: str | os.PathLike[str] | Raster | None = None,
) -> StableTerrain | None:
    """Combine outlines and a mask into one raster of usable terrain; None where all of it is.

    Parameters
    ----------
    grid
        Grid of the result.
    exclude, include
        Polygons inside (outside) of which terrain is left out; one or several.
    mask
        Raster on any grid, placed by its georeference: terrain is left out where it is 0 or has no
        data.

    Examples
    --------
    >>> from trueground.samples import small_raster
    >>> grid = small_raster().grid
    >>> import geopandas as gpd, shapely
    >>> box = gpd.GeoDataFrame(geometry=[shapely.box(5e5, 7_999_980, 500_020, 8e6)], crs=32633)
    >>> from trueground import stable_terrain
    >>> stable_terrain(grid, exclude=[box]).read(grid.window)[0]
    array([[0, 0, 1, 1],
           [0, 0, 1, 1],
           [1, 1, 1, 1]], dtype=uint8)
    """
    parts: list[Raster] = []
    outlines = None
    if out := _listed(exclude):
        excluded = outline_mask(out, grid, invert=True)
        outlines = excluded.outlines
        parts.append(excluded)
    if inside := _listed(include):
        parts.append(outline_mask(inside, grid))
    if mask is not None:
        parts.append(on_grid(open_raster(mask), grid, resampling="nearest"))
    return StableTerrain(parts=tuple(parts), grid=grid, outlines=outlines) if parts else None
