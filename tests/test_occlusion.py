"""Hidden ground: against a march from the ground to the sensor, the synthetic world's renderer, and trigonometry."""

from __future__ import annotations

import math
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

import ray_scenes as scenes
from reference import rpc_project
from trueground import Dem, samples
from trueground.engine import Serial, Threads
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.kernels import occlusion as kernels
from trueground.ortho import Geometry, Orthoimage
from trueground.ortho import occlusion as module
from trueground.ortho.occlusion import HiddenMask, Occlusion
from trueground.raster import open_raster
from trueground.rpc import patch
from trueground.rpc.readers import rpc_for_image
from trueground.writer import write

UTM31, LONLAT = scenes.UTM31, scenes.LONLAT
IMAGE = (20_000, 20_000)  # px, what `scenes.slanted` makes an RPC for


@dataclass(frozen=True)
class Plain:
    """An image that shows 100 everywhere, of any size."""

    kind: type = np.uint8
    nodata: float | None = None
    count: int = 1

    @property
    def dtype(self):
        return np.dtype(self.kind)

    @property
    def grid(self):
        return Grid(crs=None, transform=Affine.identity(), shape=IMAGE)

    def read(self, window):
        return np.full((self.count, *window.shape), 100, dtype=self.dtype)


def occlusion_of(rpc, dem, grid):
    return Occlusion(geometry=Geometry(grid=grid, rpc=rpc, dem=dem), shape=IMAGE)


def whole(occlusion):
    return HiddenMask(occlusion=occlusion).read(occlusion.geometry.grid.window)[0]


def penetration(rpc, dem, grid, at, *, finest=1e-4):
    """How deep below the surface the line of sight of each pixel is before the pixel's own ground [m].

    Marched upwards from the ground, in steps that grow from `finest` cells to 1/20. Nothing is shared with the code
    under test but the reading of the DEM; positions by pyproj, RPC by its formulas, Newton by differences.
    """
    nodes = dem.surface.read(dem.surface.grid.window)[0].astype(float)
    x, y = grid.transform @ (at[1] + 0.5, at[0] + 0.5)
    lon, lat = Transformer.from_crs(grid.crs, LONLAT, always_xy=True).transform(x, y)
    to = Transformer.from_crs(LONLAT, dem.crs, always_xy=True)

    def surface(lon, lat):
        x, y = to.transform(lon, lat)
        c, r = ~dem.surface.grid.transform @ (np.asarray(x), np.asarray(y))
        r, c = r - 0.5, c - 0.5
        rows, cols = nodes.shape
        with np.errstate(invalid="ignore"):
            outside = ~((r >= 0) & (r <= rows - 1) & (c >= 0) & (c <= cols - 1))
        i = np.clip(np.nan_to_num(np.floor(r)), 0, rows - 2).astype(int)
        j = np.clip(np.nan_to_num(np.floor(c)), 0, cols - 2).astype(int)
        u, v = r - i, c - j
        z = nodes[i, j] * (1 - u) * (1 - v) + nodes[i, j + 1] * (1 - u) * v
        z += nodes[i + 1, j] * u * (1 - v) + nodes[i + 1, j + 1] * u * v
        return np.where(outside, np.nan, z), r, c

    own, r0, c0 = surface(lon, lat)
    row, col = rpc_project(rpc, lon, lat, own)
    top = float(np.nanmax(nodes)) + 1.0
    # The line of sight is straight to 1e-6 px between two of its points that are 100 m apart in height.
    knots = np.linspace(0.0, 1.0, 9)
    lines = [rpc.localize(row, col, own + f * (top - own)) for f in knots]
    lons, lats = (np.stack([getattr(line, name) for line in lines]) for name in ("lon", "lat"))
    _, r1, c1 = surface(lons[-1], lats[-1])
    run = np.nanmax(np.hypot(r1 - r0, c1 - c0))  # cells
    steps = [finest / run]
    while steps[-1] < 1.0:
        steps.append(steps[-1] + min(1.0 / 20.0 / run, 0.1 * steps[-1] + finest / run))
    deepest = np.full(own.shape, -np.inf)
    for f in steps:
        k = min(int(f * 8), 7)
        t = f * 8 - k
        z, _, _ = surface(*((1 - t) * a[k] + t * a[k + 1] for a in (lons, lats)))
        deepest = np.fmax(deepest, z - own - f * (top - own))
    return deepest


