"""What a file is, in words: the content of `trueground info`."""

from __future__ import annotations

import math

import numpy as np

from trueground.errors import DatumError, InputError, RpcError
from trueground.projection import WGS84, utm_of
from trueground.raster import FileRaster, open_raster
from trueground.rpc.model import Rpc
from trueground.rpc.readers import crop_offset, read_rpc, rpc_for_image
from trueground.vertical import Datum


def describe(path: str) -> dict[str, str]:
    """Return the properties of a raster, an image with RPC, or an RPC file, by name."""
    try:
        raster = open_raster(path)
    except InputError:
        model = read_rpc(path)
        return {"file": path, "kind": "RPC file", **_rpc_items(model)}
    if not isinstance(raster, FileRaster):
        raise InputError(path)
    items = {"file": path, **_raster_items(raster)}
    try:
        model = rpc_for_image(raster)
    except RpcError:
        return items
    row, col = crop_offset(raster)
    if (row, col) != (0.0, 0.0):
        items["crop"] = f"starts at row {row:g}, col {col:g} of the scene, by its geotransform"
    return {**items, **_rpc_items(model, raster.grid.shape)}


def _raster_items(raster: FileRaster) -> dict[str, str]:
    grid = raster.grid
    items = {
        "kind": f"raster, {grid.shape[0]} rows x {grid.shape[1]} cols, {raster.count} band(s) of {raster.dtype}",
        "no data": "none declared" if raster.nodata is None else f"{raster.nodata:g}",
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
    low, high = rpc.height_off - rpc.height_scale, rpc.height_off + rpc.height_scale
    row, col = (s / 2.0 for s in shape) if shape else (rpc.line_off + 0.5, rpc.samp_off + 0.5)
    items = {
        "RPC": rpc.origin,
        "RPC centre": f"longitude {rpc.long_off:.6f}, latitude {rpc.lat_off:.6f}",
        "RPC heights": f"{min(low, high):g} to {max(low, high):g} m above the ellipsoid",
    }
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
