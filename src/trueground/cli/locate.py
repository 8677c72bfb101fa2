"""`trueground locate`."""

from __future__ import annotations

from pathlib import Path

from trueground.cli.options import OptionalOutput, RpcOrigin, outputs_differ_from, usage


def locate(
    image: str,
    row: float | None = None,
    col: float | None = None,
    /,
    *,
    dem: str | None = None,
    heights: str | None = None,
    height: float | None = None,
    points: Path | None = None,
    output: OptionalOutput = None,
    rpc: str | None = None,
    rpc_origin: RpcOrigin = None,
) -> None:
    """Find the ground points that pixels of an image show.

    Rows and columns count from the outer corner of the first pixel, whose centre is 0.5, 0.5.

    Example: `trueground locate scene.tif 1200.5 830.5 --dem srtm.tif --heights egm96`

    Parameters
    ----------
    image
        Image with RPC metadata, or a file that holds an RPC alone; then rows and columns are those of the full scene.
    row
        Row of one point.
    col
        Column of one point.
    dem
        Elevation model: the first point of its surface that the pixel sees.
    heights
        What heights of the DEM are above: ellipsoid, egm96, egm2008 or a grid file. Default: as its CRS says.
    height
        One height above the ellipsoid [m] for all points, instead of a DEM.
    points
        CSV with a header row,col.
    output
        CSV or GeoJSON, by its ending. Default: CSV on standard output.
    rpc
        File with the RPC of the full scene, for an image without.
    rpc_origin
        What the RPC file calls the centre of its first pixel: 0 or 1. Default: what its product does.
    """
    import numpy as np

    from trueground.cli.tables import emit
    from trueground.dem import Dem
    from trueground.points import read_points
    from trueground.rpc.localize import localize_on
    from trueground.rpc.readers import rpc_of
    from trueground.status import Status

    if (dem is None) == (height is None):
        msg = "Give either --dem or --height."
        raise usage(msg)
    if heights is not None and dem is None:
        msg = "--heights says what heights of --dem are above: it needs one. --height counts from the ellipsoid."
        raise usage(msg)
    if (points is None) == (row is None) or (row is None) != (col is None):
        msg = "Give either ROW and COL, or --points."
        raise usage(msg)
    outputs_differ_from([image, dem, points, rpc], [output])
    model = rpc_of(image, rpc, origin=rpc_origin)
    if points is not None:
        table = read_points(points, ("row", "col"))
    else:
        table = {"row": np.array([row], dtype=np.float64), "col": np.array([col], dtype=np.float64)}
    if dem is not None:
        found = localize_on(model, Dem.open(dem, heights=heights), table["row"], table["col"])
    else:
        found = model.localize(table["row"], table["col"], np.float64(height))
    far = (found.status == Status.OK) & ~model.in_domain(found.lon, found.lat, found.height)
    found.status[far] = Status.OUTSIDE_IMAGE
    columns = {**table, "lon": found.lon, "lat": found.lat, "height": found.height}
    emit(columns, found.status, ("lon", "lat", "height"), output=output)
