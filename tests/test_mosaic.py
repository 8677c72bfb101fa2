"""Mosaics: which image each pixel comes from, the same however they are cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer

from trueground.dem import Dem
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.metadata import Metadata
from trueground.ortho import Mosaic, Orthoimage, common_grids
from trueground.ortho.mosaic import _meanings, _polynomial, _terms
from trueground.raster import ArrayRaster
from trueground.rpc.model import Rpc

UTM31 = CRS.from_epsg(32631)
LON, LAT = 3.0, 45.0
EAST, NORTH = Transformer.from_crs(4326, UTM31, always_xy=True).transform(LON, LAT)
SIZE = 200
GRID = Grid(
    crs=UTM31,
    transform=Affine(1, 0, round(EAST) - 120.0, 0, -1, round(NORTH) + 120.0),
    shape=(240, 240),
)
FLAT = Dem.open(
    ArrayRaster(
        array=np.full((120, 120), 500, dtype=np.float32),
        grid=Grid(
            crs=UTM31, transform=Affine(10, 0, EAST - 600, 0, -10, NORTH + 600), shape=(120, 120)
        ),
    ),
    heights="ellipsoid",
)


def camera(tilt: tuple[float, float], *, west: float = 0.0, turn: float = 0.0) -> Rpc:
    """An image of 200 x 200 px of about 1 m, which leans by `tilt` [px a metre], more by `turn` towards the east."""
    terms = np.zeros((4, 20))
    terms[[1, 3], 0] = 1.0
    terms[0, 2], terms[2, 1] = -1.0, 1.0
    terms[0, 3], terms[2, 3] = tilt[0] * 200.0 / 100.0, tilt[1] * 200.0 / 100.0
    terms[2, 5] = turn * 200.0 / 100.0  # longitude times height
    half = SIZE / 2
    return Rpc(
        line_off=half - 0.5, samp_off=half - 0.5 + west, lat_off=LAT, long_off=LON, height_off=500.0,
        line_scale=half, samp_scale=half, lat_scale=half / 111_130.0, long_scale=half / 78_850.0, height_scale=200.0,
        line_num=terms[0], line_den=terms[1], samp_num=terms[2], samp_den=terms[3],
    )  # fmt: skip


def ortho(value: float, tilt: tuple[float, float] = (0.0, 0.0), **options) -> Orthoimage:
    dtype = options.pop("dtype", np.uint16)
    array = np.full((2, SIZE, SIZE), value, dtype=dtype)
    plain = Grid(crs=None, transform=Affine.identity(), shape=(SIZE, SIZE))
    image = ArrayRaster(array=array, grid=plain, nodata=options.pop("nodata", None))
    rpc = camera(tilt, **options)
    return Orthoimage(image=image, rpc=rpc, dem=FLAT, grid=GRID, occlusion="ignore")


def shown(image: Orthoimage) -> np.ndarray:
    values = image.read(GRID.window)[0]
    return values != 0 if image.dtype.kind != "f" else ~np.isnan(values)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_first_and_last(dtype):
    images = ortho(1, west=40, dtype=dtype), ortho(2, west=-30, dtype=dtype), ortho(3, dtype=dtype)
    where = [shown(image) for image in images]
    assert all(w.any() and not w.all() for w in where)
    empty = 0.0 if dtype == np.uint16 else np.nan
    first = np.select(where, [1, 2, 3], default=empty)
    last = np.select(where[::-1], [3, 2, 1], default=empty)
    for rule, expected in (("first", first), ("last", last)):
        values = Mosaic(images=images, rule=rule).read(GRID.window)
        np.testing.assert_array_equal(values, np.stack([expected, expected]))


def test_nearest_nadir_is_the_steepest_at_every_pixel():
    """Two images that lean alike in the middle: the line between them is where their angles are equal."""
    images = (
        ortho(1, (0.0, 0.3), turn=0.05),
        ortho(2, (0.0, -0.3), turn=0.05, west=3),
        ortho(3, (0.0, 0.8)),
    )
    mosaic = Mosaic(images=images, rule="nearest-nadir")
    values = mosaic.read(GRID.window)[0]
    angle = []
    for image in images:
        at = image.geometry.at(GRID.window)
        seen = image.rpc.viewing(at.row, at.col, at.height).incidence
        angle.append(np.where(shown(image), seen, np.inf))
    angle = np.array(angle)
    best = np.where(np.isfinite(angle.min(axis=0)), angle.argmin(axis=0) + 1, 0)
    assert {1, 2} <= set(np.unique(values))
    sorted_angles = np.sort(angle, axis=0)
    with np.errstate(invalid="ignore"):
        clear = ~(
            sorted_angles[1] - sorted_angles[0] < 0.02
        )  # degrees: the fit of the angle is as good as that
    assert clear.mean() > 0.97
    np.testing.assert_array_equal(values[clear], best[clear])


def test_angles_are_those_of_the_rpc():
    image = ortho(1, (0.2, 0.3), turn=0.05)
    mosaic = Mosaic(images=(image,), rule="nearest-nadir")
    rows, cols = GRID.window.pixel_centres()
    squares = [_polynomial(slope, _terms(GRID, rows, cols)) ** 2 for slope in mosaic._slopes[0]]
    fitted = np.degrees(np.arctan(np.sqrt(sum(squares))))
    at = image.geometry.at(GRID.window)
    true = image.rpc.viewing(at.row, at.col, at.height).incidence
    inside = shown(image)
    assert np.ptp(true[inside]) > 2.0
    np.testing.assert_allclose(fitted[inside], true[inside], atol=0.01)  # degrees


@pytest.mark.parametrize("rule", ["first", "last", "nearest-nadir"])
def test_windows_are_cut_from_one_whole(rule):
    images = ortho(1, (0.1, 0.3), west=40), ortho(2, (0.0, -0.3), west=-30)
    mosaic = Mosaic(images=images, rule=rule)
    whole = mosaic.read(GRID.window)
    for size in (37, 100):
        for block in GRID.blocks(size):
            rows, cols = block.core.slices_in(GRID.window)
            np.testing.assert_array_equal(mosaic.read(block.core), whole[:, rows, cols])
    outside = mosaic.read(Window(-10, -10, 30, 30))
    np.testing.assert_array_equal(outside[:, 10:, 10:], whole[:, :20, :20])
    assert (outside[:, :10] == 0).all()


def test_what_cannot_be_put_together():
    one = ortho(1)
    with pytest.raises(InputError, match="at least one"):
        Mosaic(images=())
    with pytest.raises(InputError, match="first, last, nearest-nadir"):
        Mosaic(images=(one,), rule="best")
    moved = replace(one, grid=GRID.crop(Window(1, 1, 10, 10)))
    with pytest.raises(InputError, match="grid"):
        Mosaic(images=(one, moved))
    with pytest.raises(InputError, match="dtype"):
        Mosaic(images=(one, ortho(1, dtype=np.float32)))
    with pytest.raises(InputError, match=r"nodata 9, the first 0.*--nodata"):
        Mosaic(images=(one, ortho(1, nodata=9)))


def test_palettes_that_differ_are_named():
    red, blue = (
        Metadata(palette={0: (0, 0, 0, 255), 3: c}) for c in ((9, 0, 0, 255), (0, 0, 9, 255))
    )
    found = [m for m in _meanings(red, blue) if m[1] != m[2]]
    assert found == [("for value 3 the colour", (9, 0, 0, 255), (0, 0, 9, 255))]
    assert list(_meanings(red, Metadata())) == [("as palette", "one", "none")]
    assert all(old == new for _, old, new in _meanings(red, red))


def test_common_grids_fit_into_each_other():
    views = []
    for factor, number in ((1.0, 200), (0.26, 52), (0.34, 68)):
        plain = Grid(crs=None, transform=Affine.identity(), shape=(number, number))
        image = ArrayRaster(array=np.ones((number, number), dtype=np.uint8), grid=plain)
        views.append((image, camera((0.1, 0.2)).rescaled(factor)))
    grids = common_grids(views, FLAT)
    assert [g.resolution[0] for g in grids] == [1.0, 4.0, 3.0]
    assert len({g.bounds for g in grids}) == 1
    assert all(edge % 12.0 == 0.0 for edge in grids[0].bounds)
    bounds = (EAST - 50.3, NORTH - 40.2, EAST + 50.1, NORTH + 60.9)
    given = common_grids(views, FLAT, bounds=bounds)
    assert {g.bounds[0] for g in given} == {bounds[0]}
    assert {g.bounds[3] for g in given} == {bounds[3]}
    assert all(0.0 <= g.bounds[2] - bounds[2] < 12.0 for g in given)
    same = common_grids(views, FLAT, same=True)
    assert len(set(same)) == 1
    with pytest.raises(InputError, match="positive"):
        common_grids(views, FLAT, resolution=0.0)