def output(dem, *, crs=None, pixel=None, share=0.6):
    """A grid over the middle of a DEM, none of whose pixels lie on nodes."""
    grid = dem.raster.grid
    rows, cols = grid.shape
    r, c = (
        rows * np.array([0.5 - share / 2, 0.5 + share / 2]),
        cols * np.array([0.5 - share / 2, 0.5 + share / 2]),
    )
    x, y = grid.xy(r, c)
    crs = crs or grid.crs
    x, y = Transformer.from_crs(grid.crs, crs, always_xy=True).transform(x, y)
    pixel = pixel or abs(x[1] - x[0]) / 400
    return Grid.covering((min(x), min(y), max(x), max(y)), pixel, crs=crs)


SCENES = {
    "city": lambda: scenes.city(1, 29.0, bearing=70.0, seed=1),
    "city from the south, lon/lat": lambda: scenes.city(1, 23.0, bearing=190.0, crs=LONLAT, seed=2),
    "white noise": lambda: scenes.noise(1, 4.0, fractal=False, seed=3),
    "fractal noise": lambda: scenes.noise(1, 60.0, fractal=True, degrees=40.0, crs=UTM31, seed=4),
}


def held_against_the_march(rpc, dem, grid, number, seed=0):
    """Compare random pixels; return the shares hidden and left undecided."""
    rng = np.random.default_rng(seed)
    mask = whole(occlusion_of(rpc, dem, grid))
    i, j = (rng.integers(0, n, number) for n in grid.shape)
    kept = mask[i, j] != 255
    i, j = i[kept], j[kept]
    deepest = penetration(rpc, dem, grid, (i, j))
    hidden = mask[i, j] == 1
    wrong = hidden != (deepest > 0.0)
    # Positions are known to 1e-3 px: on walls of 20 m in a cell that is 2 cm.
    cell = min(dem.raster.grid.resolution) * (111_000.0 if dem.crs.is_geographic else 1.0)
    near = np.abs(deepest) < 0.05 * cell
    assert not (wrong & ~near & (deepest > -np.inf)).any()
    # Half of the fractal noise is hidden, and most that is undecided lies within the millimetre.
    assert wrong.mean() < 5e-3
    return hidden.mean(), wrong.mean()


@pytest.mark.parametrize("name", SCENES)
def test_against_a_march_from_the_ground_to_the_sensor(name):
    scene = SCENES[name]()
    for crs in (UTM31, LONLAT):
        share, _ = held_against_the_march(scene.rpc, scene.dem, output(scene.dem, crs=crs), 6000)
        assert 0.01 < share < 0.9


@pytest.mark.data
def test_mountains_against_a_march(data_folder):
    scene = scenes.mountains(data_folder, 1, factor=3.0, view=(45.0, 120.0))
    lon, lat = scene.rpc.long_off, scene.rpc.lat_off
    x, y = Transformer.from_crs(LONLAT, UTM31, always_xy=True).transform(lon, lat)
    grid = Grid.covering((x - 3000, y - 3000, x + 3000, y + 3000), 10.0, crs=UTM31)
    share, _ = held_against_the_march(scene.rpc, scene.dem, grid, 6000)
    assert 0.01 < share < 0.5


# The renderer of the synthetic world ------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("side", [0, 1])
def test_precision_and_recall_against_the_renderer(side):
    """The acceptance of issue 4, without leaving any cell out: the sensor's own rays, and no RPC."""
    world = samples.world()
    image, dem = open_raster(world.images[side]), Dem.open(world.reference, heights="ellipsoid")
    grid = dem.raster.grid
    made = Orthoimage(image=image, rpc=rpc_for_image(image), dem=dem, grid=grid, occlusion="mask")
    mask = made.hidden.read(grid.window)[0]
    truth = open_raster(world.visible[side]).read(grid.window)[0]
    both = (mask != 255) & (truth != 255)
    # The RPC differs from the sensor by up to 0.02 px at the image's edge.
    assert ((mask != 255) != (truth != 255)).sum() < 10
    hidden, really = (mask == 1) & both, (truth == 0) & both
    assert really.sum() > 1500
    right = (hidden & really).sum()
    assert right / hidden.sum() >= 0.99
    assert right / really.sum() >= 0.99
    # What is really reached: at most one cell in a thousand of them.
    assert (hidden != really).sum() <= 1e-3 * really.sum()
    assert made.hidden_share() == hidden.sum() / (mask != 255).sum()


