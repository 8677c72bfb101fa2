"""Medians by selection against those by sorting."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trueground.kernels import medians

# Few different numbers, so that many are equal, or any.
VALUES = hnp.arrays(
    np.float64,
    st.integers(1, 60),
    elements=st.one_of(st.integers(-2, 2).map(float), st.floats(-1e6, 1e6)),
)


@given(values=VALUES)
def test_spread_is_that_by_sorting(values):
    middle = np.median(values)
    assert medians.spread(values) == (values.size, middle, np.median(np.abs(values - middle)))
    assert medians.middle(values) == middle


@pytest.mark.parametrize("order", [np.sort, lambda v: np.sort(v)[::-1], np.abs, np.square, np.cos])
def test_orders_that_are_hard_for_a_selection(order):
    values = order(np.linspace(-3.0, 3.0, 100_001))
    middle = np.median(values)
    medians.spread(values[:9])  # compiled
    start = time.process_time()
    assert medians.spread(values) == (values.size, middle, np.median(np.abs(values - middle)))
    assert time.process_time() - start < 0.5  # s; those that take the square of the time take 5


@pytest.mark.parametrize("place", range(5))
def test_what_is_no_number_ends(place):
    values = np.arange(5.0)
    values[place] = np.nan
    assert np.isnan(medians.middle(values)) or medians.middle(values) in values
    assert np.isnan(medians.middle(np.full(9, np.nan)))


def test_what_is_not_finite_does_not_count():
    values = np.array([np.nan, 3.0, np.inf, 1.0, -np.inf, 2.0])
    assert medians.spread(values) == (3, 2.0, 1.0)
    assert medians.spread(values[:1])[0] == 0


@given(values=VALUES, seed=st.integers(0, 99))
def test_groups(values, seed):
    group = np.random.default_rng(seed).integers(0, 5, values.size)
    found, spreads = np.empty((2, 5))
    medians.grouped(values, group, found, spreads)
    for k in range(5):
        own = values[group == k]
        want = [np.nan, np.nan]
        if own.size:
            want = [np.median(own), np.median(np.abs(own - np.median(own)))]
        np.testing.assert_array_equal([found[k], spreads[k]], want)


@given(values=VALUES)
def test_alike(values):
    assert medians.alike(values) == (values.min() == values.max())
