"""Alignments: written and read back, and applied to DEMs."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from known_terrain import ORIGIN, UTM33, dem, grid, height
from trueground.coreg import Alignment
from trueground.coreg import aligned as aligned_module
from trueground.coreg.base import translation
from trueground.datum_shift import converted
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster, as_float, open_raster
from trueground.vertical import Datum


def alignment(shift=(0.0, 0.0, 0.0), **changes):
    settings = {
        "matrix": translation(shift),
        "centroid": (ORIGIN[0], ORIGIN[1], 100.0),
        "crs": UTM33.to_wkt(),
        "method": "test",
        "nmad_before": 2.0,
        "nmad_after": 1.0,
        "samples": 10,
    }
    return Alignment(**{**settings, **changes})


def rigid(rotation, shift, centroid):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, shift
    return alignment(matrix=matrix, centroid=centroid)


def test_json_of_a_rotation_and_without_crs():
    one = rigid(
        Rotation.from_euler("xyz", [1, 2, 3], degrees=True).as_matrix(), (1, 2, 3), (4, 5, 6)
    )
    assert Alignment.from_json(one.to_json()) == one
    bare = alignment(crs=None)
    assert Alignment.from_json(bare.to_json()) == bare


def test_json_has_what_scripts_rely_on():
    items = json.loads(alignment((1.5, -2.5, 3.5)).to_json())
    assert [items[k] for k in ("shift_x", "shift_y", "shift_z")] == [1.5, -2.5, 3.5]
    assert items["matrix"][0] == [1.0, 0.0, 0.0, 1.5]
    assert items["matrix"][3] == [0.0, 0.0, 0.0, 1.0]
    assert len(items["centroid"]) == 3
    assert (items["nmad_before"], items["nmad_after"]) == (2.0, 1.0)


GOOD = json.loads(alignment((1.0, 2.0, 3.0)).to_json())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "null",
        "{}",
        json.dumps({k: v for k, v in GOOD.items() if k != "matrix"}),
        json.dumps({**GOOD, "matrix": [[1, 0], [0, 1]]}),
        json.dumps({**GOOD, "matrix": "four"}),
        json.dumps({**GOOD, "matrix": [[1, 0, 0, "a"], *GOOD["matrix"][1:]]}),
        json.dumps({**GOOD, "matrix": (2 * np.eye(4)).tolist()}),
        json.dumps({**GOOD, "matrix": [*GOOD["matrix"][:3], [0, 0, 1, 1]]}),
        json.dumps({**GOOD, "shift_x": 1.1}),
        json.dumps({**GOOD, "shift_x": None}),
        json.dumps({**GOOD, "centroid": [1, 2]}),
        json.dumps({**GOOD, "centroid": 7}),
        json.dumps({**GOOD, "samples": "many"}),
        json.dumps({**GOOD, "crs": "EPSG:nowhere"}),
        json.dumps({**GOOD, "iterations": [7]}),
        json.dumps({**GOOD, "statistics": {"before": 1}}),
        json.dumps({**GOOD, "nmad_before": "low"}),
    ],
)
def test_malformed_json_is_one_clear_error(text):
    with pytest.raises(InputError):
        Alignment.from_json(text)


@pytest.mark.parametrize(
    ("shift", "rows", "cols"),
    [((40.0, 0.0, 0.0), 0, 2), ((0.0, 60.0, 0.0), -3, 0), ((-20.0, -100.0, 0.0), 5, -1)],
)
def test_whole_pixels_move_values_exactly(shift, rows, cols):
    on = grid((60, 70), origin=(515_650.83, 8_663_888.17))
    source = dem(on, holes=0.1)
    out = alignment(shift).apply(source).read(on.window)[0]
    want = np.full(on.shape, np.nan, dtype=np.float32)
    values = source.array[0]
    want[max(rows, 0) : 60 + min(rows, 0), max(cols, 0) : 70 + min(cols, 0)] = values[
        max(-rows, 0) : 60 - max(rows, 0), max(-cols, 0) : 70 - max(cols, 0)
    ]
    np.testing.assert_array_equal(out, want)  # holes and all


def test_no_shift_is_the_identity():
    on = grid((60, 70))
    source = dem(on, holes=0.1)
    np.testing.assert_array_equal(alignment().apply(source).read(on.window), source.array)


def test_height_alone():
    on = grid((20, 30))
    source = dem(on, holes=0.1)
    out = alignment((0, 0, 2.5)).apply(source).read(on.window)
    np.testing.assert_allclose(out, source.array + np.float32(2.5), atol=1e-4)  # float32 at 500 m


@pytest.mark.parametrize("order", [("nearest", 0), ("bilinear", 1)])
def test_fractions_of_a_pixel_as_scipy(order):
    on = grid((60, 70))
    source = dem(on, noise=5.0)
    shift = (7.3, -13.1, 0.5)
    out = alignment(shift).apply(source, resampling=order[0]).read(on.window)[0]
    rows, cols = np.mgrid[0:60, 0:70].astype(float)
    # East is to the right and north is up: a cell now shows what stood to its west.
    want = map_coordinates(
        source.array[0].astype(float),
        [rows + shift[1] / 20, cols - shift[0] / 20],
        order=order[1],
        cval=np.nan,
    )
    inside = np.isfinite(want) & np.isfinite(out)
    assert inside.sum() >= 59 * 69 - 2
    np.testing.assert_allclose(out[inside], want[inside] + 0.5, atol=1e-4)  # float32 at 500 m


def test_holes_neither_shrink_nor_spread():
    on = grid((40, 50))
    source = dem(on)
    source.array[0, 20, 25] = np.nan
    half = alignment((10.0, 0.0, 0.0)).apply(source).read(on.window)[0]
    assert np.argwhere(np.isnan(half[:, 1:])).tolist() == [[20, 24], [20, 25]]
    little = alignment((0.002, 0.0, 0.0)).apply(source).read(on.window)[0]
    assert np.argwhere(np.isnan(little[:, 1:])).tolist() == [[20, 24], [20, 25]]
    nearest = alignment((9.0, 9.0, 0.0)).apply(source, resampling="nearest").read(on.window)[0]
    assert np.argwhere(np.isnan(nearest)).tolist() == [[20, 25]]


TURNED = (
    Affine.translation(ORIGIN[0], ORIGIN[1]) @ Affine.rotation(30.0) @ Affine.scale(20.0, -20.0)
)


@pytest.mark.parametrize(
    "on",
    [
        grid((60, 70)),
        grid((60, 70), transform=TURNED),
        grid(transform=Affine(15, 0, ORIGIN[0], 0, 25, ORIGIN[1])),
    ],
)
def test_moved_terrain_is_the_truth(on):
    shift = (7.3, -4.1, 2.2)
    out = alignment(shift).apply(dem(on, shift), resampling="cubic").read(on.window.pad(-4))[0]
    truth = dem(on).read(on.window.pad(-4))[0]
    # Cubic interpolation of waves from 500 m on, sampled every 25 m, errs by 5 mm.
    np.testing.assert_allclose(out, truth, atol=1e-2)


def test_on_another_grid_and_system():
    shift = (27.3, -14.1, 2.2)
    on = grid((150, 160))
    moving = dem(on, shift)
    to = Transformer.from_crs(UTM33, 32632, always_xy=True)
    x, y = to.transform(ORIGIN[0] + 1000, ORIGIN[1] - 1000)
    other = Grid(crs=CRS.from_epsg(32632), transform=Affine(13, 0, x, 0, -13, y), shape=(70, 80))
    aligned = alignment(shift).apply(moving, grid=other, resampling="cubic")
    assert aligned.grid == other
    truth = dem(other).read(other.window)[0]
    np.testing.assert_allclose(aligned.read(other.window)[0], truth, atol=5e-3)


@pytest.mark.parametrize("code", [32632, 4326])
def test_a_dem_in_another_system_than_the_shift(code):
    shift = (27.3, -14.1, 2.2)
    crs = CRS.from_epsg(code)
    west, south, east, north = Transformer.from_crs(UTM33, crs, always_xy=True).transform_bounds(
        *grid((150, 160)).bounds
    )
    other = Grid.covering(
        (west, south, east, north), ((east - west) / 150, (north - south) / 150), crs=crs
    )
    aligned = alignment(shift).apply(dem(other, shift), resampling="cubic")
    inner = other.window.pad(-8)
    np.testing.assert_allclose(aligned.read(inner), dem(other).read(inner), atol=5e-3)
    # The lattice of the shift against the transformation of each cell.
    x, y = other.xy(*inner.pixel_centres())
    x, y = np.broadcast_arrays(x, y)
    to = Transformer.from_crs(crs, UTM33, always_xy=True)
    px, py = to.transform(x, y)
    row, col = other.rowcol(*to.transform(px - shift[0], py - shift[1], direction="INVERSE"))
    back_row, back_col = aligned._shift_in_pixels(inner, np.array(shift))
    rows, cols = inner.pixel_centres()
    # Round-off of PROJ's inverse projection is a nanometre or so: 1e-9 px of 20 m, with room.
    np.testing.assert_allclose(rows - back_row, row, atol=1e-7)
    np.testing.assert_allclose(cols - back_col, col, atol=1e-7)


@pytest.mark.parametrize("kind", ["shift", "other system", "rotation"])
def test_windows_do_not_matter(kind):
    on = grid((150, 160))
    one = alignment((7.3, -4.1, 2.2))
    source, target = dem(on, holes=0.02), None
    if kind == "other system":
        one = replace(one, crs=CRS.from_epsg(32632).to_wkt())
    if kind == "rotation":
        turn = Rotation.from_euler("xyz", [0.5, -0.3, 1.0], degrees=True).as_matrix()
        one = rigid(turn, (7.3, -4.1, 2.2), (ORIGIN[0] + 1500, ORIGIN[1] - 1500, 500))
    aligned = one.apply(source, grid=target)
    whole = aligned.read(on.window)
    for block in on.blocks((37, 41)):
        np.testing.assert_array_equal(
            aligned.read(block.core), whole[:, *block.core.slices_in(on.window)]
        )
    hanging = aligned.read(Window(-5, 150, 20, 20))
    np.testing.assert_array_equal(hanging[:, 5:, :10], whole[:, :15, 150:])
    assert np.isnan(hanging[:, :5]).all()
    assert (aligned.count, aligned.dtype, math.isnan(aligned.nodata)) == (1, np.float32, True)


@pytest.mark.parametrize("west", [179.8085, -180.1915])  # a node of the lattice beside 180
def test_a_shift_across_the_antimeridian(west):
    """PROJ counts longitudes from -180 to 180, a DEM across the antimeridian beyond."""
    utm = CRS.from_epsg(32701)
    on = Grid(
        crs=CRS.from_epsg(4326), transform=Affine(1e-3, 0, west, 0, -1e-3, -17), shape=(100, 400)
    )
    rows, cols = (np.broadcast_to(v, on.shape) for v in on.window.pixel_centres())
    source = ArrayRaster(array=(rows + 0.5 * cols).astype(np.float32), grid=on)
    aligned = alignment((200.0, -100.0, 1.0), crs=utm.to_wkt()).apply(source)
    inner = on.window.pad(-4)
    rows, cols = np.broadcast_arrays(*inner.pixel_centres())
    to = Transformer.from_crs(4326, utm, always_xy=True)
    x, y = to.transform(*on.xy(rows, cols))
    lon, lat = to.transform(x - 200.0, y + 100.0, direction="INVERSE")
    row, col = on.rowcol(lon + 360.0 * np.round((west + 0.2 - lon) / 360.0), lat)
    # float32 at 300 m
    np.testing.assert_allclose(aligned.read(inner)[0], row + 0.5 * col + 1.0, atol=1e-4)


@pytest.mark.parametrize("south", [None, 87.5])
def test_where_the_lattice_of_the_shift_does_not_hold_it_is_exact(monkeypatch, south):
    """Near a pole meridians converge within a cell; and a projection may end within it."""
    transform = Affine(0.1, 0, -50, 0, -0.05, 89)
    on = Grid(crs=CRS.from_epsg(4326), transform=transform, shape=(30, 90))
    source = ArrayRaster(array=np.zeros(on.shape, dtype=np.float32), grid=on)
    shift = np.array([500.0, 300.0, 0.0])
    aligned = alignment(shift, crs=CRS.from_epsg(3413).to_wkt()).apply(source)
    want = aligned._shift_at(*on.window.pixel_centres(), shift)
    if south is not None:  # as of a projection that is not defined beyond
        project = aligned_module.project

        def short(source, target, x, y):
            px, py = project(source, target, x, y)
            beyond = source == on.crs and np.broadcast_to(y, px.shape) < south
            return np.where(beyond, np.nan, px), np.where(beyond, np.nan, py)

        monkeypatch.setattr(aligned_module, "project", short)
    for one, two in zip(aligned._shift_in_pixels(on.window, shift), want, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-4)  # px


def test_several_bands_are_no_dem():
    on = grid((30, 30))
    two = ArrayRaster(array=np.zeros((2, 30, 30), dtype=np.float32), grid=on)
    with pytest.raises(InputError, match="2 bands"):
        alignment().apply(two)


def test_heights_are_above_the_datum_of_the_grid_asked_for():
    on = grid((30, 30), crs=CRS.from_user_input("EPSG:32633+5773"))
    low = dem(on, system=on.crs)
    high = converted(low, Datum("egm96"), Datum("ellipsoid"))
    own, other = alignment().apply(high), alignment().apply(high, grid=on)
    assert Datum.of_crs(own.grid.crs) == Datum("ellipsoid")
    # float32 at 600 m, up and down
    np.testing.assert_allclose(other.read(on.window), low.array, atol=2e-4)


def test_a_rotated_plane_is_a_plane():
    on = grid((100, 110))
    centroid = np.array([ORIGIN[0] + 1100.0, ORIGIN[1] - 1000.0, 300.0])
    gx, gy = 0.3, -0.2

    def plane(x, y):
        return 310.0 + gx * (x - centroid[0]) + gy * (y - centroid[1])

    turn = Rotation.from_euler("xyz", [2.0, -3.0, 5.0], degrees=True).as_matrix()
    shift = np.array([12.0, -7.0, 4.0])
    out = rigid(turn, shift, centroid).apply(dem(on, surface=plane)).read(on.window)[0]
    # Algebra: the moved plane's normal is the rotated one, through the moved point.
    normal = turn @ np.array([-gx, -gy, 1.0])
    point = turn @ (np.array([centroid[0], centroid[1], 310.0]) - centroid) + shift + centroid
    x, y = on.xy(*on.window.pixel_centres())
    want = point[2] - (normal[0] * (x - point[0]) + normal[1] * (y - point[1])) / normal[2]
    known = np.isfinite(out)
    assert known.mean() > 0.8
    np.testing.assert_allclose(out[known], want[known], atol=2e-4)  # float32 at 600 m, sampled


def test_a_turn_about_the_vertical_by_ninety_degrees():
    on = grid((60, 60))
    centre = (ORIGIN[0] + 600.0, ORIGIN[1] - 600.0, 500.0)
    source = dem(on, holes=0.05)
    out = rigid(Rotation.from_euler("z", 90, degrees=True).as_matrix(), (0, 0, 0), centre).apply(
        source
    )
    # Counter-clockwise seen from above, as numpy turns an array whose rows run south. Nearest, for
    # round-off of the turned coordinates would hang the weight of holes on their neighbours.
    nearest = replace(out, resampling="nearest")
    np.testing.assert_allclose(nearest.read(on.window)[0], np.rot90(source.array[0]), atol=1e-4)


@pytest.mark.data
def test_the_rigid_transform_of_xdem(data_folder):
    moving = as_float(open_raster(data_folder / "longyearbyen/DEM_1990.tif"))
    reference = as_float(open_raster(data_folder / "longyearbyen/aligned_by_xdem.tif"))
    turn = Rotation.from_euler("xyz", [0.0070322, -0.0074533, -0.0067377], degrees=True).as_matrix()
    shift, centroid = (10.2548967, 1.90590312, -1.93544013), (515650.83, 8663888.17, 353.11)
    one = replace(rigid(turn, shift, centroid), crs=moving.grid.crs.to_wkt())
    out = one.apply(moving).read(moving.grid.window)[0]
    error = out - reference.read(reference.grid.window)[0]
    error = error[np.isfinite(error)]
    assert error.size > 1_130_000
    # Half a millimetre without any tilt is left: xDEM ends its own search for the place somewhat
    # earlier (1e-4 px of 20 m on slopes of 0.3).
    assert error.std() < 1e-3
    assert np.abs(error).max() < 0.01
    # The order and the signs of the angles matter: what a mistake would look like.
    wrong = replace(rigid(turn.T, shift, centroid), crs=one.crs).apply(moving)
    assert (
        np.nanstd(wrong.read(moving.grid.window)[0] - reference.read(reference.grid.window)[0])
        > 0.1
    )


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(3),
        np.full((4, 4), np.nan),
        np.diag([1.0, 1.0, -1.0, 1.0]),
        np.diag([2.0, 2.0, 2.0, 1.0]),
    ],
)
def test_a_matrix_that_is_not_rigid_is_refused(matrix):
    with pytest.raises(InputError, match="matrix"):
        alignment(matrix=matrix)


def test_an_alignment_prints_its_figures():
    text = str(alignment((1.23456, -2.0, 0.5)))
    assert "x +1.235, y -2.000, z +0.500 m" in text
    assert "2.000 -> 1.000 m on 10 cells" in text


def test_integer_dems_are_moved_as_real_numbers():
    on = grid((30, 30))
    source = ArrayRaster(array=np.arange(900, dtype=np.int16).reshape(30, 30), grid=on, nodata=0)
    out = alignment((10.0, 0.0, 0.0)).apply(source).read(on.window)[0]
    assert out[5, 5] == pytest.approx(154.5)
    assert np.isnan(out[0, 1])
    assert height(*ORIGIN) != 0
