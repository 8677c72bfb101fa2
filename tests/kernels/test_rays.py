"""The first meeting of rays with a bilinear surface, against marching and bisection."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference import ray_crossing
from trueground.kernels import rays

WORDS = {rays.HIT: "hit", rays.OUTSIDE: "outside", rays.HOLE: "hole", rays.MISSED: "missed"}


def trace(dem, rows, cols, heights, *, origin=(0, 0)):
    """Trace polylines; return words and parameters."""
    rows, cols, heights = (
        np.atleast_2d(np.asarray(a, dtype=np.float64)) for a in (rows, cols, heights)
    )
    status, where = np.empty(len(rows), dtype=np.uint8), np.empty(len(rows))
    dem = np.asarray(dem, dtype=np.float32)
    rays.first_crossing(dem, *origin, rows, cols, heights, status, where)
    return [WORDS[int(s)] for s in status], where


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


@pytest.mark.parametrize("surface", ["rough", "holes", "cliff"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_first_hit_is_missed_or_invented(kind, surface):
    # 8 kinds x 3 surfaces x 850 rays: 20,400 in all
    rng = np.random.default_rng(KINDS.index(kind) * 10 + len(surface))
    hits = 0
    for _ in range(17):
        dem = rough(rng, holes=0.08 if surface == "holes" else 0.0, cliff=surface == "cliff")
        rows, cols, heights = random_rays(rng, dem, 50, kind)
        words, where = trace(dem, rows, cols, heights)
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
    dem = (exact[0] * i + exact[1] * j).astype(np.float64)
    status, where = np.empty(1, dtype=np.uint8), np.empty(1)
    rows, cols = np.array([[start[0], stop[0]]]), np.array([[start[1], stop[1]]])
    heights = np.array([[60.0, -60.0]])
    rays.first_crossing(dem, 0, 0, rows, cols, heights, status, where)

    def f(t):
        r, c = rows[0] - 0.5, cols[0] - 0.5
        return (
            60.0
            - 120.0 * t
            - exact[0] * (r[0] + t * (r[1] - r[0]))
            - exact[1] * (c[0] + t * (c[1] - c[0]))
        )

    assert status[0] == rays.HIT
    assert f(where[0]) == pytest.approx(0.0, abs=1e-10)  # round-off of heights of 60 m


def test_position_of_the_window_does_not_matter():
    rng = np.random.default_rng(5)
    dem = rough(rng, (20, 20))
    rows, cols, heights = random_rays(rng, dem, 300, "oblique")
    words, where = trace(dem, rows, cols, heights)
    # 40,000 rows away a coordinate is known to 7e-12 px, along at least 0.1 px of the ray
    moved, there = trace(dem, rows + 40_000, cols + 7_000, heights, origin=(40_000, 7_000))
    assert moved == words
    np.testing.assert_allclose(there, where, atol=1e-8)


@pytest.mark.parametrize("nodes", [2, 3, 8])
def test_a_straight_line_may_be_given_in_pieces(nodes):
    rng = np.random.default_rng(6)
    dem = rough(rng, (20, 20), holes=0.01)
    rows, cols, heights = random_rays(rng, dem, 400, "oblique")
    words, where = trace(dem, rows, cols, heights)
    t = np.linspace(0.0, 1.0, nodes)
    ends = [a[:, :1] + (a[:, 1:] - a[:, :1]) * t for a in (rows, cols, heights)]
    pieces, node = trace(dem, *ends)
    assert pieces == words
    np.testing.assert_allclose(node / (nodes - 1), where, atol=1e-9)


def test_a_hole_counts_only_before_the_hit():
    dem = np.zeros((3, 12), dtype=np.float32)
    dem[:, 6] = np.nan
    beyond, _ = trace(dem, [1.5, 1.5], [10.0, 11.0], [5.0, -5.0])
    before, where = trace(dem, [1.5, 1.5], [1.0, 11.0], [2.0, -10.0])
    through, _ = trace(dem, [1.5, 1.5], [1.0, 11.0], [8.0, -1.0])
    assert (beyond, before, through) == (["hit"], ["hit"], ["hole"])
    assert where[0] == pytest.approx(1.0 / 6.0, abs=1e-12)


def test_a_ray_through_a_node_needs_none_of_the_cells_beside_its_way():
    dem = np.zeros((5, 5), dtype=np.float32)
    dem[0, 4] = dem[4, 0] = np.nan  # the diagonal touches the nodes between, not these cells
    words, _ = trace(dem, [0.5, 4.5], [0.5, 4.5], [4.0, -0.5])
    assert words == ["hit"]
    dem = np.zeros((5, 5), dtype=np.float32)
    dem[1, 2] = np.nan  # a node of the cells on both sides of the diagonal's own, and of one on it
    words, _ = trace(dem, [0.5, 4.5], [0.5, 4.5], [4.0, -0.5])
    assert words == ["hole"]


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
    assert trace(np.full((1, 1), 10.0), [0.5, 0.5], [0.5, 0.5], [20.0, 0.0])[0] == ["hit"]


def test_no_rays():
    words, where = trace(np.zeros((3, 3)), np.empty((0, 8)), np.empty((0, 8)), np.empty((0, 8)))
    assert words == []
    assert where.shape == (0,)


def test_a_long_ray_far_from_the_dem_is_not_walked_cell_by_cell():
    # A walk of 1e9 cells would take seconds; the test would time out rather than fail.
    dem = np.zeros((4, 4), dtype=np.float32)
    words, where = trace(dem, [2.0, 2.0], [-1e9, 2.0], [1000.0, -1e-6])
    assert words == ["hit"]
    assert where[0] == pytest.approx(1.0, abs=1e-6)
