"""The first meeting of rays with a bilinear surface, against marching and bisection."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference import ray_crossing
from trueground.kernels import descent, pyramid

WORDS = {
    descent.HIT: "hit",
    descent.OUTSIDE: "outside",
    descent.HOLE: "hole",
    descent.MISSED: "missed",
}


def with_pyramid(dem):
    """Return a DEM as the kernels take it, and its pyramid."""
    dem = np.asarray(dem, dtype=np.float32)
    levels = pyramid.pyramid_levels(dem.shape[0] - 1, dem.shape[1] - 1)
    starts, widths = np.empty(levels, dtype=np.int64), np.empty(levels, dtype=np.int64)
    size = pyramid.build_pyramid(dem, starts, widths, np.empty(0, dtype=np.float32))
    maxima = np.empty(size, dtype=np.float32)
    pyramid.build_pyramid(dem, starts, widths, maxima)
    return dem, maxima, starts, widths


def trace(dem, rows, cols, heights, *, level=None, bend=0.0):
    """Trace lines between two ends, which may bend in between; return words and parameters from 0 to 1."""
    built = with_pyramid(dem)
    rows, cols, heights = (
        np.atleast_2d(np.asarray(a, dtype=np.float64)) for a in (rows, cols, heights)
    )
    words, where = [], []
    for (r0, r1), (c0, c1), (h0, h1) in zip(rows, cols, heights, strict=True):
        line = np.array(
            [
                (r0 + r1) / 2 - 0.5 + bend,
                (r1 - r0) / 2,
                -bend,
                0.0,
                (c0 + c1) / 2 - 0.5 - bend,
                (c1 - c0) / 2,
                bend,
                0.0,
            ]
        )
        first = built[2].size - 1 if level is None else level
        status, g = descent.walk(
            *built, line[:, np.newaxis], 0, (h0 + h1) / 2, (h0 - h1) / 2, first
        )
        words.append(WORDS[status])
        where.append((g + 1) / 2 if status == descent.HIT else math.nan)
    return words, np.array(where)


def rough(rng, shape=(9, 11), *, holes=0.0, cliff=False):
    dem = rng.uniform(0.0, 30.0, shape).astype(np.float32)
    if cliff:
        dem[:, shape[1] // 2 :] += 80.0
    dem[rng.random(shape) < holes] = np.nan
    return dem


def random_rays(rng, dem, number, kind):
    """Ends of rays of one kind: (rows, cols, heights), each (number, 2)."""
    rows, cols = dem.shape
    top, bottom = np.nanmax(dem) + 1.0, np.nanmin(dem) - 1.0
    first = rng.uniform([-2.0, -2.0], [rows + 2.0, cols + 2.0], (number, 2))
    last = rng.uniform([-2.0, -2.0], [rows + 2.0, cols + 2.0], (number, 2))
    heights = np.tile([top, bottom], (number, 1))
    if kind == "steep":
        last = first + rng.normal(0.0, 0.3, (number, 2))
    elif kind == "vertical":
        last = first.copy()
    elif kind == "grazing":
        heights = np.sort(rng.uniform(bottom, top, (number, 2)), axis=1)[:, ::-1].copy()
        heights[:, 0] = np.maximum(heights[:, 0], np.nanquantile(dem, 0.8))
    elif kind == "along rows":
        first[:, 0] = np.round(first[:, 0]) + 0.5
        last[:, 0] = first[:, 0]
    elif kind == "along columns":
        first[:, 1] = np.round(first[:, 1]) + 0.5
        last[:, 1] = first[:, 1]
    elif kind == "through nodes":
        first, last = np.round(first) + 0.5, np.round(last) + 0.5
    elif kind == "vertical at nodes":
        first = np.round(first) + 0.5
        last = first.copy()
    return (
        np.stack([first[:, 0], last[:, 0]], axis=1),
        np.stack([first[:, 1], last[:, 1]], axis=1),
        heights,
    )


KINDS = (
    "oblique",
    "steep",
    "vertical",
    "grazing",
    "along rows",
    "along columns",
    "through nodes",
    "vertical at nodes",
)


CASES = [
    (kind, surface)
    for kind in KINDS
    for surface in ("rough", "holes", "cliff")
    # A line exactly along nodes needs no node beside it; ours may: nobody's line of sight runs there beside a hole.
    if not (surface == "holes" and ("along" in kind or "nodes" in kind))
]


@pytest.mark.parametrize(("kind", "surface"), CASES)
def test_no_first_hit_is_missed_or_invented(kind, surface):
    # 20 cases x 850 rays, from the top of the pyramid and from single cells
    rng = np.random.default_rng(KINDS.index(kind) * 10 + len(surface))
    hits = 0
    for _ in range(17):
        dem = rough(rng, holes=0.08 if surface == "holes" else 0.0, cliff=surface == "cliff")
        rows, cols, heights = random_rays(rng, dem, 50, kind)
        words, where = trace(dem, rows, cols, heights)
        again, there = trace(dem, rows, cols, heights, level=-1)
        assert again == words
        np.testing.assert_allclose(there, where, atol=1e-9)
        for k, word in enumerate(words):
            expected, t = ray_crossing(dem, rows[k], cols[k], heights[k])
            assert word == expected, (kind, surface, rows[k], cols[k], heights[k])
            if word == "hit":
                hits += 1
                # Heights of tens of metres are known to 1e-14 m, and a ray that touches a flank at
                # a slant of 1e-6 turns that into 1e-8 of its length.
                assert where[k] == pytest.approx(t, abs=1e-7)
            else:
                assert math.isnan(where[k])
    assert hits > 100  # the test is about hits


def test_the_first_of_several_meetings_counts():
    dem = np.zeros((3, 40), dtype=np.float32)
    dem[:, 10], dem[:, 20], dem[:, 30] = 10.0, 20.0, 30.0
    words, where = trace(dem, [1.5, 1.5], [1.0, 39.0], [40.0, 2.0])
    assert words == ["hit"]
    # Ridge at column 20.5 reaches 20 m where the ray is at 40 - 38 (19.5 / 38) = 20.5 m: passed by;
    # the ridge at 30.5 (30 m) meets it on its flank, rising 30 m a column from 29.5.
    t = where[0]
    col, height = 1.0 + 38.0 * t, 40.0 - 38.0 * t
    assert height == pytest.approx(30.0 * (col - 29.5), abs=1e-9)


@given(
    start=st.tuples(st.floats(1, 8), st.floats(1, 8)),
    stop=st.tuples(st.floats(1, 8), st.floats(1, 8)),
    slope=st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
)
def test_a_plane_is_met_where_algebra_says(start, stop, slope):
    i, j = np.mgrid[0:9, 0:9]
    dem = (slope[0] * i + slope[1] * j).astype(np.float32)
    exact = [float(dem[1, 0]) - float(dem[0, 0]), float(dem[0, 1]) - float(dem[0, 0])]
    dem = exact[0] * i + exact[1] * j
    rows, cols = np.array([[start[0], stop[0]]]), np.array([[start[1], stop[1]]])
    built = with_pyramid(dem)
    line = np.array(
        [
            (rows.sum() - 1) / 2,
            np.diff(rows)[0, 0] / 2,
            0,
            0,
            (cols.sum() - 1) / 2,
            np.diff(cols)[0, 0] / 2,
            0,
            0,
        ]
    )
    status, g = descent.walk(dem, *built[1:], line[:, np.newaxis], 0, 0.0, 60.0, 0)
    where = (g + 1) / 2

    def f(t):
        r, c = rows[0] - 0.5, cols[0] - 0.5
        return (
            60.0
            - 120.0 * t
            - exact[0] * (r[0] + t * (r[1] - r[0]))
            - exact[1] * (c[0] + t * (c[1] - c[0]))
        )

    assert status == descent.HIT
    assert f(where) == pytest.approx(0.0, abs=1e-10)  # round-off of heights of 60 m


def test_a_line_that_bends_back_is_followed_both_ways():
    """A vertical line that swings out by some cells and back, against marching along it."""
    rng = np.random.default_rng(6)
    hits = 0
    for _ in range(40):
        dem = rough(rng, (64, 64))
        row, col = rng.uniform(28.0, 36.0, (2, 20))
        for bend in (1e-6, 0.3, 5.0):
            lean = rng.normal(0.0, bend, (2, 20))
            ends = (
                np.stack([row - lean[0], row + lean[0]], 1),
                np.stack([col - lean[1], col + lean[1]], 1),
            )
            words, where = trace(dem, *ends, np.tile([31.0, -1.0], (20, 1)), bend=bend)
            g = np.linspace(-1.0, 1.0, 40_001)
            for k, word in enumerate(words):
                r = row[k] - 0.5 + bend + lean[0, k] * g - bend * g**2
                c = col[k] - 0.5 - bend + lean[1, k] * g + bend * g**2
                i, j = np.floor(r).astype(int), np.floor(c).astype(int)
                u, v = r - i, c - j
                surface = (dem[i, j] * (1 - v) + dem[i, j + 1] * v) * (1 - u) + (
                    dem[i + 1, j] * (1 - v) + dem[i + 1, j + 1] * v
                ) * u
                under = np.flatnonzero(15.0 - 16.0 * g <= surface)
                assert word == "hit"
                first = (g[under[0]] + 1) / 2
                hits += 1
                assert where[k] <= first + 1e-4  # pieces sag by 1e-5 px at most
                if where[k] < first - 1.0 / 40_000:  # a peak thinner than a step: it must be real
                    n = int(where[k] * 40_000)
                    assert (
                        15.0 - 16.0 * g[n] - surface[n] < 0.1
                    )  # a step at 20 cells a unit, on slopes of 30 m a cell
    assert hits == 2400


def test_a_hole_is_crossed_where_the_line_comes_out_above_the_surface():
    dem = np.zeros((3, 12), dtype=np.float32)
    dem[:, 6] = np.nan
    beyond, _ = trace(dem, [1.5, 1.5], [10.0, 11.0], [5.0, -5.0])
    before, where = trace(dem, [1.5, 1.5], [1.0, 11.0], [2.0, -10.0])
    over, there = trace(dem, [1.5, 1.5], [1.0, 11.0], [8.0, -1.0])
    into, _ = trace(dem, [1.5, 1.5], [1.0, 11.0], [5.0, -4.0])
    down, _ = trace(dem, [1.5, 1.5], [6.4, 6.6], [5.0, -4.0])
    assert (beyond, before, over, into, down) == (["hit"], ["hit"], ["hit"], ["hole"], ["hole"])
    assert where[0] == pytest.approx(1.0 / 6.0, abs=1e-12)
    assert there[0] == pytest.approx(8.0 / 9.0, abs=1e-12)


def test_outermost_line_of_centres_belongs_to_the_dem():
    dem = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    for row, col in ((0.5, 0.5), (2.5, 3.5), (2.5, 1.25), (1.75, 3.5)):
        words, where = trace(dem, [row, row], [col, col], [20.0, -1.0])
        assert words == ["hit"]
        height = 4.0 * (row - 0.5) + col - 0.5
        assert where[0] == pytest.approx((20.0 - height) / 21.0, abs=1e-12)
    assert trace(dem, [2.51, 2.51], [1.0, 1.0], [20.0, -1.0])[0] == ["outside"]


def test_statuses():
    dem = np.full((4, 4), 10.0, dtype=np.float32)
    assert trace(dem, [2, 2], [2, 2], [20.0, 12.0])[0] == ["missed"]  # ends above the ground
    assert trace(dem, [2, 2], [-9, 2], [20.0, 9.5])[0] == ["hit"]  # comes in from outside, above
    assert trace(dem, [2, 2], [-9, 2], [12.0, 5.0])[0] == ["outside"]  # comes in below
    assert trace(dem, [2, 2], [2, 30], [20.0, 9.0])[0] == ["outside"]  # leaves above
    assert trace(dem, [2, np.nan], [2, 2], [20.0, 0.0])[0] == ["outside"]


def test_the_pyramid_holds_the_highest_nodes():
    rng = np.random.default_rng(1)
    dem, maxima, starts, widths = with_pyramid(rough(rng, (37, 22), holes=0.3))
    for level in range(starts.size):
        size = pyramid.BASE << level
        for i in range(-(-36 // size)):
            for j in range(-(-21 // size)):
                block = dem[
                    i * size : min((i + 1) * size, 36) + 1, j * size : min((j + 1) * size, 21) + 1
                ]
                assert maxima[starts[level] + i * widths[level] + j] == np.nanmax(block)
    assert maxima[starts[-1]] == np.nanmax(dem)


def test_a_long_ray_far_from_the_dem_is_not_walked_cell_by_cell():
    # A walk of 1e5 cells would show in its neighbours; the test would time out rather than fail.
    dem = np.zeros((4, 4), dtype=np.float32)
    words, where = trace(dem, [2.0, 2.0], [-1e5, 2.0], [1000.0, -1e-6])
    assert words == ["hit"]
    assert where[0] == pytest.approx(1.0, abs=1e-6)


def test_gentle_blocks_are_those_where_lines_fall_faster_than_the_ground():
    rng = np.random.default_rng(2)
    dem = (100.0 + 2.0 * rng.random((41, 30))).astype(np.float32)
    dem[17, 9] = 130.0
    dem[33, 22] = np.nan
    edge, per_row, per_col, drop = 4, 1.5, 0.7, 10.0
    gentle = np.empty((10, 8), dtype=np.uint8)
    pyramid.mark_gentle(dem, edge, per_row, per_col, drop, gentle)
    rise = np.full(gentle.shape, np.nan)
    for i, j in np.ndindex(gentle.shape):
        block = dem[4 * i : 4 * i + 5, 4 * j : 4 * j + 5].astype(float)
        rise[i, j] = (
            per_row * np.abs(np.diff(block, axis=0)).max()
            + per_col * np.abs(np.diff(block, axis=1)).max()
        )
    for i, j in np.ndindex(gentle.shape):
        around = rise[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
        assert gentle[i, j] == (not np.isnan(around).any() and around.max() < drop)
    assert 0 < gentle.sum() < gentle.size
