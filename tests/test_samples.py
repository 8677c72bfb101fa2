"""The synthetic world against independent geometry: it is the truth for everything else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyproj
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from trueground import samples
from trueground.errors import InputError
from trueground.kernels import erosion, render
from trueground.raster import as_float, open_raster
from trueground.rpc.readers import read_rpc
from trueground.samples.sensor import to_ecef, to_geodetic
from trueground.samples.synthetic import SIDES, Side
from trueground.samples.view import tile_maxima
from trueground.vectors import outline_mask

Float = NDArray[np.float64]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def world() -> samples.World:
    """The whole world, made once and kept between runs."""
    return samples.world()


@pytest.fixture(scope="session")
def reference(world: samples.World) -> NDArray[np.float32]:
    raster = open_raster(world.reference)
    return raster.read(raster.grid.window)[0]


def everything(path: Path) -> NDArray[np.generic]:
    raster = open_raster(path)
    return raster.read(raster.grid.window)[0]


def bilinear(values: NDArray[np.generic], row: Float, col: Float) -> Float:
    """An independent bilinear interpolation; rows and columns count from the outer corner."""
    at = np.stack([row - 0.5, col - 0.5])
    return ndimage.map_coordinates(np.asarray(values, float), at, order=1, cval=np.nan)


def some_pixels(sensor: samples.PushbroomSensor, n: int, seed: int = 0) -> tuple[Float, Float]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, sensor.shape[0], n), rng.uniform(0, sensor.shape[1], n)


# ------------------------------------------------------------------------------------- sensor


def test_geodetic_agrees_with_pyproj() -> None:
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(-180, 180, 1000), np.degrees(np.arcsin(rng.uniform(-1, 1, 1000)))
    height = rng.uniform(-500, 9000, 1000)
    transformer = pyproj.Transformer.from_crs(4979, 4978, always_xy=True)
    ecef = to_ecef(lon, lat, height)
    # 1e-8 m is a few bits of the earth's radius
    np.testing.assert_allclose(
        ecef, np.stack(transformer.transform(lon, lat, height), axis=-1), atol=1e-8, rtol=0
    )
    back = to_geodetic(ecef)
    np.testing.assert_allclose(back[0], lon, atol=1e-12)
    np.testing.assert_allclose(back[1], lat, atol=1e-12)
    np.testing.assert_allclose(back[2], height, atol=1e-8)


@pytest.mark.parametrize("side", SIDES)
def test_located_points_lie_on_the_line_of_sight(world: samples.World, side: Side) -> None:
    sensor = world.sensors[SIDES.index(side)]
    row, col = some_pixels(sensor, 500)
    height = np.random.default_rng(1).uniform(0, 4000, 500)
    lon, lat = sensor.locate(row, col, height)
    transformer = pyproj.Transformer.from_crs(4979, 4978, always_xy=True)
    point = np.stack(transformer.transform(lon, lat, height), axis=-1)
    position, look = sensor.line_of_sight(row, col)
    way = point - position
    along = (way * look).sum(-1)
    assert np.all(along > 650e3)  # m: in front of the sensor, not on the other side of the earth
    off = np.linalg.norm(way - along[:, np.newaxis] * look, axis=-1)
    assert off.max() < 1e-6
    # radians: unit vectors; the orbit is 694 km above the equator's radius
    np.testing.assert_allclose(np.linalg.norm(look, axis=-1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(position, axis=-1), 6378137.0 + 694e3, rtol=1e-12)


@pytest.mark.parametrize("side", SIDES)
def test_sensor_projects_what_it_locates(world: samples.World, side: Side) -> None:
    sensor = world.sensors[SIDES.index(side)]
    row, col = some_pixels(sensor, 500)
    lon, lat = sensor.locate(row, col, 2500.0)
    back_row, back_col = sensor.project(lon, lat, 2500.0)
    assert np.hypot(back_row - row, back_col - col).max() < 1e-6


def test_geometry_is_that_of_a_stereo_pair(world: samples.World) -> None:
    """Incidence and ground sampling of the two images, from the located points alone."""
    leans = []
    for sensor in world.sensors:
        low = project_utm(*sensor.locate([750.0, 751.0, 750.0], [750.0, 750.0, 751.0], 2200.0))
        high = project_utm(*sensor.locate(750.0, 750.0, 2300.0))
        along = np.hypot(low[0][1] - low[0][0], low[1][1] - low[1][0])
        across = np.hypot(low[0][2] - low[0][0], low[1][2] - low[1][0])
        assert 1.8 < along < 2.3  # m
        assert 1.8 < across < 2.3
        leans.append(np.array([high[0] - low[0][0], high[1] - low[1][0]]) / 100.0)
        assert 15.0 < np.degrees(np.arctan(np.hypot(*leans[-1]))) < 27.0
    # base to height
    assert 0.6 < np.hypot(*(leans[0] - leans[1])) < 1.0


def project_utm(lon: Float, lat: Float) -> tuple[Float, Float]:
    return pyproj.Transformer.from_crs(4326, 32632, always_xy=True).transform(lon, lat)


# ---------------------------------------------------------------------------------------- RPC


@pytest.mark.parametrize("side", SIDES)
def test_rpc_follows_the_sensor(world: samples.World, side: Side) -> None:
    sensor = world.sensors[SIDES.index(side)]
    rpc = read_rpc(world.images[SIDES.index(side)])
    row, col = some_pixels(sensor, 2000, seed=4)
    height = np.random.default_rng(5).uniform(1800.0, 2700.0, 2000)
    lon, lat = sensor.locate(row, col, height)
    rpc_row, rpc_col = rpc.project(lon, lat, height)
    # px; 0.01 is promised, a lattice of 25 x 25 x 9 rigorous points gives some 2e-5
    assert np.hypot(rpc_row - row, rpc_col - col).max() < 1e-3
    assert world.rpc_max[SIDES.index(side)] < 1e-3


@pytest.mark.parametrize("side", SIDES)
def test_gdal_reads_the_same_rpc(world: samples.World, side: Side) -> None:
    import rasterio
    from rasterio.transform import RPCTransformer

    sensor = world.sensors[SIDES.index(side)]
    image = rasterio.open(world.images[SIDES.index(side)])
    assert image.crs is None
    assert image.nodata == 0
    row, col = some_pixels(sensor, 200, seed=6)
    height = np.random.default_rng(7).uniform(1800.0, 2700.0, 200)
    lon, lat = sensor.locate(row, col, height)
    with image, RPCTransformer(image.rpcs) as transformer:
        got = transformer.rowcol(lon, lat, zs=height, op=lambda value: value)
    # px; GDAL's own formulas; both count from the outer corner
    assert np.hypot(np.asarray(got[0]) - row, np.asarray(got[1]) - col).max() < 0.01


# ------------------------------------------------------------------------------------- tracing


def brute_force(surface: NDArray[np.float32], ray: Float, start: float, stop: float) -> float:
    """The slow twin of `render.march`: small steps and bisection."""
    heights = np.linspace(start, stop, 40_001)

    def above(h: Float) -> Float:
        u = ray[0] + h * (ray[1] + h * ray[2])
        v = ray[3] + h * (ray[4] + h * ray[5])
        return h - bilinear(surface, v + 0.5, u + 0.5)

    gap = above(heights)
    below = np.flatnonzero(gap < 0.0)
    if not below.size:
        return np.nan
    first = below[0]
    if first == 0 or np.isnan(gap[first - 1]):
        return float(heights[first])
    over, under = heights[first - 1], heights[first]
    for _ in range(60):
        middle = (over + under) / 2.0
        over, under = (middle, under) if above(np.array([middle]))[0] > 0.0 else (over, middle)
    return float((over + under) / 2.0)


@pytest.mark.parametrize("up", [False, True])
def test_march_agrees_with_brute_force(*, up: bool) -> None:
    rng = np.random.default_rng(11)
    surface = ndimage.gaussian_filter(rng.normal(size=(70, 90)), 2.0) * 60.0
    surface[30:40, 40:55] += 25.0  # a block with walls
    surface = surface.astype(np.float32)
    tops = tile_maxima(surface)
    low, high = float(surface.min()) - 5.0, float(surface.max()) + 5.0
    hits = 0
    for _ in range(300):
        slope = rng.uniform(-0.8, 0.8, 2)
        curve = rng.uniform(-1e-8, 1e-8, 2)  # some cm a km, as a sensor's rays have
        at = rng.uniform(5, 85), rng.uniform(5, 65)
        ray = np.array([at[0], slope[0], curve[0], at[1], slope[1], curve[1]])
        start, stop = (high, low)
        if up:  # from a point above the surface
            start = float(bilinear(surface, np.array([at[1] + 0.5]), np.array([at[0] + 0.5]))[0])
            start, stop = start + rng.uniform(0.05, 3.0), high
            ray[0] -= start * (slope[0] + start * curve[0])
            ray[3] -= start * (slope[1] + start * curve[1])
        got = render.march(surface, tops, ray, 0.0, start, stop)
        want = brute_force(surface, ray, start, stop)
        u, v = (ray[k] + got * (ray[k + 1] + got * ray[k + 2]) for k in (0, 3))
        edge = min(u, v, 89 - u, 69 - v) < 1e-6
        if edge:  # it came in through the side, below the surface
            continue
        assert np.isnan(got) == np.isnan(want)
        hits += not np.isnan(got)
        # m; a graze of less than one step of the twin would show here as a far larger difference
        assert got == pytest.approx(want, abs=1e-6, nan_ok=True)
    assert hits > 30


@pytest.mark.parametrize("side", SIDES)
def test_traced_points_are_first_on_their_ray(
    world: samples.World, reference: NDArray[np.float32], side: Side
) -> None:
    sensor = world.sensors[SIDES.index(side)]
    grid = open_raster(world.reference).grid
    row, col = some_pixels(sensor, 400, seed=8)
    x, y, height = world.view(side).trace(row, col)
    hit = ~np.isnan(height)
    assert hit.mean() > 0.8
    row, col, x, y, height = (a[hit] for a in (row, col, x, y, height))
    # On the exact ray, to what the interpolation of the rays costs: 2e-4 m are 1e-4 px.
    true_x, true_y = project_utm(*sensor.locate(row, col, height))
    assert np.hypot(x - true_x, y - true_y).max() < 2e-4
    # On the surface, and nothing of it between there and the sensor.
    on = bilinear(reference, *grid.rowcol(x, y))
    np.testing.assert_allclose(height, on, atol=1e-6)
    for k in range(0, row.size, 4):
        above = np.arange(height[k] + 0.05, 2700.0, 0.25)
        ray_x, ray_y = project_utm(*sensor.locate(row[k], col[k], above))
        ground = bilinear(reference, *grid.rowcol(ray_x, ray_y))
        assert not np.any(above < ground - 0.05)


def test_interpolated_rays_are_exact(world: samples.World) -> None:
    view, sensor = world.view("left"), world.sensors[0]
    ray = np.empty(6)
    row, col = some_pixels(sensor, 200, seed=9)
    for k in range(row.size):
        render.ray_at(view.rays, 10.0, view.heights, row[k], col[k], ray)
        for h in (1850.0, 2100.0, 2600.0):
            v, u = view.grid.rowcol(*project_utm(*sensor.locate(row[k], col[k], h)))
            miss = np.hypot(ray[0] + h * (ray[1] + h * ray[2]) - u + 0.5,
                            ray[3] + h * (ray[4] + h * ray[5]) - v + 0.5)  # fmt: skip
            assert miss < 1e-3  # px of 2 m


# ------------------------------------------------------------------------------ images, visible


@pytest.mark.parametrize("side", SIDES)
def test_image_shows_the_ground(
    world: samples.World, reference: NDArray[np.float32], side: Side
) -> None:
    """Visible ground points, projected by the sensor, are as bright in the image as the texture."""
    k = SIDES.index(side)
    grid = open_raster(world.reference).grid
    visible = everything(world.visible[k])
    texture = ndimage.gaussian_filter(everything(world.texture).astype(float), 1.0)
    rng = np.random.default_rng(2)
    row, col = rng.integers(150, 1350, (2, 20_000))
    slope = np.hypot(*np.gradient(reference.astype(float), 2.0))
    near = ndimage.minimum_filter(visible == 1, 9) & (ndimage.maximum_filter(slope, 5) < 0.8)
    row, col = row[near[row, col]], col[near[row, col]]
    assert row.size > 10_000
    x, y = grid.xy(row + 0.5, col + 0.5)
    back = pyproj.Transformer.from_crs(32632, 4326, always_xy=True)
    image_row, image_col = world.sensors[k].project(*back.transform(x, y), reference[row, col])
    seen = everything(world.images[k])
    inside = np.minimum(image_row, image_col) > 2
    inside &= np.maximum(image_row, image_col) < 1498
    got = bilinear(seen, image_row, image_col)[inside]
    ground_row, ground_col = open_raster(world.texture).grid.rowcol(x, y)
    want = bilinear(texture, ground_row, ground_col)[inside]
    error = got - want
    # Digital numbers; the texture's own spread is some 300.
    assert np.std(want) > 200
    assert np.median(np.abs(error)) < 12
    assert abs(np.mean(error)) < 2

    # Half a pixel off would show: the agreement is best where it should be.
    def spread(down: float, right: float) -> float:
        moved = bilinear(seen, image_row + down, image_col + right)[inside]
        return float(np.std(moved - want))

    assert spread(0, 0) < min(spread(0.3, 0), spread(-0.3, 0), spread(0, 0.3), spread(0, -0.3))


@pytest.mark.parametrize("side", SIDES)
def test_visibility_agrees_with_the_first_hit(
    world: samples.World, reference: NDArray[np.float32], side: Side
) -> None:
    """A cell is visible exactly when the ray of its own image position hits at the cell."""
    k = SIDES.index(side)
    view, grid = world.view(side), open_raster(world.reference).grid
    visible = everything(world.visible[k])
    hidden = np.argwhere(visible == 0)
    shown = np.argwhere(visible == 1)
    assert len(hidden) > 300
    rng = np.random.default_rng(3)
    cells = np.concatenate([hidden[rng.permutation(len(hidden))[:300]],
                            shown[rng.permutation(len(shown))[:2000]]])  # fmt: skip
    x, y = grid.xy(cells[:, 0] + 0.5, cells[:, 1] + 0.5)
    z = reference[cells[:, 0], cells[:, 1]].astype(float)
    back = pyproj.Transformer.from_crs(32632, 4326, always_xy=True)
    row, col = world.sensors[k].project(*back.transform(x, y), z)
    _, _, height = view.trace(row, col)
    # 0.05 m: the interpolated ray passes 1e-4 m beside the centre of the cell, and walls are steep.
    higher = height > z + 0.05
    want = visible[cells[:, 0], cells[:, 1]] == 0
    assert np.mean(higher != want) < 0.001
    outside = visible == 255
    x, y = grid.xy(*(np.argwhere(outside)[::997] + 0.5).T)
    at = np.argwhere(outside)[::997]
    row, col = world.sensors[k].project(*back.transform(x, y), reference[at[:, 0], at[:, 1]])
    assert np.all((np.minimum(row, col) < 1e-3) | (np.maximum(row, col) > 1500 - 1e-3))


def test_both_images_see_the_middle(world: samples.World) -> None:
    for path, image in zip(world.visible, world.images, strict=True):
        middle = everything(path)[400:1100, 400:1100]
        assert np.mean(middle == 1) > 0.97
        pixels = everything(image)
        assert pixels.dtype == np.uint16
        assert np.mean(pixels == 0) < 0.2
        assert np.all(pixels[500:1000, 500:1000] > 0)


# -------------------------------------------------------------------------------------- terrain


def test_terrain_is_alpine(reference: NDArray[np.float32], world: samples.World) -> None:
    assert reference.dtype == np.float32
    assert np.isfinite(reference).all()
    assert 600.0 < np.ptp(reference) < 900.0
    slope = np.degrees(np.arctan(np.hypot(*np.gradient(reference.astype(float), 2.0))))
    assert 15.0 < np.median(slope) < 35.0
    assert slope.max() > 80.0  # the cliff, the walls
    grid = open_raster(world.reference).grid
    assert grid.shape == (1500, 1500)
    assert grid.resolution == (2.0, 2.0)
    assert grid.crs is not None
    assert grid.crs.to_epsg() == 32632


def test_rivers_reach_the_sea() -> None:
    """Erosion's own invariants: no pits after filling, no water lost, rivers always downhill."""
    rng = np.random.default_rng(12)
    ground = rng.uniform(0.0, 10.0, (40, 50))
    water = np.empty_like(ground)
    erosion.fill(ground, 1e-3, water)
    assert np.all(water >= ground)
    receiver, distance = np.empty(ground.size, dtype=np.int64), np.empty(ground.size)
    erosion.receivers(water, 2.0, np.ones((8, ground.size)), receiver, distance)
    sea = np.zeros(ground.shape, dtype=bool)
    sea[-1] = True
    np.testing.assert_array_equal(receiver == np.arange(ground.size), sea.ravel())
    order, area = np.argsort(water, axis=None), np.full(ground.size, 4.0)
    erosion.drainage(order, receiver, area)
    assert area[sea.ravel()].sum() == 4.0 * ground.size
    carved = water.ravel().copy()
    erosion.carve(carved, order, receiver, distance, area, 0.1, 0.35)
    assert np.all(carved <= water.ravel())
    assert np.all(carved[~sea.ravel()] > carved[receiver[~sea.ravel()]])


