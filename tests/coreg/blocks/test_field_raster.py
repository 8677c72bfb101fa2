"""A field as a raster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import rasterio
from affine import Affine
from pyproj import CRS, Transformer

from known_field import truth
from known_terrain import UTM33, grid
from trueground.coreg.blocks.field_raster import BANDS, FieldRaster
from trueground.grid import Grid, Window
from trueground.writer import write

ON = grid((300, 280), 10.0)


@dataclass(frozen=True)
class Known:
    """A field that is known everywhere, with errors that are a hundredth of it."""

    def at(self, x, y):
        return truth("bumps", ON, np.asarray(x), np.asarray(y))

    def errors_at(self, x, y):
        return np.abs(self.at(x, y)) / 100.0


FIELD = FieldRaster(shifts=Known(), crs=UTM33, grid=ON)


def test_six_bands_of_the_field():
    found = FIELD.read(ON.window)
    assert (FIELD.count, found.shape, found.dtype) == (6, (6, 300, 280), np.float32)
    x, y = np.broadcast_arrays(*ON.xy(*ON.window.pixel_centres()))
    np.testing.assert_allclose(found[:3], Known().at(x, y), atol=0.03)  # 3e-3 px
    np.testing.assert_allclose(found[3:], Known().errors_at(x, y), atol=0.03)
    np.testing.assert_allclose(found[2], Known().at(x, y)[2], atol=0.003)


def test_windows_do_not_show():
    whole = FIELD.read(ON.window)
    np.testing.assert_array_equal(FIELD.read(Window(17, 33, 50, 90)), whole[:, 17:67, 33:123])
    assert np.isnan(FIELD.read(Window(-5, 0, 3, 3))).all()


def test_grid_in_degrees_holds_shifts_in_metres():
    degrees = Grid(crs=CRS(4326), transform=Affine(2e-4, 0, 15.01, 0, -1e-4, 72.09), shape=(50, 60))
    found = FieldRaster(shifts=Known(), crs=UTM33, grid=degrees).read(degrees.window)
    lon, lat = degrees.xy(20.5, 30.5)
    place = Transformer.from_crs(4326, UTM33, always_xy=True).transform(lon, lat)
    np.testing.assert_allclose(found[:3, 20, 30], Known().at(*place), atol=0.02)


def test_names_say_what_and_in_which_unit():
    assert BANDS[0] == "shift_x [m]"
    assert BANDS[5] == "sigma_z [m]"


def test_written_with_names(tmp_path):
    path = write(FIELD, tmp_path / "field.tif", descriptions=BANDS)
    with rasterio.open(path) as file:
        assert file.descriptions == BANDS
        np.testing.assert_array_equal(file.read(), FIELD.read(ON.window))
