"""Output grids of orthoimages: where the image lies on the ground, and how fine it is there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from trueground.dem import Dem
from trueground.errors import InputError, OverlapError
from trueground.grid import Bounds, Grid
from trueground.projection import WGS84, count_longitudes_about, project, project_bounds, utm_of
from trueground.raster import Raster, name_of
from trueground.rpc.footprint import outline
from trueground.rpc.localize import localize_on
from trueground.rpc.located import Located
from trueground.rpc.model import Rpc
from trueground.status import Status

_OUTLINE = 1024  # steps along each side of the image, whose ground positions bound the output
_INTERIOR = 33  # points along each side of a mesh, for a DEM that ends within the image


def footprint(image: Raster, rpc: Rpc, dem: Dem, *, crs: CRS) -> Bounds:
    """Return west, south, east, north in `crs` of the ground that the image shows on the DEM.

    Parameters
    ----------
    image, rpc
        The image, and its RPC in its own pixels.
    dem
        Heights of the ground.
    crs
        What the bounds count in.

    Raises
    ------
    OverlapError
        Where no pixel looks at the DEM.
    """
    rows, cols = image.grid.shape
    row, col = outline(rows, cols, steps=_OUTLINE)
    inner = np.linspace(0.0, 1.0, _INTERIOR)
    mesh_row, mesh_col = np.meshgrid(inner * rows, inner * cols, indexing="ij")
    # Two meshes, of the image and of the DEM: one of them may lie between two points of the other.
    dem_row, dem_col = _image_of(dem, rpc, shape=(rows, cols))
    seen = localize_on(
        rpc,
        dem,
        np.concatenate([row, mesh_row.reshape(-1), dem_row]),
        np.concatenate([col, mesh_col.reshape(-1), dem_col]),
    )
    ok = seen.status == Status.OK
    if not ok.any():
        _raise_no_overlap(rpc, dem, shape=(rows, cols))
    middle = float(project(WGS84, crs, rpc.long_off, rpc.lat_off)[0])
    x, y = _project_about(crs, seen.lon[ok], seen.lat[ok], middle=middle)
    on_edge = ok[: row.size]
    if not on_edge.all():  # the DEM ends, or has holes, within the image: what it could show there
        low, high = np.nanmin(seen.height), np.nanmax(seen.height)
        for height in (low, high):
            end = rpc.localize(row[~on_edge], col[~on_edge], height)
            more_x, more_y = _project_about(crs, *_within(dem, end), middle=middle)
            x, y = np.append(x, more_x), np.append(y, more_y)
    west, south, east, north = np.nanmin(x), np.nanmin(y), np.nanmax(x), np.nanmax(y)
    # Between two points of the outline the ground may reach a little further out.
    edge = seen.lon[: row.size], seen.lat[: row.size]
    edge_x, edge_y = _project_about(crs, *edge, middle=middle)
    steps = np.hypot(np.diff(edge_x), np.diff(edge_y))
    known = steps[np.isfinite(steps) & (steps > 0.0)]
    margin = float(np.median(known)) if known.size else 0.0
    return (
        float(west) - margin,
        float(south) - margin,
        float(east) + margin,
        float(north) + margin,
    )


def _project_about(
    crs: CRS, lon: NDArray[np.float64], lat: NDArray[np.float64], *, middle: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project onto `crs`, with x counted on across the antimeridian from `middle`."""
    x, y = project(WGS84, crs, lon, lat)
    return count_longitudes_about(crs, x, middle), y


