"""Closest points: known motions come back, steps are those of scipy's tree, errors are what they are said to be."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from known_motion import UNFIXED, about, centre, moved_away, shift_of, steep
from known_terrain import dem, grid
from trueground.coreg import METHODS, Icp, Lzd
from trueground.coreg.rigid import icp
from trueground.engine import Serial
from trueground.errors import FitError, InputError
from trueground.raster import ArrayRaster, open_raster

SHIFT = (7.3, -4.1, 2.2)
ANGLES = (0.05, -0.03, 0.04)  # degrees
VARIANTS = ("point-to-plane", "point-to-point")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shift", [SHIFT, (-433.0, 412.5, -80.0)])
def test_a_translation_without_noise(variant, shift):
    on = grid()
    found = Icp(variant=variant, motion="translation").fit(dem(on), dem(on, shift))
    assert found.converged
    # A thousandth of a pixel of 20 m; of the second shift, 30 pixels.
    assert shift_of(found)[:2] == pytest.approx(shift[:2], abs=0.02)
    assert found.shift_z == pytest.approx(shift[2], abs=0.005)
    assert found.rotations == (0.0, 0.0, 0.0)
    assert len(found.iterations) < 30


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("scale", [1.0, 1.0005])
def test_a_rigid_motion_without_noise(variant, scale):
    on = grid()
    middle = (*centre(on), 400.0)
    moving = moved_away(on, middle, SHIFT, ANGLES, scale)
    motion = "rigid" if scale == 1.0 else "similarity"
    found = Icp(variant=variant, motion=motion).fit(dem(on), moving)
    assert found.converged
    assert found.rotations == pytest.approx(ANGLES, abs=5e-4)
    assert found.scale == pytest.approx(scale, abs=1e-5)
    assert about(found, middle) == pytest.approx(np.add(middle, SHIFT), abs=0.02)


def test_noise_on_steep_terrain_and_a_few_iterations():
    on = grid((700, 700), 10.0)
    reference = dem(on, noise=1.0, seed=1, surface=steep)
    found = Icp().fit(reference, dem(on, SHIFT, noise=1.0, seed=2, surface=steep))
    assert len(found.iterations) <= 6
    # 0.003 px of 10 m; standard errors are 0.004 m.
    assert shift_of(found)[:2] == pytest.approx(SHIFT[:2], abs=0.03)
    assert found.rotations == pytest.approx((0.0, 0.0, 0.0), abs=5e-4)


def test_holes_and_blunders_change_little():
    on = grid((500, 500))
    middle = (*centre(on), 400.0)
    rng = np.random.default_rng(0)
    values = moved_away(on, middle, SHIFT, ANGLES).array[0] + rng.normal(0.0, 1.0, on.shape)
    values[rng.random(on.shape) < 0.1] = np.nan
    for row, col in rng.integers(0, 490, (125, 2)):  # 5 % of the cells, in patches, as clouds are
        values[row : row + 10, col : col + 10] += 50.0
    found = Icp().fit(dem(on), ArrayRaster(array=values.astype(np.float32), grid=on))
    assert about(found, middle) == pytest.approx(np.add(middle, SHIFT), abs=0.06)  # 0.003 px
    assert found.rotations == pytest.approx(ANGLES, abs=5e-4)


def test_both_variants_end_at_one_place():
    on = grid()
    reference, moving = dem(on, noise=1.0, seed=3), dem(on, SHIFT, noise=1.0, seed=4)
    plane, point = (Icp(variant=v).fit(reference, moving) for v in VARIANTS)
    assert shift_of(point) == pytest.approx(shift_of(plane), abs=0.005)
    assert point.rotations == pytest.approx(plane.rotations, abs=2e-5)
    assert len(point.iterations) > len(plane.iterations)


def test_a_step_from_point_to_point_is_that_of_a_tree_and_kabsch(monkeypatch):
    monkeypatch.setattr(icp, "_biweight", lambda distance: np.ones(distance.size))
    on, shift = grid((60, 60)), (1.5, -1.0, 0.75)
    rows, cols = on.window.pixel_centres()
    x, y = (np.broadcast_to(v, on.shape)[5:-5, 5:-5].ravel() for v in on.xy(rows, cols))
    points = np.column_stack([x, y, steep(x, y)])
    # The moving surface as a cloud so dense that its points stand for it.
    fine = grid((1200, 1200), 1.0)
    fx, fy = (np.broadcast_to(v, fine.shape).ravel() for v in fine.xy(*fine.window.pixel_centres()))
    cloud = np.column_stack([fx, fy, steep(fx + shift[0], fy + shift[1]) - shift[2]])
    nearest = cloud[cKDTree(cloud).query(points)[1]]
    sx, sy = nearest[:, 0] + shift[0], nearest[:, 1] + shift[1]
    gx = (steep(sx + 0.5, sy) - steep(sx - 0.5, sy))[:, np.newaxis]
    gy = (steep(sx, sy + 0.5) - steep(sx, sy - 0.5))[:, np.newaxis]
    normal = np.hstack([-gx, -gy, np.ones_like(gx)]) / np.sqrt(1.0 + gx**2 + gy**2)
    off = ((points - nearest) * normal).sum(axis=1, keepdims=True)
    nearest = points - off * normal  # between the cloud's points
    p, q = points - points.mean(axis=0), nearest - nearest.mean(axis=0)
    turn, _ = Rotation.align_vectors(p, q)
    # Where that brings the middle of the points: what one iteration finds.
    middle = points.mean(axis=0)
    expected = turn.apply(middle - nearest.mean(axis=0)) + points.mean(axis=0) - middle
    inner = np.zeros(on.shape, dtype=np.uint8)
    inner[5:-5, 5:-5] = 1
    found = Icp(variant="point-to-point", max_iterations=1).fit(
        dem(on, surface=steep), dem(on, shift, surface=steep),
        valid=ArrayRaster(array=inner, grid=on), engine=Serial(),
    )  # fmt: skip
    assert about(found, middle) - middle == pytest.approx(expected, abs=0.01)
    assert 0.05 < np.abs(expected[:2]).min() < 0.2 < shift[0]  # a part of the way alone
    plane = Icp(max_iterations=1).fit(dem(on, surface=steep), dem(on, shift, surface=steep))
    assert (about(plane, middle) - middle)[:2] == pytest.approx(shift[:2], abs=0.05)


def test_steep_cells_weigh_less_than_heights_would_make_them():
    """An error that grows with the slope draws the least height differences further."""
    on = grid()
    reference, moving = dem(on, surface=steep), dem(on, surface=steep)
    gy, gx = np.gradient(reference.array[0].astype(float), -20.0, 20.0)
    bent = moving.array[0] - 0.05 * gx * np.hypot(gx, gy) ** 2
    bent = ArrayRaster(array=bent.astype(np.float32), grid=on)
    closest, least = (m(motion="translation").fit(reference, bent) for m in (Icp, Lzd))
    assert 0.0 < abs(closest.shift_x) < 0.97 * abs(least.shift_x)


@pytest.mark.data
@pytest.mark.parametrize("variant", VARIANTS)
def test_longyearbyen_within_two_hundredths_of_a_pixel(data_folder, variant):
    folder = data_folder / "longyearbyen"
    found = Icp(variant=variant, resampling="bilinear", samples=200_000).fit(
        open_raster(folder / "aligned_by_xdem.tif"), open_raster(folder / "DEM_1990.tif")
    )
    point = np.array([515650.83, 8663888.17, 353.11])
    shift = about(found, point) - point
    # xDEM's own closest points are 0.21 px of 20 m off here.
    assert shift == pytest.approx((10.2548967, 1.90590312, -1.93544013), abs=0.02)
    assert found.rotations == pytest.approx((0.0070322, -0.0074533, -0.0067377), abs=3e-4)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("name", UNFIXED)
def test_terrain_that_does_not_fix_a_shift(name, noise, variant):
    on, surface = grid((100, 100)), UNFIXED[name]
    pair = [dem(on, noise=noise, seed=s, surface=surface) for s in (1, 2)]
    with pytest.raises(FitError, match=r"flat|one way|does not fix"):
        Icp(variant=variant, motion="translation").fit(*pair)


def test_settings_that_make_no_sense():
    with pytest.raises(InputError, match="motion"):
        Icp(motion="affine")
    with pytest.raises(InputError, match="variant"):
        Icp(variant="plane")
    assert METHODS["icp"] is Icp


def test_a_method_may_be_used_again():
    """The memory of a fit is no part of the method."""
    on = grid((150, 150))
    method = Icp(variant="point-to-point")
    one, two = (method.fit(dem(on), dem(on, SHIFT)) for _ in range(2))
    assert one == two
    assert one.parameters["variant"] == "point-to-point"
    assert one.parameters == asdict(method)
