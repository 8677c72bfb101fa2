"""Orthoimages against the exact chain at every pixel, and against the sensor and the ground of the synthetic world."""

from __future__ import annotations

import numpy as np
import pytest
from pyproj import Transformer

from ortho_reference import (
    TARGETS,
    arctic_case,
    bilinear,
    errors,
    exact_positions,
    made,
    native_grid,
    synthetic_cases,
    ventoux_cases,
)
from trueground import Dem, Grid, Orthoimage, open_raster, rpc_for_image, samples
from trueground.engine import Threads
from trueground.matching import patch_offsets
from trueground.warp import on_grid

SIZE = 150  # px; two cells of the lattice and a bit
SYNTHETIC = {case.name: case for case in (*synthetic_cases(SIZE), arctic_case(SIZE))}
# Pixels of the image (issue 4). What is reached is 1e-8 in the median; at most 1e-5, where the lattice is coarsest.
MEDIAN, LARGEST = 0.0005, 0.005


ALL = [(name, target) for name, case in SYNTHETIC.items() for target in case.targets]


def check(case, target):
    grid = native_grid(case, case.targets[target])
    row, col = exact_positions(case, grid)
    found = errors(case, made(case, grid).read(grid.window), row, col)
    assert found.size > 0.4 * SIZE**2
    assert np.isfinite(found).all()  # no holes
    assert np.median(found) <= MEDIAN
    assert found.max() <= LARGEST
    # Beyond the image there is nothing.
    rows, cols = case.shape
    with np.errstate(invalid="ignore"):
        beside = (row < -0.01) | (row > rows + 0.01) | (col < -0.01) | (col > cols + 0.01)
    assert beside.any()
    assert np.isnan(made(case, grid).read(grid.window)[0][beside]).all()


@pytest.mark.parametrize(("name", "target"), ALL)
def test_each_pixel_shows_its_exact_position(name, target):
    check(SYNTHETIC[name], target)


@pytest.mark.data
@pytest.mark.parametrize("target", TARGETS)
def test_each_pixel_of_real_rpcs_shows_its_exact_position(data_folder, target):
    for case in ventoux_cases(data_folder, SIZE):
        check(case, target)


@pytest.mark.parametrize("resolution", [0.31, 4.0, 60.0])
@pytest.mark.parametrize("target", TARGETS)
def test_geometry_at_other_resolutions(target, resolution):
    """Positions alone, at pixels finer and coarser than the image's, up to 60 times.

    The bound is that of the lattice, 1e-3 px of the output, along the ground.
    """
    [case, *_] = SYNTHETIC.values()
    native = native_grid(case, TARGETS[target])
    west, south, east, north = native.bounds
    grid = Grid.covering((west, south, east, north), native.resolution[0] * resolution, crs=native.crs)  # fmt: skip
    at = made(case, grid).geometry.at(grid.window)
    row, col = at.row, at.col
    true_row, true_col = exact_positions(case, grid)
    np.testing.assert_array_equal(np.isnan(row), np.isnan(true_row))
    assert np.nanmax(np.hypot(row - true_row, col - true_col)) <= 2e-3 * max(resolution, 1.0)


@pytest.mark.parametrize(("name", "target"), ALL)
def test_blocks_and_threads_do_not_matter(name, target):
    """Bit for bit, for every target: lattice, heights and image are cut anew by each block."""
    case = SYNTHETIC[name]
    grid = native_grid(case, case.targets[target])
    picture = made(case, grid)
    whole = picture.read(grid.window)
    assert np.isfinite(whole).mean() > 0.25
    for block, workers in (((64, 64), 1), ((37, 90), 2), ((1, 150), 2), ((170, 13), 3)):
        out = np.zeros_like(whole)
        for window, values in Threads(workers).map(picture.read, [b.core for b in grid.blocks(block)]):  # fmt: skip
            out[:, *window.slices_in(grid.window)] = values
        np.testing.assert_array_equal(out, whole)


# Truth ------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def world():
    """The whole synthetic world, made once and kept between runs."""
    return samples.world()


def scene(world, side, *, shift=0.0):
    """The orthoimage over the terrain that the image was rendered from, and which of its pixels are seen."""
    k = ("left", "right").index(side)
    image = open_raster(world.images[k])
    dem = Dem.open(world.reference, heights="ellipsoid")
    west, south, east, north = dem.raster.grid.bounds
    bounds = west + shift, south - shift, east + shift, north - shift
    grid = Grid.covering(bounds, 2.0, crs=dem.crs)
    ortho = Orthoimage(image=image, rpc=rpc_for_image(image), dem=dem, grid=grid)
    seen = open_raster(world.visible[k])
    return ortho, on_grid(seen, grid, resampling="nearest").read(grid.window)[0] == 1


@pytest.mark.slow
@pytest.mark.parametrize("side", ["left", "right"])
def test_positions_are_those_of_the_rigorous_sensor(world, side):
    """No RPC on the side of the truth: pyproj, bilinear heights and the sensor's own equations."""
    ortho, _ = scene(world, side, shift=0.6)
    grid, sensor = ortho.grid, world.sensors[("left", "right").index(side)]
    at = ortho.geometry.at(grid.window)
    row, col = at.row[::5, ::5], at.col[::5, ::5]
    x, y = (a[::5, ::5] for a in np.broadcast_arrays(*grid.xy(*grid.window.pixel_centres())))
    lon, lat = Transformer.from_crs(grid.crs, 4326, always_xy=True).transform(x, y)
    source = ortho.dem.raster
    nodes = source.read(source.grid.window)[0]
    height = bilinear(nodes, *source.grid.rowcol(x, y))
    there = np.isfinite(height)
    assert there.mean() > 0.99
    true_row, true_col = sensor.project(lon[there], lat[there], height[there])
    error = np.hypot(row[there] - true_row, col[there] - true_col)
    # The RPC is 5e-6 px off the sensor (left) within the image, and the terrain reaches a little beyond.
    assert error.max() <= max(world.rpc_max) + 1e-4


@pytest.mark.slow
# m: pixels on the DEM's cells, and between them
@pytest.mark.parametrize(("side", "shift"), [("left", 0.0), ("right", 0.6)])
def test_orthoimage_lies_on_the_texture_it_was_rendered_from(world, side, shift):
    """Issue 4: median 0.05 px, 95 % 0.15 px of patches of 64 px on visible ground."""
    ortho, seen = scene(world, side, shift=shift)
    picture = ortho.read(ortho.grid.window)[0].astype(float)
    texture = on_grid(open_raster(world.texture), ortho.grid).read(ortho.grid.window)[0]
    hidden = ~seen | (picture == ortho.nodata)
    middle = slice(350, 1150)  # a patch takes some 10 ms
    texture, picture = (np.where(hidden, np.nan, a)[middle, middle] for a in (texture, picture))
    found = patch_offsets(texture, picture)
    assert found.quality.size > 350
    assert (found.quality > 0.1).mean() > 0.99
    good = found.quality > 0.1
    distance = np.hypot(found.d_row[good], found.d_col[good])
    # Reached: 0.007 and 0.02 px; the rest is the pixel's average over 2 m of slope against a sample of the texture.
    assert np.median(distance) <= 0.02
    assert np.percentile(distance, 95) <= 0.05
    assert abs(np.median(found.d_row[good])) <= 0.005
    assert abs(np.median(found.d_col[good])) <= 0.005
