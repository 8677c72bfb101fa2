"""Derivatives of rational polynomials against their twin, and against complex steps of the formulas."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import reference
from trueground.kernels import derivatives, rational
from trueground.rpc.model import Rpc

coefficients = hnp.arrays(np.float64, (4, 20), elements=st.floats(-1.0, 1.0))
normal = st.floats(-1.5, 1.5)
scales = st.floats(0.01, 100.0) | st.floats(-100.0, -0.01)


def random_rpc(terms, scale):
    """Any polynomials, with denominators that stay away from zero: all other terms sum up to 0.5 at most."""
    terms = terms.copy()
    terms[1::2] *= 0.5 / 20 / 1.5**3
    terms[1::2, 0] = 1.0
    return Rpc(
        line_off=3000.0, samp_off=-50.0, lat_off=45.0, long_off=179.9, height_off=100.0,
        line_scale=3000.0, samp_scale=100.0 * scale, lat_scale=0.1, long_scale=0.1 * scale, height_scale=100.0,
        line_num=terms[0], line_den=terms[1], samp_num=terms[2], samp_den=terms[3],
    )  # fmt: skip


@given(coefficients, normal, normal, normal)
def test_slope_equals_a_complex_step(terms, x, y, h):
    model = terms.reshape(-1)
    step = reference.rpc_terms(np.array(x + 0j), np.array(y + 0j), np.array(h + 1e-30j))
    expected = (model[20:40] @ step).imag / 1e-30
    assert abs(derivatives.polynomial_slope(model, 20, x, y, h) - expected) < 1e-12


@given(coefficients, scales, st.lists(st.tuples(normal, normal, normal), min_size=1, max_size=5))
def test_jacobian_equals_its_twin_and_complex_steps(terms, scale, places):
    rpc = random_rpc(terms, scale)
    x, y, h = np.array(places).T
    point = [
        rpc.long_off + x * rpc.long_scale,
        rpc.lat_off + y * rpc.lat_scale,
        rpc.height_off + h * rpc.height_scale,
    ]
    found = np.empty((x.size, 2, 3))
    derivatives.project_jacobian(rpc.packed, *point, found)
    # Of derivatives by normalised coordinates, at most 100: one step of longitude is 3e-14 degrees, 3e-11 of its scale.
    unit = np.array([rpc.line_scale, rpc.samp_scale])[:, None] / np.array(
        [rpc.long_scale, rpc.lat_scale, rpc.height_scale]
    )
    twin = reference.rpc_jacobian(rpc, *point)
    np.testing.assert_allclose(found / unit, twin / unit, atol=1e-8)
    for k in range(3):
        moved = [a + (1e-30j if i == k else 0.0) for i, a in enumerate(point)]
        stepped = np.stack(reference.rpc_project(rpc, *moved), axis=-1).imag / 1e-30
        np.testing.assert_allclose(found[..., k] / unit[:, k], stepped / unit[:, k], atol=1e-8)


def test_what_has_no_derivative_is_nan_and_spares_the_others():
    terms = np.zeros((4, 20))
    terms[0, 2] = terms[2, 1] = terms[1, 3] = terms[3, 0] = (
        1.0  # rows by height: a pole at the offset
    )
    rpc = random_rpc(np.zeros((4, 20)), 1.0)
    model = np.concatenate([rpc.packed[:10], terms.reshape(-1)])
    lon = np.array([179.9, 179.9, np.nan, 179.9])
    height = np.array([150.0, 100.0, 150.0, 150.0])
    out = np.full((4, 2, 3), 7.0)
    derivatives.project_jacobian(model, lon, np.full(4, 45.05), height, out)
    missing = np.isnan(out).all(axis=(1, 2))
    np.testing.assert_array_equal(missing, [False, True, True, False])
    np.testing.assert_array_equal(out[0], out[3])
    assert np.isfinite(out[0]).all()
    assert model.size == rational.SIZE
