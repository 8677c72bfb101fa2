"""Kernels of rational polynomials against the plain formulas, and their derivatives."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import reference
from trueground.kernels import rational

coefficients = hnp.arrays(np.float64, rational.SIZE, elements=st.floats(-2.0, 2.0))
normal = st.floats(-1.5, 1.5)


@given(coefficients, normal, normal, normal)
def test_polynomial_and_gradient_equal_their_twin(model, x, y, h):
    k = rational.SAMP_NUM
    terms = reference.rpc_terms(np.array(x), np.array(y), np.array(h))
    expected = model[k : k + 20] @ terms
    # 20 terms of up to 2 * 1.5**3 = 7: round-off stays far below 1e-12.
    assert abs(rational.polynomial(model, k, x, y, h) - expected) < 1e-12
    value, dx, dy = rational.polynomial_gradient(model, k, x, y, h)
    assert abs(value - expected) < 1e-12
    step = 1e-6
    for found, (sx, sy) in ((dx, (step, 0.0)), (dy, (0.0, step))):
        ahead = rational.polynomial(model, k, x + sx, y + sy, h)
        behind = rational.polynomial(model, k, x - sx, y - sy, h)
        assert abs(found - (ahead - behind) / (2 * step)) < 1e-6


@given(st.floats(-540.0, 540.0))
def test_wrap_brings_differences_within_half_a_turn(degrees):
    found = rational.wrap(degrees)
    assert -180.0 <= found <= 180.0
    assert abs(np.sin(np.radians(found)) - np.sin(np.radians(degrees))) < 1e-12
