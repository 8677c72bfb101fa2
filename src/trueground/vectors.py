"""Outlines (polygons) as mask rasters."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.projection import horizontal
from trueground.raster import computed, is_local

if TYPE_CHECKING:
    import geopandas as gpd


@dataclass(frozen=True, kw_only=True)
class OutlineMask:
    """1 in the pixels whose centre lies inside any of the polygons, 0 elsewhere."""

    outlines: gpd.GeoSeries
    """Polygons in the CRS of the grid."""
    grid: Grid
    invert: bool = False
    """Swap inside and outside."""
    _index: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", self.outlines.sindex)

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
        """None: each pixel is inside or outside."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Return a window of ones and zeros."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[np.uint8]:
        from rasterio.features import rasterize
        from shapely.geometry import box

        part = self.grid.crop(window)
        near = self.outlines.iloc[self._index.query(box(*part.bounds))]
        inside: NDArray[np.uint8]
        if len(near):
            inside = rasterize(
                near.geometry, out_shape=part.shape, transform=part.transform, dtype="uint8"
            )
        else:
            inside = np.zeros(part.shape, dtype=np.uint8)
        return (1 - inside if self.invert else inside)[np.newaxis]


def read_outlines(path: str | os.PathLike[str]) -> gpd.GeoDataFrame:
    """Read the polygons of a vector file (GeoPackage, Shapefile, GeoJSON, GeoParquet, ...)."""
    import geopandas as gpd
    from pyogrio.errors import DataSourceError

    name = os.fspath(path)
    if is_local(name) and not os.path.exists(name):  # noqa: PTH110 (may be a folder or a file)
        msg = f"{name} does not exist; check the path of the outlines"
        raise InputError(msg)
    try:
        frame = gpd.read_parquet(name) if name.endswith(".parquet") else gpd.read_file(name)
    except (DataSourceError, ValueError, OSError) as error:
        msg = f"{name} is not a vector file that GDAL can read: {error}"
        raise InputError(msg) from error
    if not isinstance(frame, gpd.GeoDataFrame):
        msg = f"{name} holds no geometry; give a file of polygons"
        raise InputError(msg)
    return frame


def outline_mask(
    outlines: Sequence[str | os.PathLike[str] | gpd.GeoDataFrame],
    grid: Grid,
    *,
    invert: bool = False,
) -> OutlineMask:
    """Make a mask raster on `grid` of all polygons in `outlines`, whatever their CRS.

    Parameters
    ----------
    outlines
        Vector files or GeoDataFrames.
    grid
        Grid of the mask.
    invert
        True: 1 outside of the polygons, so that the mask says where terrain is usable.
    """
    import geopandas as gpd
    import pandas as pd

    parts = []
    for source in outlines:
        frame = source if isinstance(source, gpd.GeoDataFrame) else read_outlines(source)
        shapes = frame.geometry[frame.geometry.notna() & ~frame.geometry.is_empty]
        shapes = shapes[shapes.geom_type.isin(["Polygon", "MultiPolygon"])]
        if shapes.empty:
            msg = (
                f"{'the outlines' if source is frame else source} hold no polygons; lines and "
                "points cannot mask"
            )
            raise InputError(msg)
        if grid.crs is not None:
            if shapes.crs is None:
                msg = (
                    f"{source} declares no CRS, so its place is unknown; assign one with ogr2ogr "
                    "-a_srs"
                )
                raise InputError(msg)
            shapes = shapes.to_crs(horizontal(grid.crs))
        parts.append(shapes.reset_index(drop=True))
    merged = gpd.GeoSeries(pd.concat(parts, ignore_index=True)) if parts else gpd.GeoSeries([])
    return OutlineMask(outlines=merged, grid=grid, invert=invert)
