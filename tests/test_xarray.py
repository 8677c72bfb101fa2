"""To xarray and back: lazy, exact, by rioxarray's conventions."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from pyproj import CRS

from grids import coordinate_coded, turned
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.lazy_array import to_xarray
from trueground.raster import ArrayRaster, as_float, open_raster


class Lazy:
    """A raster that counts what is asked of it."""

    def __init__(self, grid):
        self.source = coordinate_coded(grid)
        self.grid, self.count, self.dtype = grid, 2, np.dtype(np.float32)
        self.nodata = float("nan")
        self.asked = []

    def read(self, window):
        self.asked.append(window)
        return self.source.read(window)


@pytest.mark.parametrize("chunks", [1024, 37, (100, 7), (1, 120)])
def test_round_trip_is_exact(utm_grid, chunks):
    raster = coordinate_coded(utm_grid)
    array = to_xarray(raster, chunks=chunks)
    assert array.dims == ("band", "y", "x")
    back = open_raster(array)
    assert back.grid == utm_grid
    assert back.count == 2
    np.testing.assert_array_equal(back.read(utm_grid.window), raster.read(utm_grid.window))
    window = Window(-5, 100, 30, 50)
    np.testing.assert_array_equal(back.read(window), raster.read(window))
    numpy_backed = open_raster(array.compute())
    np.testing.assert_array_equal(numpy_backed.read(window), raster.read(window))


def test_nothing_is_read_before_it_is_asked_for(utm_grid):
    raster = Lazy(utm_grid)
    array = to_xarray(raster, chunks=50)
    assert raster.asked == []
    array[0, 10, 10].compute()
    assert raster.asked == [Window(0, 0, 50, 50)]
    raster.asked.clear()
    open_raster(array).read(Window(60, 60, 5, 5))
    assert raster.asked == [Window(50, 50, 50, 50)]


def test_two_rasters_are_not_taken_for_one(utm_grid):
    """dask names its tasks; equal names would share results."""
    zero = ArrayRaster(array=np.zeros(utm_grid.shape), grid=utm_grid)
    one = ArrayRaster(array=np.ones(utm_grid.shape), grid=utm_grid)
    total = (to_xarray(one) - to_xarray(zero)).sum().compute()
    assert total == utm_grid.window.size


def test_result_is_picklable_for_a_cluster(utm_grid):
    from distributed.protocol import deserialize, serialize

    array = to_xarray(coordinate_coded(utm_grid), chunks=50)
    again = deserialize(*serialize(array.data))
    np.testing.assert_array_equal(again.compute(scheduler="sync"), array.values)
    raster = open_raster(array.compute())
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(raster)).read(utm_grid.window), array)


def test_rioxarrays_conventions(utm_grid):
    array = to_xarray(coordinate_coded(utm_grid))
    assert CRS.from_wkt(array.spatial_ref.attrs["crs_wkt"]) == utm_grid.crs
    words = [float(w) for w in array.spatial_ref.attrs["GeoTransform"].split()]
    assert words == [683_217.5, 10.0, 0.0, 4_899_876.25, 0.0, -10.0]
    assert float(array.x[0]) == 683_222.5
    assert float(array.y[0]) == 4_899_871.25
    assert np.isnan(array.attrs["_FillValue"])
    assert list(array.band) == [1, 2]


def test_rotated_grid_goes_by_its_geotransform():
    grid = Grid(
        crs=CRS.from_epsg(32631), transform=turned((5e5, 5e6), 20.0, (10, -10)), shape=(4, 5)
    )
    array = to_xarray(coordinate_coded(grid))
    assert "x" not in array.coords
    assert open_raster(array).grid == grid


def test_a_slice_is_placed_by_its_coordinates(utm_grid):
    """The GeoTransform that a slice carries along is that of the whole."""
    array = to_xarray(coordinate_coded(utm_grid)).compute()
    for rows, cols in ((slice(10, 30), slice(5, 9)), (slice(7, 8), slice(11, 12))):
        part = open_raster(array[:, rows, cols])
        window = Window(rows.start, cols.start, rows.stop - rows.start, cols.stop - cols.start)
        expected = utm_grid.crop(window)
        assert part.grid.shape == expected.shape
        np.testing.assert_allclose(part.grid.bounds, expected.bounds, atol=1e-6)
        np.testing.assert_array_equal(
            part.read(part.grid.window)[0, :, 0], window.pixel_centres()[0][:, 0]
        )


def _lonlat(**changes):
    defaults = {
        "data": np.arange(12.0).reshape(3, 4),
        "dims": ("lat", "lon"),
        "coords": {"lat": [44.9, 44.7, 44.5], "lon": [5.1, 5.3, 5.5, 5.7]},
    }
    return xr.DataArray(**{**defaults, **changes})


def test_plain_coordinates_any_order_of_axes_and_direction():
    raster = open_raster(_lonlat())
    np.testing.assert_allclose(raster.grid.bounds, (5.0, 44.4, 5.8, 45.0))
    turned_over = open_raster(_lonlat().T[:, ::-1])
    assert turned_over.grid.transform.e == pytest.approx(0.2)
    np.testing.assert_array_equal(
        turned_over.read(Window(0, 0, 1, 4))[0, 0], [8.0, 9.0, 10.0, 11.0]
    )


def test_float32_longitudes_of_a_fine_grid_are_regular():
    lon = (179.0 + np.arange(1000) / 1200.0).astype(np.float32)
    raster = open_raster(
        _lonlat(data=np.zeros((3, 1000)), coords={"lat": [1.0, 0.9, 0.8], "lon": lon})
    )
    assert raster.grid.transform.a == pytest.approx(1 / 1200.0, rel=1e-4)


def test_nodata_and_crs_from_attributes():
    attrs = {"_FillValue": -1, "crs": "EPSG:4326"}
    raster = open_raster(_lonlat(data=np.full((3, 4), -1, dtype=np.int16), attrs=attrs))
    assert (raster.nodata, raster.grid.crs) == (-1.0, CRS.from_epsg(4326))
    raster = open_raster(_lonlat(data=np.full((3, 4), -1, dtype=">f4"), attrs=attrs))
    assert raster.dtype == np.float32
    assert np.isnan(raster.read(raster.grid.window)).all()


@pytest.mark.parametrize("dtype", ["int16", "float32", ">f4"])
def test_scale_and_offset_are_applied_by_as_float_as_for_files(dtype):
    attrs = {"scale_factor": 0.1, "add_offset": 5.0, "_FillValue": -1}
    raster = open_raster(
        _lonlat(data=np.array([[-1, 100, 200, 300]] * 3, dtype=dtype), attrs=attrs)
    )
    assert raster.read(Window(0, 1, 1, 1))[0, 0, 0] == 100
    floats = as_float(raster)
    assert (floats.dtype, as_float(floats)) == (np.float32, floats)
    assert np.isnan(floats.nodata)
    found = floats.read(Window(0, -1, 1, 5))[0, 0]
    np.testing.assert_allclose(found, [np.nan, np.nan, 15.0, 25.0, 35.0], rtol=1e-6)


def test_nodata_of_the_encoding():
    for dtype in (np.int16, np.float32):
        array = _lonlat(data=np.array([[-1, 1, 2, 3]] * 3, dtype=dtype))
        array.encoding["_FillValue"] = -1
        found = as_float(open_raster(array)).read(Window(0, 0, 1, 4))[0, 0]
        np.testing.assert_array_equal(found, [np.nan, 1.0, 2.0, 3.0])
        array.encoding["scale_factor"] = 0.5  # decoded: the fill value is that of the raw numbers
        found = as_float(open_raster(array)).read(Window(0, 0, 1, 4))[0, 0]
        np.testing.assert_array_equal(found, [-1.0, 1.0, 2.0, 3.0])


def test_nodata_that_the_type_cannot_hold_is_none():
    array = _lonlat(data=np.zeros((3, 4), dtype=np.int16), attrs={"_FillValue": np.nan})
    raster = open_raster(array)
    assert raster.nodata is None
    assert not as_float(raster).read(raster.grid.window).any()


def test_grid_mapping_may_have_any_name():
    array = _lonlat().assign_coords(
        utm=xr.DataArray(0, attrs={"crs_wkt": CRS.from_epsg(4258).to_wkt()})
    )
    array.encoding["grid_mapping"] = "utm"
    assert open_raster(array).grid.crs == CRS.from_epsg(4258)


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (_lonlat(dims=("a", "b"), coords={}), "dimensions"),
        (_lonlat(coords={}), "place is unknown"),
        (_lonlat(coords={"lat": [1.0, 2.0, 4.0], "lon": [1, 2, 3, 4]}), "not evenly spaced"),
        (_lonlat(coords={"lat": [1.0, 1.0, 1.0], "lon": [1, 2, 3, 4]}), "not evenly spaced"),
        (_lonlat(coords={"lat": [1.0, np.nan, 3.0], "lon": [1, 2, 3, 4]}), "not evenly spaced"),
        (_lonlat(attrs={"crs": "nonsense"}), "nonsense"),
        (xr.DataArray(np.zeros((2, 2, 2, 2)), dims=("t", "band", "y", "x")), "dimensions"),
    ],
)
def test_arrays_without_a_place_are_refused(array, match):
    with pytest.raises(InputError, match=match):
        open_raster(array)


def test_integers_keep_the_type_of_their_fill_value(utm_grid):
    raster = ArrayRaster(array=np.zeros(utm_grid.shape, dtype=np.uint8), grid=utm_grid, nodata=255)
    array = to_xarray(raster)
    assert array.attrs["_FillValue"].dtype == np.uint8
    assert open_raster(array).nodata == 255.0


def test_affine_of_one_pixel():
    grid = Grid(crs=None, transform=Affine(2.0, 0, 10.0, 0, -3.0, 20.0), shape=(1, 1))
    assert open_raster(to_xarray(ArrayRaster(array=np.ones((1, 1)), grid=grid))).grid == grid
