"""Rasters of arrays and files: nodata, masks, scales, types, threads, damaged files."""

from __future__ import annotations

import pickle
import threading
import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from trueground.errors import InputError
from trueground.file_raster import is_local, open_dataset
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster, Raster, as_float, open_raster

AROUND = Window(-2, -3, 9, 11)  # hangs over each edge of the small rasters below


def _everything(raster):
    return raster.read(raster.grid.window)


@given(st.integers(-9, 15), st.integers(-9, 15), st.integers(0, 30), st.integers(0, 30))
def test_a_window_of_an_array_is_a_slice_with_nothing_around(row, col, height, width):
    array = np.arange(2 * 8 * 10, dtype=np.float32).reshape(2, 8, 10)
    grid = Grid(crs=None, transform=Affine(1, 0, 0, 0, -1, 0), shape=(8, 10))
    padded = np.full((2, 100, 100), np.nan, dtype=np.float32)
    padded[:, 30:38, 30:40] = array
    found = ArrayRaster(array=array, grid=grid).read(Window(row, col, height, width))
    expected = padded[:, 30 + row : 30 + row + height, 30 + col : 30 + col + width]
    np.testing.assert_array_equal(found, expected)


def test_reading_gives_a_copy(utm_grid):
    raster = ArrayRaster(array=np.zeros(utm_grid.shape), grid=utm_grid)
    raster.read(utm_grid.window)[...] = 7.0
    assert not raster.array.any()


def test_nodata_of_real_numbers_reads_and_shows_as_nan(utm_grid, write_tif):
    array = np.ones(utm_grid.shape, dtype=np.float32)
    array[3, 4] = -9999.0
    for raster in (
        ArrayRaster(array=array, grid=utm_grid, nodata=-9999.0),
        open_raster(write_tif(array, nodata=-9999.0)),
    ):
        assert np.isnan(raster.nodata)
        found = _everything(raster)
        assert np.isnan(found[0, 3, 4])
        assert np.isnan(found).sum() == 1
        assert isinstance(raster, Raster)


def test_integers_keep_their_nodata(write_tif):
    array = np.array([[1, 2], [255, 4]], dtype=np.uint8)
    raster = open_raster(write_tif(array, nodata=255))
    assert (raster.nodata, raster.dtype) == (255.0, np.uint8)
    found = raster.read(Window(-1, -1, 4, 4))[0]
    np.testing.assert_array_equal(found[1:3, 1:3], array)
    assert (found[0] == 255).all()
    np.testing.assert_array_equal(
        _everything(as_float(raster))[0], np.array([[1, 2], [np.nan, 4]], dtype=np.float32)
    )


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float64"])
def test_as_float_of_a_file_and_of_an_array_agree(dtype, write_tif):
    array = np.arange(35).reshape(5, 7).astype(dtype)
    path = write_tif(array, nodata=7)
    grid = open_raster(path).grid
    file = as_float(open_raster(path))
    memory = as_float(ArrayRaster(array=array, grid=grid, nodata=7))
    for raster in (file, memory):
        assert raster.dtype == np.float32
        assert np.isnan(raster.nodata)
        assert as_float(raster) is raster
    found = file.read(AROUND)
    np.testing.assert_array_equal(found, memory.read(AROUND))
    assert np.isnan(found).sum() == AROUND.size - 34
    assert found[0, 2, 3] == 0.0


def test_integers_without_nodata_are_nan_outside_alone(utm_grid):
    raster = as_float(ArrayRaster(array=np.zeros(utm_grid.shape, dtype=np.int16), grid=utm_grid))
    found = raster.read(utm_grid.window.pad(1))[0]
    assert np.isnan(found).sum() == found.size - utm_grid.window.size


def test_scale_and_offset_are_applied_by_as_float(write_tif):
    path = write_tif(np.array([[100, 200], [0, 300]], dtype=np.int16), nodata=0)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.1,), (5.0,)
    found = _everything(as_float(open_raster(path)))[0]
    np.testing.assert_allclose(found, [[15.0, 25.0], [np.nan, 35.0]], rtol=1e-6)
    assert _everything(open_raster(path))[0, 0, 0] == 100


