"""Outlines as masks: GDAL's rasterization as the oracle, any CRS, any block."""

from __future__ import annotations

import pickle

import geopandas as gpd
import numpy as np
import pytest
import rasterio.features
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from grids import coordinate_coded, turned
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster
from trueground.vectors import outline_mask, read_outlines, stable_terrain

UTM31 = CRS.from_epsg(32631)


def _frame(*shapes, crs=UTM31):
    return gpd.GeoDataFrame(geometry=list(shapes), crs=crs)


def _ring(grid, row, col, radius, points=40):
    """A polygon around a pixel, with a hole in it."""
    angle = np.linspace(0.0, 2.0 * np.pi, points, endpoint=False)

    def circle(r):
        return list(zip(*grid.xy(row + r * np.sin(angle), col + r * np.cos(angle)), strict=True))

    return Polygon(circle(radius), [circle(radius / 3.0)])


def _everything(raster):
    return raster.read(raster.grid.window)[0]


@settings(max_examples=15)
@given(st.integers(0, 99), st.integers(1, 70), st.booleans())
def test_blocks_of_a_mask_equal_gdals_mask_of_all(seed, size, invert):
    transform = turned((600_000.3, 4_900_000.7), 17.0, (10.0, -8.0))
    grid = Grid(crs=UTM31, transform=transform, shape=(60, 80))
    rng = np.random.default_rng(seed)
    shapes = [_ring(grid, *rng.uniform(0, 70, 2), rng.uniform(2, 25)) for _ in range(4)]
    mask = outline_mask([_frame(*shapes)], grid, invert=invert)
    expected = rasterio.features.rasterize(shapes, grid.shape, transform=transform) ^ invert
    found = np.zeros(grid.shape, dtype=np.uint8)
    for block in grid.blocks(size):
        found[block.core.slices_in(grid.window)] = mask.read(block.core)[0]
    np.testing.assert_array_equal(found, expected)
    assert found.any()


def test_files_and_frames_in_any_crs(utm_grid, tmp_path):
    ring = _ring(utm_grid, 50.0, 60.0, 30.0, points=400)
    expected = _everything(outline_mask([_frame(ring)], utm_grid))
    assert 0.1 < expected.mean() < 0.5
    for name, crs in (("a.gpkg", 32632), ("a.geojson", 4326), ("a.shp", 3857)):
        frame = _frame(ring).to_crs(crs)
        frame.to_file(tmp_path / name)
        found = _everything(outline_mask([tmp_path / name], utm_grid))
        assert (found != expected).mean() < 1e-3  # cells whose centre lies on the edge


def test_compound_crs_of_the_grid_counts_horizontally(utm_grid):
    ring = _frame(_ring(utm_grid, 50.0, 60.0, 30.0))
    high = Grid(crs=CRS("EPSG:32631+5773"), transform=utm_grid.transform, shape=utm_grid.shape)
    np.testing.assert_array_equal(
        _everything(outline_mask([ring], high)), _everything(outline_mask([ring], utm_grid))
    )


def test_several_sources_add_up_and_lines_among_polygons_do_not_matter(utm_grid):
    first, second = _ring(utm_grid, 20.0, 20.0, 15.0), _ring(utm_grid, 70.0, 90.0, 15.0)
    both = _everything(
        outline_mask([_frame(first), _frame(second, LineString([(0, 0), (1, 1)]))], utm_grid)
    )
    one = _everything(
        outline_mask([_frame(MultiPolygon([first, second]), Polygon(), None)], utm_grid)
    )
    np.testing.assert_array_equal(both, one)


def test_outlines_of_the_whole_world_do_no_harm(utm_grid):
    """Glacier inventories reach where a UTM zone is not defined."""
    near = _frame(_ring(utm_grid, 50.0, 60.0, 30.0))
    far = [box(-179, -90, 179, -60), box(92, -1, 94, 1), box(170, 60, 179, 90)]
    parts = [*near.to_crs(4326).geometry, *far]
    expected = _everything(outline_mask([near], utm_grid))
    for shapes in (parts, [MultiPolygon(parts)]):
        found = _everything(outline_mask([_frame(*shapes, crs=4326)], utm_grid))
        assert (found != expected).mean() < 1e-3


def test_nothing_near_is_all_zero_and_off_the_grid_is_no_data(utm_grid):
    mask = outline_mask([_frame(box(0, 0, 1, 1))], utm_grid)
    assert not _everything(mask).any()
    everywhere = outline_mask([_frame(box(0, 0, 1e7, 1e7))], utm_grid)
    found = everywhere.read(Window(-1, -1, 3, 3))[0]
    np.testing.assert_array_equal(found, [[0, 0, 0], [0, 1, 1], [0, 1, 1]])
    assert (everywhere.count, everywhere.dtype, everywhere.nodata) == (1, np.uint8, None)