# Trigonometry ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bearing", [0.0, 45.0, 100.0, 190.0, 250.0, 315.0])
@pytest.mark.parametrize("degrees", [15.0, 35.0])
def test_shadow_of_a_box(bearing, degrees):
    """It is as long as the box is high times the tangent of the incidence, away from the sensor."""
    tall, n = 30.0, 161
    z = np.full((n, n), 100.0)
    z[70:91, 70:91] += tall
    dem = Dem.open(scenes.raster(z), heights="ellipsoid")
    rpc = scenes.slanted(degrees, bearing, (0.0, 300.0))
    grid = dem.raster.grid
    mask = whole(occlusion_of(rpc, dem, grid))
    assert (mask != 255).all()
    # One metre up, at the box: how far the line of sight goes towards the sensor.
    row, col = rpc.project(scenes.LON, scenes.LAT, 100.0)
    ends = rpc.localize(row, col, np.array([100.0, 200.0]))
    x, y = Transformer.from_crs(LONLAT, UTM31, always_xy=True).transform(ends.lon, ends.lat)
    lean = np.array([x[1] - x[0], y[1] - y[0]]) / 100.0
    # The convergence of meridians, and the Earth's curvature between the sensor and the box.
    turned = math.degrees(math.atan2(*lean)) - bearing
    assert (turned + 180.0) % 360.0 == pytest.approx(180.0, abs=1.0)
    assert math.hypot(*lean) == pytest.approx(math.tan(math.radians(degrees)), rel=0.01)
    # The roof and the ground below, moved away from the sensor, hold all hidden ground.
    i, j = np.mgrid[0:n, 0:n]
    right, up = lean * tall
    hidden = np.zeros((n, n), dtype=bool)
    for f in np.linspace(0.0, 1.0, 400):
        r, c = (
            i - up * f,
            j + right * f,
        )  # from the ground towards the sensor, at a part of the height
        high = np.clip(np.minimum(r - 69, 91 - r), 0.0, 1.0)  # bilinear: walls are one cell wide
        high *= np.clip(np.minimum(c - 69, 91 - c), 0.0, 1.0)
        hidden |= (tall * high > tall * f + 1e-6) & (z == 100.0)
    assert hidden.sum() > 50
    differ = (mask == 1) != hidden
    edge = np.zeros_like(hidden)
    for a in (-1, 0, 1):
        for b in (-1, 0, 1):
            edge |= np.roll(hidden, (a, b), (0, 1)) != hidden
    assert not (differ & ~edge).any()
    assert differ.sum() <= 3  # the lean differs by 1e-4 between the top and the bottom of the lines
    # Along the middle of the shadow, as long as trigonometry says.
    length = math.hypot(right, up)
    d = np.arange(0.0, 60.0, 0.1)
    r, c = (np.rint(80 + a * d).astype(int) for a in (up / length, -right / length))
    dark = mask[r, c] == 1
    start = 10.0 * length / max(abs(right), abs(up))  # where the roof ends
    assert d[dark].max() - start == pytest.approx(length, abs=1.5)


# Gentle ground ---------------------------------------------------------------------------------


def test_on_gentle_ground_no_line_is_followed(monkeypatch):
    i, j = np.mgrid[0:200, 0:200]
    z = 300.0 + 60.0 * np.sin(i / 30.0) + 40.0 * np.cos(j / 25.0)
    dem = Dem.open(scenes.raster(z, pixel=10.0), heights="ellipsoid")
    rpc = scenes.slanted(30.0, 60.0, (0.0, 800.0))

    def no(*_):
        raise AssertionError("a line of sight was followed")

    monkeypatch.setattr(kernels, "hide", no)
    mask = whole(occlusion_of(rpc, dem, output(dem, pixel=3.3)))
    assert set(np.unique(mask)) == {0}


