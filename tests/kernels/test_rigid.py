"""Lines that meet a surface: against the slow twin, and where there are holes and edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import reference
from trueground.kernels import resample, rigid, separable

KINDS = {"bilinear": rigid.BILINEAR, "cubic": rigid.CUBIC}
SURFACES = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=8),
    elements=st.floats(-500.0, 4000.0, width=32),
)
PLACES = st.floats(-1.0, 9.0)
LEANS = st.floats(-5e-5, 5e-5)  # px/m: cliffs of 4,500 m/px stay a contraction, cubic overshoot too


def meet(source, kind, row, col, lean, *, base=100.0, at=(0, 0), shape=None):
    """Heights of lines through single points, flat ground being the height itself."""
    place = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [base, 0.0, 0.0]])
    row, col = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (row, col))
    out = np.empty(row.size)
    rigid.at_points(
        source, *at, *(shape or source.shape), kind, base, *lean, place, 1.0, row, col, out
    )
    return out


@pytest.mark.parametrize("kind", ["bilinear", "cubic"])
@given(source=SURFACES, row=PLACES, col=PLACES, lean=st.tuples(LEANS, LEANS))
def test_equals_its_twin(kind, source, row, col, lean):
    found = meet(source, KINDS[kind], row, col, lean)[0]
    surface = getattr(reference, kind)
    place, height = reference.met(surface, source, row, col, lean, 100.0)
    edges = [0.5, *(n - 0.5 for n in source.shape)]
    if min(abs(p - e) for p in place for e in edges) < 1e-5:
        return  # where round-off decides what is outside
    if math.isnan(height) and not math.isnan(found):
        # The twin began with a height of the centroid, the line's foot: outside.
        back = surface(source, row - lean[0] * (found - 100.0), col - lean[1] * (found - 100.0))
        assert found == pytest.approx(back, abs=0.05)
        return
    # 1e-6 px on a cliff of 4,500 m/px.
    assert found == pytest.approx(height, abs=0.01, nan_ok=True)


def waves(shape=(60, 70), seed=0):
    """A surface that is as rough as terrain: 10 m/px."""
    i, j = np.mgrid[0 : shape[0], 0 : shape[1]]
    z = 500.0 + 60.0 * np.sin(i / 5.0) * np.cos(j / 7.0)
    return (z + np.random.default_rng(seed).normal(0.0, 1.0, shape)).astype(np.float32)


@pytest.mark.parametrize("kind", ["bilinear", "cubic"])
@pytest.mark.parametrize("size", [1e-6, 1e-4, 2e-2])
def test_heights_are_those_of_the_twin_to_a_micrometre(kind, size):
    source = waves()
    rng = np.random.default_rng(1)
    rows, cols = rng.uniform(15.0, 45.0, (2, 300))
    lean = (size, -0.7 * size)
    found = meet(source, KINDS[kind], rows, cols, lean)
    surface = getattr(reference, kind)
    want = [
        reference.met(surface, source, r, c, lean, 100.0)[1]
        for r, c in zip(rows, cols, strict=True)
    ]
    np.testing.assert_allclose(found, want, atol=1e-6)


@pytest.mark.parametrize("kind", ["bilinear", "cubic"])
@pytest.mark.parametrize("size", [5e-4, 2e-2])
def test_a_hole_takes_the_points_that_need_it(kind, size):
    """Though the foot of their line lies up to a pixel away: beyond the hole, or in it."""
    whole = waves()
    source = whole.copy()
    source[30:33, 30:34] = np.nan
    lean, base = (size, -0.75 * size), 520.0
    rows, cols = (v.ravel() for v in np.mgrid[20:45:0.23, 20:45:0.23])
    filled = meet(whole, rigid.BILINEAR, rows, cols, lean, base=base)
    found = meet(source, KINDS[kind], rows, cols, lean, base=base)
    place = rows - lean[0] * (filled - base), cols - lean[1] * (filled - base)
    needs = (np.abs(place[0] - 31.5) < 2.0) & (np.abs(place[1] - 32.0) < 2.5)
    # At the larger lean the way there may be lost, and cubic is another surface.
    assert (np.isnan(found) != needs).mean() < (1e-3 if size > 1e-3 else 1e-9)
    assert needs.sum() > 50


@pytest.mark.parametrize("kind", ["bilinear", "cubic"])
def test_value_does_not_depend_on_the_window_and_says_where_it_is_too_small(kind):
    source = waves()
    source[31, 33] = np.nan
    rng = np.random.default_rng(2)
    rows, cols = rng.uniform(25.0, 35.0, (2, 2000))
    lean = (5e-3, -4e-3)
    want = meet(source, KINDS[kind], rows, cols, lean)
    for first, last in ((5, 55), (20, 40), (24, 36)):
        part = np.ascontiguousarray(source[first:last, first:last])
        found = meet(part, KINDS[kind], rows, cols, lean, at=(first, first), shape=source.shape)
        left = found == rigid.LEFT
        np.testing.assert_array_equal(found[~left], want[~left])  # to the last bit
        assert left.any() == (first > 20)


def test_heights_that_stand_for_no_data_end_the_search():
    source = waves()
    for value in (-3.4e38, 1e30, np.inf, -32767.0):
        spoilt = source.copy()
        spoilt[30, 30] = value
        found = meet(
            spoilt, rigid.BILINEAR, [30.5, 30.6, 10.0], [30.5, 30.2, 10.0], (0.1, 0.0), base=500.0
        )
        assert np.isfinite(found[2])
        assert not np.isinf(found).any()
    assert np.isnan(
        meet(source, rigid.BILINEAR, [np.nan, np.inf, 1e12], [5.0] * 3, (0.1, 0.0))
    ).all()


def test_float32_heights_are_summed_in_float64():
    source = np.array([[8000.0, 8001.0], [8000.5, 8003.0]], dtype=np.float32)
    found = meet(source, rigid.BILINEAR, 0.9, 1.1, (0.0, 0.0), base=0.0)[0]
    assert found == pytest.approx(reference.bilinear(source, 0.9, 1.1), abs=1e-11)


def test_a_window_is_its_points():
    source = waves()
    source[20:23, 40] = np.nan
    place = np.array([[1.3, 0.9, 0.05], [-0.7, -0.04, 0.95], [3.0, 0.01, -0.02]])
    args = (0, 0, *source.shape, rigid.CUBIC, 450.0, 2e-3, -3e-3)
    out = np.empty((40, 50), dtype=np.float32)
    left = rigid.over_window(source, *args, place, 0.999, 7, 5, out)
    rows, cols = (v.ravel() + 0.5 for v in np.mgrid[7:47, 5:55])
    want = np.empty(rows.size)
    rigid.at_points(source, *args, place, 0.999, rows, cols, want)
    np.testing.assert_array_equal(out.ravel(), want.astype(np.float32))
    assert left == 0
    assert 0 < np.isnan(out).sum() < 500


@pytest.mark.parametrize("kind", ["bilinear", "cubic"])
@given(source=SURFACES, first=PLACES, step=st.sampled_from([1.0, -1.0, 0.5, 2.3]))
def test_along_axes_is_point_by_point(kind, source, first, step):
    source = source.copy()
    source.ravel()[::5] = np.nan
    rows, cols = first + step * np.arange(6.0), 1.7 * first + 0.25 * np.arange(9.0)
    out = np.empty((6, 9), dtype=np.float32)
    getattr(separable, kind)(source, 0, 0, rows, cols, 2.5, out)
    at = [v.ravel() for v in np.meshgrid(rows, cols, indexing="ij")]
    want = np.empty(54)
    getattr(resample, kind)(source, 0, 0, *at, want)
    np.testing.assert_allclose(out.ravel(), (want + 2.5).astype(np.float32), rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("kind", ["bilinear", "cubic"])
@pytest.mark.parametrize(
    "transform", [(10.0, 0.0, 5e5, 0.0, -10.0, 8e6), (9.0, 3.0, 5e5, 4.0, -8.0, 8e6)]
)
def test_a_shifted_surface_is_the_twin_beside_the_place(kind, transform):
    source = waves((12, 14))
    source[6, 3] = np.nan
    source[9, 9] = np.inf
    a, b, c, d, e, f = transform
    col, row = np.random.default_rng(3).random((2, 400)) * [[16.0], [14.0]] - 1.0
    row, col = np.append(row, np.nan), np.append(col, 3.0)
    x, y = a * col + b * row + c, d * col + e * row + f
    place, shift = (5e5 + 30.0, 8e6 - 30.0), (21.5, -3.25, 1.5)
    moved = place[0] + shift[0], place[1] + shift[1]
    out = np.empty(x.size)
    rigid.shifted(
        source,
        0,
        0,
        KINDS[kind],
        transform,
        place,
        moved,
        shift[2],
        x + shift[0],
        y + shift[1],
        out,
    )
    surface = getattr(reference, kind)
    want = np.array(
        [
            surface(source, *at) if np.isfinite(at[0]) else np.nan
            for at in zip(row, col, strict=True)
        ]
    )
    want[np.isinf(want)] = np.nan
    # Places are known to 1e-9 m, and the surface rises by 10 m/px.
    assert out == pytest.approx(want + shift[2], abs=1e-6, nan_ok=True)
