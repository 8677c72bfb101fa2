"""Image to ground on a DEM: always the first point that is seen, on the surface, or a reason."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer

from trueground.dem import Dem
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.rpc import patch
from trueground.rpc.localize import localize_on
from trueground.rpc.model import Rpc
from trueground.rpc.readers import read_rpc
from trueground.status import Status

UTM31 = CRS.from_epsg(32631)
LONLAT = CRS.from_epsg(4326)
LON, LAT = 3.0, 45.0
EAST, NORTH = Transformer.from_crs(LONLAT, UTM31, always_xy=True).transform(LON, LAT)


def camera(tilt=(0.3, -0.6), *, bend=2e-3, height_scale=1000.0) -> Rpc:
    """An image of 2000 x 2000 px of about 1 m, that leans by `tilt` [px a metre of height].

    `bend` makes lines of sight curves, and every polynomial rational.
    """
    terms = np.zeros((4, 20))
    terms[[1, 3], 0] = 1.0  # denominators
    terms[1, 1:4], terms[3, 1:4] = (1e-3, -2e-3, 1e-3), (2e-3, 1e-3, -1e-3)
    terms[0, 2], terms[0, 1] = -1.0, 0.02  # rows run south
    terms[2, 1], terms[2, 2] = 1.0, 0.03
    terms[0, 3], terms[2, 3] = tilt[0] * height_scale / 1000.0, tilt[1] * height_scale / 1000.0
    terms[0, 9], terms[2, 9], terms[0, 4], terms[2, 8] = bend, -bend, bend, bend
    return Rpc(
        line_off=999.5, samp_off=999.5, lat_off=LAT, long_off=LON, height_off=500.0,
        line_scale=1000.0, samp_scale=1000.0, lat_scale=0.009, long_scale=0.0127,
        height_scale=height_scale,
        line_num=terms[0], line_den=terms[1], samp_num=terms[2], samp_den=terms[3],
    )  # fmt: skip


def relief(seed=0, shape=(200, 220), pixel=30.0, *, low=200.0, high=900.0, crs=UTM31, cliffs=True):
    """A rough DEM around the camera's ground."""
    rng = np.random.default_rng(seed)
    z = np.zeros(shape)
    for cells in (4, 9, 25, 60):
        coarse = rng.random((cells + 2, cells + 2))
        r, c = np.linspace(0, cells, shape[0])[:, None], np.linspace(0, cells, shape[1])[None, :]
        i, j = np.minimum(r.astype(int), cells), np.minimum(c.astype(int), cells)
        u, v = r - i, c - j
        z += (
            coarse[i, j] * (1 - u) * (1 - v) + coarse[i + 1, j] * u * (1 - v)
            + coarse[i, j + 1] * (1 - u) * v + coarse[i + 1, j + 1] * u * v
        ) / cells**0.7  # fmt: skip
    if cliffs:
        z += 0.3 * (np.sin(np.arange(shape[1]) / 9.0) > 0.3)
    z = low + (z - z.min()) / np.ptp(z) * (high - low)
    if crs.is_geographic:
        size = (pixel / 78_800.0, pixel / 111_100.0)
        origin = LON - size[0] * shape[1] / 2, LAT + size[1] * shape[0] / 2
    else:
        size = (pixel, pixel)
        origin = EAST - pixel * shape[1] / 2, NORTH + pixel * shape[0] / 2
    transform = Affine(size[0], 0, origin[0], 0, -size[1], origin[1])
    grid = Grid(crs=crs, transform=transform, shape=shape)
    return ArrayRaster(array=z.astype(np.float32), grid=grid)


def points(number, seed=1, size=2000.0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, size, number), rng.uniform(0, size, number)


def assert_on_ground(rpc, dem, row, col, found):
    ok = found.status == Status.OK
    back = rpc.project(found.lon[ok], found.lat[ok], found.height[ok])
    np.testing.assert_allclose(back[0], row[ok], atol=1e-6)
    np.testing.assert_allclose(back[1], col[ok], atol=1e-6)
    ground = dem.heights(found.lon[ok], found.lat[ok])
    # The polish ends at steps of 1e-7 m; at a crease of the surface the slope changes on the way.
    np.testing.assert_allclose(found.height[ok], ground, atol=1e-6)
    assert np.isnan([a[~ok] for a in found[:3]]).all()


@pytest.mark.parametrize("heights", ["ellipsoid", "egm96"])
@pytest.mark.parametrize("crs", [UTM31, LONLAT])
def test_hits_are_on_the_ground_and_in_the_image(crs, heights):
    rpc, dem = camera(), Dem.open(relief(crs=crs), heights=heights)
    row, col = points(5000)
    found = localize_on(rpc, dem, row, col)
    assert (found.status == Status.OK).all()
    assert_on_ground(rpc, dem, row, col, found)


