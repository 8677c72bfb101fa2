"""Ground points from two and three images: known points, a sensor's own rays, and many trials."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trueground.errors import InputError
from trueground.projection import WGS84, project
from trueground.rpc.model import Rpc
from trueground.rpc.readers import read_rpc
from trueground.rpc.triangulate import triangulate
from trueground.samples import World
from trueground.status import Status

METRES_PER_DEGREE = 111_100.0  # of latitude, to 1 %


def view(lean: float, *, across: float = 0.0, long_off: float = 5.0) -> Rpc:
    """1 m pixels, leaning: a metre up moves the image by `lean` rows and `across` columns."""
    zeros = [0.0] * 16
    lat_scale, long_scale = (
        1000.0 / METRES_PER_DEGREE,
        1000.0 / METRES_PER_DEGREE / np.cos(np.radians(44.0)),
    )
    return Rpc(
        line_off=1000.0, samp_off=1000.0, lat_off=44.0, long_off=long_off, height_off=500.0,
        line_scale=1000.0, samp_scale=1000.0, lat_scale=lat_scale, long_scale=long_scale, height_scale=500.0,
        line_num=(0.0, 0.0, -1.0, 0.5 * lean, *zeros), line_den=(1.0, 1e-3, 0.0, 0.0, *zeros),
        samp_num=(0.0, 1.0, 0.0, 0.5 * across, *zeros), samp_den=(1.0, 0.0, -1e-3, 0.0, *zeros),
    )  # fmt: skip


def offset(
    found_lon: np.ndarray, lon: np.ndarray, found_lat: np.ndarray, lat: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    east = (found_lon - lon) * METRES_PER_DEGREE * np.cos(np.radians(lat))
    return east, (found_lat - lat) * METRES_PER_DEGREE


@pytest.mark.parametrize("long_off", [5.0, 179.999, -180.0])
def test_known_points_come_back(long_off: float) -> None:
    left, right = view(0.3, long_off=long_off), view(-0.3, across=0.2, long_off=long_off)
    rng = np.random.default_rng(0)
    lon = np.remainder(long_off + rng.uniform(-0.01, 0.01, (20, 10)) + 180.0, 360.0) - 180.0
    lat = 44.0 + rng.uniform(-0.009, 0.009, (20, 10))
    height = rng.uniform(0.0, 1000.0, (20, 10))
    rows, cols = zip(*(r.project(lon, lat, height) for r in (left, right)), strict=True)
    found = triangulate([left, right], rows, cols)
    assert found.lon.shape == found.miss.shape == found.status.shape == (20, 10)
    assert found.covariance.shape == (20, 10, 3, 3)
    assert (found.status == Status.OK).all()
    turned = np.remainder(found.lon - lon + 180.0, 360.0) - 180.0
    np.testing.assert_allclose(turned * METRES_PER_DEGREE, 0.0, atol=1e-6)
    np.testing.assert_allclose((found.lat - lat) * METRES_PER_DEGREE, 0.0, atol=1e-6)
    np.testing.assert_allclose(found.height, height, atol=1e-6)
    assert found.miss.max() < 1e-6


def test_lines_that_miss_each_other() -> None:
    """Lines lean along the rows: a difference of columns cannot be height, and stays as the miss."""
    left, right = view(0.3), view(-0.3)
    row, col = left.project(5.0, 44.0, 500.0)
    other_row, other_col = right.project(5.0, 44.0, 500.0)
    found = triangulate([left, right], [row, other_row], [col, other_col + 2.0])
    assert found.miss == pytest.approx(2.0, rel=0.01)  # px of 1 m
    east, north = offset(found.lon, np.array(5.0), found.lat, np.array(44.0))
    assert east == pytest.approx(1.0, rel=0.01)
    assert north == pytest.approx(0.0, abs=0.01)
    # A third image that agrees with the first: the worst pair is still 2 m apart.
    third = view(0.0, across=0.3)
    third_row, third_col = third.project(5.0, 44.0, 500.0)
    more = triangulate(
        [left, right, third], [row, other_row, third_row], [col, other_col + 2.0, third_col]
    )
    assert more.status == Status.OK
    assert more.miss == pytest.approx(2.0, rel=0.05)


def test_a_difference_of_rows_is_height() -> None:
    left, right = view(0.3), view(-0.3)
    row, col = left.project(5.0, 44.0, 500.0)
    other_row, other_col = right.project(5.0, 44.0, 500.0)
    found = triangulate([left, right], [row + 3.0, other_row - 3.0], [col, other_col])
    assert found.height == pytest.approx(510.0, abs=0.05)  # 6 px by 0.6 px a metre
    assert found.miss == pytest.approx(0.0, abs=0.02)


def test_covariance_is_that_of_many_trials() -> None:
    pair = [view(0.25), view(-0.3, across=0.1)]
    lon, lat, height = 5.003, 44.002, 640.0
    rng = np.random.default_rng(1)
    at = [np.stack(r.project(lon, lat, height))[:, np.newaxis] for r in pair]
    noisy = [a + rng.normal(0.0, 0.7, (2, 20_000)) for a in at]
    found = triangulate(pair, [a[0] for a in noisy], [a[1] for a in noisy], sigma_px=0.7)
    east, north = offset(found.lon, np.array(lon), found.lat, np.array(lat))
    got = np.cov(np.stack([east, north, found.height - height]))
    predicted = triangulate(
        pair, [a[0, 0] for a in at], [a[1, 0] for a in at], sigma_px=0.7
    ).covariance
    ratio = np.diag(got) / np.diag(predicted)
    assert np.all((ratio > 0.9) & (ratio < 1.1)), (
        ratio
    )  # 20,000 trials: 1 % each, 1 % of the metres
    scale = np.sqrt(np.outer(np.diag(predicted), np.diag(predicted)))
    np.testing.assert_allclose(got / scale, predicted / scale, atol=0.05)
    assert abs(predicted[1, 2] / scale[1, 2]) > 0.05  # not only the diagonal is there to be wrong


def test_points_that_have_no_position() -> None:
    left, right, third = view(0.3), view(-0.3), view(0.0, across=0.3)
    row, col = left.project(5.0, 44.0, 500.0)
    others = [r.project(5.0, 44.0, 500.0) for r in (right, third)]
    parallel = triangulate([left, left], [[row, np.nan], [row, row]], [[col, col], [col, col]])
    assert parallel.status.tolist() == [Status.NO_INTERSECTION, Status.BAD_INPUT]
    for name in ("lon", "lat", "height", "miss", "covariance"):
        assert np.isnan(getattr(parallel, name)).all()
    # An image that does not show a point leaves it to the others.
    nan = np.nan
    found = triangulate(
        [left, right, third],
        [[row, nan, nan], [others[0][0]] * 3, [others[1][0], others[1][0], nan]],
        [[col, col, col], [others[0][1]] * 3, [others[1][1]] * 3],
    )
    assert found.status.tolist() == [Status.OK, Status.OK, Status.BAD_INPUT]
    np.testing.assert_allclose(found.height[:2], 500.0, atol=1e-6)
    assert found.covariance[0, 2, 2] < found.covariance[1, 2, 2]  # three see better than two
    lost = triangulate([left, right], [1e9, 5.0], [5.0, -1e9])
    assert lost.status == Status.DIVERGED
    assert np.isnan(lost.lon)


def test_batches_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    from trueground.rpc import triangulate as module

    pair = [view(0.25), view(-0.3, across=0.1)]
    rng = np.random.default_rng(2)
    rows, cols = rng.uniform(900, 1100, (2, 2, 300))
    whole = triangulate(pair, rows, cols)
    monkeypatch.setattr(module, "_BATCH", 7)
    parts = triangulate(pair, rows, cols)
    for name in ("lon", "lat", "height", "miss", "covariance", "status"):
        np.testing.assert_allclose(
            getattr(parts, name), getattr(whole, name), rtol=1e-9, atol=1e-12
        )


def test_says_what_is_wrong() -> None:
    pair = [view(0.3), view(-0.3)]
    with pytest.raises(InputError, match="1 images"):
        triangulate(pair[:1], [[1.0]], [[1.0]])
    with pytest.raises(InputError, match="2 RPCs, 1 arrays of rows"):
        triangulate(pair, [[1.0]], [[1.0], [2.0]])
    with pytest.raises(InputError, match="sigma_px is -1"):
        triangulate(pair, [[1.0]] * 2, [[1.0]] * 2, sigma_px=-1.0)
    assert triangulate(pair, [[]] * 2, [[]] * 2).lon.shape == (0,)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    from trueground.samples import make_world

    return make_world(tmp_path_factory.mktemp("world"), size=240)


def test_synthetic_world_by_the_sensors_own_rays(world: World) -> None:
    """Truth is traced from the left image and projected to the right one by the sensor: no RPC takes part."""
    size = world.sensors[0].shape[0]
    rng = np.random.default_rng(3)
    row, col = rng.uniform(0.3 * size, 0.7 * size, (2, 400))
    view = world.view("left")
    x, y, height = view.trace(row, col)
    lon, lat = project(view.grid.crs, WGS84, x, y)
    other = world.sensors[1].project(lon, lat, height)
    rpcs = [read_rpc(image) for image in world.images]
    found = triangulate(rpcs, [row, other[0]], [col, other[1]])
    assert (found.status == Status.OK).all()
    east, north = offset(found.lon, lon, found.lat, lat)
    # Rays are traced to 1e-4 m; the RPCs fit their sensors to some 1e-5 px of 2 m.
    assert np.abs(east).max() < 1e-3
    assert np.abs(north).max() < 1e-3
    assert np.abs(found.height - height).max() < 1e-3
    assert found.miss.max() < 1e-3


@pytest.mark.data
def test_stereo_pair_of_the_ventoux(data_folder: Path) -> None:
    folder = data_folder / "ventoux"
    left, right = read_rpc(folder / "left_image.geom"), read_rpc(folder / "right_image.geom")
    rng = np.random.default_rng(0)
    row, col = rng.uniform(4500.0, 6500.0, (2, 5000))
    height = rng.uniform(300.0, 1900.0, 5000)
    ground = left.localize(row, col, height)
    others = right.project(ground.lon, ground.lat, height)
    found = triangulate([left, right], [row, others[0]], [col, others[1]])
    east, north = offset(found.lon, ground.lon, found.lat, ground.lat)
    for error in (east, north, found.height - height, found.miss):
        assert np.abs(error).max() < 1e-6
    # Pixels of 0.7 m, base to height 0.24 (the sensors' own angles): 0.7 m * sqrt(2) / 0.24 = 4 m a pixel of noise.
    up = np.sqrt(found.covariance[:, 2, 2])
    assert 1.0 < np.median(up) < 6.0
    # A crop counts from its own corner.
    crops = [left.cropped(5000, 5000), right.cropped(5162, 4915)]
    again = triangulate(crops, [row - 5000, others[0] - 5162], [col - 5000, others[1] - 4915])
    np.testing.assert_allclose(again.height, found.height, atol=1e-6)
    moved = triangulate(
        [left, replace(right, samp_off=right.samp_off + 1.0)], [row, others[0]], [col, others[1]]
    )
    assert np.median(moved.miss) + np.median(np.abs(moved.height - height)) > 0.3
