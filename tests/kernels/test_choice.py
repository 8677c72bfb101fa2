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
