"""Views and surfaces on which the classic solvers are tested."""

from __future__ import annotations

import numpy as np
from affine import Affine
from pyproj import CRS, Transformer

from trueground.dem import Dem
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.rpc.model import Rpc

UTM31, LONLAT = CRS.from_epsg(32631), CRS.from_epsg(4326)
LON, LAT = 3.0, 45.0
EAST, NORTH = Transformer.from_crs(LONLAT, UTM31, always_xy=True).transform(LON, LAT)


def camera(tilt=(0.3, -0.6), *, bend=2e-3) -> Rpc:
    """An image of 2000 x 2000 px of about 1 m, which leans by `tilt` [px a metre of height]."""
    terms = np.zeros((4, 20))
    terms[[1, 3], 0] = 1.0
    terms[0, 2], terms[2, 1] = -1.0, 1.0
    terms[0, 3], terms[2, 3] = tilt
    terms[0, 9], terms[2, 9], terms[0, 4], terms[2, 8] = bend, -bend, bend, bend
    terms[1, 1:4], terms[3, 1:4] = (bend / 2, -bend, bend / 2), (bend, bend / 2, -bend / 2)
    return Rpc(
        line_off=999.5, samp_off=999.5, lat_off=LAT, long_off=LON, height_off=500.0,
        line_scale=1000.0, samp_scale=1000.0, lat_scale=0.009, long_scale=0.0127, height_scale=1000.0,
        line_num=terms[0], line_den=terms[1], samp_num=terms[2], samp_den=terms[3],
    )  # fmt: skip


def dem_of(height, *, cell=10.0, size=400, crs=UTM31) -> Dem:
    """Sample `height(east, north)`, metres from the middle, on a grid around the camera's ground."""
    per = (cell / 78_800.0, cell / 111_100.0) if crs == LONLAT else (cell, cell)
    middle = (LON, LAT) if crs == LONLAT else (EAST, NORTH)
    origin = middle[0] - per[0] * size / 2, middle[1] + per[1] * size / 2
    grid = Grid(
        crs=crs, transform=Affine(per[0], 0, origin[0], 0, -per[1], origin[1]), shape=(size, size)
    )
    x = (np.arange(size) + 0.5 - size / 2) * cell
    east, north = np.meshgrid(x, -x)
    z = np.broadcast_to(height(east, north), (size, size)).astype(np.float32)
    return Dem.open(ArrayRaster(array=z, grid=grid), heights="ellipsoid")


def town(east, north):
    """Ground at 500 m with blocks of 40 m, walls one cell wide."""
    return 500.0 + 40.0 * ((np.mod(east, 120.0) < 50.0) & (np.mod(north, 140.0) < 60.0))


def rough(amplitude):
    """Hills with waves of 90 to 700 m."""

    def height(east, north):
        z = np.sin(east / 110.0) * np.cos(north / 90.0) + 0.5 * np.sin(east / 31.0 + north / 44.0)
        return 500.0 + amplitude * (z + 0.3 * np.sin(north / 15.0))

    return height


def pixels(number, seed=0, *, low=300.0, high=1700.0):
    return np.random.default_rng(seed).uniform(low, high, (2, number))


def slope_along(rpc, row, col, plane, *, apart=50.0):
    """tan(incidence) and slope along the azimuth of the sensor of a plane (east, north), from positions in UTM."""
    to_utm = Transformer.from_crs(LONLAT, UTM31, always_xy=True)
    ends = [rpc.localize(row, col, 500.0 + h) for h in (-apart, apart)]
    (x0, y0), (x1, y1) = (to_utm.transform(p.lon.item(), p.lat.item()) for p in ends)
    east, north = (x1 - x0) / (2 * apart), (y1 - y0) / (2 * apart)
    tangent = np.hypot(east, north)
    return tangent, (plane[0] * east + plane[1] * north) / tangent
