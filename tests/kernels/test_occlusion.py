"""Lines of sight followed down to their own point of ground, against marching up from there."""

from __future__ import annotations

import numpy as np
import pytest

from trueground.kernels import occlusion, pyramid

HALF = 40.0  # m, half the way that lines fall; g runs from -1 at the top


def built(dem):
    """A DEM as the kernels take it, and its pyramid."""
    dem = np.asarray(dem, dtype=np.float32)
    levels = pyramid.pyramid_levels(dem.shape[0] - 1, dem.shape[1] - 1)
    starts, widths = np.empty(levels, dtype=np.int64), np.empty(levels, dtype=np.int64)
    size = pyramid.build_pyramid(dem, starts, widths, np.empty(0, dtype=np.float32))
    maxima = np.empty(size, dtype=np.float32)
    pyramid.build_pyramid(dem, starts, widths, maxima)
    return dem, maxima, starts, widths


def lines(run, *, bend=0.0):
    """Cubics of lines through (row, col) = (t, s) at g = 0, that go `run` rows and columns in a unit of g."""
    q = np.zeros((4, 20))
    q[0, 2] = q[1, 1] = 1.0
    q[:2, 3] = run
    q[0, 9], q[1, 9] = bend, -bend
    return q.reshape(-1)


def clear_of(dem, run, *, bend=0.0):
    clear = np.empty([-(-(n - 1) // pyramid.BASE) for n in dem.shape], dtype=np.uint8)
    b = 2.0 * abs(bend)
    rates = np.array([run[0] - b, run[0] + b, run[1] - b, run[1] + b])
    occlusion.mark_clear(*built(dem), rates, HALF, clear)
    return clear


def height_at(dem, r, c):
    rows, cols = dem.shape
    i = np.clip(np.floor(r).astype(int), 0, rows - 2)
    j = np.clip(np.floor(c).astype(int), 0, cols - 2)
    u, v = r - i, c - j
    z = dem.astype(float)
    top = z[i, j] * (1 - v) + z[i, j + 1] * v
    height = top * (1 - u) + (z[i + 1, j] * (1 - v) + z[i + 1, j + 1] * v) * u
    outside = (r < 0) | (r > rows - 1) | (c < 0) | (c > cols - 1)
    return np.where(outside, np.nan, height)


def points(rng, dem, run, number, *, middle, bend=0.0):
    """Points of ground, and the image positions whose lines go through them."""
    r, c = (rng.uniform(0.0, n - 1.0, number) for n in dem.shape)
    z = height_at(dem, r, c)
    g = (middle - z) / HALF
    return r - run[0] * g - bend * g**2, c - run[1] * g + bend * g**2, z


def hide(dem, run, at, *, middle, clear=None, bend=0.0):
    """Return which of some points the kernel calls hidden."""
    row, col, z = at
    box = np.array([0.0, 1.0, 0.0, 1.0, middle, HALF])
    claims = np.array([-np.inf, np.inf, -np.inf, np.inf])
    clear = clear_of(dem, run, bend=bend) if clear is None else clear
    mask = np.zeros(row.size, dtype=np.uint8)
    q = lines(run, bend=bend)
    occlusion.hide(*(q, *built(dem), abs(bend), clear, True, box, claims, row, col, z, mask))
    return mask == occlusion.HIDDEN


def march_up(dem, run, at, *, middle, bend=0.0, steps=None):
    """How deep below the surface each line is at most between its point and its top, in steps of 1/40 cell [m]."""
    row, col, z = at
    own = (middle - z) / HALF
    if steps is None:
        steps = np.linspace(0.0, 1.0, int(40 * 3 * (np.hypot(*run) + 2 * abs(bend))) + 400)[1:]
    deepest = np.full(row.size, -np.inf)
    for f in steps:
        g = own + f * (-1.0 - own)
        r = row + run[0] * g + bend * g**2
        c = col + run[1] * g - bend * g**2
        below = height_at(dem, r, c) - (middle - HALF * g)
        deepest = np.fmax(deepest, below)
    return deepest


def surface(rng, kind):
    i, j = np.mgrid[0:61, 0:53]
    if kind == "noise":
        return rng.uniform(0.0, 20.0, i.shape)
    if kind == "hills":
        return 20.0 * np.sin(i / 7.0) + 12.0 * np.cos(j / 5.0)
    z = np.zeros(i.shape)
    for _ in range(12):
        r, c = rng.integers(0, 50, 2)
        z[r : r + rng.integers(3, 12), c : c + rng.integers(3, 12)] = rng.uniform(3.0, 30.0)
    return z


@pytest.mark.parametrize("bend", [0.0, 0.4])
@pytest.mark.parametrize("kind", ["noise", "hills", "boxes"])
@pytest.mark.parametrize("run", [(25.0, 6.0), (-3.0, 14.0), (-18.0, -18.0), (0.0, 5.0), (0.0, 0.0)])
def test_a_point_is_hidden_where_its_line_meets_the_ground_before(kind, run, bend):
    rng = np.random.default_rng(len(kind) + int(abs(run[0])))
    dem = surface(rng, kind).astype(np.float32)
    middle = float(dem.max()) + 1.0  # the top is well above the highest ground
    at = points(rng, dem, run, 2500, middle=middle, bend=bend)
    deepest = march_up(dem, run, at, middle=middle, bend=bend)
    hidden = hide(dem, run, at, middle=middle, bend=bend)
    doubtful = np.flatnonzero(hidden != (deepest > 0.0))
    assert doubtful.size < 40
    # Just behind a crest the whole way through the ground is shorter than a step.
    fine = np.sort(np.concatenate([np.geomspace(1e-9, 1.0, 1000), np.linspace(0.0, 1.0, 5000)]))
    some = tuple(a[doubtful] for a in at)
    again = march_up(dem, run, some, middle=middle, bend=bend, steps=fine[1:])
    # What is left is within a hair (1 mm) of the surface, or of ten for a wall that falls 20 m a cell.
    left = hidden[doubtful] != (again > 0.0)
    assert (np.abs(again[left]) < 0.01).all()
    if run == (0.0, 0.0) and bend == 0.0:
        assert not hidden.any()
    elif kind != "hills" and max(map(abs, run)) > 10:
        assert 0.02 < hidden.mean() < 0.98


@pytest.mark.parametrize("bend", [0.0, 0.4])
@pytest.mark.parametrize("kind", ["noise", "hills", "boxes"])
def test_what_is_known_of_blocks_changes_nothing(kind, bend):
    cleared = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        dem = surface(rng, kind).astype(np.float32)
        dem[rng.random(dem.shape) < 0.01] = np.nan
        run = rng.uniform(-20.0, 20.0, 2)
        middle = float(np.nanmax(dem)) + 1.0
        at = points(rng, dem, run, 3000, middle=middle, bend=bend)
        clear = clear_of(dem, run, bend=bend)
        followed = hide(dem, run, at, middle=middle, bend=bend, clear=np.zeros_like(clear))
        np.testing.assert_array_equal(
            hide(dem, run, at, middle=middle, bend=bend, clear=clear), followed
        )
        cleared += clear.sum()
    assert cleared > 0 or kind == "noise"


def test_gentle_ground_is_clear_and_ground_behind_a_wall_is_not():
    i, j = np.mgrid[0:41, 0:41]
    gentle = 0.5 * i + np.sin(j / 3.0)  # lines fall 40 m in 20 cells
    assert clear_of(gentle.astype(np.float32), (20.0, 0.0)).all()
    walled = np.where((i >= 16) & (i < 20), 10.0, 0.0).astype(np.float32)
    clear = clear_of(walled, (20.0, 0.0))  # from low rows down to high ones
    assert clear[:3].all()  # before the wall, and more than 5 cells behind it
    assert clear[7:].all()
    assert not clear[5].any()  # behind it
    towards = clear_of(walled, (-20.0, 0.0))
    assert towards[5:].all()
    assert not towards[3].any()


def test_a_slope_that_turns_away_is_hidden_and_one_that_does_not_is_seen():
    """Lines fall 40 m in 20 columns: 2 m a cell. Ground that falls faster is in its own shadow."""
    j = np.arange(41.0)
    for fall, expected in ((1.99, False), (2.01, True)):
        profile = 60.0 - np.where(j < 10, 0.0, (j - 10) * fall).clip(max=40.0)
        dem = np.tile(profile, (12, 1)).astype(np.float32)
        c = np.linspace(11.0, 25.0, 200)
        z = height_at(dem, np.full(c.size, 5.5), c)
        middle = 62.0
        g = (middle - z) / HALF
        at = np.full(c.size, 5.5), c - 20.0 * g, z
        assert (hide(dem, (0.0, 20.0), at, middle=middle) == expected).all()


def test_what_stands_in_a_hole_hides_nothing_but_its_known_sides_do():
    run, middle = (0.0, 40.0), 12.0  # lines fall 1 m a cell
    c = np.array([24.5, 27.0, 32.0, 33.9, 34.1])
    z = np.array([5.0, 0.0, 0.0, 0.0, 0.0])

    def hidden(dem, c, z):
        at = np.full(c.size, 5.5), c - 40.0 * (middle - z) / HALF, z
        return hide(dem, run, at, middle=middle).tolist()

    dem = np.zeros((12, 60), dtype=np.float32)
    dem[:, 20:25] = 10.0  # a wall whose top ends at column 24
    assert hidden(dem, c, z) == [True, True, True, True, False]
    dem[:, 18:31] = np.nan  # nobody knows of the wall
    assert hidden(dem, c[2:], z[2:]) == [False, False, False]
    dem[:, 31:34] = 10.0  # a line that comes out of the hole below this roof is in the ground
    assert hidden(dem, np.array([36.0, 43.5]), np.zeros(2)) == [True, False]
    dem[:, :31] = 10.0  # no hole, but the edge of the DEM: the line comes in from its side, below
    assert hidden(dem[:, 28:], np.array([6.0, 15.9]), np.zeros(2)) == [True, False]


def test_positions_that_a_piece_does_not_claim_are_left_alone():
    dem = np.zeros((12, 60), dtype=np.float32)
    dem[:, 20:24] = 10.0
    run, middle = (0.0, 40.0), 12.0
    row, c = np.linspace(1.0, 10.0, 200), np.full(200, 27.0)
    col = c - 40.0 * middle / HALF
    z = np.zeros(200)
    z[50] = np.nan
    box, clear = np.array([0.0, 1.0, 0.0, 1.0, middle, HALF]), clear_of(dem, run)
    mask = np.full(200, 255, dtype=np.uint8)
    claims = np.array([2.0, 7.0, -np.inf, np.inf])
    occlusion.hide(*(lines(run), *built(dem), 0.0, clear, True, box, claims, row, col, z, mask))
    inside = (row >= 2.0) & (row < 7.0) & ~np.isnan(z)
    np.testing.assert_array_equal(mask, np.where(inside, 1, 255))


def test_the_highest_ground_of_a_rectangle_is_never_underestimated():
    rng = np.random.default_rng(3)
    dem, maxima, starts, widths = built(rng.random((70, 45)))
    for _ in range(2000):
        r0, r1 = np.sort(rng.uniform(-10.0, 80.0, 2))
        c0, c1 = np.sort(rng.uniform(-10.0, 55.0, 2))
        top = occlusion.highest_near(*(dem, maxima, starts, widths, r0, c0, r1, c1))
        i0, i1 = (int(np.clip(np.floor(r), 0, 68)) for r in (r0, r1))
        j0, j1 = (int(np.clip(np.floor(c), 0, 43)) for c in (c0, c1))
        assert top >= dem[i0 : i1 + 2, j0 : j1 + 2].max()
    assert occlusion.highest_near(dem, maxima, starts, widths, 5.0, 5.0, 5.5, 5.5) < 1.0


def test_what_is_shown_has_a_height_and_lies_in_the_image():
    row = np.array([0.0, -1e-9, 10.0, 10.1, 5.0, np.nan, 5.0])
    col = np.array([0.0, 1.0, 20.0, 1.0, 20.1, 1.0, 1.0])
    height = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, np.nan])
    mask = np.zeros(7, dtype=np.uint8)
    occlusion.mark_shown(row, col, height, 10, 20, mask)
    assert mask.tolist() == [0, 255, 0, 255, 255, 255, 255]
