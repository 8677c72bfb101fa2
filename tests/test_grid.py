"""Windows and grids: geometry, blocks that cover every pixel once, errors."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from grids import turned
from trueground.errors import InputError, OverlapError
from trueground.grid import Grid, Window

UTM31 = CRS.from_epsg(32631)

sizes = st.integers(1, 90)
windows = st.builds(
    Window, st.integers(-50, 50), st.integers(-50, 50), st.integers(0, 60), st.integers(0, 60)
)


@st.composite
def grids(draw):
    """Grids with rotated, sheared and flipped transforms at realistic places."""
    angle, shear = draw(st.floats(-180.0, 180.0)), draw(st.floats(-30.0, 30.0))
    dx, dy = draw(st.floats(0.1, 1000.0)), draw(st.floats(0.1, 1000.0))
    flip = draw(st.sampled_from([1.0, -1.0]))
    origin = draw(st.floats(-1e7, 1e7)), draw(st.floats(-1e7, 1e7))
    transform = turned(origin, angle, (dx, flip * dy), shear)
    return Grid(crs=UTM31, transform=transform, shape=(draw(sizes), draw(sizes)))


@given(grids(), st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
def test_blocks_cover_every_pixel_exactly_once(grid, rows, cols, halo):
    seen = np.zeros(grid.shape, dtype=int)
    for block in grid.blocks((rows, cols), halo=halo):
        seen[block.core.slices_in(grid.window)] += 1
        assert block.outer.shape == (block.core.height + 2 * halo, block.core.width + 2 * halo)
        outer = np.zeros(block.outer.shape)
        assert outer[block.inner].shape == block.core.shape
        assert block.outer.contains(block.core)
    assert (seen == 1).all()


@given(grids(), st.floats(-100.0, 200.0), st.floats(-100.0, 200.0))
def test_rowcol_undoes_xy(grid, row, col):
    back = grid.rowcol(*grid.xy(row, col))
    # Coordinates of 1e7 have 2e-9 left of double precision, and pixels are 0.1 or more.
    np.testing.assert_allclose(back, (row, col), atol=1e-6)


@given(grids(), windows.filter(lambda w: w.size > 0))
def test_a_crop_keeps_every_pixel_in_its_place(grid, window):
    part = grid.crop(window)
    assert part.shape == window.shape
    x, y = grid.xy(window.row + 0.5, window.col + 2.5)
    np.testing.assert_allclose(part.xy(0.5, 2.5), (x, y), rtol=1e-12, atol=1e-8)
    assert grid.crop(grid.window) == grid


@given(st.integers(0, 50), st.integers(0, 60), st.integers(1, 40), st.integers(1, 40))
def test_window_of_undoes_crop(row, col, height, width):
    transform = Affine(0.1, 0.0, 683_217.3, 0.0, -0.1, 4_899_876.7)
    grid = Grid(crs=UTM31, transform=transform, shape=(100, 120))
    window = Window(row, col, height, width).intersect(grid.window)
    assert grid.window_of(grid.crop(window).bounds) == window


@given(windows, windows)
def test_intersection_holds_the_pixels_of_both(first, second):
    def pixels(w):
        return {
            (r, c) for r in range(w.row, w.row + w.height) for c in range(w.col, w.col + w.width)
        }

    both = first.intersect(second)
    assert pixels(both) == pixels(first) & pixels(second)
    assert both.size == second.intersect(first).size
    if second.size:
        assert first.contains(second) == (pixels(second) <= pixels(first))


def test_values_are_equal_hashable_and_picklable(utm_grid):
    same = Grid(crs=CRS.from_epsg(32631), transform=utm_grid.transform, shape=utm_grid.shape)
    assert same == utm_grid
    assert hash(same) == hash(utm_grid)
    assert pickle.loads(pickle.dumps(utm_grid)) == utm_grid
    assert utm_grid.crop(Window(0, 0, 5, 5)) != utm_grid
    assert len({Window(0, 0, 1, 1), Window(0, 0, 1, 1)}) == 1
    with pytest.raises(AttributeError):
        utm_grid.shape = (1, 1)
    assert "100 x 120 px of 10 x 10" in repr(utm_grid)


@given(
    st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0.5, 500.0), st.floats(0.5, 500.0),
    st.floats(0.1, 60.0), st.booleans(),
)  # fmt: skip
def test_covering_covers_with_less_than_a_pixel_to_spare(west, south, wide, high, step, snap):
    bounds = (west, south, west + wide, south + high)
    grid = Grid.covering(bounds, step, crs=UTM31, snap=snap)
    w, s, e, n = grid.bounds
    slack = 2e-6 * step + 1e-9 * 1e6
    assert w <= bounds[0] + slack
    assert s <= bounds[1] + slack
    assert e >= bounds[2] - slack
    assert n >= bounds[3] - slack
    room = (2.0 if snap else 1.0) * step + slack
    assert e - w <= max(wide, 0.0) + room
    assert n - s <= max(high, 0.0) + room
    if snap:
        for edge in (w, s, e, n):
            assert abs(edge / step - round(edge / step)) < 1e-6
        assert grid.snap() == grid


def test_multiples_with_round_off_get_no_further_row():
    grid = Grid.covering((0.1 * 3, 0.0, 0.1 * 3 + 0.7, 0.7), 0.1, crs=UTM31)
    assert grid.shape == (7, 7)


def test_outline_runs_along_the_outer_edge(utm_grid):
    rows, cols = utm_grid.rowcol(*utm_grid.outline(5))
    on_edge = (
        np.isclose(rows, 0) | np.isclose(rows, 100) | np.isclose(cols, 0) | np.isclose(cols, 120)
    )
    assert on_edge.all()
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == pytest.approx((0, 100, 0, 120))


def test_resolution_and_bounds_of_a_rotated_grid():
    transform = turned((100.0, 200.0), 30.0, (2.0, -3.0))
    grid = Grid(crs=None, transform=transform, shape=(10, 20))
    assert grid.resolution == pytest.approx((2.0, 3.0))
    west, south, east, north = grid.bounds
    cos, sin = np.cos(np.pi / 6), 0.5
    assert (west, east) == pytest.approx((100.0, 100.0 + 40 * cos + 30 * sin))
    assert (south, north) == pytest.approx((200.0 - 30 * cos, 200.0 + 40 * sin))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Window(0, 0, -1, 5),
        lambda: Grid(crs=None, transform=Affine(1, 0, 0, 0, -1, 0), shape=(0, 5)),
        lambda: Grid(crs=None, transform=Affine(1, 1, 0, 1, 1, 0), shape=(5, 5)),
        lambda: Grid(crs=None, transform=Affine(float("nan"), 0, 0, 0, -1, 0), shape=(5, 5)),
        lambda: Grid(crs=None, transform=Affine(1, 0, float("inf"), 0, -1, 0), shape=(5, 5)),
        lambda: Grid.covering((0, 0, 1, 1), 0.0, crs=None),
        lambda: Grid.covering((0, 0, 1, 1), float("nan"), crs=None),
        lambda: Grid.covering((1, 0, 0, 1), 1.0, crs=None),
        lambda: Grid.covering((0, 0, float("inf"), 1), 1.0, crs=None),
    ],
)
def test_impossible_geometry_is_refused(make):
    with pytest.raises(InputError):
        make()


def test_blocks_and_bounds_that_make_no_sense_are_refused(utm_grid):
    for size, halo in ((0, 0), ((5, 0), 0), (5, -1)):
        with pytest.raises(InputError):
            list(utm_grid.blocks(size, halo=halo))
    with pytest.raises(OverlapError, match="must overlap"):
        utm_grid.window_of((0.0, 0.0, 1.0, 1.0))
    with pytest.raises(InputError, match="finite"):
        utm_grid.window_of((0.0, 0.0, float("nan"), 1.0))


def test_a_point_touches_one_pixel(utm_grid):
    x, y = utm_grid.xy(7.0, 9.0)  # a corner of pixels
    assert utm_grid.window_of((x, y, x, y)) == Window(7, 9, 1, 1)