def test_a_mask_is_picklable(utm_grid):
    mask = outline_mask([_frame(_ring(utm_grid, 50.0, 60.0, 30.0))], utm_grid)
    np.testing.assert_array_equal(_everything(pickle.loads(pickle.dumps(mask))), _everything(mask))


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        (_frame(box(0, 0, 1, 1), crs=None), "^the outlines: no CRS declared"),
        (_frame(Point(0, 0), LineString([(0, 0), (1, 1)])), "^the outlines: no polygons"),
        (_frame(), "no polygons"),
    ],
)
def test_outlines_that_cannot_mask_are_refused(utm_grid, frame, match):
    with pytest.raises(InputError, match=match) as caught:
        outline_mask([frame], utm_grid)
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_refused(tmp_path):
    garbage = tmp_path / "garbage.gpkg"
    garbage.write_bytes(b"\x00\x01" * 100)
    parquet = tmp_path / "a.parquet"
    parquet.write_bytes(b"PAR1")
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    for path, match in (
        (tmp_path / "none.gpkg", "does not exist"),
        (garbage, "not a vector file"),
        (table, "no geometry"),
        (tmp_path, "not a vector file"),
        (parquet, "not a vector file|needs pyarrow"),
    ):
        with pytest.raises(InputError, match=match) as caught:
            read_outlines(path)
        assert "\n" not in str(caught.value)


def test_stable_terrain_is_what_all_parts_agree_on(utm_grid):
    assert stable_terrain(utm_grid) is None
    glacier = _frame(_ring(utm_grid, 50.0, 60.0, 30.0))
    area = _frame(box(*utm_grid.crop(Window(0, 0, 100, 70)).bounds))
    coarse = Grid.covering(utm_grid.bounds, 26.0, crs=UTM31)
    codes = coordinate_coded(coarse).array[0]
    mask = ArrayRaster(
        array=np.where(codes < 30, np.where(codes < 5, np.nan, 1.0), 0.0), grid=coarse
    )
    found = _everything(stable_terrain(utm_grid, exclude=[glacier], include=[area], mask=mask))
    rows, cols = (np.broadcast_to(a, utm_grid.shape) for a in utm_grid.window.pixel_centres())
    usable = (rows * 10 / 26 > 5) & (rows * 10 / 26 < 30) & (cols < 70)
    usable &= _everything(outline_mask([glacier], utm_grid)) == 0
    np.testing.assert_array_equal(found, usable)


@pytest.mark.parametrize("nodata", [None, 255])
@pytest.mark.parametrize("pixel", [10.0, 26.0])
def test_a_mask_s_nodata_and_what_lies_outside_of_it_are_left_out(utm_grid, nodata, pixel):
    west, _, east, north = utm_grid.bounds
    small = Grid.covering((west, north - 500.0, east, north), pixel, crs=UTM31)
    codes = np.ones(small.shape, dtype=np.uint8)
    gap = max(1, round(104.0 / pixel))
    codes[:gap] = 0 if nodata is None else nodata
    mask = ArrayRaster(array=codes, grid=small, nodata=nodata)
    found = _everything(stable_terrain(utm_grid, mask=mask))
    rows = utm_grid.window.pixel_centres()[0] * 10.0
    inside = (rows > gap * pixel) & (rows < small.shape[0] * pixel)
    np.testing.assert_array_equal(found, np.broadcast_to(inside, utm_grid.shape))
    assert 0.1 < found.mean() < 0.9


def test_edges_follow_the_curve_of_their_own_system():
    """A parallel is no straight line in UTM: by its chord, it was 180 m off here."""
    crs = CRS.from_epsg(32633)
    grid = Grid.covering((475_000, 8_660_000, 525_000, 8_721_000), 100.0, crs=crs)
    mask = outline_mask([_frame(box(14, 78, 16, 78.5), crs=4326)], grid)
    x, y = np.broadcast_arrays(*grid.xy(*grid.window.pixel_centres()))
    lon, lat = Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y)
    inside = (lon > 14) & (lon < 16) & (lat > 78) & (lat < 78.5)
    assert 0.2 < inside.mean() < 0.95
    assert (_everything(mask) != inside).sum() <= 2  # a centre within a millimetre of the edge


def test_one_file_or_frame_is_as_good_as_a_list_of_it(tmp_path):
    frame = gpd.GeoDataFrame(geometry=[box(5e5, 7_999_980, 500_020, 8e6)], crs=32633)
    frame.to_file(tmp_path / "ice.gpkg")
    grid = Grid(crs=CRS(32633), transform=Affine(10, 0, 5e5, 0, -10, 8e6), shape=(3, 4))
    wanted = stable_terrain(grid, exclude=[frame]).read(grid.window)
    assert wanted.sum() == 8
    for one in (frame, str(tmp_path / "ice.gpkg"), tmp_path / "ice.gpkg"):
        np.testing.assert_array_equal(stable_terrain(grid, exclude=one).read(grid.window), wanted)
        np.testing.assert_array_equal(1 - outline_mask(one, grid).read(grid.window), wanted)
