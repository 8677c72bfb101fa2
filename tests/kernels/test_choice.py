"""The numbers of chance against their twin."""

from __future__ import annotations

import numpy as np
import pytest

import reference
from trueground.kernels import choice


@pytest.mark.parametrize(
    ("row0", "col0", "seed"), [(0, 0, 0), (70_000, 3, 1), (5, 2**31 + 7, 12345)]
)
def test_uniform_is_its_twin_to_the_last_bit(row0, col0, seed):
    out = np.empty((37, 41))
    choice.uniform(row0, col0, seed, out)
    np.testing.assert_array_equal(out, reference.uniform(row0, col0, seed, out.shape))


@pytest.mark.parametrize("masked", [False, True])
def test_drawn_are_those_with_little_chance(masked):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 50)).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    keep = rng.random((30, 35)) < 0.6 if masked else np.empty((0, 0), dtype=np.bool_)
    rows, cols = np.empty((2, 2000), dtype=np.intp)
    count = choice.drawn(values, 4, 7, 30, 35, keep, 1000, 2000, 5, 0.4, rows, cols)
    want = (reference.uniform(1000, 2000, 5, (30, 35)) < 0.4) & np.isfinite(values[4:34, 7:42])
    if masked:
        want &= keep
    np.testing.assert_array_equal((rows[:count], cols[:count]), np.nonzero(want))
    assert choice.drawn(values, 4, 7, 30, 35, keep, 1000, 2000, 5, 0.4, rows[:9], cols[:9]) == count


def test_taken_are_heights_and_central_differences():
    values = np.random.default_rng(1).normal(size=(6, 8)).astype(np.float32)
    rows, cols = (v.ravel() for v in np.mgrid[-1:5, -2:6])
    heights, down, along = np.empty((3, rows.size))
    choice.taken(values, 1, 2, rows, cols, heights, down, along)
    wide = np.pad(values.astype(np.float64), 1, constant_values=np.nan)
    np.testing.assert_array_equal(heights.reshape(6, 8), values)
    np.testing.assert_array_equal(down.reshape(6, 8), (wide[2:, 1:-1] - wide[:-2, 1:-1]) / 2.0)
    np.testing.assert_array_equal(along.reshape(6, 8), (wide[1:-1, 2:] - wide[1:-1, :-2]) / 2.0)
