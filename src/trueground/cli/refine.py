"""`trueground refine`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from trueground.cli.console import console
from trueground.cli.options import Output, RpcOrigin, outputs_differ_from

_SCATTER = 10.0  # px; nobody measures a point that badly


def refine(
    image: str,
    gcps: str,
    /,
    *,
    output: Output,
    model: Literal["shift", "drift", "affine"] | None = None,
    rpc: str | None = None,
    rpc_origin: RpcOrigin = None,
    crs: str | None = None,
    heights: str | None = None,
    residuals: Path | None = None,
) -> None:
    """Correct the RPC of an image by ground control points.

    Points that cannot be right are rejected. The refined RPC counts the pixels of the full scene, like all RPC files; a
    file named as GDAL looks for it beside the image (scene.RPB, scene_RPC.TXT) counts those of the image.

    Example: `trueground refine scene.tif points.csv -o scene.RPB --heights egm96`

    Parameters
    ----------
    image
        Image with RPC metadata, or a file that holds an RPC alone; then rows and columns are those of the full scene.
    gcps
        CSV with a header row,col,lon,lat,height or row,col,x,y,z; or GeoJSON, GeoPackage, ... of points with the
        attributes row and col.
    output
        The refined RPC: .RPB, .TXT or .json.
    model
        shift (1 point at least), drift (2) or affine (3). Default: what predicts points left out best.
    rpc
        File with the RPC of the full scene, for an image without.
    rpc_origin
        What the RPC file calls the centre of its first pixel: 0 or 1. Default: what its product does.
    crs
        CRS of x,y. Default: that of the vector file.
    heights
        What heights of the points are above: ellipsoid, egm96, egm2008 or a grid file. Default: as the CRS says; a
        column named height is above the ellipsoid.
    residuals
        CSV with the errors of each point before and after.
    """
    from trueground.rpc.gcps import read_gcps
    from trueground.rpc.readers import rpc_of
    from trueground.rpc.refine import for_file
    from trueground.rpc.refine import refine as refined_by
    from trueground.rpc.writers import write_rpc
    from trueground.writer import write_text

    outputs_differ_from([image, gcps, rpc], [output, residuals])
    row, col = for_file(image, output, keep=rpc is None)
    before = rpc_of(image, rpc, origin=rpc_origin)
    found = refined_by(before, read_gcps(gcps, crs=crs, heights=heights), model=model)
    write_rpc(found.rpc.cropped(-row, -col), output)
    if residuals is not None:
        write_text(residuals, found.to_csv())
    print(found.summary())
    if found.sigma > _SCATTER:
        console.warn(
            f"the points scatter by {found.sigma:.0f} px about the correction; "
            "check that they belong to this image, and --crs and --heights"
        )
    if row or col:
        console.note(f"rows and columns in {output} are those of the full scene")
    console.note(f"wrote {', '.join(str(p) for p in (output, residuals) if p is not None)}")
