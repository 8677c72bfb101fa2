"""Orthoimages made in one pass are those made step by step, to the last bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from test_occlusion import IMAGE, SCENES, output
from test_ortho import LONLAT, SIZE, UTM31, blank, camera, hills
from trueground.grid import Grid
from trueground.ortho import Orthoimage, ortho_grid
from trueground.ortho.geometry import Ground
from trueground.raster import ArrayRaster


def noise(dtype, bands=1, nodata=None):
    rng = np.random.default_rng(1)
    values = rng.integers(0, 200, (bands, SIZE, SIZE)).astype(dtype)
    values[:, 100:130, 100:180] = 7
    return blank(values=values, nodata=nodata)


def scene(image, *, dem=None, crs=UTM31, occlusion="ignore"):
    rpc, dem = camera(), hills(hole=True) if dem is None else dem
    grid = ortho_grid(image, rpc, dem, crs=crs)
    return Orthoimage(
        image=image, rpc=rpc, dem=dem, grid=grid, occlusion=occlusion, antialias=False
    )


@pytest.fixture
def rows_made(monkeypatch):
    """Count the rows that are made in one pass."""
    made = []
    orthorectify = Ground.orthorectify

    def counted(self, window, source, **options):
        rows, shown = orthorectify(self, window, source, **options)
        made.append(rows)
        return rows, shown

    monkeypatch.setattr(Ground, "orthorectify", counted)
    return made


def step_by_step(monkeypatch, ortho, window):
    with monkeypatch.context() as patch:
        patch.setattr(Ground, "orthorectify", lambda *_, **__: (0, 0))
        return ortho.read(window)


@pytest.mark.parametrize("crs", [UTM31, LONLAT, CRS.from_epsg(3857)])
@pytest.mark.parametrize(
    ("dtype", "bands", "nodata"),
    [(np.uint8, 1, None), (np.uint8, 3, 7), (np.uint16, 2, 0), (np.float32, 1, 7)],
)
def test_one_pass_as_step_by_step(monkeypatch, rows_made, crs, dtype, bands, nodata):
    ortho = scene(noise(dtype, bands, nodata), crs=crs)
    window = ortho.grid.window
    values = ortho.read(window)
    assert sum(rows_made) == window.height
    np.testing.assert_array_equal(values, step_by_step(monkeypatch, ortho, window))
    assert len(np.unique(values)) > 100


@pytest.mark.parametrize("block", [37, 64, 200])
def test_one_pass_does_not_depend_on_blocks(rows_made, block):
    ortho = scene(noise(np.uint16), dem=hills((700, 700), 2.0, crs=LONLAT))
    whole = ortho.read(ortho.grid.window)
    out = np.empty_like(whole)
    for piece in ortho.grid.blocks(block):
        out[:, *piece.core.slices_in(ortho.grid.window)] = ortho.read(piece.core)
    np.testing.assert_array_equal(out, whole)
    assert sum(rows_made) > ortho.grid.shape[0]


def test_what_is_not_held_is_made_step_by_step(monkeypatch, rows_made):
    """The part of the image below a window is an estimate: where it falls short, nothing is lost."""
    ortho = scene(noise(np.uint16))
    window = ortho.grid.window
    right = ortho.read(window)
    image_window = Ground.image_window

    def cut(self, window, *, shape):
        seen = image_window(self, window, shape=shape)
        return replace(seen, height=seen.height // 2)

    monkeypatch.setattr(Ground, "image_window", cut)
    rows_made.clear()
    np.testing.assert_array_equal(ortho.read(window), right)
    assert 0 < sum(rows_made) < window.height


def test_no_dem_below_is_no_data(rows_made):
    ortho = scene(noise(np.uint8))
    west, south, east, north = ortho.grid.bounds
    beside = Grid.covering((west + 1e5, south, east + 1e5, north), 1.0, crs=UTM31)
    assert not replace(ortho, grid=beside).read(beside.window).any()
    assert sum(rows_made) == 0


def test_where_nothing_hides_filled_ground_is_made_in_one_pass(monkeypatch, rows_made):
    """The grid reaches beyond the image, and what lies there is counted as not shown."""
    ortho = scene(noise(np.uint16), dem=hills(), occlusion="fill")
    west, south, east, north = ortho.grid.bounds
    wider = Grid.covering((west - 30, south - 30, east + 30, north + 30), 1.0, crs=UTM31)
    ortho = replace(ortho, grid=wider)
    window = wider.window
    assert not ortho.hidden.occlusion.may_hide(window)
    values = ortho.read(window)
    assert sum(rows_made) == window.height
    again = replace(ortho)
    np.testing.assert_array_equal(values, step_by_step(monkeypatch, again, window))
    counts = ortho.hidden.occlusion.counted(window)
    assert counts == again.hidden.occlusion.counted(window)
    assert counts.hidden == 0
    assert 0 < counts.shown < window.size
    assert ortho.hidden_share() == 0.0


def test_where_ground_may_hide_other_ground_each_pixel_is_asked(rows_made):
    view = SCENES["city"]()
    image = ArrayRaster(
        array=np.ones(IMAGE, np.uint8),
        grid=Grid(crs=None, transform=Affine.identity(), shape=IMAGE),
    )
    grid = output(view.dem, share=0.4)
    ortho = Orthoimage(image=image, rpc=view.rpc, dem=view.dem, grid=grid, antialias=False)
    values = ortho.read(grid.window)[0]
    assert sum(rows_made) == 0
    hidden = ortho.hidden.read(grid.window)[0] == 1
    assert hidden.any()
    assert not values[hidden].any()
