"""`trueground ortho`."""

from __future__ import annotations

from pathlib import Path

from trueground.cli.console import console
from trueground.cli.options import (
    Bounds,
    DemResampling,
    Flag,
    ImageResampling,
    Output,
    RpcOrigin,
    outputs_differ_from,
    raster_output,
    usage,
)


def ortho(
    image: str,
    /,
    *,
    dem: str,
    output: Output,
    rpc: str | None = None,
    rpc_origin: RpcOrigin = None,
    heights: str | None = None,
    dem_scale: float = 1.0,
    dem_offset: float = 0.0,
    dem_interpolation: DemResampling = "bilinear",
    crs: str | None = None,
    resolution: float | None = None,
    bounds: Bounds = None,
    like: Path | None = None,
    resampling: ImageResampling = "bilinear",
    threads: int = 0,
    cog: Flag = False,
) -> None:
    """Put an image that carries RPCs in its true place on the ground, over an elevation model.

    Example: `trueground ortho scene.tif --dem srtm.tif --heights egm96 -o ortho.tif --resolution 0.5`

    Parameters
    ----------
    image
        Image with RPC metadata, or any image with --rpc.
    dem
        Elevation model [m].
    output
        The orthoimage (GeoTIFF).
    rpc
        File with the RPC of the full scene: DIMAP or Maxar XML, .RPB, _RPC.TXT, .geom, JSON, or an image.
    rpc_origin
        What the RPC file calls the centre of its first pixel: 0 or 1. Default: what its product does.
    heights
        What heights of the DEM are above: ellipsoid, egm96, egm2008 or a grid file. Default: as its CRS says.
    dem_scale
        What heights of the DEM are multiplied by.
    dem_offset
        Metres that are added to them then.
    dem_interpolation
        How heights between the centres of the DEM's cells are made.
    crs
        CRS of the output. Default: the UTM zone of the image.
    resolution
        Pixel size in units of the CRS. Default: what the image resolves.
    bounds
        West, south, east, north in the CRS. Default: what the image sees, on multiples of the resolution.
    like
        Take the grid of this raster.
    resampling
        How values between pixels are made.
    threads
        Number of threads; 0 takes all processors.
    cog
        Write a cloud-optimised GeoTIFF.
    """
    from trueground.cli.elevation import opened
    from trueground.coverage import check_grid, share_with_heights
    from trueground.engine import Threads
    from trueground.ortho import Orthoimage, ortho_grid
    from trueground.projection import parse_crs
    from trueground.raster import open_raster
    from trueground.rpc.readers import rpc_for_image
    from trueground.writer import write

    if like is not None and (crs, resolution, bounds) != (None, None, None):
        msg = "--like gives the whole grid: leave out --crs, --resolution and --bounds."
        raise usage(msg)
    outputs_differ_from([image, dem, rpc, like], [raster_output(output)])
    picture = open_raster(image)
    model = rpc_for_image(picture, rpc, origin=rpc_origin)
    surface = opened(
        dem, heights=heights, scale=dem_scale, offset=dem_offset, interpolation=dem_interpolation
    )
    console.note(f"heights of {dem}: above {surface.datum}")
    if like is not None:
        grid = open_raster(like).grid
    else:
        grid = ortho_grid(
            picture,
            model,
            surface,
            crs=None if crs is None else parse_crs(crs),
            resolution=resolution,
            bounds=bounds,
        )
    if (like, resolution, bounds) != (
        None,
        None,
        None,
    ):  # a grid of our own making fits by its making
        check_grid(grid, picture, model, dem=surface)
    share = share_with_heights(picture, model, surface)
    if share < 1.0:
        console.warn(f"{dem} has heights under {share:.0%} of the image: the rest of it is no data")
    rows, cols = grid.shape
    console.note(
        f"output: {rows} x {cols} px of {grid.resolution[0]:g}, {grid.crs.name if grid.crs else 'no CRS'}"
    )
    result = Orthoimage(image=picture, rpc=model, dem=surface, grid=grid, resampling=resampling)
    history = {
        "image": image,
        "dem": dem,
        "heights": str(surface.datum),
        "dem_scale": str(dem_scale),
        "dem_offset": str(dem_offset),
        "dem_interpolation": dem_interpolation,
        "rpc": model.origin,
        "resampling": resampling,
    }
    with console.progress("ortho") as step, console.timed("ortho"):
        write(
            result,
            output,
            engine=Threads(threads),
            driver="COG" if cog else "GTiff",
            history=history,
            descriptions=tuple(d or "" for d in getattr(picture, "descriptions", ())),
            progress=step,
        )
    west, south, east, north = grid.bounds
    print(f"{grid!r}, bounds {west:.10g} {south:.10g} {east:.10g} {north:.10g}")
    console.note(f"wrote {output}")
