"""What was put in comes back, for each rigid method: through noise, holes, blunders, grids, systems and points."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS, Transformer
from scipy.ndimage import gaussian_filter

from known_motion import shift_of, steep
from known_terrain import ORIGIN, UTM33, dem, grid, height
from trueground.coreg import Alignment, Lzd, NuthKaab
from trueground.coreg.base import translation
from trueground.errors import FitError, InputError, OverlapError
from trueground.grid import Grid
from trueground.pointcloud import PointCloud
from trueground.raster import ArrayRaster, open_raster

SHIFT = (7.3, -4.1, 2.2)
PIXEL = 10.0
METHODS = [
    NuthKaab(),
    NuthKaab(estimator="robust-gradient"),
    Lzd(motion="translation"),
    Lzd(),
]
each_method = pytest.mark.parametrize("method", METHODS, ids=["bins", "gradient", "lzd3", "lzd6"])


def off(alignment, shift=SHIFT):
    """Horizontal error [px]."""
    return np.hypot(*(shift_of(alignment) - shift)[:2]) / PIXEL


@pytest.fixture(scope="module")
def on():
    return grid((600, 600), PIXEL)


@pytest.fixture(scope="module")
def pair(on):
    return dem(on, surface=steep).array[0], dem(on, SHIFT, surface=steep).array[0]


def raster(array, on):
    return ArrayRaster(array=array.astype(np.float32), grid=on)


@each_method
def test_without_noise(method, pair, on):
    result = method.fit(raster(pair[0], on), raster(pair[1], on))
    assert result.converged
    assert off(result) <= 0.001
    assert result.shift_z == pytest.approx(SHIFT[2], abs=0.005)
    assert result.warnings == ()
    assert result.on_samples["after"]["rmse"] < 0.05 < result.on_samples["before"]["rmse"]


@each_method
@pytest.mark.parametrize("spoilt", ["noise", "holes", "blunders"])
def test_with_noise_of_a_metre(method, spoilt, pair, on):
    rng = np.random.default_rng(3)
    reference, moving = (p + rng.normal(size=p.shape) for p in pair)
    if spoilt == "holes":
        moving[rng.random(moving.shape) < 0.1] = np.nan
    elif spoilt == "blunders":
        moving[rng.random(moving.shape) < 0.05] += 50.0
    result = method.fit(raster(reference, on), raster(moving, on))
    assert result.converged
    # Of 350,000 cells; the standard error that the result states itself is below half of that.
    assert off(result) <= 0.003
    assert max(result.errors[:2]) / PIXEL <= 0.0015
    # Three standard errors; blunders, that a cubic kernel spreads to one side, drew it by 0.35 m.
    assert result.shift_z == pytest.approx(SHIFT[2], abs=0.012)


@pytest.mark.parametrize("spoilt", ["reference", "moving"])
@pytest.mark.parametrize("code", [32633, 4326])
def test_blunders_do_not_lift_a_dem(spoilt, code):
    """In a cell of the other DEM as well, and where the DEMs count in other systems."""
    on = grid((300, 320), PIXEL)
    there = on if code == 32633 else other_grid(on, code, PIXEL)
    reference, moving = dem(on, surface=steep, noise=0.5), dem(there, SHIFT, surface=steep, seed=5)
    array = (reference if spoilt == "reference" else moving).array[0]
    array[np.random.default_rng(0).random(array.shape) < 0.05] += 50.0
    result = NuthKaab(estimator="robust-gradient").fit(reference, moving)
    assert result.shift_z == pytest.approx(SHIFT[2], abs=0.02)


@each_method
def test_from_thirty_pixels_away(method):
    on = grid((400, 420), PIXEL)
    far = (220.0, -205.0, 12.0)
    result = method.fit(dem(on, surface=steep), dem(on, far, surface=steep))
    assert result.converged
    assert off(result, far) <= 0.001


@each_method
def test_an_initial_shift_is_where_it_begins_and_part_of_the_result(method):
    on = grid((300, 320), PIXEL)
    far = (420.0, -405.0, 12.0)
    start = Alignment(
        matrix=translation((415.0, -400.0, 0.0)), centroid=(*ORIGIN, 0.0), crs=UTM33.to_wkt(),
        method="given", nmad_before=0.0, nmad_after=0.0, samples=0,
    )  # fmt: skip
    reference, moving = dem(on, surface=steep), dem(on, far, surface=steep)
    result = method.fit(reference, moving, initial=start)
    assert result.converged
    assert off(result, far) <= 0.001
    assert len(result.iterations) < len(method.fit(reference, moving).iterations)
    elsewhere = Alignment(**{**vars(start), "crs": CRS.from_epsg(32634).to_wkt()})
    with pytest.raises(InputError, match="zone 34N"):
        method.fit(reference, moving, initial=elsewhere)


def other_grid(on, code, pixel):
    """Return a grid of about a pixel over the same ground in another system."""
    to = Transformer.from_crs(UTM33, code, always_xy=True)
    west, south, east, north = to.transform_bounds(*on.bounds)
    ground = on.bounds[2] - on.bounds[0], on.bounds[3] - on.bounds[1]
    size = [round(length / pixel) for length in ground]
    step = ((east - west) / size[0], (north - south) / size[1])
    return Grid.covering((west, south, east, north), step, crs=CRS.from_epsg(code))


@each_method
@pytest.mark.parametrize("which", ["reference", "moving", "both"])
@pytest.mark.parametrize("code", [4326, 32632])
def test_systems_of_the_copies_do_not_matter(method, which, code):
    on = grid((300, 320), PIXEL)
    there = other_grid(on, code, PIXEL)
    one = there if which in {"reference", "both"} else on
    two = there if which in {"moving", "both"} else on
    moving = dem(two, SHIFT, surface=steep)
    result = method.fit(dem(one, surface=steep), moving)
    crs = CRS.from_wkt(result.crs)
    assert crs.is_projected  # in metres, in any case
    to = Transformer.from_crs(crs, UTM33, always_xy=True)
    c = result.centroid
    here = np.array(to.transform(c[0], c[1]))
    there = np.array(to.transform(c[0] + result.shift_x, c[1] + result.shift_y))
    assert np.hypot(*(there - here - SHIFT[:2])) / PIXEL <= 0.01
    assert result.shift_z == pytest.approx(SHIFT[2], abs=0.02)
    assert result.apply(moving).grid == two  # in the moving DEM's own system


@each_method
def test_points_and_rasters_say_the_same(method):
    on = grid((400, 420), PIXEL)
    rng = np.random.default_rng(0)
    x = rng.uniform(on.bounds[0], on.bounds[2], 60_000)
    y = rng.uniform(on.bounds[1], on.bounds[3], 60_000)
    true = PointCloud(x=x, y=y, z=steep(x, y), crs=UTM33)
    assert off(method.fit(true, dem(on, SHIFT, surface=steep))) <= 0.001
    displaced = PointCloud(x=x, y=y, z=steep(x + SHIFT[0], y + SHIFT[1]) - SHIFT[2], crs=UTM33)
    result = method.fit(dem(on, surface=steep), displaced)
    assert result.method == method.name
    assert off(result) <= 0.001
    assert result.shift_z == pytest.approx(SHIFT[2], abs=0.01)
    with pytest.raises(InputError, match="both"):
        method.fit(true, displaced)


def test_points_in_degrees_with_a_sigma_and_a_mask():
    on = grid((400, 420), PIXEL)
    rng = np.random.default_rng(0)
    x = rng.uniform(on.bounds[0], on.bounds[2], 40_000)
    y = rng.uniform(on.bounds[1], on.bounds[3], 40_000)
    z = steep(x, y)
    east = x > (on.bounds[0] + on.bounds[2]) / 2.0
    z[east] += rng.normal(0.0, 30.0, east.sum())
    sigma = np.where(east, 30.0, 0.1)
    lon, lat = Transformer.from_crs(UTM33, 4326, always_xy=True).transform(x, y)
    cloud = PointCloud(x=lon, y=lat, z=z, sigma=sigma, crs=CRS.from_epsg(4326))
    moving = dem(on, SHIFT, surface=steep)
    method = NuthKaab(estimator="robust-gradient")
    assert off(method.fit(cloud, moving)) <= 0.005
    plain = PointCloud(x=lon, y=lat, z=z, crs=CRS.from_epsg(4326))
    mask = np.ones(on.shape, dtype=np.uint8)
    mask[:, on.shape[1] // 2 - 2 :] = 0
    kept = method.fit(plain, moving, valid=ArrayRaster(array=mask, grid=on))
    assert 15_000 < kept.samples < 21_000
    assert off(kept) <= 0.001
    with pytest.raises(OverlapError, match="none of the 40000 points"):
        method.fit(PointCloud(x=lon + 9.0, y=lat, z=z, crs=CRS.from_epsg(4326)), moving)


@each_method
def test_weights_silence_what_is_bad(method, on, pair):
    rng = np.random.default_rng(0)
    spoilt = pair[1].copy()
    spoilt[:, :300] += rng.normal(0.0, 30.0, (600, 300)).astype(np.float32)
    weights = np.full(on.shape, 1.0, dtype=np.float32)
    weights[:, :310] = 1.0 / 30.0**2
    given = method.fit(raster(pair[0], on), raster(spoilt, on), weights=raster(weights, on))
    assert off(given) <= 0.002


def flat(on, noise):
    return noise + 100.0


def one_slope(on, noise):
    return np.linspace(0.0, 2000.0, on.shape[0])[:, np.newaxis] + noise


def one_wave(on, noise):
    return 100.0 * np.sin(np.arange(on.shape[0])[:, np.newaxis] / 10.0) + noise


@each_method
@pytest.mark.parametrize("ground", [flat, one_slope, one_wave])
@pytest.mark.parametrize("noisy", [True, False])
def test_ground_that_does_not_fix_a_shift_is_refused(method, ground, noisy):
    """Noise looks like slopes in all directions; the other DEM does not have the same ones."""
    on = grid((300, 320), PIXEL)
    one, two = (
        ground(on, np.random.default_rng(seed).normal(0.0, 1.0 if noisy else 0.0, on.shape))
        for seed in (1, 2)
    )
    with pytest.raises(FitError, match=r"flat|one way|same way|does not fix|px only"):
        method.fit(raster(one, on), raster(two, on))


def test_a_vague_shift_is_flagged():
    on = grid((150, 160), PIXEL)

    def gentle(x, y):
        return 500.0 + 0.3 * height(x, y)

    noise = gaussian_filter(np.random.default_rng(0).normal(size=on.shape), 6.0)
    one = dem(on, surface=gentle)
    two = raster(one.array[0] + 4.0 * noise / noise.std(), on)
    result = NuthKaab(estimator="robust-gradient").fit(one, two)
    assert any("px only" in warning for warning in result.warnings), result.errors


def test_an_alignment_there_and_back():
    on = grid((200, 210), PIXEL)
    moving = dem(on, SHIFT, surface=steep)
    result = Lzd().fit(dem(on, surface=steep), moving)
    assert Alignment.from_json(result.to_json()) == result
    back = result.inverse()
    x, y, z = (np.array([v]) for v in (ORIGIN[0] + 500.0, ORIGIN[1] - 700.0, 300.0))
    there = result.transform(x, y, z)
    np.testing.assert_allclose(back.transform(*there), (x, y, z), atol=1e-6)
    again = back.apply(result.apply(moving)).read(on.window)[0]
    inner = (slice(10, -10),) * 2
    np.testing.assert_allclose(again[inner], moving.array[0][inner], atol=0.4)  # bilinear, twice
    to = Transformer.from_crs(UTM33, 4326, always_xy=True)
    moved = result.transform(*to.transform(x, y), z, crs=CRS.from_epsg(4326))
    np.testing.assert_allclose(moved[:2], to.transform(*there[:2]), rtol=0.0, atol=1e-10)
    whole = np.asarray(result.matrix_about_origin) @ [x[0], y[0], z[0], 1.0]
    np.testing.assert_allclose(whole[:3], np.ravel(there), atol=1e-2)


def test_area_or_point_makes_no_difference(tmp_path):
    """GDAL counts transforms from corners for both."""
    on = grid((200, 210), PIXEL)
    made = {}
    for kind in ("Area", "Point"):
        opened = []
        for name, shift in (("reference", (0.0, 0.0, 0.0)), ("moving", SHIFT)):
            path = tmp_path / f"{name}_{kind}.tif"
            with rasterio.open(
                path, "w", driver="GTiff", height=on.shape[0], width=on.shape[1], count=1,
                dtype="float32", crs=UTM33.to_wkt(), transform=on.transform,
            ) as file:  # fmt: skip
                file.update_tags(AREA_OR_POINT=kind)
                file.write(dem(on, shift, surface=steep).array)
            opened.append(open_raster(path))
        made[kind] = shift_of(NuthKaab().fit(*opened))
    np.testing.assert_array_equal(made["Area"], made["Point"])
    assert np.hypot(*(made["Point"] - SHIFT)[:2]) / PIXEL <= 0.001


def test_two_grids_of_one_ground():
    on = grid((400, 420), PIXEL)
    finer = grid((700, 690), transform=Affine(6.0, 0, ORIGIN[0] + 31.7, 0, -6.0, ORIGIN[1] - 11.1))
    for one, two in ((on, finer), (finer, on)):
        result = NuthKaab().fit(dem(one, surface=steep), dem(two, SHIFT, surface=steep))
        assert off(result) <= 0.001


@pytest.mark.data
@pytest.mark.parametrize("method", METHODS[:2], ids=["bins", "gradient"])
def test_srtm_in_degrees(data_folder, method):
    """Three columns and five rows of 3 seconds were put in, with a blur."""
    reference = open_raster(data_folder / "srtm_pair/srtm_ref.tif")
    moving = open_raster(data_folder / "srtm_pair/srtm_blurred_and_shifted.tif")
    result = method.fit(reference, moving)
    lon, lat = (np.array([v]) for v in reference.grid.xy(500.0, 500.0))
    end_lon, end_lat, _ = result.transform(lon, lat, np.array([1000.0]), crs=reference.grid.crs)
    t = reference.grid.transform
    moved = (end_lon[0] - lon[0]) / t.a, (end_lat[0] - lat[0]) / t.e
    assert moved == pytest.approx((3.0, 5.0), abs=0.002)
