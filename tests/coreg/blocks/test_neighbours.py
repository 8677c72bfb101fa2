"""Blocks that nothing beside them bears out."""

from __future__ import annotations

import numpy as np
import pytest

from trueground.coreg.blocks.neighbours import outliers

X, Y = (g.ravel() for g in np.meshgrid(np.arange(8) * 1500.0, np.arange(8) * 1500.0))
ERRORS = np.tile([0.2, 0.2, 0.03], (64, 1))


def shifts(seed=0):
    rng = np.random.default_rng(seed)
    return np.column_stack([X / 1000.0, -Y / 1500.0, X * Y / 1e8]) + ERRORS * rng.normal(
        size=(64, 3)
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("block", [0, 27, 63])
def test_a_wrong_block_is_found(axis, block):
    found = shifts()
    found[block, axis] += 40.0
    assert np.flatnonzero(outliers((X, Y), found, ERRORS)).tolist() == [block]


def test_good_blocks_of_a_sloping_field_are_left_alone():
    assert sum(outliers((X, Y), shifts(seed), ERRORS).sum() for seed in range(50)) <= 3


def test_two_that_agree_bear_each_other_out():
    """Three blocks of another plate of a mosaic are no blunder."""
    found = ERRORS * np.random.default_rng(0).normal(size=(64, 3))
    found[[0, 1, 8]] += 40.0
    assert not outliers((X, Y), found, ERRORS).any()


def test_a_vague_block_may_lie_off():
    found, errors = shifts(), ERRORS.copy()
    found[20] += 4.0
    assert outliers((X, Y), found, errors)[20]
    errors[20] = 2.0
    assert not outliers((X, Y), found, errors)[20]


def test_a_few_blocks_tell_nothing():
    found = shifts()[:5]
    found[2] += 100.0
    assert not outliers((X[:5], Y[:5]), found, ERRORS[:5]).any()