# Blocks and threads ----------------------------------------------------------------------------


def in_blocks(rpc, dem, grid, size, workers):
    mask = HiddenMask(occlusion=occlusion_of(rpc, dem, grid))
    out = np.full(grid.shape, 77, dtype=np.uint8)
    for window, part in Threads(workers).map(mask.read, [b.core for b in grid.blocks(size)]):
        out[window.slices_in(grid.window)] = part[0]
    return out, mask.occlusion.share()


@pytest.mark.parametrize("scene", ["city", "white noise"])
def test_blocks_and_threads_do_not_matter(scene, monkeypatch):
    monkeypatch.setattr(module, "_TILE", 256)
    made = SCENES[scene]()
    grid = output(made.dem, crs=UTM31, pixel=0.4, share=0.7)
    assert min(grid.shape) > 512
    first, share = in_blocks(made.rpc, made.dem, grid, 1024, 1)
    assert share == (first == 1).sum() / (first != 255).sum()
    for size in (100, 256, 500, 1024):
        for workers in (1, 2):
            again, other = in_blocks(made.rpc, made.dem, grid, size, workers)
            np.testing.assert_array_equal(again, first)
            assert other == share


def test_pieces_that_are_forgotten_and_halved_change_nothing(monkeypatch):
    scene = SCENES["city"]()
    grid = output(scene.dem)
    first = whole(occlusion_of(scene.rpc, scene.dem, grid))
    monkeypatch.setattr(module, "_KEPT", 1)
    monkeypatch.setattr(module, "_TILE", 64)
    small = occlusion_of(scene.rpc, scene.dem, grid)
    mask = whole(small)
    assert len(small._pieces) < 20
    # Other cubics: lines that differ by 1e-3 px may fall to the other side of a corner.
    assert (mask != first).mean() < 1e-4
    monkeypatch.setattr(module, "_TILE", 1024)
    monkeypatch.setattr(patch, "LARGEST_WINDOW", 20_000)
    halved = occlusion_of(scene.rpc, scene.dem, grid)
    assert (whole(halved) != first).mean() < 1e-4
    assert max(len(p) for p in halved._pieces.values()) > 4


def test_a_dem_much_finer_than_the_output_has_smaller_tiles():
    scene = SCENES["city"]()
    coarse = occlusion_of(scene.rpc, scene.dem, output(scene.dem, pixel=30.0))
    assert coarse._tile == 32
    held_against_the_march(scene.rpc, scene.dem, coarse.geometry.grid, 200)


# What is made of it ----------------------------------------------------------------------------


def images(**settings):
    scene = SCENES["city"]()
    return Orthoimage(
        image=settings.pop("image", Plain()), rpc=scene.rpc, dem=scene.dem,
        grid=settings.pop("grid", output(scene.dem)), **settings,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("image", "fill"),
    [
        (Plain(), 0),
        (Plain(nodata=7.0, count=3), 7),
        (Plain(kind=np.float32), math.nan),
    ],
)
def test_hidden_ground_is_no_data_where_it_is_filled(image, fill):
    classic = images(image=image, occlusion="ignore")
    window = classic.grid.window
    values = classic.read(window)
    assert classic.hidden_share() is None
    filled = images(image=image)
    assert filled.occlusion == "fill"
    out = filled.read(window)
    hidden = filled.hidden.read(window)[0] == 1
    assert 0.05 < hidden.mean() < 0.5
    empty = np.isnan(out) if math.isnan(fill) else out == fill
    np.testing.assert_array_equal(empty, np.broadcast_to(hidden, out.shape))
    np.testing.assert_array_equal(out[:, ~hidden], values[:, ~hidden])
    assert filled.hidden_share() == pytest.approx(hidden.mean())


