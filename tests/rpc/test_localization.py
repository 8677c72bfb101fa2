"""The localization of a whole image: each pixel as `localize_on` finds it, whatever window is asked for."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from trueground.dem import Dem
from trueground.engine import Serial, Threads
from trueground.errors import InputError
from trueground.file_raster import open_dataset
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster, Raster
from trueground.rpc.classic import Gdal
from trueground.rpc.localization import BANDS, Localization, locate
from trueground.rpc.model import Rpc
from trueground.status import Status
from trueground.writer import write

UTM31 = CRS.from_epsg(32631)
EAST, NORTH = Transformer.from_crs(4326, UTM31, always_xy=True).transform(3.0, 45.0)
SAME = 1e-6  # px, to which every hit is polished: about 1e-11 degrees here
PIXEL = 9e-6  # degrees, of the camera


def camera(size: int = 600) -> Rpc:
    """A rational view of about 1 m a pixel, whose lines of sight lean and bend."""
    zeros = [0.0] * 20
    half = size / 2.0
    return Rpc(
        line_off=half - 0.5, samp_off=half - 0.5, lat_off=45.0, long_off=3.0, height_off=500.0,
        line_scale=half, samp_scale=half, lat_scale=PIXEL * half, long_scale=1.27e-5 * half, height_scale=500.0,
        line_num=[0.0, 0.02, -1.0, 0.3, 1e-4, *zeros[5:9], 2e-3, *zeros[10:]],
        line_den=[1.0, 1e-3, -2e-3, 1e-3, *zeros[4:]],
        samp_num=[0.0, 1.0, 0.03, -0.6, *zeros[4:8], 1e-3, -2e-3, *zeros[10:]],
        samp_den=[1.0, 2e-3, 1e-3, -1e-3, *zeros[4:]],
    )  # fmt: skip


def hills(*, hole: bool = False, cells: int = 120) -> Dem:
    """Steep analytic terrain around the camera's ground, 10 m cells."""
    side = 10.0 * cells
    grid = Grid(
        crs=UTM31,
        transform=Affine(10.0, 0.0, EAST - side / 2, 0.0, -10.0, NORTH + side / 2),
        shape=(cells, cells),
    )
    x, y = grid.xy(*grid.window.pixel_centres())
    z = 500.0 + 40.0 * np.sin(x / 60.0) * np.cos(y / 45.0) + 15.0 * np.sin(x / 23.0)
    if hole:
        z[50:62, 40:70] = np.nan
    return Dem.open(ArrayRaster(array=z.astype(np.float32), grid=grid), heights="ellipsoid")


def image_grid(shape: tuple[int, int] = (600, 600), transform: Affine | None = None) -> Grid:
    return Grid(crs=None, transform=transform or Affine.identity(), shape=shape)


def read(raster: Raster) -> np.ndarray:
    return raster.read(raster.grid.window)


@pytest.fixture(scope="module")
def whole() -> Localization:
    return Localization(rpc=camera(), ground=hills(hole=True), image_grid=image_grid())


@pytest.fixture(scope="module")
def values(whole: Localization) -> np.ndarray:
    return read(whole)


def test_each_pixel_is_its_centre_located(whole: Localization, values: np.ndarray) -> None:
    assert values.shape == (3, 600, 600)
    assert values.dtype == whole.dtype == np.float64
    assert np.isnan(whole.nodata)
    rows, cols = np.random.default_rng(1).integers(0, 600, (2, 3000))
    alone = camera().localize_on(hills(hole=True), rows + 0.5, cols + 0.5)
    status = read(whole.status)[0][rows, cols]
    np.testing.assert_array_equal(status, alone.status)
    assert {Status.OK, Status.NO_DATA} <= set(status.tolist())
    found = values[:, rows, cols]
    np.testing.assert_array_equal(np.isnan(found).any(axis=0), status != Status.OK)
    for got, expected in zip(found, alone[:2], strict=False):
        np.testing.assert_allclose(got, expected, atol=2 * SAME * PIXEL)
    np.testing.assert_allclose(
        found[2], alone.height, atol=1e-5
    )  # m: 1e-6 px along a slanting line
    row, col = camera().project(*found)
    ok = status == Status.OK
    np.testing.assert_allclose(row[ok], rows[ok] + 0.5, atol=SAME)
    np.testing.assert_allclose(col[ok], cols[ok] + 0.5, atol=SAME)


