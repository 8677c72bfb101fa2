"""Any raster as a lazy `xarray.DataArray`."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trueground.grid import Window
from trueground.raster import Raster

if TYPE_CHECKING:
    import xarray as xr


def to_xarray(raster: Raster, *, chunks: int | tuple[int, int] = 1024) -> xr.DataArray:
    """Return a lazy, dask-backed DataArray (band, y, x) of any raster.

    Nothing is read or computed before a chunk is asked for. CRS and transform follow rioxarray's
    conventions.

    Parameters
    ----------
    raster
        Any raster.
    chunks
        Rows and columns of a chunk.

    Examples
    --------
    >>> from trueground.samples import small_raster
    >>> raster = small_raster()
    >>> from trueground import to_xarray
    >>> array = to_xarray(raster)
    >>> array.dims, float(array.sum())
    (('band', 'y', 'x'), 66.0)
    """
    import dask.array as da
    import xarray as xr

    size = (chunks, chunks) if isinstance(chunks, int) else chunks
    sizes = tuple(
        tuple(min(step, total - start) for start in range(0, total, step))
        for total, step in zip(raster.grid.shape, size, strict=True)
    )

    def block(block_info: Any = None) -> NDArray[Any]:
        (_, (r0, r1), (c0, c1)) = block_info[None]["array-location"]
        return raster.read(Window(r0, c0, r1 - r0, c1 - c0))

    # The name is new each time: dask would make one by hashing all of the raster.
    array = da.map_blocks(
        block,
        name=f"trueground-{uuid.uuid4().hex}",
        chunks=((raster.count,), *sizes),
        dtype=raster.dtype,
        meta=np.empty((0, 0, 0), dtype=raster.dtype),
    )
    coords: dict[str, Any] = {"band": np.arange(1, raster.count + 1)}
    t = raster.grid.transform
    if t.b == 0.0 and t.d == 0.0:
        rows, cols = raster.grid.window.pixel_centres()
        coords["x"] = raster.grid.xy(0.0, cols[0])[0]
        coords["y"] = raster.grid.xy(rows[:, 0], 0.0)[1]
    terms = (t.c, t.a, t.b, t.f, t.d, t.e)
    reference = {"GeoTransform": " ".join(repr(float(term)) for term in terms)}
    if raster.grid.crs is not None:
        reference["crs_wkt"] = raster.grid.crs.to_wkt()
    coords["spatial_ref"] = xr.DataArray(0, attrs=reference)
    attributes: dict[str, Any] = {"grid_mapping": "spatial_ref"}
    if raster.nodata is not None:
        attributes["_FillValue"] = raster.dtype.type(raster.nodata)
    return xr.DataArray(array, dims=("band", "y", "x"), coords=coords, attrs=attributes)
