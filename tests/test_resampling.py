"""Resampling of images: as GDAL's where it should be, in bounded windows, without aliasing."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import rasterio.warp
from affine import Affine
from rasterio.enums import Resampling

from trueground import sampling
from trueground.cli import options
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster
from trueground.sampling import IMAGE, ImageResampling, sample_image, scale_at
from trueground.warp import Resampled

GDAL = {name: Resampling[name.replace("-", "_")] for name in IMAGE}
WEIGHTED = [name for name in IMAGE if name not in ("nearest", "mode")]
STRETCHED = [name for name in WEIGHTED if name != "average"]


def plain(array, nodata=None):
    grid = Grid(crs=None, transform=Affine(1, 0, 0, 0, 1, 0), shape=array.shape[-2:])
    return ArrayRaster(array=array, grid=grid, nodata=nodata)


def on(transform, shape):
    return Grid(crs=None, transform=transform, shape=shape)


def gdal(array, grid, *, name, scale):
    out = np.zeros(grid.shape, dtype=array.dtype)
    rasterio.warp.reproject(
        array, out, src_transform=Affine.identity(), src_crs="EPSG:32631", src_nodata=None,
        dst_transform=grid.transform, dst_crs="EPSG:32631", resampling=GDAL[name], tolerance=0.0,
        XSCALE=1.0 / scale, YSCALE=1.0 / scale,
    )  # fmt: skip
    return out


class Counting:
    """A raster that remembers the windows that were read."""

    def __init__(self, source):
        self.source, self.sizes = source, []
        self.grid, self.count, self.dtype = source.grid, source.count, source.dtype
        self.nodata = source.nodata

    def read(self, window):
        self.sizes.append(window.size)
        return self.source.read(window)


# Against GDAL ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "scale"),
    [(n, s) for n in STRETCHED for s in (0.7, 1.0, 2.0, 5.0)]
    + [(n, s) for n in ("average", "mode") for s in (1.0, 2.0, 5.0)],
)
def test_equals_gdal(name, scale):
    """On a shifted and scaled grid, away from the edge, with no holes."""
    rng = np.random.default_rng(0)
    top = 4 if name == "mode" else 250
    array = rng.integers(1, top, (240, 260)).astype(np.uint8 if name == "mode" else np.float32)
    begin = 30.0 if name in ("average", "mode") else 30.3  # GDAL's boxes are of whole pixels
    shape = int(180 / scale), int(200 / scale)
    grid = on(Affine(scale, 0, begin, 0, scale, begin + (begin % 1.0)), shape)
    found = Resampled(source=two_bands(array), grid=grid, resampling=name).read(grid.window)[0]
    expected = gdal(array, grid, name=name, scale=scale)
    if name == "mode":  # of values that are there equally often either may be taken
        assert (found == expected).mean() > (0.6 if scale == 2.0 else 0.9)
        blocks = array[30 : 30 + 180, 30 : 30 + 200].reshape(shape[0], int(scale), shape[1], -1)
        counts = np.stack([(blocks == v).sum(axis=(1, 3)) for v in range(1, 4)])
        clear = np.sort(counts, axis=0)[-1] > np.sort(counts, axis=0)[-2]
        np.testing.assert_array_equal(found[clear], expected[clear])
    else:
        # GDAL weighs in float32 in places.
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4 * top / 250)


def two_bands(array):
    """As several bands, so that real numbers are taken as an image rather than a surface."""
    return plain(np.stack([array, array]))


# What a scale is ------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", [0.0, 30.0, 45.0, 90.0])
def test_scale_of_a_turned_grid_is_that_of_its_pixels(turn):
    transform = Affine.rotation(turn) @ Affine.scale(3.0, 3.0)
    assert scale_at(lambda x, y: (y, x), transform, (50.0, 70.0)) == (3.0, 3.0)
    both = Affine.scale(3.0, 0.5)
    assert scale_at(lambda x, y: (y, x), both, (5.0, 7.0)) == (0.5, 3.0)


def test_scale_where_there_is_no_image_is_one():
    nowhere = np.full(4, np.nan)
    assert scale_at(lambda x, y: (nowhere, nowhere), Affine.identity(), (0.0, 0.0)) == (1.0, 1.0)


@pytest.mark.parametrize("scale", [(0.0, 1.0), (1.0, math.nan), (-2.0, 1.0), (math.inf, 1.0)])
def test_impossible_scales_are_refused(scale):
    with pytest.raises(InputError, match="above 0"):
        sample_image(plain(np.ones((5, 5))), np.ones(1), np.ones(1), fill=0, scale=scale)


def test_nearly_the_image_s_own_resolution_is_not_stretched():
    rng = np.random.default_rng(1)
    raster = plain(rng.integers(0, 255, (40, 40)).astype(np.uint8))
    row, col = rng.uniform(0, 40, 500), rng.uniform(0, 40, 500)
    for name in STRETCHED:
        own = sample_image(raster, row, col, fill=0, resampling=name)
        near = sample_image(raster, row, col, fill=0, resampling=name, scale=(1.15, 0.4))
        np.testing.assert_array_equal(own, near)
        coarse = {"fill": 0, "resampling": name, "scale": (3.0, 3.0)}
        off = sample_image(raster, row, col, antialias=False, **coarse)
        np.testing.assert_array_equal(own, off)
        assert (sample_image(raster, row, col, **coarse) != own).mean() > 0.5


# Holes, types, names --------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 3.0])
@pytest.mark.parametrize("name", IMAGE)
def test_footprint_is_that_of_nearest(name, scale):
    rng = np.random.default_rng(2)
    array = rng.integers(50, 200, (3, 30, 40)).astype(np.uint8)
    array[:, 5:15, 6:22] = 0
    array[1][rng.random((30, 40)) < 0.3] = 0
    raster = plain(array, nodata=0)
    row, col = rng.uniform(-2, 32, 3000), rng.uniform(-2, 42, 3000)
    near = sample_image(raster, row, col, fill=0, resampling="nearest")
    found = sample_image(raster, row, col, fill=0, resampling=name, scale=(scale, scale))
    np.testing.assert_array_equal(near == 0, found == 0)
    if name in ("bilinear", "cubic-spline", "average", "mode"):
        assert found[found > 0].min() >= 50


@pytest.mark.parametrize("name", IMAGE)
def test_another_fill_replaces_nodata_and_valid_ones_are_moved(name):
    raster = plain(np.array([[255, 9], [9, 0]], dtype=np.uint8), nodata=255)
    at = np.array([0.5, 1.5, 5.0])
    found = sample_image(raster, at, at, fill=0, resampling=name)[0]
    assert found[0] == found[2] == 0
    assert found[1] > 0


@pytest.mark.parametrize("name", WEIGHTED)
def test_real_numbers_keep_nan(name):
    array = np.full((12, 12), 2.0, dtype=np.float32)
    array[4:6, 4:6] = np.nan
    at = np.arange(12) + 0.5
    found = sample_image(plain(array), at, at, fill=math.nan, resampling=name)[0]
    np.testing.assert_array_equal(found, np.diag(array))


@pytest.mark.parametrize("name", IMAGE)
def test_complex_images_are_refused(name):
    with pytest.raises(InputError, match="complex64: must hold integers or real numbers; take its"):
        sample_image(
            plain(np.ones((5, 5), dtype=np.complex64)), np.ones(1), np.ones(1), fill=0, resampling=name
        )  # fmt: skip


def test_names_are_the_same_everywhere():
    assert get_args(options.ImageResampling) == get_args(ImageResampling) == IMAGE


# Windows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 2.7, 6.0])
@pytest.mark.parametrize("name", IMAGE)
def test_windows_of_a_warped_image_do_not_matter(name, scale):
    rng = np.random.default_rng(3)
    array = rng.integers(0, 20, (200, 230)).astype(np.uint8)
    turned = Affine.translation(40.2, 10.9) @ Affine.rotation(20.0) @ Affine.scale(scale, scale)
    grid = on(turned, (int(200 / scale), int(190 / scale)))
    made = Resampled(source=plain(array, nodata=0), grid=grid, resampling=name)
    whole = made.read(grid.window)
    assert 0.3 < (whole != 0).mean() < 1.0
    for block in grid.blocks((17, 13)):
        np.testing.assert_array_equal(
            made.read(block.core), whole[:, *block.core.slices_in(grid.window)]
        )


@pytest.mark.parametrize("name", IMAGE)
def test_scattered_points_read_bounded_windows(name, monkeypatch):
    array = np.random.default_rng(4).integers(1, 9, (200, 300)).astype(np.uint8)
    rng = np.random.default_rng(5)
    row, col = rng.uniform(-5, 205, 2000), rng.uniform(-5, 305, 2000)
    settings = {"fill": 0, "resampling": name, "scale": (3.0, 3.0)}
    whole = sample_image(plain(array), row, col, **settings)
    monkeypatch.setattr(sampling, "_LARGEST_WINDOW", 1000)
    monkeypatch.setattr(sampling, "_TILE", 16)
    counting = Counting(plain(array))
    np.testing.assert_array_equal(sample_image(counting, row, col, **settings), whole)
    assert max(counting.sizes) <= (16 + 2 * (9 + 2) + 2) ** 2


# Aliasing -------------------------------------------------------------------------------------


def zone_plate(size):
    """Rings, finer outwards: at half the size from the middle half a cycle a pixel."""
    r, c = np.mgrid[0:size, 0:size] + 0.5 - size / 2.0
    return 128.0 + 100.0 * np.cos(math.pi * (r**2 + c**2) / (2.0 * size)), np.hypot(r, c) / (
        2.0 * size
    )


@pytest.mark.parametrize("name", [*STRETCHED, "average"])
def test_what_would_alias_is_taken_away(name):
    """Reduced by 5: rings beyond 0.1 cycles a pixel of the image are more than the output can show."""
    size, scale = 1000, 5.0
    plate, frequency = zone_plate(size)
    raster = two_bands(plate.astype(np.float32))
    grid = on(Affine.scale(scale), (200, 200))
    low = frequency.reshape(200, 5, 200, 5).mean(axis=(1, 3))
    beyond = low > (0.2 if name in ("bilinear", "cubic", "lanczos") else 0.16)
    shown = low < 0.03
    power = {}
    for antialias in (True, False):
        made = Resampled(source=raster, grid=grid, resampling=name, antialias=antialias)
        values = made.read(Window(0, 0, 200, 200))[0] - 128.0
        power[antialias] = np.mean(values[beyond] ** 2), np.mean(values[shown] ** 2)
    if name == "average":  # a box lets its side lobes through, and takes the footprint in any case
        assert power[True] == power[False]
        assert power[True][0] < 0.05 * 5000.0
        return
    assert power[False][0] > (500.0 if name == "cubic-spline" else 2000.0)
    assert power[True][0] < 0.01 * power[False][0]  # -20 dB
    assert power[True][1] > 0.4 * 5000.0  # and what can be shown is
