"""Direct models of DIMAP against the inverse ones; crops, overviews and heights of an RPC."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import rpc_products as products
from trueground.describe import describe
from trueground.errors import InputError, RpcError
from trueground.rpc.direct import direct_difference, localize_directly
from trueground.rpc.direct_model import DirectModel
from trueground.rpc.readers import read_rpc

MODEL = products.rpc()
BOTH = products.with_direct(MODEL)


def put(folder, text, name="file.bin"):
    path = folder / name
    path.write_text(text)
    return path


def test_the_direct_model_is_the_inverse_of_the_other(tmp_path):
    assert 0.0 < direct_difference(BOTH) < 0.05
    row, col = np.array([10.0, 20_000.0, 40_000.0]), np.array([38_000.0, 1000.0, 20_000.0])
    lon, lat = localize_directly(BOTH, row, col, height=900.0)
    exact = BOTH.localize(row, col, 900.0)
    np.testing.assert_allclose(lon, exact.lon, atol=1e-7)
    np.testing.assert_allclose(lat, exact.lat, atol=1e-7)
    with pytest.raises(RpcError, match="DIMAP"):
        localize_directly(MODEL, 0.0, 0.0, height=0.0)


def test_the_direct_model_goes_along_with_crops_and_overviews():
    row, col = 2000.0, 3000.0
    lon, lat = localize_directly(BOTH, row, col, height=500.0)
    crop = localize_directly(BOTH.cropped(70, 30), row - 70, col - 30, height=500.0)
    np.testing.assert_allclose(crop, (lon, lat), atol=1e-12)
    half = localize_directly(BOTH.rescaled(0.5, 0.25), row / 2, col / 4, height=500.0)
    np.testing.assert_allclose(half, (lon, lat), atol=1e-12)
    west = replace(BOTH, long_off=180.0)
    lon, _ = localize_directly(west, row, np.array([100.0, 38_000.0]), height=500.0)
    assert (np.abs(lon) <= 180.0).all()
    assert lon[0] > 179.0
    assert lon[1] < -179.0


@pytest.mark.parametrize("name", ["dimap 1", "dimap 2", "dimap 3"])
def test_models_that_disagree_are_worth_one_warning(tmp_path, name):
    terms = np.array(BOTH.direct.lon_num)
    terms[0] += 2.0 / BOTH.samp_scale  # 2 px
    damaged = replace(BOTH, direct=replace(BOTH.direct, lon_num=terms))
    makers = {
        "dimap 1": products.dimap_v1,
        "dimap 2": products.dimap,
        "dimap 3": lambda m: products.dimap(m, profile="PNEO_SENSOR", first=0),
    }
    path = put(tmp_path, makers[name](damaged))
    with pytest.warns(UserWarning, match=r"file\.bin.* 2(\.\d+)? px apart") as caught:
        found = read_rpc(path)
    assert len(caught) == 1
    assert found == MODEL
    assert direct_difference(found) == pytest.approx(2.0, abs=0.1)


def test_a_direct_model_without_a_denominator():
    zero = DirectModel(lon_num=[1] * 20, lon_den=[0] * 20, lat_num=[1] * 20, lat_den=[1] * 20)
    broken = replace(MODEL, direct=zero)
    assert direct_difference(broken) == np.inf
    assert np.isnan(localize_directly(broken, 1.0, 1.0, height=0.0)).all()


@pytest.mark.parametrize("terms", [[1.0] * 19, [np.nan] * 20])
def test_damaged_direct_coefficients(terms):
    good = [1.0] * 20
    with pytest.raises(RpcError, match="lat_den"):
        DirectModel(lon_num=good, lon_den=good, lat_num=good, lat_den=terms)


def test_info_says_how_far_they_are_apart(tmp_path):
    items = describe(str(put(tmp_path, products.dimap(BOTH))))
    assert items["kind"] == "RPC file"
    assert items["RPC pixel origin"].startswith("1")
    assert "px at most" in items["RPC direct model"]
    assert items["RPC heights"].startswith("190 to 1960 m")
    assert "RPC direct model" not in describe(str(put(tmp_path, products.rpb(MODEL))))


# ---------------------------------------------------------------------------- crops, overviews, heights


def test_rescaling_keeps_the_half_pixel():
    """The outer corner stays; the centre of a pixel of half the resolution is that of 2 x 2 pixels."""
    lon, lat, height, _ = MODEL.localize([0.0, 1.0, 700.0], [0.0, 1.0, 900.0], 500.0)
    row, col = MODEL.rescaled(0.5).project(lon, lat, height)
    np.testing.assert_allclose(row, [0.0, 0.5, 350.0], atol=1e-8)
    np.testing.assert_allclose(col, [0.0, 0.5, 450.0], atol=1e-8)
    row, col = MODEL.rescaled(2.0, 1 / 3).project(lon, lat, height)
    np.testing.assert_allclose(row, [0.0, 2.0, 1400.0], atol=1e-8)
    np.testing.assert_allclose(col, [0.0, 1 / 3, 300.0], atol=1e-8)
    there = MODEL.rescaled(0.125).rescaled(8.0)
    assert there.line_off == pytest.approx(MODEL.line_off, abs=1e-9)
    for factor in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="factor"):
            MODEL.rescaled(factor)


def test_height_range():
    assert MODEL.height_range == (190.0, 1960.0)
    assert replace(MODEL, height_scale=-885.0).height_range == (190.0, 1960.0)


# ---------------------------------------------------------------------------- real files


@pytest.mark.parametrize(
    "file",
    [
        "phr_2018/PHRDIMAP_P1BP--2018122638935449CP.XML",
        "phr_2017/RPC_P1BP--2017092838284574CP.XML",
        "ventoux/RPC_PHR1B_P_201308051042194_SEN_690908101-001.XML",
    ],
)
def test_real_direct_models(data_folder, file):
    """shareloc's case 5: 2e-2 px and 1e-7 degrees, over the whole scene and its heights."""
    rpc = read_rpc(data_folder / file)
    assert direct_difference(rpc) < 5e-3
    low, high = rpc.height_range
    rows = np.linspace(0.0, 2.0 * rpc.line_off, 7)[:, None, None]
    cols = np.linspace(0.0, 2.0 * rpc.samp_off, 7)[:, None]
    heights = np.linspace(low, high, 5)
    lon, lat = localize_directly(rpc, rows, cols, height=heights)
    exact = rpc.localize(rows, cols, heights)
    np.testing.assert_allclose(lon, exact.lon, atol=1e-7)
    np.testing.assert_allclose(lat, exact.lat, atol=1e-7)
    np.testing.assert_allclose(rpc.project(lon, lat, heights)[0] - rows, 0.0, atol=2e-2)


def test_case_5_of_shareloc(data_folder):
    rpc = read_rpc(data_folder / "phr_2018/PHRDIMAP_P1BP--2018122638935449CP.XML")
    lon, lat = localize_directly(rpc, 200.0, 600.0, height=125.0)
    np.testing.assert_allclose(rpc.project(lon, lat, 125.0), (200.0, 600.0), atol=2e-2)
    exact = rpc.localize(200.0, 600.0, 125.0)
    assert (lon, lat) == (pytest.approx(exact.lon, abs=1e-7), pytest.approx(exact.lat, abs=1e-7))


def test_case_6_of_shareloc(data_folder):
    """Its `get_alt_min_max` is offset -+ scale / 2; the domain of the model is twice that."""
    rpc = read_rpc(data_folder / "phr_2018/PHRDIMAP_P1BP--2018122638935449CP.XML")
    half = rpc.height_scale / 2
    assert (rpc.height_off - half, rpc.height_off + half) == (532.5, 617.5)
    assert rpc.height_range == (490.0, 660.0)
