"""What a file is, in words: the content of `trueground info`."""

from __future__ import annotations

from trueground.errors import DatumError, InputError, RpcError
from trueground.file_raster import FileRaster, open_dataset
from trueground.raster import Raster, open_raster
from trueground.rpc.direct import direct_difference
from trueground.rpc.model import PixelOrigin, Rpc
from trueground.rpc.readers import crop_offset, is_rpc_file, read_rpc, rpc_of_file
from trueground.rpc.viewing import domain
from trueground.status import Status
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
        return {"file": path, "kind": "RPC file", **rpc_items(model)}
    try:
        raster = open_raster(path)
    except InputError:
        read_rpc(path)  # says what it is not
        raise
    if not isinstance(raster, FileRaster):
        raise InputError(path)
    with open_dataset(path) as dataset:
        items = {"file": path, **raster_items(raster, nodata=dataset.nodata)}
    try:
        found = rpc_of_file(raster, origin=rpc_origin)
    except RpcError as error:
        return {**items, "RPC": f"damaged: {error}"}
    if found is None:
        return items
    row, col = crop_offset(raster)
    if (row, col) != (0.0, 0.0):
        items["crop"] = f"starts at row {row:g}, col {col:g} of the scene, by its geotransform"
    return {**items, **rpc_items(found, raster.grid.shape)}


def raster_items(raster: Raster, *, nodata: float | None) -> dict[str, str]:
    """Return the properties of a raster by name, with what it says stands for no data."""
    grid = raster.grid
    items = {
        "kind": f"raster, {grid.shape[0]} rows x {grid.shape[1]} cols, {raster.count} band(s) of {raster.dtype}",
        "no data": "none declared" if nodata is None else f"{nodata:g}",
        "CRS": "none" if grid.crs is None else grid.crs.name,
    }
    if grid.crs is not None:
        unit = grid.crs.axis_info[0].unit_name
        items["pixel"] = " x ".join(f"{v:g}" for v in grid.resolution) + f" {unit}"
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


def rpc_items(rpc: Rpc, shape: tuple[int, int] | None = None) -> dict[str, str]:
    """Return the properties of an RPC by name; those of its view at the middle of an image, or of the RPC itself."""
    row, col = (s / 2.0 for s in shape) if shape else (rpc.line_off + 0.5, rpc.samp_off + 0.5)
    (_, west, east, _), (_, south, north, _), (_, low, high, _), *pixels = domain(rpc)
    items = {
        "RPC": rpc.origin,
        "RPC pixel origin": f"{rpc.pixel_origin} in the file (--rpc-origin overrides it)",
        "RPC centre": f"longitude {rpc.long_off:.6f}, latitude {rpc.lat_off:.6f}",
        "RPC heights": f"{low:g} to {high:g} m above the ellipsoid",
        "RPC ground": f"longitude {west:.4f} to {east:.4f}, latitude {south:.4f} to {north:.4f}",
        "RPC pixels": ", ".join(f"{name} {a:.8g} to {b:.8g}" for name, a, b, _ in pixels),
    }
    if rpc.direct is not None:
        apart = direct_difference(rpc)
        items["RPC direct model"] = (
            f"differs from the inverse of the other by {apart:.2g} px at most"
        )
    down, right, status = rpc.ground_sampling(row, col, rpc.height_off)
    seen = rpc.viewing(row, col, rpc.height_off)
    if status == Status.OK == seen.status:
        items["ground sampling"] = f"{down:.3f} x {right:.3f} m (rows x cols), at the centre"
        items["incidence"] = f"{seen.incidence:.2f} degrees from the vertical, on the ground"
        items["azimuth"] = f"{seen.azimuth:.2f} degrees from north, towards the sensor"
    return items