@pytest.mark.parametrize("tilt", [(0.3, -0.6), (-1.5, 0.9), (0.0, 0.0)])
@pytest.mark.parametrize(("crs", "heights"), [(UTM31, "ellipsoid"), (LONLAT, "egm96")])
def test_it_is_the_first_point_that_is_met(crs, heights, tilt):
    """Dense marching down the exact curve, a step of 0.25 m, against the answer."""
    # Height in the camera's image: 1.5 px a metre is a view 56 degrees off the vertical.
    rpc = camera(tilt)
    dem = (
        Dem.open(relief(3), heights=heights)
        if crs == UTM31
        else Dem.open(relief(3, crs=LONLAT), heights=heights)
    )
    row, col = points(400, seed=2)
    found = localize_on(rpc, dem, row, col)
    top = 900.0 + 70.0
    levels = np.arange(top, 190.0, -0.25)
    seen = hidden = 0
    for k in range(row.size):
        at = rpc.localize(row[k], col[k], levels)
        above = levels - dem.heights(at.lon, at.lat)
        if found.status[k] != Status.OK:
            # It left the DEM, or came in from the side: no height at the top, or none below.
            assert np.isnan(above).any()
            continue
        met = np.flatnonzero(above <= 0.0)
        assert met.size
        seen += 1
        hidden += bool((np.diff(np.sign(above[np.isfinite(above)])) != 0).sum() > 1)
        first = levels[met[0]]
        # Not below the first step under ground; above it only where a peak is thinner than a step.
        assert found.height[k] > first - 1e-6
        if found.height[k] > first + 0.25:
            fine = rpc.localize(row[k], col[k], found.height[k] - 1e-4)
            assert found.height[k] - 1e-4 - dem.heights(fine.lon, fine.lat) < 0.0
    assert seen > 150
    if max(map(abs, tilt)) > 1.0:
        assert hidden > 20  # many lines of sight pass through the ground more than once


@pytest.mark.data
@pytest.mark.parametrize("name", ["N44E005.hgt", "N44E005_UTM.tif"])
def test_ventoux(data_folder, name):
    rpc = read_rpc(data_folder / "ventoux/left_image.geom")
    dem = Dem.open(data_folder / "ventoux" / name, heights="egm96")
    rng = np.random.default_rng(0)
    row, col = rng.uniform(0, 30_000, 3000), rng.uniform(0, 30_000, 3000)
    found = localize_on(rpc, dem, row, col)
    assert (found.status == Status.OK).mean() > 0.9
    assert_on_ground(rpc, dem, row, col, found)
    for k in np.flatnonzero(found.status == Status.OK)[:60]:
        levels = np.arange(found.height[k] + 800.0, found.height[k] + 0.05, -1.0)
        at = rpc.localize(row[k], col[k], levels)
        above = levels - dem.heights(at.lon, at.lat)
        assert (above[np.isfinite(above)] > 0.0).all()  # nothing in the way


def test_any_shape():
    rpc, dem = camera(), Dem.open(relief(), heights="ellipsoid")
    one = localize_on(rpc, dem, 700.5, 800.5)
    assert one.lon.shape == ()
    assert one.status == Status.OK
    grid = localize_on(rpc, dem, np.array([[700.5], [10.0]]), np.array([800.5, 1.0, 2.0]))
    assert grid.lat.shape == (2, 3)
    # A point is the same alone and among others, but for round-off of where its trace begins.
    assert float(grid.height[0, 0]) == pytest.approx(float(one.height), abs=1e-6)
    none = localize_on(rpc, dem, np.empty((0, 4)), np.empty((0, 4)))
    assert [a.shape for a in none] == [(0, 4)] * 4
    assert none.status.dtype == np.uint8


def test_numbers_that_are_missing():
    rpc, dem = camera(), Dem.open(relief(), heights="ellipsoid")
    found = localize_on(rpc, dem, [np.nan, 5.0, np.inf, 700.0], [5.0, np.nan, 5.0, 700.0])
    assert found.status.tolist() == [Status.BAD_INPUT] * 3 + [Status.OK]
    assert np.isnan(found.lon[:3]).all()


def test_beside_the_dem():
    rpc, dem = camera(), Dem.open(relief(shape=(40, 40)), heights="ellipsoid")
    row, col = rpc.project(LON, LAT, float(dem.heights(LON, LAT)))
    found = localize_on(rpc, dem, [5.0, float(row), 3000.0], [5.0, float(col), -500.0])
    assert found.status.tolist() == [Status.OUTSIDE_DEM, Status.OK, Status.OUTSIDE_DEM]
    assert np.isnan(found.height[[0, 2]]).all()
    far = Dem.open(
        ArrayRaster(
            array=np.zeros((9, 9), dtype=np.float32),
            grid=Grid(crs=UTM31, transform=Affine(30, 0, 4e5, 0, -30, 5.2e6), shape=(9, 9)),
        ),
        heights="ellipsoid",
    )
    assert localize_on(rpc, far, 5.0, 5.0).status == Status.OUTSIDE_DEM