def test_mask_band_makes_holes_with_and_without_nodata(tmp_path):
    for nodata in (None, -5.0):
        path = tmp_path / f"mask {nodata}.tif"
        profile = {"driver": "GTiff", "count": 1, "height": 2, "width": 3, "dtype": "float32"}
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(path, "w", **profile, nodata=nodata, transform=Affine(2, 0, 0, 0, -2, 0))
            as dataset,
        ):  # fmt: skip
            dataset.write(np.array([[[1, 2, 3], [4, -5, 6]]], dtype=np.float32))
            dataset.write_mask(np.array([[0, 255, 255], [255, 255, 255]], dtype=np.uint8))
        expected = [[np.nan, 2, 3], [4, -5.0 if nodata is None else np.nan, 6]]
        for raster in (open_raster(path), as_float(open_raster(path))):
            np.testing.assert_array_equal(_everything(raster)[0], expected)


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [("int16", np.nan), ("uint8", 1.5), ("uint8", -1.0), ("uint8", 256.0), ("int16", np.inf)],
)
def test_nodata_that_the_type_cannot_hold_is_none(dtype, nodata, write_tif, tmp_path):
    """A cast would make a valid value of it: 0 of NaN, 1 of 1.5."""
    array = np.arange(-1, 5).astype(dtype).reshape(2, 3)
    path = write_tif(array)
    vrt = tmp_path / "odd.vrt"
    kind = {"int16": "Int16", "uint8": "Byte"}[dtype]
    vrt.write_text(
        '<VRTDataset rasterXSize="3" rasterYSize="2"><GeoTransform>0,1,0,9,0,-1</GeoTransform>'
        f'<VRTRasterBand dataType="{kind}" band="1"><NoDataValue>{nodata}</NoDataValue>'
        f"<SimpleSource><SourceFilename>{path}</SourceFilename><SourceBand>1</SourceBand>"
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    file = open_raster(vrt)
    memory = ArrayRaster(array=array, grid=file.grid, nodata=nodata)
    for raster in (file, memory):
        np.testing.assert_array_equal(_everything(as_float(raster))[0], array.astype(np.float32))
    assert memory.nodata is None


def test_nodata_is_met_as_the_nearest_of_its_type(write_tif):
    array = np.array([[0.1, 1.0, -np.inf]], dtype=np.float32)
    grid = open_raster(write_tif(array)).grid
    for nodata, holes in ((0.1, 1), (-1e300, 0)):
        found = _everything(ArrayRaster(array=array, grid=grid, nodata=nodata))
        assert np.isnan(found).sum() == holes


def test_extreme_nodata_of_doubles_makes_no_warning(write_tif):
    lowest = np.finfo(np.float64).min
    raster = as_float(open_raster(write_tif(np.array([[lowest, 1.0]]), nodata=lowest)))
    np.testing.assert_array_equal(_everything(raster)[0], [[np.nan, 1.0]])


def test_vrt_with_bands_of_several_types_and_nodata(write_tif, tmp_path):
    write_tif(np.array([[1, 2]], dtype=np.uint8), "a.tif")
    write_tif(np.array([[-5.0, 2.5]], dtype=np.float32), "b.tif", nodata=-5.0)

    def band(number, kind, name, extra=""):
        return (
            f'<VRTRasterBand dataType="{kind}" band="{number}">{extra}<SimpleSource>'
            f'<SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>1</SourceBand>'
            "</SimpleSource></VRTRasterBand>"
        )

    path = tmp_path / "two.vrt"
    path.write_text(
        '<VRTDataset rasterXSize="2" rasterYSize="1"><GeoTransform>0,1,0,9,0,-1</GeoTransform>'
        + band(1, "Byte", "a.tif")
        + band(2, "Float32", "b.tif", "<NoDataValue>-5</NoDataValue>")
        + "</VRTDataset>"
    )
    raster = open_raster(path)
    assert (raster.count, raster.dtype) == (2, np.float32)
    np.testing.assert_array_equal(_everything(raster), [[[1, 2]], [[np.nan, 2.5]]])
    in_place = open_raster(path.read_text().replace('relativeToVRT="1">', f">{tmp_path}/"))
    np.testing.assert_array_equal(_everything(in_place), _everything(raster))


def test_crs_with_heights_survives_the_file(write_tif):
    for crs, axes in (("EPSG:4326+5773", 3), ("EPSG:4979", 3), ("EPSG:32631", 2)):
        raster = open_raster(write_tif(np.zeros((2, 2), dtype=np.float32), crs=crs))
        assert len(raster.grid.crs.axis_info) == axes


def test_local_and_missing_crs_are_none(write_tif):
    for crs in (None, 'LOCAL_CS["site",UNIT["metre",1]]'):
        assert open_raster(write_tif(np.zeros((2, 2), dtype=np.uint8), crs=crs)).grid.crs is None


def test_tags_and_band_names_come_along(write_tif):
    path = write_tif(np.zeros((2, 2, 2), dtype=np.uint8))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(WHO="me")
        dataset.set_band_description(2, "near infrared")
    raster = open_raster(path)
    assert raster.tags["WHO"] == "me"
    assert raster.descriptions == (None, "near infrared")


def test_rotated_file(write_tif):
    transform = Affine(3.0, 1.0, 100.0, 2.0, -4.0, 200.0)
    assert open_raster(write_tif(np.zeros((2, 2)), transform=transform)).grid.transform == transform


def test_a_file_raster_is_picklable_equal_and_open_once_a_thread(write_tif, monkeypatch):
    path = write_tif(np.arange(20, dtype=np.float32).reshape(4, 5))
    raster = as_float(open_raster(path))
    copy = pickle.loads(pickle.dumps(raster))
    assert copy == raster
    np.testing.assert_array_equal(_everything(copy), _everything(raster))
    handles, opened = set(), []
    real = rasterio.open
    monkeypatch.setattr(rasterio, "open", lambda *a, **k: opened.append(a) or real(*a, **k))
    wait = threading.Barrier(4)

    def work():
        for _ in range(3):
            _everything(raster)
        wait.wait()  # all four are alive: no handle is freed and its id used again
        handles.add(id(raster._dataset()))
        wait.wait()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(handles) == len(opened) == 4


@pytest.mark.parametrize("compress", ["deflate", None])
def test_a_file_cut_short_is_an_error_with_its_name(write_tif, compress):
    noise = np.random.default_rng(0).normal(size=(600, 600)).astype(np.float32)
    path = write_tif(noise, compress=compress)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"raster\.tif") as caught:
        _everything(open_raster(path))
    assert "\n" not in str(caught.value)


