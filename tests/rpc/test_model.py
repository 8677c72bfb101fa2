"""The RPC model: formulas, inverse, GDAL as the oracle, the manufacturer's physical grids."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import RPCTransformer

import reference
from trueground.dem import Dem
from trueground.errors import InputError, RpcError
from trueground.raster import ArrayRaster
from trueground.rpc import Rpc
from trueground.rpc.located import as_floats
from trueground.rpc.readers import read_rpc
from trueground.status import Status


def synthetic(**changes):
    """A pushbroom-like RPC near the antimeridian, with small higher terms."""
    rng = np.random.default_rng(5)
    small = rng.normal(0.0, 1e-4, (4, 20))
    small[:, 0] = 0.0
    line_num, line_den, samp_num, samp_den = small
    line_num[[1, 2, 3]] += 0.05, -1.1, 0.01
    samp_num[[1, 2, 3]] += 1.05, 0.04, -0.2
    line_den[0] = samp_den[0] = 1.0
    values = {
        "line_off": 5000.0, "samp_off": 6000.0, "lat_off": -17.5, "long_off": 179.95,
        "height_off": 300.0, "line_scale": 5001.0, "samp_scale": 6001.0, "lat_scale": 0.1,
        "long_scale": 0.12, "height_scale": 500.0, "line_num": line_num, "line_den": line_den,
        "samp_num": samp_num, "samp_den": samp_den,
    }  # fmt: skip
    return Rpc(**{**values, **changes})


RPC = synthetic()
rows, cols = st.floats(-500.0, 10_500.0), st.floats(-500.0, 12_500.0)
heights = st.floats(-200.0, 800.0)


@given(rows, cols, heights)
def test_localize_and_project_undo_each_other(row, col, height):
    found = RPC.localize(row, col, height)
    assert found.status == Status.OK
    assert -180.0 <= found.lon <= 180.0
    assert found.height == height
    np.testing.assert_allclose(RPC.project(*found[:3]), (row, col), atol=1e-7)


@given(st.floats(-0.15, 0.15), st.floats(-0.12, 0.12), heights)
def test_project_equals_the_formulas_of_the_standard(east, north, height):
    lon, lat = RPC.long_off + east, RPC.lat_off + north
    found = RPC.project(lon, lat, height)
    np.testing.assert_allclose(found, reference.rpc_project(RPC, lon, lat, height), atol=1e-8)
    turned = RPC.project(lon - 360.0, lat, height)  # 180.05 and -179.95 are one place
    np.testing.assert_allclose(turned, found, atol=1e-7)


def test_first_pixels_centre_is_half_half():
    terms = [0.0] * 20
    line, samp, one = [*terms], [*terms], [1.0, *terms[1:]]
    line[2], samp[1] = -1.0, 1.0
    rpc = synthetic(
        line_num=line, samp_num=samp, line_den=one, samp_den=one, line_off=0, samp_off=0
    )
    assert rpc.project(rpc.long_off, rpc.lat_off, 0.0) == (0.5, 0.5)


def test_nan_in_gives_nan_and_a_status_and_spares_the_others():
    row = np.array([100.0, np.nan, 300.0, 400.0, np.inf])
    col = np.array([100.0, 200.0, np.nan, 400.0, 500.0])
    height = np.array([0.0, 0.0, 0.0, np.nan, 0.0])
    found = RPC.localize(row, col, height)
    bad = Status.BAD_INPUT
    np.testing.assert_array_equal(found.status, [Status.OK, bad, bad, bad, bad])
    for values in found[:3]:
        np.testing.assert_array_equal(np.isnan(values), found.status != Status.OK)
    alone = RPC.localize(100.0, 100.0, 0.0)
    assert (found.lon[0], found.lat[0]) == (alone.lon, alone.lat)
    projected = RPC.project([179.9, np.nan, 179.9], [-17.5, -17.5, np.nan], 0.0)
    np.testing.assert_array_equal(np.isnan(projected), [[False, True, True]] * 2)


def test_shapes_broadcast_and_inputs_stay_untouched():
    row = np.linspace(0, 9000, 4)[:, None]
    col = np.linspace(0, 9000, 6)[None, :]
    found = RPC.localize(row, col, 100)
    assert found.lon.shape == found.status.shape == (4, 6)
    assert RPC.localize(1, 2, 3).lon.shape == ()
    assert RPC.localize([], [], []).lon.shape == (0,)
    assert RPC.project(np.empty((3, 0)), np.empty((3, 0)), 0)[0].shape == (3, 0)
    strided = np.arange(0.0, 9000.0, 10.0)[::100]
    frozen = strided.copy()
    frozen.flags.writeable = False
    integers = frozen.astype(np.int32)
    expected = RPC.localize(strided.copy(), strided.copy(), 7.0)
    for given_ in (strided, frozen, integers, list(strided), frozen.astype(np.float32)):
        found = RPC.localize(given_, given_, 7)
        np.testing.assert_array_equal(found.lon, expected.lon)
        np.testing.assert_array_equal(found.height, 7.0)
    before = strided.copy()
    RPC.project(strided, strided, strided)
    RPC.localize(strided, strided, strided)
    np.testing.assert_array_equal(strided, before)


def test_a_point_does_not_depend_on_its_neighbours():
    """To the last bit, or orthoimages would depend on their blocks."""
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(179.85, 180.05, 1003), rng.uniform(-17.6, -17.4, 1003)
    height = rng.uniform(0.0, 700.0, 1003)
    row, col = RPC.project(lon, lat, height)
    there = RPC.localize(row, col, height)
    for start, stop in ((0, 1), (1, 4), (3, 10), (500, 1003), (1002, 1003)):
        part = slice(start, stop)
        some = RPC.project(lon[part], lat[part], height[part])
        np.testing.assert_array_equal(some, (row[part], col[part]))
        back = RPC.localize(row[part], col[part], height[part])
        np.testing.assert_array_equal(back[:2], (there.lon[part], there.lat[part]))


def test_a_point_beyond_the_model_fails_with_a_status():
    found = RPC.localize([1e12, -1e9, 5000.0], [0.0, 1e15, 6000.0], [0.0, 0.0, 1e12])
    assert (found.status == Status.DIVERGED).all()
    assert np.isnan(found.lon).all()
    assert np.isnan(found.height).all()


def test_cropping_takes_the_offset_off():
    crop = RPC.cropped(512, 1024)
    lon, lat, height, _ = RPC.localize(700.0, 1100.0, 50.0)
    np.testing.assert_allclose(crop.project(lon, lat, height), (188.0, 76.0), atol=1e-7)


def test_tags_hold_all_digits():
    tags = RPC.to_tags()
    assert [float(v) for v in tags["LINE_NUM_COEFF"].split()] == list(RPC.line_num)
    assert float(tags["LAT_SCALE"]) == RPC.lat_scale


def test_an_rpc_is_a_value():
    assert pickle.loads(pickle.dumps(RPC)) == RPC
    assert hash(synthetic()) == hash(RPC)
    assert synthetic(line_off=1.0) != RPC


@pytest.mark.parametrize(
    "changes",
    [
        {"line_num": [1.0] * 19}, {"samp_den": [0.0] * 20}, {"lat_scale": 0.0},
        {"height_off": np.nan}, {"line_den": [np.inf] + [0.0] * 19},
    ],
)  # fmt: skip
def test_damaged_coefficients_are_refused(changes):
    with pytest.raises(RpcError) as caught:
        synthetic(**changes)
    assert "\n" not in str(caught.value)


def test_equals_gdal(data_folder):
    """GDAL iterates to 0.1 px unless asked: here to 1e-9 px."""
    path = data_folder / "phr_2017/PHR1B_P_201709281038393_SEN_PRG_FC_178609-001.tif"
    rpc = read_rpc(path)
    with rasterio.open(path) as dataset:
        rpcs = dataset.rpcs
    rng = np.random.default_rng(0)
    row, col = rng.uniform(0, 20_000, 500), rng.uniform(0, 20_000, 500)
    for height in (0.0, 500.0):
        found = rpc.localize(row, col, height)
        with RPCTransformer(rpcs, rpc_height=height, rpc_pixel_error_threshold=1e-9) as gdal:
            lon, lat = gdal.xy(row, col, offset="ul")
            back = gdal.rowcol(found.lon, found.lat, op=lambda v: v)
        # 1e-9 degrees are 0.1 mm; GDAL's own iteration ends somewhere below its threshold.
        np.testing.assert_allclose(found.lon, lon, atol=2e-9)
        np.testing.assert_allclose(found.lat, lat, atol=2e-9)
        np.testing.assert_allclose(back, (row, col), atol=1e-5)


V = "ventoux/GRID_PHR1B_P_201308051042"
GRIDS = [
    ("phr_2018/GRID_P1BP--2018122638935449CP", "phr_2018/PHRDIMAP_P1BP--2018122638935449CP.XML"),
    ("phr_2017/GRID_P1BP--2017092838284574CP", "phr_2017/RPC_P1BP--2017092838284574CP.XML"),
    (f"{V}194_SEN_690908101-001", "ventoux/left_image.geom"),
    (f"{V}523_SEN_690908101-002", "ventoux/right_image.geom"),
]


@pytest.mark.parametrize(("grid", "file"), GRIDS)
def test_equals_the_physical_model(data_folder, grid, file):
    """The manufacturer's rigorous model, at (and a little beyond) the heights of the RPC."""
    rpc = read_rpc(data_folder / file)
    with rasterio.open(data_folder / f"{grid}.tif") as dataset:
        bands, t = dataset.read(), dataset.transform
        tags = {**dataset.tags(), **dataset.tags(ns="GTiff")}
    i, j = np.mgrid[0 : bands.shape[1], 0 : bands.shape[2]]
    row, col = t.f + i * t.e, t.c + j * t.a
    compared = 0
    for layer in range(bands.shape[0] // 2):
        height = next(float(v) for k, v in tags.items() if k.endswith(f"ALTITUDE_B{2 * layer}"))
        if abs(height - rpc.height_off) > 1.2 * rpc.height_scale:
            continue
        lon, lat = bands[2 * layer], bands[2 * layer + 1]
        found = np.array(rpc.project(lon, lat, height))
        assert np.abs(found - (row, col)).max() < 3e-3  # px
        there = rpc.localize(row, col, height)
        assert (there.status == Status.OK).all()
        # 3e-3 px of 0.5 m are 1.5 mm: 1.4e-8 degrees of latitude.
        np.testing.assert_allclose(there.lat, lat, atol=3e-8)
        compared += 1
    assert compared >= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a", 1, 1), r"row 'a': must be real numbers \(text\); give a number"),
        ((1, np.array([1j]), 1), r"col .*complex"),
        ((1, 1, [[1.0], [1.0, 2.0]]), r"height .*must be real numbers"),
        ((np.zeros(2), np.zeros(3), 1), r"row \(2,\), col \(3,\), height \(\): must broadcast"),
    ],
)
def test_what_is_no_number_is_named(arguments, words):
    with pytest.raises(InputError, match=words):
        RPC.localize(*arguments)
    renamed = words.replace("row", "lon").replace("col", "lat")
    for method in (RPC.project, RPC.project_jacobian):
        with pytest.raises(InputError, match=renamed):
            method(*arguments)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_what_a_mask_hides_is_missing(dtype):
    row = np.ma.masked_array(np.array([10, 20, 30], dtype=dtype), mask=[False, True, False])
    found = RPC.localize(row, 5.0, 300.0)
    np.testing.assert_array_equal(found.status, [Status.OK, Status.BAD_INPUT, Status.OK])
    plain = RPC.localize(np.array([10.0, 30.0]), 5.0, 300.0)
    np.testing.assert_array_equal(found.lon[[0, 2]], plain.lon)
    lon = np.ma.masked_invalid(found.lon)
    np.testing.assert_array_equal(np.isnan(RPC.project(lon, -17.5, 300.0)[0]), [False, True, False])


