"""A small image of rough, textured ground by a known RPC, and the orthoimage that is its truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from pyproj import CRS
from scipy import ndimage

from cli_scene import hills, simple_rpc
from trueground.dem import Dem
from trueground.grid import Grid
from trueground.projection import WGS84, project
from trueground.raster import ArrayRaster
from trueground.rpc.localize import localize_on
from trueground.rpc.model import Rpc
from trueground.rpc.refine import folded

SIZE = 300  # px of the image
CRS32 = CRS.from_epsg(32632)
LEFT, TOP = 399_700.0, 5_145_500.0


@dataclass(frozen=True, kw_only=True)
class Small:
    """The scene."""

    image: ArrayRaster
    rpc: Rpc
    dem: Dem
    heights: ArrayRaster
    reference: ArrayRaster


def random_texture(shape: tuple[int, int], seed: int) -> np.ndarray:
    """Brightness with detail at all scales down to three pixels."""
    rng = np.random.default_rng(seed)
    out = sum(
        s * ndimage.gaussian_filter(rng.normal(size=shape), s, mode="wrap") for s in (1.2, 3, 8, 20)
    )
    return 500.0 + 100.0 * np.asarray(out) / np.std(out)


def small(seed: int = 0) -> Small:
    """Make the scene."""
    rough = Grid(
        crs=CRS32, transform=Affine(10.0, 0, 399_000.0, 0, -10.0, 5_146_200.0), shape=(240, 240)
    )
    x, y = rough.xy(*rough.window.pixel_centres())
    heights = ArrayRaster(array=hills(x, y).astype(np.float32), grid=rough)
    dem = Dem.open(heights, heights="ellipsoid")
    fine = Grid(crs=CRS32, transform=Affine(2.0, 0, LEFT, 0, -2.0, TOP), shape=(500, 500))
    texture = random_texture(fine.shape, seed)
    rpc = simple_rpc(SIZE)
    rows, cols = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5, indexing="ij")
    seen = localize_on(rpc, dem, rows, cols)
    row, col = fine.rowcol(*project(WGS84, CRS32, seen.lon, seen.lat))
    values = ndimage.map_coordinates(texture, [row - 0.5, col - 0.5], order=5, mode="nearest")
    image = ArrayRaster(
        array=values.astype(np.float32),
        grid=Grid(crs=None, transform=Affine.identity(), shape=(SIZE, SIZE)),
    )
    reference = ArrayRaster(array=texture.astype(np.float32), grid=fine)
    return Small(image=image, rpc=rpc, dem=dem, heights=heights, reference=reference)


def biased(rpc: Rpc, *, drift: float = 1.0) -> Rpc:
    """Return an RPC that is wrong by (8, -5) px and by twice `drift` from one end of the scene to the other."""
    return folded(rpc, np.array([[8.0, drift, 0.0], [-5.0, 0.0, -drift]]))[0]


def error(found: Rpc, truth: Rpc, dem: Dem, shape: tuple[int, int]) -> tuple[float, float]:
    """Return RMS and largest distance [px] of two RPCs over what an image shows of a DEM."""
    at = [np.linspace(0.5, n - 0.5, 31) for n in shape]
    row, col = (a.reshape(-1) for a in np.meshgrid(*at, indexing="ij"))
    ground = localize_on(truth, dem, row, col)
    seen = found.project(ground.lon, ground.lat, ground.height)
    distance = np.hypot(seen[0] - row, seen[1] - col)
    distance = distance[np.isfinite(distance)]
    assert distance.size > row.size / 2
    return float(np.sqrt(np.mean(distance**2))), float(distance.max())