def _image_of(
    dem: Dem, rpc: Rpc, *, shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where a mesh of the DEM's cells appears in the image, those that do."""
    at = [
        np.unique(np.linspace(0, n - 1, _INTERIOR).astype(np.intp)) + 0.5
        for n in dem.raster.grid.shape
    ]
    x, y = dem.raster.grid.xy(at[0][:, np.newaxis], at[1][np.newaxis, :])
    lon, lat = project(dem.crs, WGS84, x, y)
    row, col = rpc.project(lon, lat, dem.heights(lon, lat))
    with np.errstate(invalid="ignore"):
        inside = (row >= 0.0) & (row <= shape[0]) & (col >= 0.0) & (col <= shape[1])
    return row[inside], col[inside]


def _within(dem: Dem, at: Located) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitude and latitude of points, those beside the DEM moved to its edge."""
    rows, cols = dem.raster.grid.shape
    row, col = dem.rowcol(at.lon, at.lat)
    x, y = dem.raster.grid.xy(np.clip(row, 0.0, rows), np.clip(col, 0.0, cols))
    return project(dem.crs, WGS84, x, y)


def _raise_no_overlap(rpc: Rpc, dem: Dem, *, shape: tuple[int, int]) -> None:
    rows, cols = shape
    centre = rpc.localize(rows / 2.0, cols / 2.0, rpc.height_off)
    west, south, east, north = project_bounds(dem.crs, WGS84, dem.raster.grid.bounds)
    msg = (
        f"the image (centre at longitude {float(centre.lon):.4f}, latitude "
        f"{float(centre.lat):.4f}) does not look at "
        f"{name_of(dem.raster)} (longitude {west:.4f} to {east:.4f}, "
        f"latitude {south:.4f} to {north:.4f}): "
        "give a DEM that covers it and has heights there"
    )
    raise OverlapError(msg)


def ground_sampling(rpc: Rpc, shape: tuple[int, int], *, crs: CRS, height: float) -> float:
    """Return the size of the image's central pixel on the ground: the side of a square of its area.

    Parameters
    ----------
    rpc
        In the image's own pixels.
    shape
        Rows and columns of the image.
    crs
        In whose units the size is told.
    height
        Of the ground above the ellipsoid [m].
    """
    row, col = shape[0] / 2.0, shape[1] / 2.0
    at = rpc.localize(np.array([row, row + 1.0, row]), np.array([col, col, col + 1.0]), height)
    x, y = project(WGS84, crs, at.lon, at.lat)
    x = count_longitudes_about(crs, x, float(x[0]))
    area = abs((x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]))
    return math.sqrt(area)


def ortho_grid(
    image: Raster,
    rpc: Rpc,
    dem: Dem,
    *,
    crs: CRS | None = None,
    resolution: float | None = None,
    bounds: Bounds | None = None,
    align: bool = False,
) -> Grid:
    """Return the grid of an orthoimage.

    Parameters
    ----------
    image, rpc, dem
        The image, its RPC in its own pixels, and the elevation model.
    crs
        Reference system; the UTM zone of the image's centre by default (polar stereographic near
        the poles).
    resolution
        Pixel size in units of `crs`; the native ground sampling, rounded to two digits, by default.
    bounds
        West, south, east, north in `crs`; what the image sees by default, edges on multiples of
        the resolution.
    align
        Move given bounds outwards to multiples of the resolution.

    Examples
    --------
    >>> from trueground.samples import small_scene
    >>> image, rpc, dem = small_scene()
    >>> from trueground import ortho_grid
    >>> ortho_grid(image, rpc, dem).crs.name
    'WGS 84 / UTM zone 32N'
    """
    (grid,) = common_grids(
        [(image, rpc)], dem, crs=crs, resolution=resolution, bounds=bounds, align=align
    )
    return grid


def common_grids(
    views: Sequence[tuple[Raster, Rpc]],
    dem: Dem,
    *,
    crs: CRS | None = None,
    resolution: float | None = None,
    bounds: Bounds | None = None,
    align: bool = False,
    same: bool = False,
) -> list[Grid]:
    """Return grids of several orthoimages that fit into each other to the pixel.

    All have one reference system and one extent: that of what all images see together. The finest image has its native
    pixel size; each of the others the whole multiple of it that is nearest to its own, so that a pixel of a
    multispectral image holds a whole number of those of its panchromatic one. Edges lie on multiples of all sizes.

    Parameters
    ----------
    views
        Images and their RPCs in their own pixels.
    dem
        Elevation model of all of them.
    crs
        Reference system; by default the UTM zone of the first image's centre (polar stereographic near the poles).
    resolution
        Pixel size of all of them in units of `crs`.
    bounds, align
        As for `ortho_grid`; given bounds are widened to the south and east to whole pixels of all grids.
    same
        Give all of them the pixel size of the finest.

    Raises
    ------
    InputError
        Where there is no image, or the grid asked for would be empty or far too fine.

    Examples
    --------
    >>> from trueground.samples import small_scene
    >>> image, rpc, dem = small_scene()
    >>> from trueground import common_grids
    >>> pan, ms = common_grids([(image, rpc), (image, rpc.rescaled(0.25))], dem, resolution=None)
    >>> pan.bounds == ms.bounds
    True
    """
    use = _utm_of_centre(*views[0]) if crs is None else crs
    sizes = [_native(*view, crs=use) if resolution is None else resolution for view in views]
    finest = min(sizes)
    if not (math.isfinite(finest) and finest > 0.0):
        msg = f"resolution {finest}: must be a positive number"
        raise InputError(msg)
    times = [1 if same else max(round(size / finest), 1) for size in sizes]
    step = finest * math.lcm(*times)
    if bounds is None:
        seen = np.array([footprint(image, rpc, dem, crs=use) for image, rpc in views])
        west, south = seen[:, :2].min(axis=0)
        east, north = seen[:, 2:].max(axis=0)
        bounds, align = (float(west), float(south), float(east), float(north)), True
    coarse = Grid.covering(bounds, step, crs=use, snap=align)
    (rows, cols), t = coarse.shape, coarse.transform
    return [
        Grid(
            crs=use,
            transform=Affine(finest * n, 0.0, t.c, 0.0, -finest * n, t.f),
            shape=(rows * (math.lcm(*times) // n), cols * (math.lcm(*times) // n)),
        )
        for n in times
    ]


def _utm_of_centre(image: Raster, rpc: Rpc) -> CRS:
    rows, cols = image.grid.shape
    centre = rpc.localize(rows / 2.0, cols / 2.0, rpc.height_off)
    if centre.status != Status.OK:
        msg = (
            "the RPC cannot be inverted at the centre of the image: "
            "it is damaged, or belongs to another image"
        )
        raise InputError(msg)
    return utm_of(float(centre.lon), float(centre.lat))


def _native(image: Raster, rpc: Rpc, *, crs: CRS) -> float:
    """Return the native ground sampling, rounded to two digits."""
    native = ground_sampling(rpc, image.grid.shape, crs=crs, height=rpc.height_off)
    if not math.isfinite(native) or native <= 0.0:
        msg = f"the image has no ground sampling in {crs.name}: choose another CRS, or give a resolution"
        raise InputError(msg)
    return float(round(native, 1 - math.floor(math.log10(native))))
