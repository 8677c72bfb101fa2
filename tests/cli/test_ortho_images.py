"""`trueground ortho` on images of every kind: what they hold, and what they say of it, arrives on the ground."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rio_cogeo import cog_validate

from cli_scene import simple_rpc
from grids import turned as turned_grid
from trueground.cli.main import run as run_here
from trueground.dem import Dem
from trueground.file_raster import dataset_grid
from trueground.grid import Grid
from trueground.ortho import Geometry
from trueground.quiet import quiet

SIZE = 300
BOUNDS = ("400000", "5144800", "400400", "5145200")
PLACE = ("--crs", "EPSG:32632", "--resolution", "2.5", "--bounds", *BOUNDS)
RNG = np.random.default_rng(1)


@dataclass
class Bench:
    """Images on disk, and what becomes of them."""

    scene: Path
    folder: Path

    def image(
        self, array: np.ndarray, prepare: Callable[[Any], None] | None = None, **options: Any
    ) -> Path:
        bands = array if array.ndim == 3 else array[np.newaxis]
        path = self.folder / "image.tif"
        rpc = simple_rpc(SIZE)
        transform = options.get("transform")
        if transform is not None:
            rpc = rpc.cropped(transform.f, transform.c)
        count, height, width = bands.shape
        profile = {
            "count": count,
            "height": height,
            "width": width,
            "dtype": bands.dtype.name,
            **options,
        }
        env = rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True)
        with (
            quiet(rasterio.errors.NotGeoreferencedWarning),
            env,
            rasterio.open(path, "w", "GTiff", **profile) as target,
        ):
            target.update_tags(ns="RPC", **rpc.to_tags())
            if prepare is not None:
                prepare(target)
            target.write(bands)
        return path

    def ortho(
        self, image: Path | str, *more: str, place: tuple[str, ...] = PLACE, code: int = 0
    ) -> Path:
        out = self.folder / "out.tif"
        dem = ("--dem", str(self.scene / "reference.tif"), "--heights", "ellipsoid")
        assert run_here(["-q", "ortho", str(image), *dem, "-o", str(out), *place, *more]) == code
        return out

    def where(
        self, path: Path, *, top: float = 0.0, left: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row and column of the image that each pixel of an output shows, and which lie in it."""
        with rasterio.open(path) as dataset:
            grid = dataset_grid(dataset)
        return self.shown(grid, top=top, left=left)

    def shown(
        self,
        grid: Grid,
        *,
        top: float = 0.0,
        left: float = 0.0,
        shape: tuple[int, int] = (SIZE, SIZE),
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        dem = Dem.open(self.scene / "reference.tif", heights="ellipsoid")
        at = Geometry(grid=grid, rpc=simple_rpc(SIZE), dem=dem).at(grid.window)
        row, col = at.row - top, at.col - left
        inside = (row >= 0) & (row < shape[0]) & (col >= 0) & (col < shape[1])
        clean = np.where(inside, row, 0).astype(int), np.where(inside, col, 0).astype(int)
        return *clean, inside


@pytest.fixture
def bench(scene: Path, tmp_path: Path) -> Bench:
    return Bench(scene, tmp_path)


def noise(dtype: str, bands: int = 1, low: int = 1, high: int = 200) -> np.ndarray:
    return RNG.integers(low, high, (bands, SIZE, SIZE)).astype(dtype)


EXACT = ("--resampling", "nearest", "--occlusion", "ignore")


def test_several_bands_and_all_that_is_said_of_them(bench: Bench) -> None:
    array = noise("uint16", 4)
    names = ("blue", "green", "red", "nir")

    def prepare(target: Any) -> None:
        target.colorinterp = [ColorInterp[n] for n in names]
        target.descriptions = names
        target.scales, target.offsets = (0.1, 0.2, 0.3, 0.4), (1.0, 2.0, 3.0, 4.0)
        target.units = ("W",) * 4
        target.update_tags(2, wavelength="560")
        target.update_tags(TIFFTAG_DATETIME="2020:01:02 03:04:05", NITF_IGEOLO="000", PRODUCT="x")
        target.update_tags(ns="IMAGERY", CLOUDCOVER="3", SATELLITEID="WV02")

    image = bench.image(array, prepare)
    for more in ((), ("--cog",)):
        path = bench.ortho(image, *EXACT, *more)
        row, col, inside = bench.where(path)
        with rasterio.open(path) as made:
            np.testing.assert_array_equal(made.read(), np.where(inside, array[:, row, col], 0))
            assert made.nodata == 0
            assert [c.name for c in made.colorinterp] == list(names)
            assert made.descriptions == names
            assert (made.scales, made.offsets) == ((0.1, 0.2, 0.3, 0.4), (1.0, 2.0, 3.0, 4.0))
            assert made.units == ("W",) * 4
            # GDAL's COG has either the tags of the bands or those of domains
            wavelength = made.tags()["BAND_2_wavelength"] if more else made.tags(2)["wavelength"]
            assert wavelength == "560"
            assert made.tags(ns="IMAGERY") == {"CLOUDCOVER": "3", "SATELLITEID": "WV02"}
            assert made.tags(ns="RPC") == {}
            assert made.gcps == ([], None)
            tags = made.tags()
        assert tags["TIFFTAG_DATETIME"] == "2020:01:02 03:04:05"
        assert tags["PRODUCT"] == "x"
        assert "NITF_IGEOLO" not in tags
        for name in ("IMAGE", "DEM", "RPC"):
            assert tags[f"TRUEGROUND_{name}_FINGERPRINT"].startswith("sha256 ")
        assert list(bench.folder.glob("out*")) == [path]


def test_classes_of_a_palette_stay_what_they_are(bench: Bench) -> None:
    array = noise("uint8", low=0, high=6)
    palette = {k: (40 * k, 10, 255 - k, 255) for k in range(6)}

    def prepare(target: Any) -> None:
        target.write_colormap(1, palette)

    image = bench.image(array, prepare)
    path = bench.ortho(image, "--occlusion", "ignore", "--cog")
    row, col, inside = bench.where(path)
    with rasterio.open(path) as made:
        assert made.nodata == 255  # a class that no pixel has, not 0, which is one
        np.testing.assert_array_equal(made.read(1), np.where(inside, array[0, row, col], 255))
        assert {k: v for k, v in made.colormap(1).items() if k < 6} == palette
        assert made.colorinterp == (ColorInterp.palette,)
    bench.ortho(image, "--resampling", "bilinear", code=2)


def test_a_palette_without_a_free_value_asks_for_one(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    array = np.arange(SIZE * SIZE).reshape(1, SIZE, SIZE).astype("uint8")
    image = bench.image(array, lambda t: t.write_colormap(1, {0: (1, 2, 3, 255)}))
    path = bench.ortho(image, code=1)
    assert "--nodata" in capsys.readouterr().err
    bench.ortho(image, "--nodata", "7", "--occlusion", "ignore")
    row, col, inside = bench.where(path)
    with rasterio.open(path) as made:
        assert made.nodata == 7
        np.testing.assert_array_equal(made.read(1), np.where(inside, array[0, row, col], 7))


def test_one_bit(bench: Bench) -> None:
    array = noise("uint8", low=0, high=2)
    path = bench.ortho(bench.image(array, nbits=1), "--occlusion", "ignore")
    row, col, inside = bench.where(path)
    with rasterio.open(path) as made:
        assert made.nodata == 255
        np.testing.assert_array_equal(made.read(1), np.where(inside, array[0, row, col], 255))


@pytest.mark.parametrize("nodata", [None, -9999.0])
def test_real_numbers_with_nan(bench: Bench, nodata: float | None) -> None:
    array = noise("float32")
    array[:, 100:160, 90:200] = np.nan
    more = () if nodata is None else ("--nodata", str(nodata))
    path = bench.ortho(bench.image(array), *EXACT, *more)
    row, col, inside = bench.where(path)
    expected = np.where(inside, array[0, row, col], np.nan)
    with rasterio.open(path) as made:
        assert made.profile["predictor" if "predictor" in made.profile else "dtype"]
        stored = made.read(1)
        assert made.nodata == nodata or (nodata is None and np.isnan(made.nodata))
    want = expected if nodata is None else np.where(np.isnan(expected), nodata, expected)
    np.testing.assert_array_equal(stored, want)


@pytest.mark.parametrize(("asked", "shown"), [(None, 33), ("0", 0), ("60000", 60000)])
def test_own_nodata(bench: Bench, asked: str | None, shown: int) -> None:
    array = noise("uint16", low=0, high=60)
    array[array == 33] = 34
    array[:, :150] = 33
    more = () if asked is None else ("--nodata", asked)
    path = bench.ortho(bench.image(array, nodata=33), *EXACT, *more)
    row, col, inside = bench.where(path)
    value = array[0, row, col]
    valid = inside & (value != 33)
    with rasterio.open(path) as made:
        assert made.nodata == shown
        stored = made.read(1)
    np.testing.assert_array_equal(stored != shown, valid)
    moved = np.where(
        value == shown, value + 1, value
    )  # a valid one that equals the nodata asked for
    np.testing.assert_array_equal(stored[valid], moved[valid])


def test_nodata_that_the_type_cannot_hold(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.ortho(bench.image(noise("uint8")), "--nodata", "-1", code=1)
    assert "from 0 to 255" in capsys.readouterr().err


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
def test_mask_band(bench: Bench, resampling: str) -> None:
    array = np.full((2, SIZE, SIZE), 100, dtype="uint8")
    seen = np.zeros((SIZE, SIZE), dtype=bool)
    seen[120:200, 100:220] = True
    array[:, ~seen] = 250  # what lies under the mask must not bleed in
    path = bench.ortho(
        bench.image(array, lambda t: t.write_mask(seen)),
        "--resampling",
        resampling,
        "--occlusion",
        "ignore",
    )
    row, col, inside = bench.where(path)
    with rasterio.open(path) as made:
        assert made.nodata == 0
        np.testing.assert_array_equal(made.read(1), np.where(inside & seen[row, col], 100, 0))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_alpha_band(bench: Bench, dtype: str) -> None:
    array = noise(dtype, 4, low=0)
    top = 65535 if dtype == "uint16" else 255
    array[3] = top
    array[3, :150] = 0

    def prepare(target: Any) -> None:
        target.colorinterp = [ColorInterp[n] for n in ("red", "green", "blue", "alpha")]

    for more in ((), ("--cog",)):
        path = bench.ortho(bench.image(array, prepare), *EXACT, *more)
        row, col, inside = bench.where(path)
        valid = inside & (array[3, row, col] > 0)
        with rasterio.open(path) as made:
            assert [c.name for c in made.colorinterp] == ["red", "green", "blue", "alpha"]
            np.testing.assert_array_equal(made.read(4), np.where(valid, top, 0))
            if dtype != "float32":
                assert made.nodata is None
                np.testing.assert_array_equal(made.dataset_mask() > 0, valid)
            stored = made.read([1, 2, 3])
        values = array[:3, row, col]
        np.testing.assert_array_equal(
            stored[:, valid], np.where((values == 0) & (dtype != "float32"), 1, values)[:, valid]
        )


def test_alpha_that_was_asked_for(bench: Bench) -> None:
    path = bench.ortho(bench.image(noise("uint8", 3)), *EXACT, "--alpha", "--cog")
    *_, inside = bench.where(path)
    with rasterio.open(path) as made:
        assert made.count == 4
        assert made.colorinterp[3] == ColorInterp.alpha
        np.testing.assert_array_equal(made.dataset_mask() > 0, inside)


def test_crop_offset(bench: Bench) -> None:
    whole = noise("uint16")
    crop = whole[:, 40:260, 30:280]
    path = bench.image(crop, transform=Affine(1, 0, 30, 0, 1, 40))
    made = bench.ortho(path, *EXACT)
    with rasterio.open(made) as dataset:
        grid, stored = dataset_grid(dataset), dataset.read(1)
    row, col, inside = bench.shown(grid, top=40, left=30, shape=(220, 250))
    np.testing.assert_array_equal(stored, np.where(inside, crop[0, row, col], 0))


def test_rotated_grid(bench: Bench) -> None:
    array = noise("uint16")
    like = bench.folder / "like.tif"
    turned = turned_grid((400050.0, 5145150.0), 25.0, (2.0, -2.0))
    profile = {
        "crs": "EPSG:32632",
        "transform": turned,
        "width": 130,
        "height": 120,
        "count": 1,
        "dtype": "uint8",
    }
    rasterio.open(like, "w", "GTiff", **profile).close()
    path = bench.ortho(bench.image(array), *EXACT, place=("--like", str(like)))
    row, col, inside = bench.where(path)
    assert inside.mean() > 0.9
    with rasterio.open(path) as made:
        assert made.transform == turned
        np.testing.assert_array_equal(made.read(1), np.where(inside, array[0, row, col], 0))


def test_output_larger_than_the_footprint(bench: Bench) -> None:
    array = noise("uint16")
    place = (
        "--crs",
        "EPSG:32632",
        "--resolution",
        "5",
        "--bounds",
        "398000",
        "5143000",
        "403000",
        "5147000",
    )
    path = bench.ortho(bench.image(array), *EXACT, place=place)
    row, col, inside = bench.where(path)
    assert 0.005 < inside.mean() < 0.1
    with rasterio.open(path) as made:
        np.testing.assert_array_equal(made.read(1), np.where(inside, array[0, row, col], 0))


def test_output_wholly_outside(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    place = (
        "--crs",
        "EPSG:32632",
        "--resolution",
        "5",
        "--bounds",
        "300000",
        "5143000",
        "303000",
        "5147000",
    )
    path = bench.ortho(bench.image(noise("uint16")), place=place, code=1)
    assert "would be empty" in capsys.readouterr().err
    assert not path.exists()


def test_pixels_aligned(bench: Bench) -> None:
    place = (*PLACE[:5], "400001.3", "5144801.2", "400398.1", "5145198.9")
    image = bench.image(noise("uint16"))
    with rasterio.open(bench.ortho(image, place=place)) as made:
        assert made.bounds[0] == 400001.3
    with rasterio.open(bench.ortho(image, "--align-pixels", place=place)) as made:
        assert tuple(made.bounds) == (400000.0, 5144800.0, 400400.0, 5145200.0)
    bench.ortho(image, "--align-pixels", place=("--resolution", "2"), code=2)


@pytest.mark.parametrize("dtype", ["complex64", "complex_int16"])
def test_complex_numbers_are_refused(
    bench: Bench, capsys: pytest.CaptureFixture[str], dtype: str
) -> None:
    path = bench.folder / "complex.tif"
    profile = {"count": 1, "height": SIZE, "width": SIZE, "dtype": dtype}
    with (
        quiet(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(path, "w", "GTiff", **profile) as target,
    ):
        target.update_tags(ns="RPC", **simple_rpc(SIZE).to_tags())
    bench.ortho(path, code=1)
    said = capsys.readouterr().err
    assert "complex" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("compress", ["zstd", "deflate", "lzw", "none"])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_compression(bench: Bench, compress: str, dtype: str) -> None:
    stored, image = [], bench.image(noise(dtype))
    for more in ((), ("--cog",)):
        path = bench.ortho(image, *EXACT, "--compress", compress, *more)
        with rasterio.open(path) as made:
            assert made.profile.get("compress", "none") == compress
            predictor = made.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR", "1")
            assert more == () or predictor == (
                "1" if compress == "none" else "2" if dtype == "uint16" else "3"
            )
            stored.append(made.read())
    np.testing.assert_array_equal(*stored)


def test_cog_is_valid(bench: Bench) -> None:
    image = bench.image(noise("uint16", 3))
    for more in ((), ("--alpha",)):
        path = bench.ortho(
            image, "--cog", "--resolution", "0.5", *more, place=(*PLACE[:2], *PLACE[4:])
        )
        valid, errors, warnings = cog_validate(path, strict=True, quiet=True)
        assert (valid, errors, warnings) == (True, [], [])
        with rasterio.open(path) as made:
            assert made.overviews(1) == [2]


def test_what_gdalinfo_of_another_gdal_reads(bench: Bench) -> None:
    tool = shutil.which("gdalinfo")
    if tool is None:
        pytest.skip("no gdalinfo on this machine")

    def prepare(target: Any) -> None:
        target.descriptions = ("red",)
        target.update_tags(TIFFTAG_DATETIME="2020:01:02 03:04:05")
        target.update_tags(ns="IMAGERY", CLOUDCOVER="3")

    image = bench.image(noise("uint16"), prepare)
    for more in ((), ("--cog",)):
        path = bench.ortho(image, "--compress", "deflate", *more)
        done = subprocess.run(
            [tool, "-mdd", "IMAGERY", str(path)], capture_output=True, text=True, check=True
        )
        for words in ("TIFFTAG_DATETIME=2020:01:02 03:04:05", "CLOUDCOVER=3", "Description = red", "NoData Value=0",
                      "TRUEGROUND_VERSION=", "TRUEGROUND_HEIGHTS=the WGS 84 ellipsoid",
                      "TRUEGROUND_DEM_FINGERPRINT=sha256 ", "TRUEGROUND_OCCLUSION=fill", "UTM zone 32N"):  # fmt: skip
            assert words in done.stdout, words