@settings(max_examples=12)
@given(st.integers(-20, 590), st.integers(-20, 590), st.integers(1, 300), st.integers(1, 300))
def test_windows_are_cut_out_of_one_result(whole, values, row, col, height, width):
    window = Window(row, col, height, width)
    padded = np.full((3, 1400, 1400), np.nan)
    padded[:, 400:1000, 400:1000] = values
    expected = padded[:, row + 400 : row + 400 + height, col + 400 : col + 400 + width]
    np.testing.assert_array_equal(whole.read(window), expected)


@pytest.mark.parametrize("ground", [hills(hole=True), 512.25])
@pytest.mark.parametrize(
    ("engine", "block"), [(Serial(), 97), (Threads(3), 256), (Threads(2), 1024)]
)
def test_files_do_not_depend_on_blocks_and_threads(tmp_path, ground, engine, block):
    made = Localization(rpc=camera(), ground=ground, image_grid=image_grid((300, 400)))
    path = write(made, tmp_path / "a.tif", engine=engine, block_size=block, descriptions=BANDS)
    fresh = Localization(rpc=camera(), ground=ground, image_grid=image_grid((300, 400)))
    with open_dataset(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), read(fresh))
        assert dataset.descriptions == BANDS
        assert dataset.dtypes == ("float64",) * 3
        assert np.isnan(dataset.nodata)


def test_at_a_height_it_is_the_inverse_of_project() -> None:
    made = Localization(rpc=camera(), ground=480.0, image_grid=image_grid((70, 90)))
    lon, lat, height = read(made)
    assert (height == 480.0).all()
    row, col = camera().project(lon, lat, height)
    np.testing.assert_allclose(row, np.arange(70)[:, None] + 0.5 + 0.0 * lon, atol=1e-8)
    np.testing.assert_allclose(col, np.arange(90)[None, :] + 0.5 + 0.0 * lon, atol=1e-8)
    assert made.counts() == {Status.OK: 70 * 90}


@pytest.mark.parametrize("step", [2, 3, 7, 1000])
@pytest.mark.parametrize("origin", [Affine.identity(), Affine(1.0, 0.0, 40.0, 0.0, 1.0, 60.0)])
def test_a_step_keeps_centres_where_they_are(step: int, origin: Affine) -> None:
    full = Localization(rpc=camera(), ground=480.0, image_grid=image_grid((50, 61), origin))
    sparse = Localization(
        rpc=camera(), ground=480.0, image_grid=image_grid((50, 61), origin), step=step
    )
    np.testing.assert_allclose(read(sparse), read(full)[:, ::step, ::step], atol=1e-13)
    x, y = (np.broadcast_to(a, (50, 61)) for a in full.grid.xy(*full.grid.window.pixel_centres()))
    own_x, own_y = sparse.grid.xy(*sparse.grid.window.pixel_centres())
    np.testing.assert_allclose(np.broadcast_to(own_x, sparse.grid.shape), x[::step, ::step])
    np.testing.assert_allclose(np.broadcast_to(own_y, sparse.grid.shape), y[::step, ::step])
    assert sparse.grid.resolution == (step, step)


