"""Derivatives, viewing geometry, sampling and domain: a rigorous sensor and the manufacturers' figures as truth."""

from __future__ import annotations

import warnings

import numpy as np
import pyproj
import pytest

from pushbroom import SHAPE, scene
from trueground.rpc.readers import read_rpc
from trueground.rpc.viewing import (
    ExtrapolationWarning,
    domain,
    metres_per_degree,
    warn_of_extrapolation,
)
from trueground.status import Status

PLACES = [(7.0, 46.0), (179.99, -17.0), (-179.99, 60.0), (30.0, 85.0), (180.0, 89.0)]
ECEF = pyproj.Transformer.from_crs(4979, 4978, always_xy=True)
GEOD = pyproj.Geod(ellps="WGS84")


def ecef(lon, lat, height):
    return np.stack(ECEF.transform(*np.broadcast_arrays(lon, lat, height)), axis=-1)


def turn(first, second):
    """Difference of directions [degrees]."""
    return np.mod(first - second + 180.0, 360.0) - 180.0


def test_metres_per_degree_are_those_of_pyproj():
    lat = np.linspace(-89.9, 89.9, 181)
    step = 1e-5  # degrees: about a metre
    for height in (-400.0, 0.0, 8000.0):
        here, east = ecef(10.0, lat, height), ecef(10.0 + step, lat, height)
        south, north = ecef(10.0, lat - step / 2, height), ecef(10.0, lat + step / 2, height)
        per_lon, per_lat = metres_per_degree(lat, height)
        # Coordinates of 6e6 m hold 1e-9 m: 1e-4 m per degree.
        np.testing.assert_allclose(per_lon, np.linalg.norm(east - here, axis=-1) / step, atol=5e-4)
        np.testing.assert_allclose(
            per_lat, np.linalg.norm(north - south, axis=-1) / step, atol=5e-4
        )


@pytest.mark.parametrize(("lon", "lat"), PLACES)
def test_viewing_is_that_of_the_rigorous_sensor(lon, lat):
    """The look of the sensor, against east, north and up at the ground point, as pyproj places them."""
    given = scene(lon, lat)
    row, col, height = given.pixels(500)
    at = given.sensor.locate(row, col, height)
    _, look = given.sensor.line_of_sight(row, col)
    up = ecef(*at, height + 1000.0) - ecef(*at, height)
    lam = np.radians(at[0])
    east = np.stack([-np.sin(lam), np.cos(lam), np.zeros_like(lam)], axis=-1)
    up /= np.linalg.norm(up, axis=-1, keepdims=True)
    north = np.cross(up, east)
    sensor_east, sensor_north, sensor_up = (-(look * a).sum(-1) for a in (east, north, up))
    found = given.rpc.viewing(row, col, height)
    assert (found.status == Status.OK).all()
    incidence = np.degrees(np.arctan2(np.hypot(sensor_east, sensor_north), sensor_up))
    # 1e-5 px at the most, of 2 m over 1000 m, are 1e-6 degrees; azimuths hang on a lever of tan(23 degrees).
    np.testing.assert_allclose(found.incidence, incidence, atol=1e-5)
    azimuth = np.degrees(np.arctan2(sensor_east, sensor_north))
    assert np.abs(turn(found.azimuth, azimuth)).max() < 1e-5 if lat < 89 else 1e-3
    assert ((found.azimuth >= 0.0) & (found.azimuth < 360.0)).all()


@pytest.mark.parametrize(("lon", "lat"), PLACES)
def test_sampling_is_that_of_the_rigorous_sensor(lon, lat):
    given = scene(lon, lat)
    row, col, height = given.pixels(200, seed=1)
    found = given.rpc.ground_sampling(row, col, height)
    for values, (down, right) in ((found.per_row, (0.5, 0.0)), (found.per_col, (0.0, 0.5))):
        ends = [given.sensor.locate(row + s * down, col + s * right, height) for s in (-1, 1)]
        distance = np.linalg.norm(ecef(*ends[0], height) - ecef(*ends[1], height), axis=-1)
        np.testing.assert_allclose(values, distance, rtol=1e-6)
    assert 1.9 < found.per_row.min() < found.per_col.max() < 2.6


# Incidence at the first, middle and last row, and across and along the track [degrees], of the files' own metadata.
MANUFACTURER = [
    ("phr_2018/PHRDIMAP_P1BP--2018122638935449CP.XML", (17.24283, 17.41720, 17.59082), (-12.43204, -12.58189)),
    ("ventoux/left_image.geom", (8.61147, 8.57946, 8.55361), (2.27780, -8.28020)),
    ("ventoux/right_image.geom", (11.54645, 11.55754, 11.57363), (-3.01540, 11.17750)),
    ("phr_2017/PHR1B_P_201709281038393_SEN_PRG_FC_178609-001.geom", (15.9734, 16.0218, 16.0786), (-10.73367, 12.17218)),
    ("phr_2017/PHR1B_P_201709281038045_SEN_PRG_FC_178608-001.geom", (9.83290, 9.91018, 10.00172), (-5.30256, -8.41977)),
]  # fmt: skip


