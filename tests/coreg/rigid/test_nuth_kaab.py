"""Nuth & Kaab: known shifts come back, whatever the grids; what cannot be fitted says so."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer
from scipy.interpolate import RegularGridInterpolator
from scipy.optimize import curve_fit
from scipy.stats import binned_statistic

from known_motion import shift_of
from known_terrain import ORIGIN, UTM33, dem, grid, height
from trueground.coreg import NuthKaab, choosing, pairs
from trueground.engine import Serial, Threads
from trueground.errors import FitError, InputError, OverlapError
from trueground.grid import Grid
from trueground.raster import ArrayRaster, open_raster

SHIFT = (7.3, -4.1, 2.2)


def test_known_shift_with_holes_and_noise():
    # The acceptance of issue 2: 0.02 px of 20 m horizontally, 0.02 m vertically.
    on = grid((500, 500))
    reference = dem(on, noise=1.0, holes=0.1, seed=10)
    moving = dem(on, SHIFT, noise=1.0, holes=0.1, seed=20)
    result = NuthKaab().fit(reference, moving)
    assert result.converged
    assert shift_of(result)[:2] == pytest.approx(SHIFT[:2], abs=0.4)
    assert result.shift_z == pytest.approx(SHIFT[2], abs=0.02)
    # Differences of two noises of 1 m, one of them interpolated between four cells.
    assert 0.9 < result.nmad_after < 1.5 < result.nmad_before


@pytest.mark.parametrize("shift", [SHIFT, (-33.0, 12.5, -80.0), (0.0, 0.0, 0.0), (0.02, 19.9, 0.0)])
def test_without_noise(shift):
    on = grid()
    result = NuthKaab().fit(dem(on), dem(on, shift))
    # Bilinear sampling of waves from 500 m on: 3e-4 px for whole surfaces (peers' figures as well),
    # and its sag (curvature x pixel^2 / 8, centimetres) is symmetric.
    assert shift_of(result)[:2] == pytest.approx(shift[:2], abs=0.02)
    assert result.shift_z == pytest.approx(shift[2], abs=0.01)
    assert result.converged


def test_a_shift_of_twenty_pixels():
    on = grid()
    shift = (-310.0, 260.0, 15.0)
    result = NuthKaab().fit(dem(on), dem(on, shift))
    assert result.converged
    assert shift_of(result) == pytest.approx(shift, abs=0.05)


def test_signs_are_those_of_the_page():
    # The moving DEM lies 40 m too far west and 3 m too low: add +40 east and +3 up.
    on = grid()
    reference = dem(on)
    west = ArrayRaster(array=np.roll(reference.array[0], -2, axis=1) - 3.0, grid=on)
    result = NuthKaab().fit(reference, west)
    assert shift_of(result) == pytest.approx((40.0, 0.0, 3.0), abs=0.2)
    north = ArrayRaster(array=np.roll(reference.array[0], -2, axis=0), grid=on)  # too far north
    assert shift_of(NuthKaab().fit(reference, north)) == pytest.approx((0.0, -40.0, 0.0), abs=0.2)
    swapped = shift_of(NuthKaab().fit(west, reference))
    assert swapped == pytest.approx((-40.0, 0.0, -3.0), abs=0.2)


TRANSFORMS = {
    "finer": (Affine(7.0, 0, ORIGIN[0] + 333.3, 0, -7.0, ORIGIN[1] - 100.1), (700, 800)),
    "coarser": (Affine(35.0, 0, ORIGIN[0] - 50, 0, -35.0, ORIGIN[1] + 11), (180, 190)),
    "oblong": (Affine(15.0, 0, ORIGIN[0], 0, -25.0, ORIGIN[1]), (240, 400)),
    "south up": (Affine(20.0, 0, ORIGIN[0], 0, 20.0, ORIGIN[1] - 6000), (300, 320)),
    "rotated": (
        Affine.translation(ORIGIN[0] + 1000, ORIGIN[1] + 1500)
        @ Affine.rotation(-25.0)
        @ Affine.scale(18.0, -18.0),
        (400, 420),
    ),
}


@pytest.mark.parametrize("role", ["moving", "reference"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_any_grids(name, role):
    transform, shape = TRANSFORMS[name]
    other, plain = grid(shape, transform=transform), grid()
    on = (plain, other) if role == "moving" else (other, plain)
    result = NuthKaab().fit(dem(on[0]), dem(on[1], SHIFT))
    # Two bilinear surfaces with different sags: their mean difference is centimetres.
    assert shift_of(result)[:2] == pytest.approx(SHIFT[:2], abs=0.05)
    assert result.shift_z == pytest.approx(SHIFT[2], abs=0.03)
    assert result.converged


@pytest.mark.parametrize("code", [32632, 4326])
def test_a_moving_dem_in_another_system(code):
    crs = CRS.from_epsg(code)
    on = grid((200, 220))
    to = Transformer.from_crs(UTM33, crs, always_xy=True)
    west, south, east, north = to.transform_bounds(*on.bounds)
    degree = 111_000.0 if code == 4326 else 1.0
    pixel = (20.0 / degree / (np.cos(np.radians(72.0)) if code == 4326 else 1.0), 20.0 / degree)
    other = Grid.covering((west, south, east, north), pixel, crs=crs)
    # The shift is counted in the reference's system, wherever the moving DEM's pixels lie.
    result = NuthKaab().fit(dem(on), dem(other, SHIFT))
    assert shift_of(result)[:2] == pytest.approx(SHIFT[:2], abs=0.05)
    assert result.shift_z == pytest.approx(SHIFT[2], abs=0.03)
    assert CRS.from_wkt(result.crs) == UTM33


def test_without_crs():
    on = grid(crs=None)
    result = NuthKaab().fit(dem(on, system=None), dem(on, SHIFT, system=None))
    assert shift_of(result)[:2] == pytest.approx(SHIFT[:2], abs=0.02)
    assert result.crs is None


@pytest.mark.parametrize("own", [True, False])
def test_masked_terrain_has_no_say(own):
    on = grid()
    reference, moving = dem(on), dem(on, SHIFT)
    # An ice cap over half of the scene, that has thinned the more the lower it lies.
    lowered = moving.array[0, 20:280, 20:200]
    lowered -= 0.3 * (900.0 - lowered)
    if own:
        mask_grid, margin = on, 0
    else:  # another grid, with cells of 50 m and beginning elsewhere
        mask_grid = grid((140, 150), 50.0, origin=(ORIGIN[0] - 410.0, ORIGIN[1] + 230.0))
        margin = 60.0
    rows, cols = mask_grid.window.pixel_centres()
    x, y = mask_grid.xy(rows, cols)
    inside = (
        (x > ORIGIN[0] + 20 * 20 - margin)
        & (x < ORIGIN[0] + 200 * 20 + margin)
        & (y < ORIGIN[1] - 20 * 20 + margin)
        & (y > ORIGIN[1] - 280 * 20 - margin)
    )
    valid = ArrayRaster(array=(~inside).astype(np.uint8), grid=mask_grid)
    spoilt = shift_of(NuthKaab().fit(reference, moving))
    result = shift_of(NuthKaab().fit(reference, moving, valid=valid))
    assert np.abs(spoilt - SHIFT).max() > 0.3  # the mask matters
    assert result == pytest.approx(SHIFT, abs=0.05)


def test_does_not_depend_on_blocks_threads_or_repeats(monkeypatch):
    on = grid()
    reference = dem(on, noise=1.0, holes=0.1, seed=3)
    utm32 = CRS.from_epsg(32632)
    to = Transformer.from_crs(UTM33, utm32, always_xy=True)
    other = Grid.covering(to.transform_bounds(*on.bounds), 22.0, crs=utm32)
    moving = dem(other, SHIFT, noise=1.0, holes=0.1, seed=4)
    results = []
    for block, engine in ((1024, Serial()), (37, Serial()), (100, Threads(3)), (64, Threads(2))):
        monkeypatch.setattr(choosing, "_BLOCK", block)
        results.append(NuthKaab(samples=40_000).fit(reference, moving, engine=engine))
    for result in results[1:]:
        assert result.samples == results[0].samples
        assert shift_of(result) == pytest.approx(shift_of(results[0]), abs=1e-6)  # issue 2


def test_a_dem_that_is_not_kept_in_memory_gives_the_same(monkeypatch):
    on = grid()
    reference, moving = dem(on), dem(on.pad(200), SHIFT)
    kept = NuthKaab().fit(reference, moving)
    monkeypatch.setattr(pairs, "_IN_MEMORY", moving.array.size - 1)
    assert shift_of(NuthKaab().fit(reference, moving)) == pytest.approx(shift_of(kept), abs=1e-9)


def test_a_sample_is_unbiased():
    on = grid()
    reference, moving = dem(on, noise=1.0, seed=5), dem(on, SHIFT, noise=1.0, seed=6)
    shifts = np.array(
        [
            shift_of(NuthKaab(samples=8000, seed=s).fit(reference, moving, engine=Serial()))
            for s in range(12)
        ]
    )
    whole = NuthKaab().fit(reference, moving)
    counts = NuthKaab(samples=8000).fit(reference, moving).samples
    assert 7000 < counts < 9000
    assert whole.samples > 90_000
    # Scatter of single fits: tenths of a metre; their mean within four standard errors.
    scatter = shifts.std(axis=0, ddof=1)
    assert (scatter > 0).all()
    assert (np.abs(shifts.mean(axis=0) - SHIFT) < 4 * scatter / np.sqrt(12) + 0.02).all()


def test_nmad_before_and_after_are_of_the_same_cells():
    on = grid()
    reference, moving = dem(on), dem(on, SHIFT)
    result = NuthKaab().fit(reference, moving)
    # The last rows and columns have no slope, or fall off the edge when shifted.
    assert 298 * 318 - 2 * 320 < result.samples <= 298 * 318
    assert result.nmad_after < 0.1
    assert result.nmad_before > 0.5
    assert [i["iteration"] for i in result.iterations] == list(range(1, len(result.iterations) + 1))


def test_not_converged_is_said():
    on = grid()
    result = NuthKaab(max_iterations=1).fit(dem(on), dem(on, (60.0, 20.0, 0.0)))
    assert not result.converged
    assert len(result.iterations) == 1


@pytest.mark.parametrize(
    "surface",
    [
        lambda x, y: np.full(np.broadcast_shapes(np.shape(x), np.shape(y)), 100.0),
        lambda x, y: 100.0 + 0.2 * (x - ORIGIN[0]) + 0.1 * (y - ORIGIN[1]),
    ],
    ids=["flat", "one slope"],
)
def test_terrain_that_does_not_fix_a_shift(surface):
    on = grid((100, 100))
    with pytest.raises(FitError, match=r"vertical-shift"):
        NuthKaab().fit(dem(on, surface=surface), dem(on, (5.0, 5.0, 5.0), surface=surface))


def test_a_valley_fixes_one_direction_alone():
    def valley(x, y):
        return np.abs(x - ORIGIN[0] - 1000.0) * 0.3 + 0.0 * y

    on = grid((100, 100))
    with pytest.raises(FitError, match="same way"):
        NuthKaab().fit(dem(on, surface=valley), dem(on, (5.0, 5.0, 5.0), surface=valley))


def test_too_few_cells():
    on = grid()
    reference = dem(on)
    reference.array[0, 12:, :] = np.nan
    reference.array[0, :, 10:] = np.nan
    with pytest.raises(FitError, match="at least 100"):
        NuthKaab().fit(reference, dem(on, SHIFT))


def test_different_places():
    there = grid(origin=(ORIGIN[0] + 50_000.0, ORIGIN[1]))
    with pytest.raises(OverlapError, match="do not overlap"):
        NuthKaab().fit(dem(grid()), dem(there))


def test_bounds_overlap_but_no_data_does():
    on = grid()
    left, right = dem(on), dem(on)
    left.array[0, :, 150:] = np.nan
    right.array[0, :, :170] = np.nan
    with pytest.raises(OverlapError, match="no cell in common"):
        NuthKaab().fit(left, right)


def test_nothing_valid():
    on = grid((50, 50))
    nothing = ArrayRaster(array=np.zeros(on.shape, dtype=np.uint8), grid=on)
    with pytest.raises(FitError, match="nothing to align"):
        NuthKaab().fit(dem(on), dem(on), valid=nothing)


def test_more_than_one_band_is_refused():
    on = grid((50, 50))
    two = ArrayRaster(array=np.zeros((2, 50, 50), dtype=np.float32), grid=on)
    with pytest.raises(InputError, match="2 bands"):
        NuthKaab().fit(two, dem(on))


@pytest.mark.parametrize(
    "settings",
    [{"max_iterations": 0}, {"tolerance": 0.0}, {"bins": 3}, {"tolerance": float("nan")}],
)
def test_settings_that_make_no_sense(settings):
    with pytest.raises(InputError):
        NuthKaab(**settings)


def test_progress_counts_iterations():
    calls = []
    on = grid((100, 100))
    result = NuthKaab().fit(dem(on), dem(on, SHIFT), progress=lambda *a: calls.append(a))
    assert calls == [(k, 50) for k in range(1, len(result.iterations) + 1)]


# A twin of xDEM's implementation, written from its description: slopes by pixel, scipy's fits.


def xdem_twin(reference, moving, *, iterations=10):
    """Return shift_x, shift_y, shift_z in pixels, pixels and metres for two arrays on one grid."""
    gy, gx = np.gradient(reference)
    slope, aspect = np.hypot(gx, gy), np.arctan2(-gx, gy) + np.pi
    rows, cols = np.mgrid[0 : reference.shape[0], 0 : reference.shape[1]]
    axes = np.arange(reference.shape[0]), np.arange(reference.shape[1])
    sample = RegularGridInterpolator(axes, moving, bounds_error=False)  # NaN holes spread: fine
    use = np.isfinite(reference) & np.isfinite(moving) & np.isfinite(slope) & (slope > 1e-8)
    east = north = 0.0
    for iteration in range(iterations):
        dh = reference[use] - sample(np.column_stack([rows[use] - north, cols[use] + east]))
        vertical = np.nanmedian(dh)
        y = (dh - vertical) / slope[use]
        known = np.isfinite(y)
        medians, edges, _ = binned_statistic(aspect[use][known], y[known], "median", bins=72)
        middles = (edges[1:] + edges[:-1]) / 2
        full = np.isfinite(medians)
        start = (3 * np.std(y[known]) / 2**0.5, 0.0, np.mean(y[known]))
        (a, b, _), _ = curve_fit(
            lambda x, a, b, c: a * np.cos(b - x) + c, middles[full], medians[full], p0=start
        )
        east, north = east + a * np.sin(b), north + a * np.cos(b)
        if iteration >= 2 and abs(a) < 0.001:
            break
    return -east, -north, vertical


def test_as_xdem_s_algorithm_on_the_same_arrays():
    on = grid()
    reference, moving = dem(on, noise=1.0, seed=7), dem(on, SHIFT, noise=1.0, seed=8)
    twin = xdem_twin(reference.array[0].astype(float), moving.array[0].astype(float))
    result = shift_of(NuthKaab().fit(reference, moving))
    # Both stop at a step of 0.001 px; slopes at the edge and the bins differ: 0.005 px, 5 mm.
    assert result[:2] / 20.0 == pytest.approx(twin[:2], abs=0.005)
    assert result[2] == pytest.approx(twin[2], abs=0.005)


@pytest.mark.data
def test_longyearbyen(data_folder):
    reference = open_raster(data_folder / "longyearbyen/aligned_by_xdem.tif")
    moving = open_raster(data_folder / "longyearbyen/DEM_1990.tif")
    result = NuthKaab().fit(reference, moving)
    # xDEM on all cells: (10.00, 1.95, -1.97), NMAD 2.57 -> 1.25 m (peers-coreg.md 7.1).
    assert shift_of(result) == pytest.approx((10.00, 1.95, -1.97), abs=0.06)
    assert result.nmad_before == pytest.approx(2.574, abs=0.02)
    assert result.nmad_after == pytest.approx(1.25, abs=0.02)
    assert result.samples > 800_000


def test_height_is_what_the_tests_say_it_is():
    """The terrain is steep enough to fix a shift, and smooth enough for its cells."""
    on = grid()
    gy, gx = np.gradient(dem(on).array[0].astype(float), 20.0)
    slope = np.degrees(np.arctan(np.hypot(gx, gy)))
    assert 5.0 < np.median(slope) < 40.0
    assert height(*ORIGIN).shape == ()


def test_the_first_step_goes_most_of_the_way():
    """Directions off by half a bin (2.5 degrees) would converge as well, but on a detour."""
    on = grid()
    first = NuthKaab().fit(dem(on), dem(on, SHIFT)).iterations[0]
    across = (first["shift_x"] * SHIFT[1] - first["shift_y"] * SHIFT[0]) / np.hypot(*SHIFT[:2])
    along = (first["shift_x"] * SHIFT[0] + first["shift_y"] * SHIFT[1]) / np.hypot(*SHIFT[:2])
    assert along == pytest.approx(np.hypot(*SHIFT[:2]), rel=0.02)
    assert abs(across) < 0.1  # of 8.4 m; half a bin would make 0.37 m