# ----------------------------------------------------------------------------------- moving DEM


def difference(world: samples.World, reference: NDArray[np.float32], *, glacier: bool) -> Float:
    """Reference minus moving, after the shift that the truth says is added to the moving DEM."""
    moving = as_float(open_raster(world.moving))
    heights = moving.read(moving.grid.window)[0]
    x, y = np.broadcast_arrays(*moving.grid.xy(*moving.grid.window.pixel_centres()))
    dx, dy, dz = world.shift_at(x, y)
    grid = open_raster(world.reference).grid
    row, col = grid.rowcol(x + dx, y + dy)
    dh = bilinear(reference, row, col) - (heights + dz)
    mask = outline_mask([world.outlines], grid).read(grid.window)[0]
    return dh[(bilinear(ndimage.maximum_filter(mask, 5), row, col) > 0.0) == glacier]


def test_shift_brings_the_moving_dem_home(
    world: samples.World, reference: NDArray[np.float32]
) -> None:
    dh = difference(world, reference, glacier=False)
    dh = dh[np.isfinite(dh)]
    # White noise of 0.35 m and correlated noise of 0.4 m are 0.53 m together, everywhere: cliffs
    # and walls, where any misplacement would show, too.
    assert abs(np.mean(dh)) < 0.02
    assert 0.50 < np.std(dh) < 0.57
    assert np.abs(dh).max() < 3.5


