"""What a file is, in words: the content of `trueground info`."""

from __future__ import annotations

import math

import numpy as np

from trueground.errors import DatumError, InputError, RpcError
from trueground.projection import WGS84, utm_of
from trueground.raster import FileRaster, open_dataset, open_raster
from trueground.rpc.direct import direct_difference
from trueground.rpc.model import PixelOrigin, Rpc
from trueground.rpc.readers import crop_offset, is_rpc_file, read_rpc, rpc_of_file
from trueground.vertical import Datum


def describe(path: str, *, rpc_origin: PixelOrigin | None = None) -> dict[str, str]:
    """Return the properties of a raster, an image with RPC, or an RPC file, by name.

    Parameters
    ----------
    path
        The file.
    rpc_origin
        What its RPC calls the centre of the first pixel; see `read_rpc`.
    """
    if is_rpc_file(path):
        model = read_rpc(path, origin=rpc_origin)
        return {"file": path, "kind": "RPC file", **_rpc_items(model)}
    try:
        raster = open_raster(path)
    except InputError:
        read_rpc(path)  # says what it is not
        raise
    if not isinstance(raster, FileRaster):
        raise InputError(path)
    items = {"file": path, **_raster_items(raster)}
    try:
        found = rpc_of_file(raster, origin=rpc_origin)
    except RpcError as error:
        return {**items, "RPC": f"damaged: {error}"}
    if found is None:
        return items
    row, col = crop_offset(raster)
    if (row, col) != (0.0, 0.0):
        items["crop"] = f"starts at row {row:g}, col {col:g} of the scene, by its geotransform"
    return {**items, **_rpc_items(found, raster.grid.shape)}


def _raster_items(raster: FileRaster) -> dict[str, str]:
    grid = raster.grid
    with open_dataset(raster.path) as dataset:
        declared = dataset.nodata
    items = {
        "kind": f"raster, {grid.shape[0]} rows x {grid.shape[1]} cols, {raster.count} band(s) of {raster.dtype}",
        "no data": "none declared" if declared is None else f"{declared:g}",
        "CRS": "none" if grid.crs is None else grid.crs.name,
    }
    if grid.crs is not None:
        items["pixel"] = " x ".join(f"{v:g}" for v in grid.resolution)
        items["bounds"] = (
            " ".join(f"{v:.10g}" for v in grid.bounds) + "  (west, south, east, north)"
        )
        try:
            datum = Datum.of_crs(grid.crs)
            items["heights"] = (
                "no vertical datum declared" if datum is None else f"above {datum}, by the CRS"
            )
        except DatumError as error:
            items["heights"] = str(error)
    return items


def _rpc_items(rpc: Rpc, shape: tuple[int, int] | None = None) -> dict[str, str]:
    low, high = rpc.height_range
    row, col = (s / 2.0 for s in shape) if shape else (rpc.line_off + 0.5, rpc.samp_off + 0.5)
    items = {
        "RPC": rpc.origin,
        "RPC pixel origin": f"{rpc.pixel_origin} in the file (--rpc-origin overrides it)",
        "RPC centre": f"longitude {rpc.long_off:.6f}, latitude {rpc.lat_off:.6f}",
        "RPC heights": f"{low:g} to {high:g} m above the ellipsoid",
    }
    if rpc.direct is not None:
        apart = direct_difference(rpc)
        items["RPC direct model"] = (
            f"differs from the inverse of the other by {apart:.2g} px at most"
        )
    at = rpc.localize(
        np.array([row, row + 1, row, row]),
        np.array([col, col, col + 1, col]),
        np.array([rpc.height_off] * 3 + [rpc.height_off + rpc.height_scale]),
    )
    if np.isfinite(at.lon).all():
        from trueground.projection import project

        x, y = project(WGS84, utm_of(float(at.lon[0]), float(at.lat[0])), at.lon, at.lat)
        down, right = math.hypot(x[1] - x[0], y[1] - y[0]), math.hypot(x[2] - x[0], y[2] - y[0])
        tilt = math.degrees(math.atan2(math.hypot(x[3] - x[0], y[3] - y[0]), abs(rpc.height_scale)))
        items["ground sampling"] = f"{down:.3f} x {right:.3f} m (rows x cols)"
        items["off the vertical"] = f"{tilt:.2f} degrees"
    return items
