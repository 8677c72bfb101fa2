"""Whether a grid, a DEM and an image belong together, before anything is made of them."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from ray_scenes import slanted
from trueground.coverage import check_grid
from trueground.dem import Dem
from trueground.errors import OverlapError
from trueground.grid import Grid
from trueground.raster import ArrayRaster

LONLAT = CRS.from_epsg(4326)


def test_a_grid_far_away_is_refused_though_the_rpc_says_something_there():
    """Half around the globe the polynomials lead back into the image."""
    rpc = slanted(20, 90, (0.0, 1000.0))
    globe = Grid(crs=LONLAT, transform=Affine(0.5, 0, -180, 0, -0.5, 90), shape=(360, 720))
    heights = ArrayRaster(array=np.full(globe.shape, 300, np.float32), grid=globe)
    dem = Dem.open(heights, heights="ellipsoid")
    shape = (20_000, 20_000)
    image = ArrayRaster(
        array=np.broadcast_to(np.uint8(7), shape),
        grid=Grid(crs=None, transform=Affine.identity(), shape=shape),
    )
    far = Grid(crs=LONLAT, transform=Affine(0.001, 0, -98.0, 0, -0.001, -55.0), shape=(900, 300))
    row, col = rpc.project(-97.9, -55.3, 300.0)
    assert 0.0 < row < shape[0] and 0.0 < col < shape[1]  # noqa: PT018
    with pytest.raises(OverlapError, match="would be empty"):
        check_grid(far, image, rpc, dem=dem)
    near = Grid(
        crs=LONLAT, transform=Affine(0.0001, 0, rpc.long_off, 0, -0.0001, rpc.lat_off), shape=(9, 9)
    )
    check_grid(near, image, rpc, dem=dem)