def test_mean_shift_is_that_of_stable_cells(world: samples.World) -> None:
    moving = as_float(open_raster(world.moving))
    heights = moving.read(moving.grid.window)[0]
    x, y = np.broadcast_arrays(*moving.grid.xy(*moving.grid.window.pixel_centres()))
    shift = world.shift_at(x, y)
    grid = open_raster(world.reference).grid
    mask = outline_mask([world.outlines], grid).read(grid.window)[0]
    off_ice = bilinear(mask, *grid.rowcol(x + shift[0], y + shift[1])) == 0.0
    stable = np.isfinite(heights) & off_ice
    for axis, promised, swing in zip(shift, world.mean_shift, (1.3, 1.1, 0.5), strict=True):
        assert np.mean(axis[stable]) == pytest.approx(promised, abs=0.005)
        assert swing < np.ptp(axis) < 2.0 * swing
        # smooth: less than 3 mm from cell to cell
        assert np.abs(np.diff(axis, axis=0)).max() < 0.015
    assert world.mean_shift == (9.3, -6.1, 2.4)


def test_glacier_has_thinned_inside_its_outline(
    world: samples.World, reference: NDArray[np.float32]
) -> None:
    inside = difference(world, reference, glacier=True)
    inside = inside[np.isfinite(inside)]
    assert inside.size > 5000
    assert np.median(inside) > 4.0
    assert 22.0 < inside.max() < 33.0


