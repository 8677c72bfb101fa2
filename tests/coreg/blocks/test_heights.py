"""Corrections of heights alone, block by block."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from known_field import pair, steep
from known_terrain import dem, grid
from trueground.coreg import Blockwise, Deramp, DirectionalBias, NuthKaab, TerrainBias
from trueground.coreg.blocks.heights import UpAtMiddle, corrections_of, of_block
from trueground.engine import Threads
from trueground.grid import Grid
from trueground.projection import project
from trueground.raster import ArrayRaster

ON = grid((300, 300), 10.0)
TILT = 2e-3  # m/m, to the east


@pytest.fixture(scope="module")
def tilted():
    """A DEM, and one that is too low by 5 m and a tilt, with noise of 1 m."""
    reference = dem(ON, surface=steep)
    x, _ = ON.xy(*ON.window.pixel_centres())
    low = 5.0 + TILT * (x - ON.bounds[0]) + np.random.default_rng(1).normal(0.0, 1.0, ON.shape)
    heights = (reference.array[0] - low).astype(np.float32)
    return reference, ArrayRaster(array=heights, grid=ON)


@pytest.mark.parametrize(
    ("method", "within"),
    [
        (Deramp(), 0.1),
        (Deramp() + Deramp(order=2), 0.1),
        (DirectionalBias(), 1.0),  # a wave follows no tilt
        (TerrainBias(variable="elevation"), 1.0),  # nor does a curve of the elevation
    ],
)
def test_field_of_heights(tilted, method, within):
    found = Blockwise(method, block_size=100).fit(*tilted, engine=Threads(2))
    assert found.verdicts == {"ok": 9}
    for block in found.blocks:
        assert block.shift[:2] == (0.0, 0.0)
        truth = 5.0 + TILT * (block.x - ON.bounds[0])
        assert abs(block.shift[2] - truth) < within
        assert 0.01 <= block.error[2] < 1.0
    assert found.parameters["corrections"] == corrections_of(method)


def test_error_of_a_ramp_is_that_of_its_middle(tilted):
    """Many draws of the noise scatter about as it says; at a corner they would scatter twice as much."""
    reference, moving = tilted
    rng = np.random.default_rng(2)
    found = []
    for _ in range(30):
        noisy = replace(
            moving, array=moving.array + rng.normal(0.0, 2.0, (1, *ON.shape)).astype(np.float32)
        )
        found.append(UpAtMiddle(Deramp(samples=2000)).fit(reference, noisy))
    scatter = np.std([a.shift_z for a in found])
    stated = np.median([a.errors[2] for a in found])
    assert 0.6 < stated / scatter < 1.7
    assert found[0].errors[:2] == (0.0, 0.0)


def test_middle_of_a_block_in_degrees():
    on = Grid(crs=CRS(4326), transform=Affine(2e-4, 0, 15.0, 0, -1e-4, 45.0), shape=(200, 200))
    heights = np.random.default_rng(3).normal(100.0, 5.0, on.shape).astype(np.float32)
    heights[:, 150:] = np.nan  # the middle is that of the cells with heights
    reference, moving = (ArrayRaster(array=h, grid=on) for h in (heights, heights - 3.0))
    found = UpAtMiddle(Deramp()).fit(reference, moving)
    lon, lat = on.xy(np.array([100.0]), np.array([75.0]))
    x, y = project(CRS(4326), CRS.from_wkt(found.crs), lon, lat)
    np.testing.assert_allclose(found.centroid[:2], (x[0], y[0]), atol=1e-3)
    assert found.shift_z == pytest.approx(3.0, abs=1e-3)


def test_motions_are_left_as_they_are():
    for method in (NuthKaab(), NuthKaab() + Deramp()):
        assert of_block(method) is method
    assert of_block(Deramp()) == UpAtMiddle(Deramp())
    assert corrections_of(NuthKaab() + Deramp()) == ("deramp",)


def test_pipeline_says_what_is_lost():
    found = Blockwise(NuthKaab() + Deramp(), block_size=100).fit(
        *pair("plane", size=200, spoilt=0.0), engine=Threads(2)
    )
    assert any("deramp" in said for said in found.warnings)