@pytest.mark.parametrize(("file", "incidence", "tracks"), MANUFACTURER)
def test_viewing_is_what_the_manufacturer_says(data_folder, file, incidence, tracks):
    rpc = read_rpc(data_folder / file)
    row = rpc.line_off * np.array([0.0, 1.0, 2.0])
    found = rpc.viewing(row, rpc.samp_off, 0.0)
    # They are of lines near the edges, at a height that is not told.
    np.testing.assert_allclose(found.incidence, incidence, atol=0.01)
    # The track goes the way of the rows, within a tenth of a degree.
    start, end = (rpc.localize(r, rpc.samp_off, 0.0) for r in row[[0, 2]])
    heading, _, _ = GEOD.inv(start.lon, start.lat, end.lon, end.lat)
    across, along = np.tan(np.radians(tracks))
    expected = heading - np.degrees(np.arctan2(across, along))
    assert abs(turn(found.azimuth[1], expected)) < 0.2


def test_points_that_cannot_be_located_have_no_viewing():
    rpc = scene(7.0, 46.0).rpc
    row = np.array([100.0, np.nan, 100.0, 1e12])
    for found in (rpc.viewing(row, 100.0, 500.0), rpc.ground_sampling(row, 100.0, 500.0)):
        np.testing.assert_array_equal(found.status, [0, Status.BAD_INPUT, 0, Status.DIVERGED])
        for values in found[:2]:
            np.testing.assert_array_equal(np.isnan(values), found.status != Status.OK)
            assert values[0] == values[2]


def test_any_shape_comes_back():
    rpc = scene(7.0, 46.0).rpc
    row, col = np.arange(3)[:, None], np.arange(4)[None, :]
    assert rpc.viewing(row, col, 500).incidence.shape == (3, 4)
    assert rpc.ground_sampling(1, 2, 3).per_row.shape == ()
    assert rpc.viewing([], [], []).azimuth.shape == (0,)
    at = rpc.localize(row, col, 500)
    found = rpc.project_jacobian(at.lon, at.lat, 500)
    assert [a.shape for a in found] == [(3, 4), (3, 4), (3, 4, 2, 3)]
    np.testing.assert_array_equal(found[:2], rpc.project(at.lon, at.lat, 500))
    assert rpc.project_jacobian(7, 46, 500)[2].shape == (2, 3)
    assert rpc.project_jacobian(np.empty((2, 0)), 46, 500)[2].shape == (2, 0, 2, 3)
    assert rpc.extrapolation(at.lon, at.lat, 500).height.shape == (3, 4)
    assert rpc.extrapolation(7, 46, 500).beyond.shape == ()


def test_extrapolation_is_counted_from_the_edge_of_each_range():
    rpc = scene(179.99, -17.0).rpc
    for axis, (_, low, high, _) in enumerate(domain(rpc)[:3]):
        point = [rpc.long_off, rpc.lat_off, rpc.height_off]
        half = (high - low) / 2
        for value, expected in ((low - 3.0 * half, 3.0), (high + half, 1.0), (high, 0.0)):
            point[axis] = value if axis else (value + 180.0) % 360.0 - 180.0
            found = rpc.extrapolation(*point)
            assert found[axis] == pytest.approx(expected, abs=1e-9)
            assert all(found[k] == 0.0 for k in range(3) if k != axis)
            assert found.largest >= found[axis]
            assert found.beyond or not expected
    row, col, height = -SHAPE[0], SHAPE[1] * 1.5, rpc.height_off
    found = rpc.extrapolation(*rpc.localize(row, col, height)[:3])
    assert found.row == pytest.approx(2.0, rel=1e-9)
    assert found.col == pytest.approx(1.0, rel=1e-9)
    missing = rpc.extrapolation([179.99, np.nan, np.inf, 179.99], -17.0, [0.0, 0.0, 0.0, np.nan])
    np.testing.assert_array_equal(np.isnan(missing.largest), [False, True, True, True])
    assert not missing.beyond[1:].any()


def test_real_scenes_lie_in_their_own_domain(data_folder):
    for file in (*(m[0] for m in MANUFACTURER), "wv3/wv3_20.NTF"):
        rpc = read_rpc(data_folder / file)
        ends = np.linspace(-1.0, 1.0, 5)
        row, col, height = np.meshgrid(ends, ends, ends)
        at = rpc.localize(
            rpc.line_off + 0.5 + row * rpc.line_scale,
            rpc.samp_off + 0.5 + col * rpc.samp_scale,
            rpc.height_off + height * rpc.height_scale,
        )
        found = rpc.extrapolation(*at[:3])
        assert found.largest.max() < 2e-5
        assert not found.beyond.any()


def test_one_warning_says_how_many_and_how_far():
    rpc = scene(7.0, 46.0).rpc
    inside = rpc.localize(*scene(7.0, 46.0).pixels(97))
    lon, lat, height = (
        np.append(a, [b, b, np.nan]) for a, b in zip(inside[:3], (7.0, 46.0, 0.0), strict=True)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_extrapolation(rpc, lon, lat, height)
        warn_of_extrapolation(rpc, [], [], [])
        warn_of_extrapolation(rpc, np.nan, 46.0, 0.0)
    height[-3] = 5000.0  # the RPC's heights are 0 to 2000 m
    with pytest.warns(ExtrapolationWarning) as caught:
        warn_of_extrapolation(rpc, lon, lat, height)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert "1 of 100 points" in text
    assert "in height: up to 3000 m beyond 0 to 2000, 3 times" in text
    assert "\n" not in text
    assert caught[0].filename == __file__


def test_neither_project_nor_localize_warns():
    rpc = scene(7.0, 46.0).rpc
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rpc.project(8.0, 46.0, 9000.0)
        rpc.localize(-9000.0, 100.0, 9000.0)
        rpc.viewing(-9000.0, 100.0, 9000.0)
        rpc.extrapolation([7.0, np.inf], 46.0, -np.inf)
        rpc.in_domain([7.0, np.inf], 46.0, -np.inf)