def test_plain_arrays_are_passed_on_without_a_copy():
    array = np.zeros((3, 4))
    (same,), shape = as_floats(row=array)
    assert same is array
    assert shape == (3, 4)


@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan])
def test_a_crop_that_is_nowhere_is_not_blamed_on_the_rpc(number):
    with pytest.raises(InputError, match=r"crop at row .* finite"):
        RPC.cropped(number, 3.0)
    with pytest.raises(InputError, match="factor"):
        RPC.rescaled(number)
    with pytest.raises(InputError, match=r"factor 1e\+300"):
        RPC.rescaled(1e300)


@pytest.mark.parametrize("solver", ["certified", "gdal"])
def test_positions_on_a_dem_are_read_like_those_at_a_height(utm_grid, solver):
    array = np.full(utm_grid.shape, 300.0, dtype=np.float32)
    dem = Dem.open(ArrayRaster(array=array, grid=utm_grid), heights="ellipsoid")
    row = np.ma.masked_array([10.0, 20.0], mask=[False, True])
    found = RPC.localize_on(dem, row, 5.0, solver=solver)
    assert found.status[1] == Status.BAD_INPUT
    assert found.status[0] != Status.BAD_INPUT
    with pytest.raises(InputError, match="row 'a'"):
        RPC.localize_on(dem, "a", 5.0, solver=solver)
    with pytest.raises(InputError, match="must broadcast"):
        RPC.localize_on(dem, np.zeros(2), np.zeros(3), solver=solver)