def test_unreadable_sources_are_errors(tmp_path, monkeypatch):
    text = tmp_path / "notes.tif"
    text.write_text("not a raster")
    binary = tmp_path / "noise.tif"
    binary.write_bytes(bytes(range(256)) * 40)
    for source, match in (
        (tmp_path / "none.tif", "does not exist"),
        (text, "not a raster that GDAL can read"),
        (binary, "not a raster"),
        (tmp_path, "not a raster"),
        ("/vsizip/none.zip/none.tif", "not a raster"),
        (3.5, "float is not a raster"),
    ):
        with pytest.raises(InputError, match=match) as caught:
            open_raster(source)
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # rasterio's log
def test_xml_of_bytes_that_are_no_text_is_an_error(tmp_path):
    path = tmp_path / "noise.vrt"
    path.write_bytes(b"<VRTDataset \xff\xfe\xe9=\x80\x81></\xff>")
    with pytest.raises(InputError, match=r"noise\.vrt is not a raster"):
        open_raster(path)


def test_opening_in_threads_leaves_the_filters_of_warnings_alone(write_tif):
    """catch_warnings belongs to the process: two threads inside it would leave a filter behind."""
    path = str(write_tif(np.zeros((2, 2), dtype=np.uint8)))
    before = list(warnings.filters)
    for _ in range(20):
        threads = [threading.Thread(target=open_dataset, args=(path,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert warnings.filters == before


def test_array_of_the_wrong_shape_is_an_error(utm_grid):
    for shape in ((3, 3), (100,), (1, 1, 100, 120)):
        with pytest.raises(InputError, match="must be"):
            ArrayRaster(array=np.zeros(shape), grid=utm_grid)


def test_foreign_byte_order_becomes_native(utm_grid):
    raster = ArrayRaster(array=np.ones(utm_grid.shape, dtype=">f4"), grid=utm_grid)
    assert raster.dtype.isnative
    assert _everything(raster).dtype.isnative


@pytest.mark.parametrize(
    ("path", "local"),
    [("a.tif", True), ("/x/y z.tif", True), ("C:\\dem.tif", True), ("/vsicurl/http://a/b", False),
     ("https://a/b.tif", False), ("NETCDF:a.nc:z", False), ("HDF4_SDS:x", False),
     ("<VRTDataset/>", False)],
)  # fmt: skip
def test_what_only_gdal_resolves(path, local):
    assert is_local(path) is local
