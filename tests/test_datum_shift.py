"""Heights brought from one vertical datum to another, against PROJ with the geoid's own file."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS, Transformer

from trueground.datum_shift import (
    InDatum,
    UndeclaredDatumWarning,
    declaring,
    in_common_datum,
    in_datum_of,
)
from trueground.dem import Dem
from trueground.errors import DatumError, InputError
from trueground.grid import Grid, Window
from trueground.projection import horizontal
from trueground.raster import ArrayRaster
from trueground.vertical import Datum
from trueground.writer import write

PLAIN = CRS.from_epsg(32631)
EGM96 = CRS.from_user_input("EPSG:32631+5773")
THREE_D = CRS.from_epsg(4979)


def raster(crs, value=100.0, *, holes=False):
    if crs is not None and crs.is_geographic:
        transform = Affine(0.01, 0.0, 3.0, 0.0, -0.01, 44.5)
    else:
        transform = Affine(500.0, 0.0, 500_000.0, 0.0, -500.0, 4_900_000.0)
    array = np.full((40, 50), value, dtype=np.float32)
    if holes:
        array[5:9, 7] = np.nan
    return ArrayRaster(array=array, grid=Grid(crs=crs, transform=transform, shape=array.shape))


def undulation(grid, path):
    """EGM96 by PROJ, grid given by its path, at the centres of the cells."""
    x, y = grid.xy(*grid.window.pixel_centres())
    lon, lat = Transformer.from_crs(
        grid.crs.sub_crs_list[0] if grid.crs.is_compound else grid.crs.to_2d(), 4326, always_xy=True
    ).transform(*np.broadcast_arrays(x, y))
    pipeline = Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad "
        f"+step +proj=vgridshift +grids={path} +multiplier=1 "
        "+step +proj=unitconvert +xy_in=rad +xy_out=deg"
    )
    return pipeline.transform(lon, lat, np.zeros(lon.shape))[2]


@pytest.mark.data
def test_against_proj(data_folder):
    path = data_folder / "geoid/egm96_15.gtx"
    ellipsoidal, orthometric = raster(THREE_D, 500.0), raster(EGM96, 450.0, holes=True)
    n = undulation(orthometric.grid, path)
    assert 45.0 < n.min() < n.max() < 55.0
    up = in_common_datum(ellipsoidal, orthometric)
    # The grid that comes with trueground holds whole millimetres; float32 at 500 m: 3e-5 m.
    np.testing.assert_allclose(up.read(up.grid.window)[0], orthometric.array[0] + n, atol=6e-4)
    down = in_common_datum(orthometric, ellipsoidal)
    n = undulation(ellipsoidal.grid, path)
    np.testing.assert_allclose(down.read(down.grid.window)[0], 500.0 - n, atol=6e-4)


@pytest.mark.data
def test_a_grid_file_is_the_same_as_its_name(data_folder):
    plain = raster(PLAIN)
    file = in_common_datum(
        plain,
        plain,
        reference_heights="ellipsoid",
        moving_heights=data_folder / "geoid/egm96_15.gtx",
    )
    name = in_common_datum(plain, plain, reference_heights="ellipsoid", moving_heights="egm96")
    window = plain.grid.window
    np.testing.assert_allclose(file.read(window), name.read(window), atol=6e-4)  # whole millimetres
    assert float(name.read(window).mean()) == pytest.approx(150.0, abs=5.0)


def test_there_and_back_is_the_identity():
    plain = raster(PLAIN, holes=True)
    up = in_common_datum(plain, plain, reference_heights="ellipsoid", moving_heights="egm96")
    back = in_common_datum(plain, up, reference_heights="egm96", moving_heights="ellipsoid")
    np.testing.assert_allclose(back.read(plain.grid.window), plain.array, atol=2e-5)  # float32
    assert not np.allclose(up.read(plain.grid.window), plain.array, atol=40, equal_nan=True)


def test_windows_and_holes():
    plain = raster(PLAIN, holes=True)
    up = in_common_datum(plain, plain, reference_heights="ellipsoid", moving_heights="egm96")
    whole = up.read(up.grid.window)
    np.testing.assert_array_equal(np.isnan(whole), np.isnan(plain.array))
    for block in up.grid.blocks((7, 13)):
        np.testing.assert_array_equal(
            up.read(block.core), whole[:, *block.core.slices_in(up.grid.window)]
        )
    assert np.isnan(up.read(Window(-3, 0, 2, 2))).all()
    assert (up.count, up.dtype, math.isnan(up.nodata)) == (1, np.float32, True)


@pytest.mark.parametrize(
    ("reference", "moving"),
    [(EGM96, EGM96), (THREE_D, THREE_D), (EGM96, CRS.from_user_input("EPSG:4326+5773"))],
)
def test_equal_datums_change_nothing(reference, moving):
    one = raster(moving)
    assert in_common_datum(raster(reference), one) is one


def test_none_declared_is_taken_as_equal_with_a_warning():
    one = raster(PLAIN)
    with pytest.warns(UndeclaredDatumWarning, match="neither DEM declares"):
        assert in_common_datum(raster(PLAIN), one) is one


def test_one_declared_alone_is_an_error_that_says_what_to_do():
    with pytest.raises(
        DatumError, match=r"the other DEM are above EGM96; say which with --moving-heights"
    ):
        in_common_datum(raster(EGM96), raster(PLAIN))
    with pytest.raises(
        DatumError, match=r"above the WGS 84 ellipsoid; say which with --reference-heights"
    ):
        in_common_datum(raster(PLAIN), raster(THREE_D))


def test_what_is_given_beats_what_is_declared():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = raster(EGM96)
        assert in_common_datum(raster(PLAIN), one, reference_heights="egm96") is one
        other = in_common_datum(raster(EGM96), raster(EGM96), moving_heights="ellipsoid")
        assert isinstance(other, InDatum)
        assert (str(other.before), str(other.after)) == ("the WGS 84 ellipsoid", "EGM96")


def test_the_result_declares_its_new_datum():
    down = in_common_datum(raster(EGM96), raster(THREE_D))
    assert Datum.of_crs(down.grid.crs) == Datum.parse("egm96")
    assert down.grid.crs.sub_crs_list[0].to_epsg() == 4326
    up = in_common_datum(raster(THREE_D), raster(EGM96))
    assert Datum.of_crs(up.grid.crs) == Datum.parse("ellipsoid")  # no longer above EGM96
    assert horizontal(up.grid.crs).to_epsg() == 32631
    assert up.grid.transform == raster(EGM96).grid.transform


@pytest.mark.parametrize("own", [EGM96, CRS.from_user_input("EPSG:4326+5773"), PLAIN])
@pytest.mark.parametrize("heights", ["ellipsoid", "egm96"])
def test_the_label_is_the_datum_used_and_survives_a_file(tmp_path, own, heights):
    reference, moving = raster(EGM96), raster(own)
    other = "egm96" if heights == "ellipsoid" else "ellipsoid"
    found = in_common_datum(reference, moving, reference_heights=heights, moving_heights=other)
    path = write(found, tmp_path / "a.tif")
    opened = Dem.open(path)
    assert opened.datum == Datum.parse(heights)
    assert horizontal(opened.crs).equals(horizontal(own), ignore_axis_order=True)
    # The height above the ellipsoid is the same however it is told.
    surface = opened.surface.read(opened.surface.grid.window)
    if heights == "ellipsoid":
        np.testing.assert_array_equal(surface, found.read(found.grid.window))
        assert float(surface.mean()) == pytest.approx(150.0, abs=5.0)
    else:
        np.testing.assert_allclose(surface, 100.0, atol=2e-5)  # float32


def test_an_ellipsoid_that_is_not_the_system_s_own_is_no_label():
    swiss = raster(CRS.from_user_input("EPSG:2056"))
    grid = replace(swiss.grid, transform=Affine(500.0, 0, 2_600_000.0, 0, -500.0, 1_200_000.0))
    moving = ArrayRaster(array=swiss.array, grid=grid)
    found = in_common_datum(moving, moving, reference_heights="ellipsoid", moving_heights="egm96")
    assert Datum.of_crs(found.grid.crs) is None
    assert float(found.read(found.grid.window).mean()) == pytest.approx(150.0, abs=5.0)


def test_a_file_of_undulations_leaves_no_label_but_is_known(tmp_path):
    grid = Grid(crs=CRS.from_epsg(4326), transform=Affine(1, 0, 0, 0, -1, 50), shape=(10, 10))
    geoid = write(
        ArrayRaster(array=np.full((10, 10), 30, np.float32), grid=grid), tmp_path / "g.tif"
    )
    found = in_common_datum(
        raster(EGM96), raster(EGM96), reference_heights=str(geoid), moving_heights="ellipsoid"
    )
    assert Datum.of_crs(found.grid.crs) is None
    np.testing.assert_allclose(found.read(found.grid.window), 70.0, atol=1e-4)
    said = declaring(raster(EGM96), str(geoid))
    assert Datum.of_crs(said.grid.crs) is None
    assert in_common_datum(said, found) is found  # nothing is converted twice


def test_a_declared_raster_keeps_its_heights():
    one = raster(EGM96, holes=True)
    assert declaring(one, None) is declaring(one, "egm96") is one
    said = declaring(one, "ellipsoid")
    assert Datum.of_crs(said.grid.crs) == Datum.parse("ellipsoid")
    np.testing.assert_array_equal(said.read(said.grid.window), one.array)


def test_one_vertical_crs_without_a_known_grid_on_both_is_no_obstacle():
    one = raster(CRS.from_user_input("EPSG:32631+5703"))  # NAVD88
    assert in_common_datum(one, one) is one
    with pytest.raises(DatumError, match="NAVD88"):
        in_common_datum(one, raster(EGM96))


def test_the_datum_of_a_grid():
    egm96, three_d, plain = raster(EGM96), raster(THREE_D), raster(PLAIN)
    assert in_datum_of(plain.grid, egm96) is egm96
    assert in_datum_of(egm96.grid, plain) is plain
    other = raster(CRS.from_user_input("EPSG:32631+5703"))  # NAVD88, without a grid
    assert in_datum_of(plain.grid, other) is other
    assert in_datum_of(other.grid, plain) is plain
    with pytest.raises(DatumError, match="NAVD88"):
        in_datum_of(other.grid, egm96)
    down = in_datum_of(egm96.grid, three_d)
    assert Datum.of_crs(down.grid.crs) == Datum.parse("egm96")
    assert float(down.read(down.grid.window).mean()) == pytest.approx(50.0, abs=5.0)


def test_several_bands_are_not_heights():
    two = ArrayRaster(array=np.zeros((2, 40, 50), np.float32), grid=raster(THREE_D).grid)
    with pytest.raises(InputError, match="2 bands"):
        in_common_datum(raster(EGM96), two)


def test_without_crs():
    bare = raster(None)
    with pytest.raises(DatumError, match="gdal_edit"):
        in_common_datum(raster(THREE_D), bare, moving_heights="egm96")
    found = in_common_datum(bare, raster(EGM96), reference_heights="ellipsoid")
    assert float(found.read(found.grid.window).mean()) == pytest.approx(150.0, abs=5.0)
