"""Motions about a centroid: what is composed, undone and told about another point moves points the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from trueground.coreg import motion

FAR = 8_000_000.0  # m from the origin of the CRS, as in UTM at 72 degrees north
WIDE = 100_000.0  # m across


def numbers(size):
    return st.floats(-size, size)


STEPS = st.tuples(*[numbers(100.0)] * 3, *[numbers(0.1)] * 3, numbers(0.01))
CENTROIDS = st.tuples(numbers(WIDE), numbers(WIDE).map(lambda v: FAR + v), numbers(4000.0))


def points(number=50):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-WIDE, WIDE, (2, number))
    return x, y + FAR, rng.uniform(0.0, 4000.0, number)


def moved(matrix, centroid, at):
    return np.stack(motion.transform_points(matrix, centroid, *at))


@given(STEPS, CENTROIDS)
def test_a_motion_and_its_inverse_are_the_identity(step, centroid):
    there = motion.small(step)
    back = motion.invert(there, centroid)
    both = motion.compose(there, centroid, back, centroid)
    at = points()
    # Spacing of doubles at 8,000,000 is 9e-10.
    np.testing.assert_allclose(moved(both, centroid, at), np.stack(at), atol=1e-9)
    again = moved(back, centroid, moved(there, centroid, at))
    np.testing.assert_allclose(again, np.stack(at), atol=2e-9)


@given(STEPS, CENTROIDS, STEPS, CENTROIDS)
def test_composed_is_one_after_the_other(first, one, second, two):
    a, b = motion.small(first), motion.small(second)
    at = points()
    want = moved(b, two, moved(a, one, at))
    got = moved(motion.compose(a, one, b, two), one, at)
    np.testing.assert_allclose(got, want, atol=2e-9)


@given(STEPS, CENTROIDS, CENTROIDS)
def test_about_another_point_points_move_the_same(step, old, new):
    matrix = motion.small(step)
    at = points()
    want = moved(matrix, old, at)
    np.testing.assert_allclose(moved(motion.about(matrix, old, new), new, at), want, atol=2e-9)
    origin = motion.about(matrix, old, (0.0, 0.0, 0.0))
    plain = origin[:3, :3] @ np.stack(at) + origin[:3, 3:]
    np.testing.assert_allclose(plain, want, atol=5e-9)  # as its docstring says


@given(STEPS)
def test_a_small_motion_is_that_of_scipy(step):
    matrix = motion.small(step)
    want = (1.0 + step[6]) * Rotation.from_rotvec(step[3:6]).as_matrix()
    np.testing.assert_allclose(matrix[:3, :3], want, atol=1e-15)
    assert tuple(matrix[:3, 3]) == step[:3]
    assert motion.scale(matrix) == pytest.approx(1.0 + step[6], abs=1e-12)
    linear = matrix[:3, :3] / motion.scale(matrix)
    np.testing.assert_allclose(linear @ linear.T, np.eye(3), atol=1e-14)


@given(st.tuples(numbers(80.0), numbers(80.0), numbers(170.0)))
def test_angles_are_applied_about_x_then_y_then_z(degrees):
    matrix = np.eye(4)
    matrix[:3, :3] = 1.001 * Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    assert motion.rotations(matrix) == pytest.approx(degrees, abs=1e-10)


def test_what_stands_still_keeps_its_last_digit():
    at = points()
    out = moved(np.eye(4), (1.0, 2.0, 3.0), at)
    np.testing.assert_array_equal(out, np.stack(at))
    assert motion.is_translation(motion.small([1, 2, 3, 0, 0, 0, 0]))
    assert not motion.is_translation(motion.small([1, 2, 3, 0, 0, 1e-9, 0]))
    still = np.eye(4)
    assert all(
        motion.is_translation(m) for m in (still.tolist(), tuple(still), tuple(still.tolist()))
    )


def test_points_are_broadcast():
    x, y, z = motion.transform_points(
        motion.small([1, 2, 3, 0, 0, 0, 0]),
        (0, 0, 0),
        np.zeros((2, 1)),
        np.zeros((1, 3)),
        5.0,
    )
    assert x.shape == y.shape == z.shape == (2, 3)
    assert (x[0, 0], y[0, 0], z[0, 0]) == (1.0, 2.0, 8.0)