def test_moving_dem_has_holes_and_its_own_grid(world: samples.World) -> None:
    import rasterio

    with rasterio.open(world.moving) as file:
        raw, nodata, transform = file.read(1), file.nodata, file.transform
    assert nodata == -9999.0
    holes = raw == nodata
    assert not np.isnan(raw).any()
    assert 0.01 < holes.mean() < 0.05
    assert ndimage.label(holes)[1] > 10
    grid = open_raster(world.reference).grid
    assert (transform.a, transform.e) == (4.0, -4.0)
    assert ((transform.c - grid.transform.c) % 2.0) not in (0.0, 1.0)
    west, south, east, north = open_raster(world.moving).grid.bounds
    assert west > grid.bounds[0]
    assert south > grid.bounds[1]
    assert east < grid.bounds[2]
    assert north < grid.bounds[3]


# ------------------------------------------------------------------------- making and keeping


def test_same_seed_same_pixels(tmp_path: Path) -> None:
    made = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        (tmp_path / name).mkdir()
        made.append(samples.make_world(tmp_path / name, seed=seed, size=200))
    first, second, other = made
    for path in (first.reference, first.moving, first.texture, *first.images, *first.visible):
        np.testing.assert_array_equal(everything(path), everything(second.folder / path.name))
        assert (everything(path) != everything(other.folder / path.name)).any()
    assert first.truth.read_bytes() == second.truth.read_bytes()
    assert first.outlines.read_bytes() == second.outlines.read_bytes()


