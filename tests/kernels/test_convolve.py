"""Convolution and majority kernels against their slow twins, and what weights must obey."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.interpolate import BSpline

import resampling_reference as reference
from trueground.kernels import convolve, majority, resample

KINDS = {
    "bilinear": convolve.BILINEAR,
    "cubic": convolve.CUBIC,
    "cubic-spline": convolve.SPLINE,
    "lanczos": convolve.LANCZOS,
    "average": convolve.AREA,
}
ALL = pytest.mark.parametrize("name", KINDS)
NAMES = st.sampled_from(sorted(KINDS))
SCALES = st.one_of(st.just(1.0), st.floats(1.0, 4.0), st.sampled_from([1.5, 2.0, 3.0]))
PLACES = st.one_of(
    st.floats(-1.0, 13.0), st.integers(-4, 52).map(lambda k: k / 4.0), st.just(float("nan"))
)
POINTS = st.lists(st.tuples(PLACES, PLACES), min_size=1, max_size=12)
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
SEEDS = st.integers(0, 2**32 - 1)  # hypothesis's own arrays are even for the most part
HOLES = st.sampled_from([0.0, 0.1, 0.5, 0.8])


def convolved(source, rows, cols, *, name, scale=(1.0, 1.0), corner=(0, 0), nodata=np.nan):
    """Call the kernel, with NaN for no data."""
    kind = KINDS[name]
    out = np.empty(len(rows))
    half = convolve.half_width(kind, scale[0]), convolve.half_width(kind, scale[1])
    at = np.ascontiguousarray(rows, dtype=float), np.ascontiguousarray(cols, dtype=float)
    convolve.image_convolved(
        source, *corner, *at, kind, scale, half, nodata, np.nan, False, 0.0, 0.0, False, out
    )
    return out


def majority_of(source, rows, cols, *, scale=(1.0, 1.0), corner=(0, 0), nodata=np.nan, fill=0):
    out = np.empty(len(rows), dtype=source.dtype)
    at = np.ascontiguousarray(rows, dtype=float), np.ascontiguousarray(cols, dtype=float)
    majority.image_mode(source, *corner, *at, scale, nodata, fill, False, 1e9, out)
    return out


@given(SHAPES, SEEDS, HOLES, POINTS, NAMES, st.tuples(SCALES, SCALES))
def test_equals_its_twin(shape, seed, holes, points, name, scale):
    rng = np.random.default_rng(seed)
    source = rng.uniform(-500.0, 9000.0, shape).astype(np.float32)
    source[rng.random(shape) < holes] = np.nan
    rows, cols = np.array(points).T
    found = convolved(source, rows, cols, name=name, scale=scale)
    expected = [reference.image(source, r, c, name=name, scale=scale) for r, c in points]
    # 1e-9 of the largest value, as weights are at most 3 times their sum; the sums are made in another order.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@given(SHAPES, SEEDS, POINTS, st.tuples(SCALES, SCALES), st.sampled_from([0.0, 3.0, math.nan]))
def test_mode_equals_its_twin(shape, seed, points, scale, nodata):
    source = np.random.default_rng(seed).integers(0, 6, shape).astype(np.int16)
    rows, cols = np.array(points).T
    found = majority_of(source, rows, cols, scale=scale, nodata=nodata, fill=9)
    expected = [reference.mode(source, r, c, scale=scale, nodata=nodata) for r, c in points]
    np.testing.assert_array_equal(found, [9 if e is None else e for e in expected])


def test_mode_of_many_values_and_of_the_largest_integers():
    rng = np.random.default_rng(0)
    source = rng.permutation(np.arange(900)).reshape(30, 30).astype(np.int64) + 2**62
    source[7, 3] = source[21, 9]  # the one value that is there twice
    assert majority_of(source, [15.0], [15.0], scale=(30.0, 30.0))[0] == source[7, 3]
    real = np.where(source == source[7, 3], np.nan, source.astype(np.float32))
    assert np.isfinite(majority_of(real.astype(np.float32), [14.9], [15.2], scale=(9.0, 9.0)))[0]


@ALL
@pytest.mark.parametrize("scale", [1.0, 1.7, 5.0])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_constants_come_out_as_they_are(name, scale, dtype):
    """To the last bit, with holes and beyond the edges as well."""
    rng = np.random.default_rng(1)
    value = dtype(0.1 if dtype != np.uint16 else 257)
    source = np.full((30, 40), value)
    rows, cols = rng.uniform(0, 30, 500), rng.uniform(0, 40, 500)
    for holes in (False, True):
        if holes:
            source[rng.random(source.shape) < 0.3] = 0
        found = convolved(source, rows, cols, name=name, scale=(scale, scale), nodata=0.0)
        held = source[np.floor(rows).astype(int), np.floor(cols).astype(int)] != 0
        np.testing.assert_array_equal(found[held], float(value))
        assert np.isnan(found[~held]).all()


@pytest.mark.parametrize(("name", "scale"), [("bilinear", 1.0), ("cubic", 1.0), ("cubic-spline", 1.0),
                                             ("average", 1.0), ("cubic", 3.0), ("average", 3.0)])  # fmt: skip
def test_ramps_are_reproduced(name, scale):
    i, j = np.mgrid[0:40, 0:50] + 0.5
    source = 3.0 + 0.7 * i - 1.3 * j
    rng = np.random.default_rng(2)
    rows, cols = rng.uniform(10, 30, 300), rng.uniform(10, 40, 300)
    found = convolved(source, rows, cols, name=name, scale=(scale, scale))
    # Stretched kernels reproduce what is linear where their weights lie in pairs around the point, or all but.
    tolerance = 1e-12 if scale == 1.0 or name == "average" else 0.02
    np.testing.assert_allclose(found, 3.0 + 0.7 * rows - 1.3 * cols, rtol=0, atol=tolerance)


def test_cubic_reproduces_a_quadratic_and_spline_is_scipy_s():
    i, j = np.mgrid[0:40, 0:50] + 0.5
    rng = np.random.default_rng(3)
    rows, cols = rng.uniform(4, 36, 300), rng.uniform(4, 46, 300)
    quadratic = [0.01 * r**2 - 0.03 * r * c + 0.02 * c**2 for r, c in ((i, j), (rows, cols))]
    found = convolved(quadratic[0], rows, cols, name="cubic")
    np.testing.assert_allclose(found, quadratic[1], rtol=0, atol=1e-11)
    source = rng.normal(size=(40, 50))
    # A spline whose coefficients are the pixels themselves.
    knots = [np.arange(n + 4) - 1.5 for n in source.shape]
    down = BSpline.design_matrix(rows, knots[0], 3).toarray()
    across = BSpline.design_matrix(cols, knots[1], 3).toarray()
    expected = np.einsum("ki,ij,kj->k", down, source, across)
    found = convolved(source, rows, cols, name="cubic-spline")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@ALL
@given(data=st.data())
def test_no_data_never_bleeds(name, data):
    """Whatever stands in the holes, the value is the same; positive weights stay between the valid ones."""
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    scale = data.draw(SCALES)
    source = rng.uniform(100.0, 200.0, (12, 14))
    hole = rng.random(source.shape) < data.draw(st.sampled_from([0.05, 0.3, 0.8]))
    rows, cols = rng.uniform(0, 12, 50), rng.uniform(0, 14, 50)
    found = []
    for value in (-1e30, 77.0):
        source[hole] = value
        found.append(convolved(source, rows, cols, name=name, scale=(scale, scale), nodata=value))
    np.testing.assert_array_equal(found[0], found[1])
    held = hole[np.floor(rows).astype(int), np.floor(cols).astype(int)]
    np.testing.assert_array_equal(np.isnan(found[0]), held)
    if (~held).any() and name in ("bilinear", "cubic-spline", "average"):
        assert np.nanmin(found[0]) >= source[~hole].min() - 1e-9
        assert np.nanmax(found[0]) <= source[~hole].max() + 1e-9
    elif (~held).any():  # and negative weights cannot throw it far
        assert np.nanmin(found[0]) > 100.0 - 101.0
        assert np.nanmax(found[0]) < 200.0 + 101.0


def test_weights_that_cancel_give_way_to_linear_ones():
    """Many holes leave weights of both signs; where they nearly cancel, linear ones are taken."""
    rng = np.random.default_rng(8)
    source = rng.uniform(100.0, 200.0, (60, 60))
    source[rng.random(source.shape) < 0.5] = -1.0
    rows, cols = rng.uniform(0, 60, 20_000), rng.uniform(0, 60, 20_000)
    found = convolved(source, rows, cols, name="lanczos", nodata=-1.0)
    linear = convolved(source, rows, cols, name="bilinear", nodata=-1.0)
    given_way = found == linear
    assert 200 < given_way.sum() < 1000  # of 10,100; 5 without the guard, and values up to 1500
    assert np.nanmin(found) > 0.0
    assert np.nanmax(found) < 300.0
    chosen = np.flatnonzero(given_way)[:200]
    expected = [
        reference.image(source, rows[k], cols[k], name="lanczos", nodata=-1.0) for k in chosen
    ]
    np.testing.assert_allclose(found[chosen], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("scale", [(1.0, 1.0), (1.9, 1.3), (4.0, 6.5)])
@pytest.mark.parametrize("name", [*KINDS, "mode"])
def test_values_depend_on_neither_window_nor_batch(name, scale, dtype):
    rng = np.random.default_rng(4)
    source = rng.integers(0, 30, (90, 100)).astype(dtype)
    rows, cols = rng.uniform(30.0, 60.0, 700), rng.uniform(35.0, 60.0, 700)
    rows[:200] = np.rint(rows[:200] * 2) / 2
    call = majority_of if name == "mode" else lambda *a, **k: convolved(*a, name=name, **k)
    settings = {"scale": scale, "nodata": 3.0}
    whole = call(source, rows, cols, **settings)
    part = np.ascontiguousarray(source[3:88, 5:97])
    np.testing.assert_array_equal(call(part, rows, cols, corner=(3, 5), **settings), whole)
    for step in (1, 7, 65):
        pieces = [
            call(source, rows[k : k + step], cols[k : k + step], **settings)
            for k in range(0, 700, step)
        ]
        np.testing.assert_array_equal(np.concatenate(pieces), whole)  # to the last bit
    order = rng.permutation(700)
    np.testing.assert_array_equal(call(source, rows[order], cols[order], **settings), whole[order])


@pytest.mark.parametrize("declared", [True, False])
def test_integers_are_rounded_clipped_and_kept_off_the_fill(declared):
    source = np.zeros((8, 8), dtype=np.uint8)
    source[:, 4:] = 255  # cubic overshoots on both sides of an edge
    at = np.full(80, 4.0), np.linspace(2.0, 6.0, 80)
    out = np.empty(80, dtype=np.uint8)
    convolve.image_convolved(
        source, 0, 0, *at, convolve.CUBIC, (1.0, 1.0), (2.0, 2.0), np.nan, 0.0, declared, 0.0, 255.0, True, out
    )  # fmt: skip
    assert out.max() == 255
    assert out.min() == (1 if declared else 0)
    assert (np.diff(out[20:60].astype(int)) >= 0).all()  # no value has wrapped around
    majority.image_mode(source, 0, 0, *at, (1.0, 1.0), np.nan, 0.0, declared, 255.0, out)
    assert set(np.unique(out)) == {1 if declared else 0, 255}


def test_infinite_neighbours_do_not_make_holes():
    source = np.ones((9, 9), dtype=np.float32)
    source[3, 4], source[5, 4] = np.inf, -np.inf
    rows, cols = (a.ravel() for a in np.mgrid[2:7:0.25, 2:7:0.25])
    for name in KINDS:
        assert not np.isnan(convolved(source, rows, cols, name=name)).any()


def test_bilinear_unscaled_is_that_of_its_own_kernel():
    rng = np.random.default_rng(6)
    source = rng.normal(size=(20, 30))
    source[rng.random(source.shape) < 0.2] = np.nan
    rows, cols = rng.uniform(-1, 21, 2000), rng.uniform(-1, 31, 2000)
    out = np.empty(2000)
    resample.image_bilinear(source, 0, 0, rows, cols, np.nan, np.nan, True, 0.0, 0.0, False, out)
    np.testing.assert_allclose(convolved(source, rows, cols, name="bilinear"), out, atol=1e-13)