def test_a_mask_goes_with_the_values(tmp_path):
    made = images(occlusion="mask")
    window = made.grid.window
    np.testing.assert_array_equal(made.read(window), images(occlusion="ignore").read(window))
    assert made.hidden_share() is None  # nothing was asked yet
    path = write(made.hidden, tmp_path / "hidden.tif", engine=Serial(), block_size=256)
    share = made.hidden_share()
    back = open_raster(path)
    mask = back.read(window)[0]
    assert (back.dtype, back.nodata, back.count) == (np.uint8, 255.0, 1)
    assert share == (mask == 1).sum() / (mask != 255).sum()
    made.hidden.read(Window(0, 0, 256, 256))  # the same window again counts once
    assert made.hidden_share() == share
    np.testing.assert_array_equal(made.hidden.occlusion.hidden(window), mask == 1)


def test_without_a_height_and_beside_the_image_nothing_is_said():
    scene = SCENES["city"]()
    z = scene.nodes.astype(float).copy()
    z[150:200, 100:260] = np.nan
    dem = Dem.open(scenes.raster(z), heights="ellipsoid")
    grid = dem.raster.grid.pad(30)  # beyond the DEM
    mask = HiddenMask(occlusion=occlusion_of(scene.rpc, dem, grid))
    out = mask.read(Window(-5, 0, grid.shape[0] + 5, grid.shape[1]))[0]
    assert (out[:5] == 255).all()
    height = Geometry(grid=grid, rpc=scene.rpc, dem=dem).at(grid.window).height
    np.testing.assert_array_equal(out[5:] == 255, np.isnan(height))
    # The image's edge, in the middle of the city.
    row, col = scene.rpc.project(scenes.LON, scenes.LAT, 100.0)
    shape = (int(row), int(col))
    small = Occlusion(geometry=mask.occlusion.geometry, shape=shape)
    cut = whole(small)
    at = small.geometry.at(grid.window)
    inside = (at.row >= 0) & (at.row <= shape[0]) & (at.col >= 0) & (at.col <= shape[1])
    assert 0.1 < inside.mean() < 0.5
    np.testing.assert_array_equal(cut == 255, ~inside)
    assert (cut[inside] != out[5:][inside]).mean() < 1e-4


def test_an_output_beside_the_dem_or_the_image_is_unknown():
    scene = SCENES["city"]()
    west, south, east, north = scene.grid.bounds
    for shift in (10_000.0, 300_000.0):
        grid = Grid.covering((west + shift, south, east + shift, north), 5.0, crs=UTM31)
        assert (whole(occlusion_of(scene.rpc, scene.dem, grid)) == 255).all()


def test_cubic_heights_are_held_against_the_bilinear_surface():
    scene = SCENES["city"]()
    cubic = Dem.open(scene.dem.raster, heights="ellipsoid", interpolation="cubic")
    grid = output(scene.dem, share=0.3)
    mask, plain = (whole(occlusion_of(scene.rpc, dem, grid)) for dem in (cubic, scene.dem))
    assert (mask != plain).mean() < 0.1
    assert (mask == 1).mean() > 0.05


def test_unknown_modes_are_refused():
    with pytest.raises(InputError, match=r"occlusion 'black': must be 'fill' \(no data\), 'mask'"):
        images(occlusion="black")


def test_it_can_be_sent_to_another_process():
    made = images()
    made.hidden.read(Window(0, 0, 64, 64))
    copy = pickle.loads(pickle.dumps(made.hidden))
    np.testing.assert_array_equal(
        copy.read(Window(50, 60, 80, 90)), made.hidden.read(Window(50, 60, 80, 90))
    )


def test_lines_that_bend_too_much_are_followed_in_slabs_of_height(monkeypatch):
    scene = SCENES["city"]()
    grid = output(scene.dem, share=0.4)
    first = whole(occlusion_of(scene.rpc, scene.dem, grid))
    real = patch.Patch.attempt

    def in_slabs(rpc, dem, box, *, slab=None, **settings):
        if slab is None:
            return patch.Slabs(patch.Slab(50.0, 112.0, 1), patch.Slab(112.0, 300.0, 1))
        return real(rpc, dem, box, slab=slab, **settings)

    monkeypatch.setattr(patch.Patch, "attempt", in_slabs)
    slabs = occlusion_of(scene.rpc, scene.dem, grid)
    assert (whole(slabs) != first).mean() < 1e-4
    assert [p.lowest for p in slabs._pieces[0, 0]] == [False, True]