def test_holes():
    source = relief(cliffs=False)
    source.array[0, 90:110, 100:120] = np.nan
    rpc, dem = camera(), Dem.open(source, heights="ellipsoid")
    row, col = points(4000)
    found = localize_on(rpc, dem, row, col)
    assert set(found.status.tolist()) == {Status.OK, Status.NO_DATA}
    assert (found.status == Status.NO_DATA).sum() > 100
    assert_on_ground(rpc, dem, row, col, found)
    nothing = ArrayRaster(array=np.full_like(source.array, np.nan), grid=source.grid)
    empty = localize_on(rpc, Dem.open(nothing, heights="ellipsoid"), row[:9], col[:9])
    assert (empty.status == Status.NO_DATA).all()


def test_points_that_the_rpc_cannot_invert_do_not_disturb_the_others():
    rpc, dem = camera(), Dem.open(relief(), heights="ellipsoid")
    row, col = np.array([700.0, 1e12, 900.0]), np.array([700.0, 1e12, 900.0])
    found = localize_on(rpc, dem, row, col)
    assert found.status.tolist() == [Status.OK, Status.DIVERGED, Status.OK]


def test_an_rpc_that_fails_far_from_its_heights():
    """Its domain spans 40 m of height, its curves run wild at 9000 m: the DEM's own range helps."""
    rpc = camera(bend=0.05, height_scale=40.0)
    rpc = Rpc(
        **{
            **{f: getattr(rpc, f) for f in rpc.__dataclass_fields__ if not f.startswith("_")},
            "line_num": (*rpc.line_num[:19], 0.05),
        }
    )
    source = relief(low=480.0, high=520.0)
    dem = Dem.open(source, heights="ellipsoid")
    assert (rpc.localize(1000.0, 1000.0, 9000.0).status != Status.OK).all()
    row, col = points(500)
    found = localize_on(rpc, dem, row, col)
    # Such a model bends by pixels over metres of height: a few points are given up, and none is wrong.
    assert set(found.status.tolist()) <= {Status.OK, Status.DIVERGED}
    assert (found.status == Status.OK).mean() > 0.95
    ok = found.status == Status.OK
    back = rpc.project(found.lon[ok], found.lat[ok], found.height[ok])
    np.testing.assert_allclose(back, (row[ok], col[ok]), atol=1e-6)
    np.testing.assert_allclose(
        found.height[ok], dem.heights(found.lon[ok], found.lat[ok]), atol=1e-4
    )


def test_a_cubic_dem_is_looked_at_as_its_bilinear_surface():
    source = relief(cliffs=False)
    row, col = points(200)
    both = [
        localize_on(camera(), Dem.open(source, heights="ellipsoid", interpolation=i), row, col)
        for i in ("bilinear", "cubic")
    ]
    np.testing.assert_array_equal(both[0].height, both[1].height)


def test_groups_and_batches_change_nothing(monkeypatch):
    rpc, dem = camera((-1.5, 0.9)), Dem.open(relief(3), heights="egm96")
    row, col = points(1000)
    whole = localize_on(rpc, dem, row, col)
    monkeypatch.setattr(patch, "LARGEST_WINDOW", 60 * 60)
    parts = localize_on(rpc, Dem.open(relief(3), heights="egm96"), row, col)
    ok = whole.status == Status.OK
    np.testing.assert_array_equal(parts.status, whole.status)
    # Traces begin at other heights, so that a hit is polished from another side by round-off.
    np.testing.assert_allclose(parts.height[ok], whole.height[ok], atol=1e-6)


def test_memory_stays_bounded_on_a_fine_dem(monkeypatch):
    """Heights from -600 to 9000 m would need all of a fine DEM; its own range needs little."""
    sizes = []

    class Watched(ArrayRaster):
        def read(self, window):
            sizes.append(window.size)
            return super().read(window)

    source = relief(shape=(3000, 3000), pixel=2.0, cliffs=False)
    watched = Watched(array=source.array, grid=source.grid)
    monkeypatch.setattr(patch, "LARGEST_WINDOW", 1 << 20)
    row, col = points(300)
    found = localize_on(camera((0.8, 0.8)), Dem.open(watched, heights="ellipsoid"), row, col)
    assert (found.status == Status.OK).mean() > 0.7
    assert max(sizes) <= 256 * 256 * 64


def test_a_local_geoid_ends_where_the_dem_does(tmp_path, write_tif):
    """Lines of sight that start beside the DEM ask for no undulation there."""
    source = relief(shape=(60, 60))
    west, south, east, north = Transformer.from_crs(UTM31, LONLAT, always_xy=True).transform_bounds(
        *source.grid.bounds
    )
    step = 0.005
    cols, rows = int((east - west) / step) + 4, int((north - south) / step) + 4
    path = write_tif(
        np.full((rows, cols), 47.0, dtype=np.float32),
        crs="EPSG:4326",
        transform=Affine(step, 0, west - step * 1.5, 0, -step, north + step * 1.5),
    )
    rpc, dem = camera((-1.5, 0.9)), Dem.open(source, heights=path)
    row, col = points(1000)
    found = localize_on(rpc, dem, row, col)
    assert {Status.OK, Status.OUTSIDE_DEM} <= set(found.status.tolist())
    assert_on_ground(rpc, dem, row, col, found)
