"""Point drift: what its points can tell, what the surface between them adds, and sums as a dense matrix has them."""

from __future__ import annotations

import numpy as np
import pytest

from known_motion import UNFIXED, shift_of, steep
from known_terrain import dem, grid, height
from trueground.coreg import METHODS, Alignment, Cpd
from trueground.coreg.rigid import cpd
from trueground.engine import Serial
from trueground.errors import FitError, InputError
from trueground.raster import ArrayRaster, open_raster

SHIFT = (120.0, -80.0, 5.0)  # 6 and 4 pixels


@pytest.mark.parametrize("motion", ["translation", "rigid"])
@pytest.mark.parametrize(("surface", "pixels"), [(height, 0.8), (steep, 0.3)])
def test_points_alone_find_the_shift_as_well_as_the_page_says(surface, pixels, motion):
    on = grid((400, 400))
    reference = dem(on, noise=1.0, seed=1, surface=surface)
    moving = dem(on, SHIFT, noise=1.0, seed=2, surface=surface)
    found = Cpd(motion=motion, refine=False).fit(reference, moving, engine=Serial())
    assert found.converged
    assert found.covariance is None
    assert 4500 < found.samples < 5500
    assert np.hypot(*(shift_of(found) - SHIFT)[:2]) < pixels * 20.0
    assert found.shift_z == pytest.approx(SHIFT[2], abs=1.0)
    assert found.nmad_after < 0.5 * found.nmad_before


def test_the_surface_between_the_points_tells_more():
    on = grid((400, 400))
    reference, moving = dem(on, noise=1.0, seed=1), dem(on, SHIFT, noise=1.0, seed=2)
    found = Cpd().fit(reference, moving, engine=Serial())
    assert found.converged
    assert found.method == "cpd"
    assert shift_of(found)[:2] == pytest.approx(SHIFT[:2], abs=0.4)  # 0.02 px
    assert found.rotations == pytest.approx((0.0, 0.0, 0.0), abs=0.004)
    off = np.abs(shift_of(found) - SHIFT)
    assert (off < 4.0 * np.array(found.errors[:3])).all()
    numbers = [line["iteration"] for line in found.iterations]
    assert numbers == list(range(1, len(numbers) + 1))


def test_clouds_belong_to_each_other_as_by_a_dense_matrix(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.0, 100.0, (3, 250)), rng.normal(0.0, 100.0, (3, 300))
    monkeypatch.setattr(cpd, "_BLOCK", 64)
    monkeypatch.setattr(cpd, "_REACH", 9.0)  # nothing is cut off that counts
    sigma, outliers = 30.0, 0.2
    counts = rng.uniform(0.1, 3.0, 250)
    found = cpd._belonging(cpd._Clouds(x, counts, y, 1.0), y, sigma, outliers)
    square = ((x[:, :, np.newaxis] - y[:, np.newaxis, :]) ** 2).sum(axis=0)
    share = np.exp(-square / (2.0 * sigma**2))
    nowhere = (2.0 * np.pi * sigma**2) ** 1.5 * outliers / (1.0 - outliers) * 300 / 250
    share *= (counts / (share.sum(axis=1) + nowhere))[:, np.newaxis]
    monkeypatch.undo()
    assert found.weight == pytest.approx(share.sum(axis=0), rel=1e-6, abs=1e-12)
    assert found.points == pytest.approx(x @ share, rel=1e-6, abs=1e-9)
    assert found.square == pytest.approx((share * square).sum(), rel=1e-6)


def test_weights_silence_what_is_bad_without_refinement_too():
    on = grid((300, 300))
    reference, moving = dem(on), dem(on, (20.0, 10.0, 1.0), seed=2)
    moving.array[0, :, :150] += 30.0
    weights = np.full(on.shape, 1.0, dtype=np.float32)
    weights[:, :160] = 1e-4
    points = Cpd(motion="translation", refine=False)
    plain = points.fit(reference, moving)
    given = points.fit(reference, moving, weights=ArrayRaster(array=weights, grid=on))
    assert plain.shift_z < -8.0
    assert given.shift_z == pytest.approx(1.0, abs=1.0)


def test_the_same_every_time():
    on = grid((200, 200))
    reference, moving = dem(on, noise=1.0, seed=1), dem(on, (20.0, 10.0, 1.0), noise=1.0, seed=2)
    one, two = (Cpd(samples=2000).fit(reference, moving) for _ in range(2))
    assert one == two
    assert one != Cpd(samples=2000, seed=1).fit(reference, moving)


def test_blunders_belong_to_nothing():
    on = grid((400, 400))
    reference, moving = dem(on), dem(on, (20.0, 10.0, 1.0), seed=2)
    rng = np.random.default_rng(0)
    moving.array[0][rng.random(on.shape) < 0.05] += 50.0
    found = Cpd().fit(reference, moving)
    assert shift_of(found) == pytest.approx((20.0, 10.0, 1.0), abs=0.2)  # 0.01 px


@pytest.mark.data
def test_longyearbyen(data_folder):
    folder = data_folder / "longyearbyen"
    found = Cpd().fit(
        open_raster(folder / "aligned_by_xdem.tif"), open_raster(folder / "DEM_1990.tif")
    )
    matrix, c = np.asarray(found.matrix), np.asarray(found.centroid)
    point = np.array([515650.83, 8663888.17, 353.11])
    shift = matrix[:3, :3] @ (point - c) + matrix[:3, 3] + c - point
    # 5000 points of a million: 0.02 px of 20 m. xDEM's finds (0.005, 0.005).
    assert shift[:2] == pytest.approx((10.2548967, 1.90590312), abs=0.4)


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("surface", UNFIXED.values(), ids=UNFIXED)
def test_terrain_that_does_not_fix_a_shift(surface, refine):
    on = grid((100, 100))
    with pytest.raises(FitError, match=r"flat|one way|does not fix"):
        Cpd(refine=refine).fit(dem(on, surface=surface), dem(on, surface=surface))


def test_clouds_that_lose_each_other_say_so_and_not_that_the_dems_share_no_ground():
    on = grid((100, 100))
    with pytest.raises(
        FitError, match=r"lost each other: 0 points .* within 251 m, 100 are needed"
    ):
        Cpd().fit(dem(on), dem(on), initial=Alignment.of_shift(0.0, 0.0, 1e6))


def test_settings_that_make_no_sense():
    with pytest.raises(InputError, match="motion"):
        Cpd(motion="similarity")
    with pytest.raises(InputError, match="outliers"):
        Cpd(outliers=1.0)
    assert METHODS["cpd"] is Cpd
