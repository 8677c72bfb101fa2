"""The moved DEM: fast and exact are the same, in any system, by any window, from any kind of raster."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer
from scipy.spatial.transform import Rotation

from known_terrain import ORIGIN, UTM33, dem, grid, height
from trueground.coreg import Alignment
from trueground.coreg.motion import small, transform_points
from trueground.engine import Threads
from trueground.grid import Grid
from trueground.raster import ArrayRaster, Raster

CENTROID = (ORIGIN[0] + 3000.0, ORIGIN[1] - 3000.0, 480.0)
SHIFT = (7.3, -4.1, 2.2)


def alignment(degrees=(0.05, -0.03, 0.04), *, shift=SHIFT, centroid=CENTROID, crs=UTM33, scale=0.0):
    step = (*shift, *Rotation.from_euler("xyz", degrees, degrees=True).as_rotvec(), scale)
    return Alignment(
        matrix=small(step), centroid=centroid, crs=crs.to_wkt(), method="test",
        nmad_before=0.0, nmad_after=0.0, samples=0,
    )  # fmt: skip


def degrees_grid(shape=(200, 210)):
    bounds = Transformer.from_crs(UTM33, 4326, always_xy=True).transform_bounds(*grid().bounds)
    west, south, east, north = bounds
    size = ((east - west) / shape[1], (north - south) / shape[0])
    return Grid.covering(bounds, size, crs=CRS.from_epsg(4326))


@dataclass(frozen=True)
class Counting:
    """A raster that must be read, and says how much was."""

    source: ArrayRaster
    windows: list = field(default_factory=list)

    grid = property(lambda self: self.source.grid)
    count = property(lambda self: self.source.count)
    dtype = property(lambda self: self.source.dtype)
    nodata = property(lambda self: self.source.nodata)

    def read(self, window):
        self.windows.append(window)
        return self.source.read(window)


def scattered(number=4000, seed=0):
    rng = np.random.default_rng(seed)
    return ORIGIN[0] + rng.uniform(0, 6400, number), ORIGIN[1] - rng.uniform(0, 6000, number)


SOURCES = {
    "same": grid(),
    "turned": grid(
        transform=Affine.translation(ORIGIN[0] + 2000, ORIGIN[1] + 500)
        @ Affine.rotation(30.0)
        @ Affine.scale(17.0, -23.0)
    ),
    "flipped": grid(transform=Affine(20, 0, ORIGIN[0], 0, 20, ORIGIN[1] - 6000)),
    "degrees": degrees_grid(),
    "zone 32": Grid.covering(
        Transformer.from_crs(UTM33, 32632, always_xy=True).transform_bounds(*grid().bounds),
        20.0,
        crs=CRS.from_epsg(32632),
    ),
}


@pytest.mark.parametrize("resampling", ["bilinear", "cubic"])
@pytest.mark.parametrize("where", SOURCES)
def test_heights_are_those_of_the_exact_search(where, resampling):
    """Every point projected at every step, and moved until it falls on its place, in numpy."""
    source = dem(SOURCES[where], noise=1.0)
    moved = alignment(scale=3e-4).apply(source, resampling=resampling)
    x, y = scattered()
    found = moved.heights(x, y)
    turned = moved._surface
    want = turned._exactly(x - CENTROID[0] - SHIFT[0], y - CENTROID[1] - SHIFT[1])
    differ = np.isnan(found) != np.isnan(want)
    assert differ.mean() < 1e-3  # at the edge, of which the search knows only what lies on its way
    assert np.isfinite(found).mean() > 0.3
    # One system: the search's own end, 1e-6 px on slopes of 1 m/px; else the lattice's 1e-4 px at most.
    atol = 2e-6 if moved._affine is not None or where in ("turned", "flipped") else 2e-5
    both = ~np.isnan(found) & ~np.isnan(want)
    np.testing.assert_allclose(found[both], want[both], atol=atol)


@pytest.mark.parametrize("where", SOURCES)
def test_cells_of_the_result_are_points(where):
    moved = alignment().apply(dem(SOURCES[where], holes=0.01), grid=grid((150, 170), 31.0))
    window = moved.grid.window
    x, y = (v.ravel() for v in np.broadcast_arrays(*moved.grid.xy(*window.pixel_centres())))
    np.testing.assert_allclose(
        moved.read(window)[0].ravel(), moved.heights(x, y), atol=1e-4
    )  # float32 at 600 m


def test_a_point_of_the_moved_surface_came_from_the_moving_one():
    """Through the matrix itself: the analytic surface, moved, lies where `heights` says."""
    one = alignment((0.8, -0.6, 1.1))
    moved = one.apply(dem(grid()), resampling="cubic")
    x = ORIGIN[0] + np.linspace(1500, 5000, 300)
    y = ORIGIN[1] - np.linspace(2000, 4500, 300)
    at = transform_points(one.matrix, one.centroid, x, y, height(x, y))
    # Cubic interpolation of waves of 500 m on cells of 20 m.
    np.testing.assert_allclose(moved.heights(at[0], at[1]), at[2], atol=5e-3)


@pytest.mark.parametrize("where", SOURCES)
@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (0.5, -0.3, 1.0)])
def test_neither_windows_nor_what_is_read_matter(where, turn):
    source = dem(SOURCES[where], holes=0.02)
    plain = alignment(turn).apply(source, grid=grid((260, 270), 23.0))
    read = replace(plain, source=Counting(source))
    whole = plain.read(plain.grid.window)
    assert 0.3 < np.isfinite(whole).mean() < 0.99
    np.testing.assert_array_equal(read.read(plain.grid.window), whole)  # to the last bit
    for size in (37, 128):
        for window, values in Threads(2).map(
            read.read, (b.core for b in plain.grid.blocks((size, size + 9)))
        ):
            np.testing.assert_array_equal(values, whole[:, *window.slices_in(plain.grid.window)])


@pytest.mark.parametrize("where", ["same", "degrees"])
def test_points_of_a_raster_that_is_read(where, monkeypatch):
    source = dem(SOURCES[where], holes=0.02)
    plain = alignment().apply(source)
    x, y = scattered()
    counting = Counting(source)
    found = replace(plain, source=counting).heights(x, y)
    np.testing.assert_array_equal(found, plain.heights(x, y))
    monkeypatch.setattr("trueground.coreg.turned._LARGEST_WINDOW", 2000)
    monkeypatch.setattr("trueground.coreg.turned._TILE", 40)
    counting.windows.clear()
    np.testing.assert_array_equal(replace(plain, source=counting).heights(x, y), found)
    assert len(counting.windows) > 20
    assert max(w.size for w in counting.windows) < 80 * 80
    cells = replace(plain, source=counting).read(plain.grid.window)
    np.testing.assert_array_equal(cells, plain.read(plain.grid.window))


def test_only_what_lies_below_is_read():
    source = Counting(dem(grid((1000, 1000))))
    moved = alignment((0.01, 0.01, 0.01)).apply(source)
    moved.read(replace(moved.grid.window, row=300, col=400, height=100, width=100))
    assert sum(w.size for w in source.windows) < 130 * 130


@pytest.mark.parametrize("resampling", ["bilinear", "cubic"])
def test_heights_far_from_the_centroid_read_more(resampling):
    """Beyond the 2,000 m for which is read at first, and numbers that stand for no data."""
    source = dem(grid(), surface=lambda x, y: height(x, y) + 9000.0)
    source.array[0, 100, 100] = -3.4e38
    source.array[0, 150, 200:210] = -32767.0
    plain = alignment((1.5, -1.2, 0.0)).apply(source, resampling=resampling)
    whole = plain.read(plain.grid.window)
    counting = replace(plain, source=Counting(source))
    for block in plain.grid.blocks(64):
        np.testing.assert_array_equal(
            counting.read(block.core), whole[:, *block.core.slices_in(plain.grid.window)]
        )
    assert np.isfinite(whole).mean() > 0.7


def test_where_the_lattice_does_not_hold_points_are_projected():
    """Near a pole meridians converge within a cell."""
    on = Grid(
        crs=CRS.from_epsg(4326), transform=Affine(0.1, 0, -50, 0, -0.05, 89.9), shape=(60, 300)
    )
    rows, cols = (np.broadcast_to(v, on.shape) for v in on.window.pixel_centres())
    source = ArrayRaster(array=(3.0 * rows + 0.5 * cols).astype(np.float32), grid=on)
    polar = CRS.from_epsg(3413)
    x, y = Transformer.from_crs(4326, polar, always_xy=True).transform(-40.0, 89.0)
    moved = alignment((0.1, 0.2, 0.0), centroid=(x, y, 100.0), crs=polar).apply(source)
    px, py = x + np.linspace(-4e4, 4e4, 400), y + np.linspace(-3e4, 3e4, 400)
    found = moved.heights(px, py)
    want = moved._surface._exactly(px - x - SHIFT[0], py - y - SHIFT[1])
    assert np.isfinite(found).sum() > 50
    both = np.isfinite(found) & np.isfinite(want)
    assert both.sum() >= np.isfinite(found).sum() - 2
    np.testing.assert_allclose(found[both], want[both], atol=1e-3)  # 2e-4 px on 3 m/px


@pytest.mark.parametrize("west", [179.8085, -180.1915])
def test_a_rotation_across_the_antimeridian(west):
    utm = CRS.from_epsg(32701)
    on = Grid(
        crs=CRS.from_epsg(4326), transform=Affine(1e-3, 0, west, 0, -1e-3, -17), shape=(100, 400)
    )
    rows, cols = (np.broadcast_to(v, on.shape) for v in on.window.pixel_centres())
    source = ArrayRaster(array=(rows + 0.5 * cols).astype(np.float32), grid=on)
    x, y = Transformer.from_crs(4326, utm, always_xy=True).transform(-180.0, -17.05)
    one = alignment((0.01, -0.02, 0.1), centroid=(x, y, 100.0), crs=utm)
    out = one.apply(source).read(on.window.pad(-4))
    assert np.isfinite(out).all()
    along = np.diff(out[0], axis=1)
    assert np.ptp(along) < 1e-3  # no seam


def test_an_array_is_not_copied_and_its_nodata_is_kept():
    on = grid()
    source = dem(on)
    values = source.array[0].copy()
    values[40:50, 60:70] = -9999.0
    with_nodata = ArrayRaster(array=values, grid=on, nodata=-9999.0)
    values = values.copy()
    values[values == -9999.0] = np.nan
    one = alignment()
    x, y = scattered()
    holes = ArrayRaster(array=values, grid=on)
    transposed = ArrayRaster(array=np.asfortranarray(values), grid=on)
    want = one.apply(holes).heights(x, y)
    for raster in (with_nodata, transposed):
        np.testing.assert_array_equal(one.apply(raster).heights(x, y), want)
    assert isinstance(one.apply(source), Raster)


@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic"])
def test_without_a_reference_system(resampling):
    with_crs, without = grid((80, 90)), grid((80, 90), crs=None)
    source = dem(with_crs)
    bare = ArrayRaster(array=source.array, grid=without)
    for turn in ((0.0, 0.0, 0.0), (0.05, 0.0, 0.1)):
        one = alignment(turn)
        np.testing.assert_array_equal(
            replace(one, crs=None).apply(bare, resampling=resampling).read(without.window),
            one.apply(source, resampling=resampling).read(without.window),
        )


def test_an_empty_request():
    moved = alignment().apply(dem(grid((40, 40))))
    assert moved.heights(np.empty(0), np.empty(0)).size == 0
    projected = alignment().apply(dem(SOURCES["degrees"]))
    assert projected.heights(np.empty(0), np.empty(0)).size == 0
    far = np.array([np.nan, np.inf, 1e30, ORIGIN[0]])
    for one in (moved, projected):
        assert np.isnan(one.heights(far, far)).all()


def test_a_line_that_bends_through_the_lattice():
    """At 80 degrees north meridians converge; 3 degrees of rotation move what is 3 km up by 170 m."""
    on = Grid(
        crs=CRS.from_epsg(4326), transform=Affine(3e-4, 0, 10, 0, -5e-5, 80), shape=(300, 300)
    )
    rows, cols = (np.broadcast_to(v, on.shape) for v in on.window.pixel_centres())
    source = ArrayRaster(array=(1.0 * cols + 0.25 * rows).astype(np.float32), grid=on)
    polar = CRS.from_epsg(3413)
    x, y = Transformer.from_crs(4326, polar, always_xy=True).transform(10.05, 79.992)
    moved = alignment((2.0, 3.0, 0.0), centroid=(x, y, -3000.0), crs=polar).apply(source)
    px, py = x + np.linspace(-400, 400, 300), y + np.linspace(-300, 300, 300)
    found = moved.heights(px, py)
    want = moved._surface._exactly(px - x - SHIFT[0], py - y - SHIFT[1])
    assert np.isfinite(want).sum() > 100
    # A straight line would be off by 2e-4 px, of 1 m/px.
    np.testing.assert_allclose(found, want, atol=1e-5)
