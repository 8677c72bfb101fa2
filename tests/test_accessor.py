"""`da.tg`: lazy, in its place, with its names; the same numbers as without xarray."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS

import trueground.accessor
from known_terrain import dem, grid
from trueground import Alignment, Blockwise, NuthKaab, open_raster, read_result, to_xarray
from trueground.errors import DatumError, InputError
from trueground.raster import ArrayRaster
from trueground.terrain import Slope

SHIFT = (13.0, -7.0, 1.5)


def array(shift=(0.0, 0.0, 0.0), **settings) -> xr.DataArray:
    lazily = to_xarray(dem(grid((200, 220)), shift, **settings), chunks=64).isel(band=0, drop=True)
    return lazily.rename("heights").assign_attrs(units="m", source="a test")


def test_an_aligned_dem_is_lazy_and_says_how():
    reference, moving = array(), array(SHIFT)
    aligned = moving.tg.align_to(reference)
    assert aligned.chunks is not None
    assert aligned.name == "heights"
    assert aligned.attrs["source"] == "a test"
    assert aligned.dims == ("y", "x")
    found = read_result(aligned.attrs["trueground_alignment"])
    assert found.shift_x == pytest.approx(SHIFT[0], abs=0.02)
    plain = NuthKaab().fit(dem(grid((200, 220))), dem(grid((200, 220)), SHIFT))
    assert found.shift_x == pytest.approx(plain.shift_x, abs=1e-9)
    np.testing.assert_array_equal(
        aligned.values, plain.apply(dem(grid((200, 220)), SHIFT)).read(grid((200, 220)).window)[0]
    )
    assert open_raster(aligned).grid == grid((200, 220))


@pytest.mark.parametrize(
    "method", ["vertical-shift + deramp", Blockwise(NuthKaab(), block_size=100)]
)
def test_any_method_by_name_or_itself(method):
    aligned = array(SHIFT).tg.align_to(array(), method)
    assert float(abs(aligned - array()).compute().median()) < 5.0
    with pytest.raises(InputError, match="nuth"):
        array(SHIFT).tg.fit(array(), "nuth-kab")


def test_masks_count():
    reference, moving = array(), array(SHIFT)
    spoilt = moving.compute()
    spoilt[:100] += 30.0
    valid = xr.ones_like(reference.compute()).astype(np.uint8)
    valid[:100] = 0
    found = spoilt.tg.fit(reference, valid=valid)
    assert found.shift_z == pytest.approx(SHIFT[2], abs=0.05)


def test_terrain():
    own = array()
    slope = own.tg.slope()
    expected = Slope(dem(grid((200, 220)))).read(grid((200, 220)).window)[0]
    np.testing.assert_array_equal(slope.values, expected)
    assert (slope.name, slope.attrs["units"]) == ("slope", "degree")
    assert "source" not in slope.attrs
    shade = own.tg.hillshade(azimuth=90.0)
    assert 0.0 <= float(shade.min()) < float(shade.max()) <= 1.0
    assert own.tg.curvature().chunks is not None


def test_datums_are_stated():
    own = array()
    with pytest.raises(DatumError, match="heights="):
        own.tg.to_datum("ellipsoid")
    above = own.tg.to_datum("ellipsoid", heights="egm96")
    assert 20.0 < float((above - own).mean()) < 60.0
    assert CRS.from_wkt(above.spatial_ref.attrs["crs_wkt"]).is_vertical or "Ellipsoid" in str(
        above.spatial_ref.attrs
    )
    back = above.tg.to_datum("egm96")
    np.testing.assert_allclose(back.values, own.values, atol=1e-3)


def test_names_and_bands_are_kept():
    lonlat = grid(
        (40, 50),
        crs=CRS.from_epsg(4326),
        transform=grid().transform.__class__(1e-3, 0, 7.0, 0, -1e-3, 46.0),
    )
    values = np.random.default_rng(0).random((2, 40, 50)).astype(np.float32)
    two = to_xarray(ArrayRaster(array=values, grid=lonlat)).rename({"y": "lat", "x": "lon"})
    out = two.tg.to_grid_of(two.isel(band=0, drop=True))
    assert out.dims == ("band", "lat", "lon")
    np.testing.assert_array_equal(out.values, values)
    assert trueground.accessor.TruegroundAccessor(two).raster.count == 2


def test_coordinates_of_other_axes_are_kept():
    """Also where bands come last, and have a name of their own."""
    day = np.datetime64("2020-07-01")
    own = array().assign_coords(time=day, band=3)
    for out in (
        own.tg.slope(),
        own.tg.align_to(own),
        own.tg.to_datum("ellipsoid", heights="egm96"),
    ):
        assert out.time.values == day
        assert out.band.item() == 3
        assert out.dims == ("y", "x")
    days = np.array(["2020-07-01", "2021-07-01"], dtype="datetime64[ns]")
    both = xr.concat([array(), array()], dim=xr.IndexVariable("time", days))
    out = both.transpose("y", "x", "time").tg.to_grid_of(array())
    assert out.dims == ("time", "y", "x")
    np.testing.assert_array_equal(out.time, days)
    np.testing.assert_array_equal(out.values, both.values)


def test_nothing_is_computed_before_it_is_asked_for():
    import dask.array as da

    def dear(*_, **__):
        raise AssertionError("it was computed")

    own = array()
    lazy = da.zeros(own.shape, chunks=64, dtype=np.float32)
    lazy = own.copy(data=lazy.map_blocks(dear, dtype=np.float32, meta=np.zeros((0, 0), np.float32)))
    made = [
        lazy.tg.slope(), lazy.tg.hillshade(), lazy.tg.curvature(), lazy.tg.to_grid_of(own),
        lazy.tg.to_datum("ellipsoid", heights="egm96"), lazy.tg.apply(Alignment.of_shift(1.0, 2.0, 3.0)),
    ]  # fmt: skip
    assert all(m.chunks is not None for m in made)
    assert all(open_raster(m).grid.crs is not None for m in made)
    with pytest.raises(AssertionError, match="it was computed"):
        made[0].compute()
