"""Least height differences: known rigid motions come back, and the one of the Longyearbyen pair."""

from __future__ import annotations

import numpy as np
import pytest

from known_motion import about, centre, moved_away
from known_terrain import dem, grid
from trueground.coreg import Lzd
from trueground.errors import FitError, InputError
from trueground.raster import ArrayRaster, open_raster

SHIFT = (7.3, -4.1, 2.2)
ANGLES = (0.05, -0.03, 0.04)  # degrees


def test_a_translation_without_noise():
    on = grid()
    found = Lzd(motion="translation").fit(dem(on), dem(on, SHIFT))
    assert found.converged
    # A thousandth of a pixel of 20 m.
    assert (found.shift_x, found.shift_y) == pytest.approx(SHIFT[:2], abs=0.02)
    assert found.shift_z == pytest.approx(SHIFT[2], abs=0.005)
    assert found.rotations == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("scale", [1.0, 1.0005])
def test_a_rigid_motion_without_noise(scale):
    on = grid()
    middle = (*centre(on), 400.0)
    moving = moved_away(on, middle, SHIFT, ANGLES, scale)
    found = Lzd(motion="rigid" if scale == 1.0 else "similarity").fit(dem(on), moving)
    assert found.converged
    assert found.rotations == pytest.approx(ANGLES, abs=5e-4)
    assert found.scale == pytest.approx(scale, abs=1e-5)
    assert about(found, middle) == pytest.approx(np.add(middle, SHIFT), abs=0.02)
    assert found.nmad_after < 0.02 < found.nmad_before


def test_holes_and_blunders_change_little():
    on = grid((500, 500))
    middle = (*centre(on), 400.0)
    rng = np.random.default_rng(0)
    values = moved_away(on, middle, SHIFT, ANGLES).array[0] + rng.normal(0.0, 1.0, on.shape)
    values[rng.random(on.shape) < 0.1] = np.nan
    for row, col in rng.integers(0, 490, (125, 2)):  # 5 % of the cells, in patches, as clouds are
        values[row : row + 10, col : col + 10] += 50.0
    found = Lzd().fit(dem(on), ArrayRaster(array=values.astype(np.float32), grid=on))
    # Slopes of some 10 degrees, 200,000 cells, 1 m: 0.013 m for a shift, 1e-4 degrees for a rotation.
    assert about(found, middle) == pytest.approx(np.add(middle, SHIFT), abs=0.06)
    assert found.rotations == pytest.approx(ANGLES, abs=5e-4)


@pytest.mark.data
def test_longyearbyen_was_moved_by_its_known_transform(data_folder):
    folder = data_folder / "longyearbyen"
    reference = open_raster(folder / "aligned_by_xdem.tif")
    found = Lzd(resampling="bilinear", samples=200_000).fit(
        reference, open_raster(folder / "DEM_1990.tif")
    )
    assert found.rotations == pytest.approx((0.0070322, -0.0074533, -0.0067377), abs=3e-4)
    point = np.array([515650.83, 8663888.17, 353.11])
    shift = about(found, point) - point
    assert shift == pytest.approx((10.2548967, 1.90590312, -1.93544013), abs=0.02)
    assert found.nmad_after <= 0.01


def test_flat_ground_and_one_slope_are_refused():
    on = grid()
    rng = np.random.default_rng(0)
    flat = ArrayRaster(array=np.full(on.shape, 100.0, np.float32), grid=on)
    with pytest.raises(FitError, match="flat"):
        Lzd().fit(flat, flat)
    ramp = (np.linspace(0.0, 900.0, on.shape[0])[:, np.newaxis] + np.zeros(on.shape)).astype(
        np.float32
    )
    ramp += rng.normal(0.0, 1e-5, on.shape).astype(np.float32)
    with pytest.raises(FitError, match="one way"):
        Lzd().fit(ArrayRaster(array=ramp, grid=on), ArrayRaster(array=ramp, grid=on))


def test_settings_that_make_no_sense():
    with pytest.raises(InputError, match="motion"):
        Lzd(motion="affine")
    with pytest.raises(InputError, match="iterations"):
        Lzd(max_iterations=0)
