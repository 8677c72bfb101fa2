"""One block: what it finds, where, and what it says when it finds nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from known_field import raster, steep
from known_terrain import UTM33, dem, grid
from trueground.coreg import Deramp, NuthKaab, VerticalShift
from trueground.coreg.blocks.block import BlockFitter, counts
from trueground.coreg.combine import Combined
from trueground.grid import Grid, Window
from trueground.projection import project

ON = grid((300, 300), 10.0)
SHIFT = (12.0, -7.0, 1.5)
BLOCK = Window(100, 100, 150, 150)


@dataclass(frozen=True)
class Broken(Combined):
    """A method that fails as nobody expects."""

    error: Exception = ZeroDivisionError("a bug")  # noqa: RUF009 (frozen)
    name = "broken"

    def fit(self, *args, **kwargs):
        raise self.error


@pytest.fixture(scope="module")
def arrays():
    return (
        dem(ON, surface=steep, noise=0.5).array[0],
        dem(ON, SHIFT, surface=steep, noise=0.5, seed=5).array[0],
    )


def fitter(fixed, loose, **changes):
    made = BlockFitter(
        reference=raster(fixed, ON), moving=raster(loose, ON), methods=(NuthKaab(),), crs=UTM33, pixel=10.0,
        valid=None, weights=None, overlap=5, reach=240.0, min_valid=0.1, vague=0.5, known=0.03,
    )  # fmt: skip
    return replace(made, **changes)


def test_shift_and_its_error(arrays):
    found = fitter(*arrays).fit((2, 3), BLOCK, None)
    assert (found.verdict, found.reason, found.index) == ("ok", "", (2, 3))
    off = np.abs(np.subtract(found.shift, SHIFT))
    assert (off < 4.0 * np.array(found.error)).all()
    assert max(found.error[:2]) < 0.3
    assert found.nmad_after < 0.3 * found.nmad_before
    assert found.samples > 10_000
    assert found.iterations > 1
    middle = ON.xy(np.array([175.0]), np.array([175.0]))
    np.testing.assert_allclose([found.x, found.y], np.ravel(middle), atol=20.0)


def test_place_is_the_middle_of_what_was_used(arrays):
    fixed, loose = arrays[0].copy(), arrays[1]
    fixed[:, 170:] = np.nan
    found = fitter(fixed, loose).fit((0, 0), BLOCK, None)
    assert found.share == pytest.approx(75.0 / 160.0)
    assert found.x == pytest.approx(ON.bounds[0] + 10.0 * (95 + 170) / 2.0, abs=15.0)


def test_start_far_off_is_used(arrays):
    """The moving DEM is read where the start leads."""
    fixed, loose = arrays[0], dem(ON, (605.0, 0.0, 0.0), surface=steep, noise=0.5).array[0]
    # A block at the east: what it shows lies 60 columns to the west in the moving DEM.
    block = Window(100, 150, 120, 120)
    found = fitter(fixed, loose).fit((0, 0), block, (590.0, 3.0, 0.0))
    assert found.verdict == "ok"
    assert found.shift[0] == pytest.approx(605.0, abs=0.5)


def test_too_few_cells(arrays):
    fixed = np.where(np.random.default_rng(0).random(ON.shape) < 0.05, arrays[0], np.nan)
    found = fitter(fixed, arrays[1]).fit((0, 0), BLOCK, None)
    assert found.verdict == "too few"
    assert "4.8% of the cells are usable, 10.0% are asked for" in found.reason
    assert np.isnan(found.shift).all()
    assert np.isfinite([found.x, found.y]).all()


def test_mask_counts(arrays):
    keep = np.ones(ON.shape, dtype=np.uint8)
    keep[100:240] = 0
    found = fitter(*arrays, valid=raster(keep, ON)).fit((0, 0), BLOCK, None)
    assert found.share == pytest.approx(20 / 160.0)
    spoilt = arrays[1] + np.where(keep == 0, 500.0, 0.0)
    found = fitter(arrays[0], spoilt, valid=raster(keep, ON)).fit((0, 0), BLOCK, None)
    assert found.shift[2] == pytest.approx(SHIFT[2], abs=0.5)


def test_moving_dem_is_empty(arrays):
    found = fitter(arrays[0], np.full(ON.shape, np.nan)).fit((0, 0), BLOCK, None)
    assert found.verdict == "too few"
    assert "the moving DEM has heights in 0.0% of the block" in found.reason


def test_moving_dem_ends_in_the_block(arrays):
    """What is left of it beyond its edge is too little to go by."""
    loose = arrays[1].copy()
    loose[100:] = np.nan
    found = fitter(arrays[0], loose).fit((0, 0), BLOCK, SHIFT)
    assert found.verdict == "too few"
    assert fitter(arrays[0], loose, min_valid=0.01).fit((0, 0), BLOCK, SHIFT).verdict == "ok"


def test_moving_dem_does_not_reach_there(arrays):
    found = fitter(*arrays).fit((0, 0), BLOCK, (90_000.0, 0.0, 0.0))
    assert (found.verdict, found.reason) == ("too few", "the moving DEM does not reach there")


def test_flat_ground_fixes_nothing(arrays):
    rng = np.random.default_rng(1)
    found = fitter(*rng.normal(size=(2, *ON.shape))).fit((0, 0), BLOCK, None)
    assert found.verdict in {"not fixed", "not converged", "vague", "not better"}
    assert found.reason


def test_vague_is_a_matter_of_the_limit(arrays):
    found = fitter(*arrays, vague=1e-4).fit((0, 0), BLOCK, None)
    assert found.verdict == "vague"
    assert "px only" in found.reason


def test_other_terrain_is_not_taken_for_a_shift(arrays):
    other = dem(ON, surface=lambda x, y: steep(x + 5e5, y - 3e5), noise=0.5).array[0]
    assert fitter(arrays[0], other).fit((0, 0), BLOCK, None).verdict != "ok"


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("a bug"), np.linalg.LinAlgError("singular"), IndexError("far out")]
)
def test_an_exception_is_a_verdict(arrays, error):
    found = fitter(*arrays, methods=(Broken(error),)).fit((1, 1), BLOCK, None)
    assert found.verdict == "failed"
    assert found.reason == f"{type(error).__name__}: {error}"


def test_lack_of_memory_is_no_verdict(arrays):
    with pytest.raises(MemoryError):
        fitter(*arrays, methods=(Broken(MemoryError()),)).fit((1, 1), BLOCK, None)


def test_pipeline_with_a_correction(arrays):
    found = fitter(*arrays, methods=(NuthKaab() + Deramp(),)).fit((0, 0), BLOCK, None)
    assert found.verdict == "ok"
    np.testing.assert_allclose(found.shift, SHIFT, atol=0.5)


def test_heights_alone(arrays):
    loose = dem(ON, (0.0, 0.0, 3.25), surface=steep, noise=0.5).array[0]
    found = fitter(arrays[0], loose, methods=(VerticalShift(),)).fit((0, 0), BLOCK, None)
    assert found.verdict == "ok"
    np.testing.assert_allclose(found.shift, (0.0, 0.0, 3.25), atol=0.03)


def test_counts_in_the_order_of_verdicts(arrays):
    good = fitter(*arrays).fit((0, 0), BLOCK, None)
    bad = replace(good, verdict="failed")
    assert counts([bad, good, bad]) == {"ok": 1, "failed": 2}


@pytest.mark.parametrize("system", ["EPSG:2225", "EPSG:3413"])
def test_moving_dem_is_read_where_the_start_leads_in_its_own_system(arrays, system):
    """In feet, and where north is not up: the same start [m] leads to the same ground."""
    crs = CRS.from_user_input(system)
    far = (900.0, -450.0, 0.0)
    x, y = ON.xy(np.array([175.0]), np.array([175.0]))
    there = np.ravel(project(UTM33, crs, x - far[0], y - far[1]))
    pixel = 10.0 / crs.axis_info[0].unit_conversion_factor
    about = Affine(pixel, 0, there[0] - 300 * pixel, 0, -pixel, there[1] + 300 * pixel)
    target = Grid(crs=crs, transform=about, shape=(600, 600))
    made = fitter(*arrays, moving=raster(np.zeros((600, 600), np.float32), target))
    below = made._below(ON.crop(BLOCK), far, reach=0.0)
    middle = below.row + below.height / 2.0, below.col + below.width / 2.0
    np.testing.assert_allclose(middle, 300.0, atol=2.0)
    near = made._below(ON.crop(BLOCK), far, reach=240.0)
    assert 2 * 24 - 3 <= near.height - below.height <= 2 * 24 * 1.6 + 8
