"""Resampling kernels against their slow twins, and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import map_coordinates

import reference
from trueground.kernels import resample

HEIGHTS = st.one_of(st.floats(-500.0, 9000.0, width=32), st.just(float("nan")))
SURFACES = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7), elements=HEIGHTS
)
# Places on, between and beyond the nodes; halves and quarters hit the special cases exactly.
PLACES = st.one_of(
    st.floats(-1.0, 8.0), st.integers(-4, 32).map(lambda k: k / 4.0), st.just(float("nan"))
)
POINTS = st.lists(st.tuples(PLACES, PLACES), min_size=1, max_size=20)


def _apart(points):
    rows, cols = np.array(points, dtype=np.float64).T
    return np.ascontiguousarray(rows), np.ascontiguousarray(cols)


def _close(found, expected, source):
    scale = np.nanmax(np.abs(source), initial=1.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * max(scale, 1.0) + 1e-9)


def _beside_a_node(rows, cols):
    beside = np.zeros(rows.shape, dtype=bool)
    for at in (rows - 0.5, cols - 0.5):
        beside |= (np.abs(at - np.round(at)) < 2 * resample.SLACK) & (at != np.round(at))
    return beside


@given(SURFACES, POINTS)
def test_nearest_equals_its_twin(source, points):
    rows, cols = _apart(points)
    out = np.empty(rows.shape, dtype=np.float32)
    resample.nearest(source, 0, 0, rows, cols, np.float32(-7.0), out)
    expected = [reference.nearest(source, r, c, -7.0) for r, c in points]
    np.testing.assert_array_equal(out, np.array(expected, dtype=np.float32))


@given(SURFACES, POINTS)
def test_bilinear_equals_its_twin(source, points):
    rows, cols = _apart(points)
    out = np.empty(rows.shape)
    resample.bilinear(source, 0, 0, rows, cols, out)
    # Up to SLACK beside a node counts as on it; the twin knows no slack.
    beyond = _beside_a_node(rows, cols)
    expected = np.array([reference.bilinear(source, r, c) for r, c in points])
    _close(out[~beyond], expected[~beyond], source)


@given(SURFACES, POINTS)
def test_cubic_equals_its_twin(source, points):
    rows, cols = _apart(points)
    out = np.empty(rows.shape)
    resample.cubic(source, 0, 0, rows, cols, out)
    on_edge = _beside_a_node(rows, cols)
    expected = np.array([reference.cubic(source, r, c) for r, c in points])
    _close(out[~on_edge], expected[~on_edge], source)


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint16]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7),
        elements=st.integers(0, 120),
    ),
    POINTS,
    st.sampled_from([0.0, 7.0, np.nan]),
)
def test_image_bilinear_equals_its_twin_for_integers(source, points, nodata):
    rows, cols = _apart(points)
    fill = 0.0 if np.isnan(nodata) else nodata
    info = np.iinfo(source.dtype)
    out = np.empty(rows.shape, dtype=source.dtype)
    resample.image_bilinear(
        source, 0, 0, rows, cols, nodata, fill, True, float(info.min), float(info.max), True, out
    )
    expected = [reference.image_bilinear(source, r, c, nodata, fill) for r, c in points]
    # A half may be rounded either way when the sums are made in another order.
    assert np.abs(out.astype(int) - np.array(expected).astype(int)).max() <= 1
    footprint = [reference.nearest(source, r, c, fill) for r, c in points]
    held = np.array(footprint) == fill
    if not np.isnan(nodata):
        np.testing.assert_array_equal(out == fill, held)


@given(SURFACES, POINTS)
def test_image_bilinear_equals_its_twin_for_real_numbers(source, points):
    rows, cols = _apart(points)
    out = np.empty(rows.shape, dtype=np.float32)
    resample.image_bilinear(source, 0, 0, rows, cols, np.nan, np.nan, True, 0.0, 0.0, False, out)
    expected = [reference.image_bilinear(source, r, c, np.nan, np.nan) for r, c in points]
    np.testing.assert_allclose(out, np.array(expected, dtype=np.float32), rtol=1e-6, atol=1e-3)


def test_valid_pixel_that_rounds_to_fill_is_moved_by_one():
    source = np.array([[1, 1], [1, 1]], dtype=np.uint8)
    at = np.array([1.0])
    out = np.empty(1, dtype=np.uint8)
    resample.image_bilinear(source, 0, 0, at, at, np.nan, 1.0, True, 0.0, 255.0, True, out)
    assert out[0] == 2
    resample.image_bilinear(source, 0, 0, at, at, np.nan, 1.0, False, 0.0, 255.0, True, out)
    assert out[0] == 1
    resample.image_bilinear(source * 255, 0, 0, at, at, np.nan, 255.0, True, 0.0, 255.0, True, out)
    assert out[0] == 254


@pytest.mark.parametrize("kind", ["bilinear", "cubic"])
def test_round_off_gives_no_weight(kind):
    """A hair beside a node is on it: next to a hole, at the frame, and for the value itself."""
    rng = np.random.default_rng(5)
    source = rng.normal(500.0, 200.0, (40, 50)).astype(np.float32)
    source[rng.random(source.shape) < 0.05] = np.nan
    rows, cols = (a.ravel() for a in np.mgrid[0:40, 0:50] + 0.5)
    for size in (1e-12, 9e-7):
        out = np.empty(rows.size)
        beside = (a + rng.uniform(-size, size, a.size) for a in (rows, cols))
        getattr(resample, kind)(source, 0, 0, *beside, out)
        np.testing.assert_array_equal(out, source.ravel().astype(float))


@pytest.mark.parametrize("kind", ["bilinear", "cubic"])
def test_value_does_not_depend_on_the_window(kind):
    rng = np.random.default_rng(1)
    source = rng.normal(500.0, 200.0, (60, 70)).astype(np.float32)
    rows, cols = rng.uniform(20.0, 40.0, 500), rng.uniform(20.0, 40.0, 500)
    rows[:200] = np.rint(rows[:200]) + 0.5 + rng.uniform(-2e-6, 2e-6, 200)
    kernel = getattr(resample, kind)
    whole, part = np.empty(500), np.empty(500)
    kernel(source, 0, 0, rows, cols, whole)
    kernel(np.ascontiguousarray(source[17:44, 16:45]), 17, 16, rows, cols, part)
    np.testing.assert_array_equal(part, whole)  # to the last bit


def test_bilinear_equals_scipy():
    rng = np.random.default_rng(2)
    source = rng.normal(size=(40, 30))
    rows, cols = rng.uniform(0.5, 39.5, 1000), rng.uniform(0.5, 29.5, 1000)
    out = np.empty(1000)
    resample.bilinear(source, 0, 0, rows, cols, out)
    expected = map_coordinates(source, [rows - 0.5, cols - 0.5], order=1)
    np.testing.assert_allclose(out, expected, atol=1e-12)  # round-off of values of order one


def test_cubic_recovers_a_quadratic_and_the_nodes():
    """Keys' kernel with a = -1/2 reproduces polynomials up to the second degree."""

    def surface(row, col):
        return 3.0 + 0.5 * row - 0.2 * col + 0.01 * row**2 - 0.03 * row * col + 0.02 * col**2

    i, j = np.mgrid[0:30, 0:40] + 0.5
    source = surface(i, j)
    rng = np.random.default_rng(3)
    rows, cols = rng.uniform(2.0, 28.0, 1000), rng.uniform(2.0, 38.0, 1000)
    out = np.empty(1000)
    resample.cubic(source, 0, 0, rows, cols, out)
    np.testing.assert_allclose(out, surface(rows, cols), atol=1e-11)
    nodes = np.empty(i.size)
    resample.cubic(source, 0, 0, i.ravel(), j.ravel(), nodes)
    np.testing.assert_array_equal(nodes, source.ravel())


def test_a_hole_takes_exactly_the_points_that_need_it():
    source = np.ones((9, 9), dtype=np.float32)
    source[4, 4] = np.nan
    rows, cols = (
        a.ravel() for a in np.meshgrid(np.arange(0.5, 8.6, 0.25), np.arange(0.5, 8.6, 0.25))
    )
    needs = (np.abs(rows - 4.5) < 1.0) & (np.abs(cols - 4.5) < 1.0)
    for kernel in (resample.bilinear, resample.cubic):
        out = np.empty(rows.shape)
        kernel(source, 0, 0, rows, cols, out)
        np.testing.assert_array_equal(np.isnan(out), needs)
