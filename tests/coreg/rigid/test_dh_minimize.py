"""Least scatter: the valley is found from afar, noise does not draw it to half pixels, errors are true."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from known_motion import UNFIXED, shift_of
from known_terrain import ORIGIN, dem, grid, height
from trueground.coreg import METHODS, DhMinimize
from trueground.coreg.base import translation
from trueground.coreg.pairs import Pair
from trueground.coreg.rigid.dh_minimize import _strewn
from trueground.coreg.rigid.jitter import jitter
from trueground.coreg.rigid.spread import spread, square_influence
from trueground.engine import Serial, Threads
from trueground.errors import FitError, InputError
from trueground.raster import ArrayRaster, open_raster

SHIFT = (7.3, -4.1, 2.2)
STATISTICS = ("nmad", "mean-absolute", "std")


@pytest.mark.parametrize("statistic", STATISTICS)
def test_without_noise(statistic):
    on = grid()
    found = DhMinimize(statistic=statistic).fit(dem(on), dem(on, SHIFT))
    assert found.converged
    assert shift_of(found)[:2] == pytest.approx(SHIFT[:2], abs=0.02)  # 0.001 px
    assert found.shift_z == pytest.approx(SHIFT[2], abs=0.01)
    assert found.nmad_after < 0.02 < found.nmad_before


@pytest.mark.parametrize("shift", [(600.0, 0.0, 20.0), (-440.0, 410.0, -80.0), (20.0, 1000.0, 5.0)])
def test_from_afar(shift):
    on = grid((300, 300))
    found = DhMinimize().fit(dem(on), dem(on, shift))  # 30 pixels, and 50: beyond the first scan
    assert found.converged
    assert shift_of(found) == pytest.approx(shift, abs=0.05)


def test_a_valley_out_of_reach_is_said():
    on = grid((300, 300))
    found = DhMinimize(search=4.0).fit(dem(on), dem(on, (600.0, 0.0, 0.0)))
    assert not found.converged
    assert not DhMinimize(max_iterations=1, tolerance=1e-9).fit(dem(on), dem(on, SHIFT)).converged


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.5])
def test_noise_does_not_draw_it_to_half_pixels(phase):
    """Interpolation smooths noise half-way between nodes, where a plain NMAD is least."""
    on = grid((400, 400), 10.0)
    shift = (10.0 * phase, 10.0 * phase, 1.0)
    reference, moving = dem(on, noise=1.0, seed=1), dem(on, shift, noise=1.0, seed=2)
    found = DhMinimize().fit(reference, moving)
    assert found.converged
    assert shift_of(found)[:2] == pytest.approx(shift[:2], abs=0.1)  # 0.01 px; errors are 0.003


@pytest.mark.parametrize("pixel", [10.0, 23.0, 90.0])
def test_noise_scatters_alike_at_all_shifts(pixel):
    """Cells at their centres see interpolated noise that is smaller half-way between nodes; strewn cells do not."""
    on, other = grid((600, 600), 10.0), grid((int(6500 / pixel),) * 2, pixel)
    slope = height(*np.broadcast_arrays(*on.xy(*on.window.pixel_centres())))
    moving = np.random.default_rng(0).normal(0.0, 1.0, other.shape).astype(np.float32)
    reference = ArrayRaster(array=(0.001 * slope).astype(np.float32), grid=on)
    pair = Pair.of(reference, ArrayRaster(array=moving, grid=other), samples=10**6, engine=Serial())
    still = METHODS["vertical-shift"]().fit(reference, reference)
    shifts = [(pixel * f, pixel * f) for f in (0.0, 0.25, 0.5)]
    scatter = [
        np.std(line[np.isfinite(line)]) for line in _strewn(pair).heights(still, beside=shifts)
    ]
    assert scatter == pytest.approx([scatter[0]] * 3, rel=0.02)
    if pixel == 10.0:
        plain = [np.std(line[np.isfinite(line)]) for line in pair.heights(still, beside=shifts)]
        assert plain[2] < 0.7 * plain[0]


def test_holes_and_blunders_change_little():
    on = grid((400, 400), 10.0)
    reference, moving = dem(on, noise=1.0, seed=1), dem(on, SHIFT, noise=1.0, holes=0.1, seed=2)
    rng = np.random.default_rng(0)
    for row, col in rng.integers(0, 390, (80, 2)):  # 5 % of the cells
        moving.array[0, row : row + 10, col : col + 10] += 50.0
    found = DhMinimize().fit(reference, moving)
    assert shift_of(found)[:2] == pytest.approx(SHIFT[:2], abs=0.2)  # 0.02 px


def test_other_grids():
    on = grid()
    other = grid((220, 240), 31.0, origin=(ORIGIN[0] - 300.0, ORIGIN[1] + 200.0))
    for pair in ((on, other), (other, on)):
        found = DhMinimize().fit(dem(pair[0]), dem(pair[1], SHIFT))
        assert shift_of(found)[:2] == pytest.approx(SHIFT[:2], abs=0.1)


def test_an_initial_motion_is_where_it_begins_and_is_included():
    on = grid()
    reference, moving = dem(on), dem(on, (2_000.0, 100.0, 7.0))
    near = METHODS["vertical-shift"]().fit(reference, reference)
    near = replace(near, matrix=translation((1_980.0, 110.0, 0.0)))
    found = DhMinimize(search=2.0).fit(reference, moving, initial=near)
    assert found.converged
    assert shift_of(found) == pytest.approx((2_000.0, 100.0, 7.0), abs=0.05)


def test_a_wide_scan_holds_no_more_heights_than_a_narrow_one():
    on = grid((200, 200))
    reference, moving = dem(on), dem(on, SHIFT)
    peaks = []
    for search in (60.0, 240.0):
        DhMinimize(search=search)  # what is imported late is not counted
        tracemalloc.start()
        DhMinimize(search=search, samples=4_000, max_iterations=1).fit(reference, moving)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0], peaks  # sixteen times as many shifts


def test_does_not_depend_on_threads():
    on = grid()
    reference, moving = dem(on, noise=1.0, seed=3), dem(on, SHIFT, noise=1.0, seed=4)
    one, two = (
        DhMinimize(samples=50_000).fit(reference, moving, engine=e) for e in (Serial(), Threads(3))
    )
    assert shift_of(one) == pytest.approx(shift_of(two), abs=1e-9)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_influence_is_the_derivative_of_the_statistic(statistic):
    """One value more of a kind changes the square by its influence."""
    rng = np.random.default_rng(0)
    dh = rng.normal(3.0, 2.0, 2_000_001)
    weight = rng.uniform(0.5, 2.0, dh.size)
    influence = square_influence(dh, weight, statistic)
    some = np.abs(dh - 3.0) > 2.0
    heavier = weight * np.where(some, 1.05, 1.0)
    change = spread(dh, heavier, statistic) ** 2 - spread(dh, weight, statistic) ** 2
    assert change == pytest.approx(0.05 * influence[some].sum(), rel=0.05)
    assert influence.sum() == pytest.approx(0.0, abs=1e-4)


def test_spread_without_weights_is_numpy_s():
    dh = np.random.default_rng(0).normal(1.0, 2.0, 999)
    ones = np.ones(dh.size)
    deviation = np.abs(dh - np.median(dh))
    assert spread(dh, ones, "nmad") == pytest.approx(1.4826 * np.median(deviation))
    assert spread(dh, ones, "mean-absolute") == pytest.approx(deviation.mean())
    assert spread(dh, ones, "std") == pytest.approx(dh.std())


def test_jitter_is_even_and_of_the_place_alone():
    x, y = np.meshgrid(np.arange(200) * 20.0 + ORIGIN[0], np.arange(200) * 20.0 + ORIGIN[1])
    u = jitter(x.ravel(), y.ravel())
    assert u.min() >= -0.5
    assert u.max() < 0.5
    for numbers in u:
        counts = np.histogram(numbers, 20, (-0.5, 0.5))[0]
        assert np.abs(counts - 2000).max() < 220  # five of its deviations
    assert abs(np.corrcoef(u)[0, 1]) < 0.02
    assert abs(np.corrcoef(u[0][1:], u[0][:-1])[0, 1]) < 0.02
    assert (jitter(x.ravel()[7:9], y.ravel()[7:9]) == u[:, 7:9]).all()


def test_as_scipy_minimises_along_one_axis():
    """The least NMAD of whole, unstrewn profiles, without noise."""
    on = grid()
    found = DhMinimize().fit(dem(on), dem(on, (7.3, 0.0, 0.0)))
    rows, cols = on.window.pixel_centres()
    x, y = np.broadcast_arrays(*on.xy(rows, cols))
    moved = lambda s: height(x + 7.3 - s, y)  # noqa: E731
    least = minimize_scalar(
        lambda s: spread((height(x, y) - moved(s)).ravel(), np.ones(x.size), "nmad"),
        bounds=(-20.0, 30.0), method="bounded",
    )  # fmt: skip
    assert found.shift_x == pytest.approx(least.x, abs=0.05)


@pytest.mark.data
def test_longyearbyen(data_folder):
    folder = data_folder / "longyearbyen"
    found = DhMinimize(samples=200_000).fit(
        open_raster(folder / "aligned_by_xdem.tif"), open_raster(folder / "DEM_1990.tif")
    )
    # The pair is turned as well; a shift alone lies between (10.3, 1.9), the turned one's, and that of
    # Nuth & Kaab, (10.0, 1.95): xDEM's minimum of the NMAD is (9.31, 2.62).
    assert shift_of(found)[:2] == pytest.approx((10.0, 2.2), abs=1.2)
    assert found.converged


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("name", UNFIXED)
def test_terrain_that_does_not_fix_a_shift(name, noise):
    on = grid((100, 100))
    pair = [dem(on, noise=noise, seed=s, surface=UNFIXED[name]) for s in (1, 2)]
    with pytest.raises(FitError, match=r"flat|one way|does not fix"):
        DhMinimize().fit(*pair)


@pytest.mark.parametrize("settings", [{"statistic": "mode"}, {"search": -1.0}, {"tolerance": 0.0}])
def test_settings_that_make_no_sense(settings):
    with pytest.raises(InputError):
        DhMinimize(**settings)


def test_its_name():
    assert METHODS["dh-minimize"] is DhMinimize
