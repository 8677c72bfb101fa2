"""A correction by matches is never richer than they hold over the image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from cli_scene import simple_rpc
from control_scene import SIZE, biased, error, small
from trueground import Dem, open_raster, rpc_for_image
from trueground.control import Matching, automatic_control
from trueground.control.credible import accuracy, change, check_known, check_steady, refine_held
from trueground.errors import FitError
from trueground.grid import Grid
from trueground.ortho import Orthoimage
from trueground.rpc.gcps import Gcps
from trueground.rpc.refine import refine

SHAPE = (SIZE, SIZE)
TRUE = np.array([[3.0, 6.0, 4.0], [-2.0, -5.0, 7.0]])


def points(rows: tuple[float, float], cols: tuple[float, float], noise: float = 0.1) -> Gcps:
    """Matches at random in a part of the image, by an affine correction and noise."""
    rpc, rng = simple_rpc(SIZE), np.random.default_rng(0)
    row, col = rng.uniform(*rows, 30), rng.uniform(*cols, 30)
    ground = rpc.localize(row, col, np.full(30, rpc.height_off))
    lon, lat = ground[0], ground[1]
    line, samp = 2.0 * row / SIZE - 1.0, 2.0 * col / SIZE - 1.0
    moved = TRUE @ np.stack([np.ones(30), line, samp]) + rng.normal(0.0, noise, (2, 30))
    return Gcps(
        row=row + moved[0], col=col + moved[1], lon=lon, lat=lat, height=np.full(30, rpc.height_off)
    )


def test_matches_all_over_hold_an_affine_correction():
    found = refine_held(
        simple_rpc(SIZE), points((20, 280), (20, 280)), None, shape=SHAPE, limit=1.0
    )
    assert found.model == "affine"
    assert accuracy(found, SHAPE) < 0.2
    assert 5.0 < change(None, found, SHAPE) < 25.0
    assert change(found, found, SHAPE) == 0.0
    check_known(found, [9.0, 0.01], shape=SHAPE, limit=1.0)


@pytest.mark.parametrize("cols", [(100, 120), (20, 140)])
def test_matches_in_a_strip_hold_a_shift_alone(cols):
    strip, rpc = points((20, 280), cols), simple_rpc(SIZE)
    assert refine(rpc, strip).model != "shift"  # what is right at the points alone
    found = refine_held(rpc, strip, None, shape=SHAPE, limit=1.0)
    assert found.model == "shift"
    with pytest.raises(FitError, match=r"scatter of its matches is .* at most is allowed; give"):
        check_known(found, [9.0, 0.01], shape=SHAPE, limit=1.0)
    with pytest.raises(FitError, match=r"affine is not determined over the image.*span \d+%"):
        refine_held(rpc, strip, "affine", shape=SHAPE, limit=1.0)


def test_rounds_that_grow_are_refused():
    check_steady([9.0], limit=1.0)
    check_steady([9.0, 2.0, 0.01, 0.02], limit=1.0)
    with pytest.raises(FitError, match=r"round 2 changed it by 9.0 px over the image after 3.0 px"):
        check_steady([3.0, 9.0], limit=1.0)


def test_a_strip_of_reference_is_no_reason_to_bend():
    scene = small()
    values = scene.reference.array.astype(np.float64).copy()
    values[..., 320:] = np.nan
    values[..., :200] = np.nan
    reference = replace(scene.reference, array=values)
    how = Matching(patches=64, sizes=(64, 32), search=24)
    wrong = biased(scene.rpc, drift=0.0)
    found = automatic_control(scene.image, wrong, reference, dem=scene.dem, matching=how)
    assert found.refinement.model == "shift"
    assert error(found.rpc, scene.rpc, scene.dem, scene.image.grid.shape)[1] < 0.1


def test_a_real_image_is_not_bent(data_folder: Path):
    """Two chips of Mont Ventoux whose RPCs are off by a few pixels: an affine correction moved one by thousands."""
    folder = data_folder / "ventoux"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    dem = Dem.open(folder / "N44E005.hgt", heights="egm96")
    right, left = (open_raster(folder / f"{side}_image.tif") for side in ("right", "left"))
    grid = Grid(
        crs=CRS.from_epsg(32631),
        transform=Affine(0.5, 0.0, 675202.0, 0.0, -0.5, 4897174.0),
        shape=(564, 530),
    )
    reference = Orthoimage(image=right, rpc=rpc_for_image(right), dem=dem, grid=grid)
    with pytest.raises(FitError, match=r"consensus|is not known over the image|does not settle"):
        automatic_control(
            left, rpc_for_image(left), reference, dem=dem, matching=Matching(patches=49)
        )
