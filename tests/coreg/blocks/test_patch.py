"""Blocks that are read together."""

from __future__ import annotations

import numpy as np
import pytest

from known_terrain import grid
from trueground.coreg.blocks.blockwise import _windows
from trueground.coreg.blocks.patch import TALL, WIDE, held, patches
from trueground.grid import Window
from trueground.raster import ArrayRaster

ON = grid((90, 120))
SOURCE = ArrayRaster(array=np.arange(90.0 * 120.0).reshape(90, 120), grid=ON)


class Counting:
    """A raster that counts what is read of it."""

    grid, count, dtype, nodata = ON, 1, SOURCE.dtype, float("nan")

    def __init__(self):
        self.read_windows = []

    def read(self, window):
        self.read_windows.append(window)
        return SOURCE.read(window)


@pytest.mark.parametrize("side", [37, 500, 5000])
def test_each_block_lies_in_one_patch(side):
    windows = _windows((9000, 7100), side)
    found = patches(windows)
    assert sorted((w.row, w.col) for group in found.values() for w in group) == [
        (w.row, w.col) for w in windows
    ]
    for patch, group in found.items():
        assert all(patch.contains(w) for w in group)
        assert patch.size == sum(w.size for w in group)
        assert len(group) == 1 or (patch.height <= TALL and patch.width <= WIDE)


def test_few_blocks_are_not_put_together():
    assert len(patches(_windows((1000, 1300), 500))) == 6
    assert len(patches(_windows((4000, 4000), 500))) == 16


@pytest.mark.parametrize(
    "window",
    [Window(12, 15, 20, 30), Window(0, 0, 90, 120), Window(-5, 100, 30, 40), Window(300, 0, 5, 5)],
)
def test_held_values_are_those_of_the_source(window):
    part = held(SOURCE, Window(10, 10, 50, 60))
    np.testing.assert_array_equal(part.read(window), SOURCE.read(window))
    assert (part.grid, part.count, part.dtype) == (ON, 1, SOURCE.dtype)


def test_it_is_read_once():
    source = Counting()
    part = held(source, Window(10, 10, 50, 60))
    for row in range(10, 50, 5):
        part.read(Window(row, 20, 10, 40))
    assert source.read_windows == [Window(10, 10, 50, 60)]


def test_nothing_is_held_where_there_is_nothing():
    assert held(SOURCE, Window(-50, 0, 20, 20)) is SOURCE
