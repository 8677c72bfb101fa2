"""Where patches are placed: on ground that the image and the reference both show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control_scene import Small, biased, error, small
from trueground.control import Matching, automatic_control
from trueground.control.scene import Scene
from trueground.control.texture import choose_places
from trueground.engine import Serial, Threads
from trueground.errors import FitError

WANTED = 36
SIZES = (64, 32)
NEAR = Matching(patches=WANTED, sizes=SIZES, search=24)


@pytest.fixture(scope="module")
def scene() -> Small:
    return small()


def placed(scene: Small, *, sizes: tuple[int, ...] = SIZES):
    """Return the scene that is matched, and places in it."""
    both = Scene(image=scene.image, rpc=scene.rpc, dem=scene.dem, reference=scene.reference)
    return both, choose_places(both, number=WANTED, sizes=sizes, engine=Serial())


def with_reference(scene: Small, hidden: np.ndarray, value: float) -> Small:
    array = scene.reference.array.copy()
    array[0][hidden] = value
    return replace(scene, reference=replace(scene.reference, array=array))


def on_reference(scene: Small, both: Scene, places) -> tuple[np.ndarray, np.ndarray]:
    row, col = scene.reference.grid.rowcol(*both.grid.xy(places.row, places.col))
    return row.astype(int), col.astype(int)


def test_a_scene_that_both_show_wholly_has_all_places(scene):
    both, places = placed(scene)
    assert places.row.size == places.cells == pytest.approx(WANTED, abs=12)
    assert both.shown(both.core.pad(-40)).all()


def band(scene: Small) -> np.ndarray:
    """A band through the common ground that the reference does not show more of: a quarter of it."""
    row, col = np.indices(scene.reference.grid.shape)
    return np.abs(row - col) > 45


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_a_reference_of_a_part_gives_as_many_places(scene, value):
    hidden = band(scene)
    part = with_reference(scene, hidden, value)
    both, places = placed(part)
    assert places.row.size >= 0.6 * WANTED
    assert not hidden[on_reference(part, both, places)].any()


def framed(scene: Small, value: float) -> Small:
    """The scene with an image that shows something in its upper left part alone."""
    array = scene.image.array.copy()
    array[:, 150:], array[:, :, 150:] = value, value
    return replace(scene, image=replace(scene.image, array=array))


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_an_image_with_a_frame_gives_as_many_places(scene, value):
    part = framed(scene, value)
    both, places = placed(part)
    assert places.row.size >= 0.6 * WANTED
    row, col = scene.rpc.project(*both.ground(places.row.astype(float), places.col.astype(float)))
    assert max(row.max(), col.max()) < 150 + 8


def test_the_correction_is_found_from_a_part_of_both(scene):
    row, col = np.indices(scene.reference.grid.shape)
    part = framed(with_reference(scene, row + col > 520, np.nan), 0.0)
    found = automatic_control(
        part.image, biased(scene.rpc, drift=0.0), part.reference, dem=scene.dem, model="shift", matching=NEAR,
        engine=Threads(2),
    )  # fmt: skip
    assert found.patches.used.sum() >= 0.5 * WANTED
    assert error(found.rpc, scene.rpc, scene.dem, scene.image.grid.shape)[0] < 0.05


def test_ground_too_narrow_for_the_largest_patches(scene):
    """Of 128 px: they would have no data in more than half; smaller ones fit."""
    row, col = np.indices(scene.reference.grid.shape)
    part = with_reference(scene, np.abs(row - col) > 35, np.nan)
    assert placed(part, sizes=(128, 64, 32))[1].row.size < 9
    found = automatic_control(
        part.image, biased(scene.rpc, drift=0.0), part.reference, dem=scene.dem, model="shift",
        matching=Matching(patches=WANTED, sizes=(128, 64, 32), search=24),
    )  # fmt: skip
    assert found.sizes[0] < 128
    assert error(found.rpc, scene.rpc, scene.dem, scene.image.grid.shape)[0] < 0.05


def test_no_data_at_all_is_said(scene):
    nothing = with_reference(scene, np.ones(scene.reference.grid.shape, bool), np.nan)
    with pytest.raises(FitError, match=r"^0 of \d+ patches .*has no data.*give a reference"):
        automatic_control(nothing.image, scene.rpc, nothing.reference, dem=scene.dem, matching=NEAR)