def test_statuses_are_counted_and_told_apart() -> None:
    """A DEM that ends within the image: beside it, in its hole, on it; and 255 beyond the image."""
    made = Localization(
        rpc=camera(), ground=hills(hole=True, cells=80), image_grid=image_grid((600, 700))
    )
    status = read(made.status)
    assert status.dtype == np.uint8
    found = {
        Status(int(s)): int(n) for s, n in zip(*np.unique(status, return_counts=True), strict=True)
    }
    assert made.counts() == found
    assert {Status.OK, Status.OUTSIDE_DEM, Status.NO_DATA} <= set(found)
    np.testing.assert_array_equal(np.isnan(read(made)[0]), status[0] != Status.OK)
    beyond = made.status.read(Window(598, 698, 4, 4))[0]
    np.testing.assert_array_equal(beyond[2:], 255)
    np.testing.assert_array_equal(beyond[:2, :2], status[0, 598:, 698:])
    fresh = Localization(
        rpc=camera(), ground=hills(hole=True, cells=80), image_grid=image_grid((600, 700))
    )
    assert fresh.counts(engine=Threads(2)) == found


def test_the_status_of_uniform_tiles_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Localization(rpc=camera(), ground=hills(), image_grid=image_grid((300, 300)))
    read(made)
    monkeypatch.setattr(Localization, "located", None)
    assert (read(made.status) == Status.OK).all()
    assert made.counts() == {Status.OK: 90_000}


def test_holes_are_filled_as_the_user_says() -> None:
    rpc, dem, grid = camera(), hills(hole=True), image_grid()
    failed = Localization(rpc=rpc, ground=dem, image_grid=grid, step=5)
    hole = read(failed.status)[0] == Status.NO_DATA
    assert hole.any()
    for on_nodata in ("nearest", 500.0):
        filled = Localization(rpc=rpc, ground=dem, image_grid=grid, step=5, on_nodata=on_nodata)
        assert filled.counts() == {Status.OK: 120 * 120}
        assert np.isfinite(read(filled)).all()
    assert abs(np.median(read(filled)[2][hole]) - 500.0) < 1e-3  # m, float32 of the DEM


def test_classic_solvers_fill_the_raster_too() -> None:
    rpc, dem, grid = camera(), hills(), image_grid((600, 600))
    certified = read(Localization(rpc=rpc, ground=dem, image_grid=grid, step=20))
    for solver in ("gdal", Gdal(tolerance=1e-6, max_iterations=200)):
        found = read(Localization(rpc=rpc, ground=dem, image_grid=grid, step=20, solver=solver))
        off = np.abs(found[:2] - certified[:2]).max(axis=0)
        assert np.nanmedian(off) < 0.2 * PIXEL  # its tolerance of 0.1 px, along the slope


def test_far_points_are_outside_of_the_image() -> None:
    found = locate(camera(), 500.0, [300.0, 5000.0], [300.0, 300.0])
    assert found.status[0] == Status.OK
    assert found.status[1] != Status.OK
    assert np.isnan(found.lon[1] + found.lat[1] + found.height[1])


def test_it_travels_and_is_compared_by_what_it_is(whole: Localization, values: np.ndarray) -> None:
    again = pickle.loads(
        pickle.dumps(Localization(rpc=camera(), ground=480.0, image_grid=image_grid()))
    )
    assert again == Localization(rpc=camera(), ground=480.0, image_grid=image_grid())
    window = Window(10, 20, 5, 6)
    np.testing.assert_array_equal(again.read(window), read(Localization(
        rpc=camera(), ground=480.0, image_grid=image_grid()))[:, 10:15, 20:26])  # fmt: skip


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"step": 0}, "step 0"),
        ({"ground": float("nan")}, "height nan"),
        ({"ground": 5.0, "solver": "gdal"}, "for a DEM"),
        ({"ground": 5.0, "on_nodata": "nearest"}, "for a DEM"),
        ({"on_nodata": "mean"}, "'fail', 'nearest' or a height"),
        ({"on_nodata": float("inf")}, "finite"),
        ({"solver": "magic"}, "solver 'magic'"),
        ({"solver": "gdal", "on_nodata": "nearest"}, "fail at holes"),
        ({"solver": Gdal(), "on_nodata": 5.0}, "fail at holes"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(given, rule):
    with pytest.raises(InputError, match=rule):
        Localization(**{"rpc": camera(), "ground": hills(), "image_grid": image_grid(), **given})