def test_two_processes_may_make_it_at_once(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    code = f"from trueground import samples; print(samples.world({cache!r}, size=200).folder)"
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = [process.communicate(timeout=300)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert folders[0] == folders[1]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [Path(folders[0]).name]
    stamp = (Path(folders[0]) / "truth.json").stat().st_mtime_ns
    samples.world(tmp_path / "cache", size=200)
    assert (Path(folders[0]) / "truth.json").stat().st_mtime_ns == stamp


def test_an_interrupted_making_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("trueground.samples.synthetic.make_moving", fail)
    with pytest.raises(KeyboardInterrupt):
        samples.world(tmp_path, size=200)
    assert not list(tmp_path.iterdir())


def test_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"100 cells: needs at least 200"):
        samples.make_world(tmp_path, size=100)
    with pytest.raises(InputError, match="holds no synthetic world"):
        samples.World.open(tmp_path)


def test_outlines_are_geojson(world: samples.World) -> None:
    collection = json.loads(world.outlines.read_text(encoding="utf-8"))
    assert collection["type"] == "FeatureCollection"
    ring = np.array(collection["features"][0]["geometry"]["coordinates"][0])
    assert np.all((ring[:, 0] > 9.8) & (ring[:, 0] < 10.0))
    assert np.all((ring[:, 1] > 46.3) & (ring[:, 1] < 46.5))
