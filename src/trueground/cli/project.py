"""`trueground project`."""

from __future__ import annotations

from pathlib import Path

from trueground.cli.endings import TABLES, check_ending
from trueground.cli.options import File, OptionalOutput, RpcOrigin, outputs_differ_from, usage


def project(  # noqa: PLR0917 (a point is three numbers)
    image: File,
    lon: float | None = None,
    lat: float | None = None,
    height: float | None = None,
    /,
    *,
    points: Path | None = None,
    output: OptionalOutput = None,
    rpc: File | None = None,
    rpc_origin: RpcOrigin = None,
) -> None:
    """Find the pixels of an image that show ground points.

    Example: `trueground project scene.tif 5.198 44.208 812.4`

    Parameters
    ----------
    image
        Image with RPC metadata, or a file that holds an RPC alone; then rows and columns are those of the full scene.
    lon
        Longitude of one point [degrees].
    lat
        Latitude of one point [degrees].
    height
        Height of one point above the WGS 84 ellipsoid [m].
    points
        CSV with a header lon,lat,height.
    output
        CSV or GeoJSON, by its ending. Default: CSV on standard output.
    rpc
        File with the RPC of the full scene, for an image without.
    rpc_origin
        What the RPC file calls the centre of its first pixel: 0 or 1. Default: what its product does.
    """
    import numpy as np

    from trueground.cli.tables import emit, warn_beside_image
    from trueground.points import read_points
    from trueground.rpc.readers import rpc_of
    from trueground.rpc.viewing import warn_of_extrapolation
    from trueground.status import Status

    given = [v is not None for v in (lon, lat, height)]
    if any(given) != all(given) or any(given) == (points is not None):
        msg = "Give either LON, LAT and HEIGHT, or --points."
        raise usage(msg)
    outputs_differ_from([image, points, rpc], {"--output": output})
    check_ending(output, TABLES, "points are written")
    model = rpc_of(image, rpc, origin=rpc_origin)
    names = ("lon", "lat", "height")
    if points is not None:
        table = read_points(points, names)
    else:
        table = {
            n: np.array([v], dtype=np.float64)
            for n, v in zip(names, (lon, lat, height), strict=True)
        }
    row, col = model.project(table["lon"], table["lat"], table["height"])
    status = np.where(np.isfinite(row), Status.OK, Status.DIVERGED).astype(np.uint8)
    status[~model.in_domain(*(table[n] for n in names))] = Status.OUTSIDE_IMAGE
    status[~np.isfinite(np.sum([table[n] for n in names], axis=0))] = Status.BAD_INPUT
    answered = (np.where(status == Status.OK, table[n], np.nan) for n in names)
    warn_of_extrapolation(model, *answered)
    warn_beside_image(image, np.where(status == Status.OK, row, np.nan), col)
    emit({**table, "row": row, "col": col}, status, ("row", "col"), output=output, done="projected")
