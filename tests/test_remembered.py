"""What was read lately is not read again; what is forgotten, and beside it, is."""

from __future__ import annotations

import numpy as np
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster
from trueground.remembered import Remembered

GRID = Grid(crs=None, transform=Affine.identity(), shape=(300, 400))
VALUES = np.arange(300 * 400, dtype=np.float32).reshape(300, 400)


class Counted:
    """A raster that notes what is read."""

    count, dtype, nodata, grid = 1, np.dtype(np.float32), float("nan"), GRID

    def __init__(self):
        self.source, self.windows = ArrayRaster(array=VALUES, grid=GRID), []

    def read(self, window):
        self.windows.append(window)
        return self.source.read(window)


@given(
    st.lists(
        st.tuples(st.integers(0, 280), st.integers(0, 380), st.integers(1, 60), st.integers(1, 60)),
        min_size=1,
        max_size=8,
    )
)
def test_it_reads_what_the_source_reads(windows):
    raster = Remembered(source=Counted(), margin=7, limit=5000)
    for row, col, height, width in windows:
        window = Window(row, col, height, width)
        np.testing.assert_array_equal(raster.read(window), raster.source.source.read(window))


def test_a_little_beside_is_there():
    source = Counted()
    raster = Remembered(source=source, margin=10, limit=100_000)
    values, held = raster.around(Window(100, 100, 50, 50))
    assert held == Window(90, 90, 70, 70)
    np.testing.assert_array_equal(values, VALUES[90:160, 90:160])
    raster.read(Window(105, 93, 50, 50))
    assert len(source.windows) == 1
    raster.read(Window(111, 100, 50, 50))
    assert len(source.windows) == 2


def test_no_more_than_the_limit_is_remembered():
    source = Counted()
    raster = Remembered(source=source, margin=0, limit=2500)
    one, two = Window(0, 0, 40, 40), Window(200, 300, 40, 40)
    for window in (one, two, one):
        raster.read(window)
    assert len(source.windows) == 3
    assert sum(w.size for w, _ in raster._held.values()) <= 2500
