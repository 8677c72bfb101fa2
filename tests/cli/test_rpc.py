"""`trueground rpc`: any RPC in any format; GDAL reads what was written to 1e-9 px."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.transform import RPCTransformer

import rpc_products as products
from cli_scene import Run, simple_rpc
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.rpc.model import Rpc
from trueground.rpc.readers import read_rpc, rpc_of_image
from trueground.rpc.writers import exact_tags, write_rpc
from trueground.writer import write

LOSS = 1e-9  # px
MODEL = products.rpc()


def image(path: Path, transform: Affine | None = None, **more: object) -> Path:
    grid = Grid(crs=None, transform=transform or Affine.identity(), shape=(40, 50))
    array = np.arange(2000, dtype=np.uint16).reshape(40, 50)
    return write(ArrayRaster(array=array, grid=grid), path, **more)  # type: ignore[arg-type]


def loss(rpc: Rpc, path: Path) -> float:
    """How far GDAL's projection is from ours at most [px], of 1000 points of the domain."""
    x, y, h = np.random.default_rng(0).uniform(-1.0, 1.0, (3, 1000))
    lon, lat = rpc.long_off + rpc.long_scale * x, rpc.lat_off + rpc.lat_scale * y
    height = rpc.height_off + rpc.height_scale * h
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            rpcs = dataset.rpcs
    with RPCTransformer(rpcs) as gdal:
        found = gdal.rowcol(lon, lat, zs=height, op=lambda v: v)
    return float(np.abs(np.array(found) - rpc.project(lon, lat, height)).max())


@pytest.fixture
def dimap(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "RPC_PRODUCT.XML"
    path.parent.mkdir()
    path.write_text(products.dimap(MODEL))
    return path


@pytest.mark.parametrize("name", ["scene.RPB", "scene_RPC.TXT", "tagged.tif"])
def test_gdal_reads_what_was_written(run: Run, tmp_path: Path, dimap: Path, name: str) -> None:
    scene = image(tmp_path / "scene.tif")
    arguments = (scene, "--rpc", dimap) if name.endswith(".tif") else (dimap,)
    done = run("rpc", *arguments, "-o", tmp_path / name)
    assert done.returncode == 0, done.stderr
    assert "DIMAP" in done.stderr
    assert done.stderr.endswith(f"wrote {tmp_path / name}\n")
    assert loss(MODEL, tmp_path / (name if name.endswith(".tif") else "scene.tif")) < LOSS


def test_formats_into_each_other(run: Run, tmp_path: Path, dimap: Path) -> None:
    before = dimap
    for name in ("a.json", "b.RPB", "c_RPC.TXT", "d.json"):
        done = run("rpc", before, "-o", tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert read_rpc(tmp_path / name) == read_rpc(dimap)
        before = tmp_path / name
    assert read_rpc(tmp_path / "a.json").direct == read_rpc(dimap).direct
    tagged = image(tmp_path / "t.tif", rpc_tags=MODEL.to_tags())
    assert run("rpc", tagged, "-o", tmp_path / "e.RPB").returncode == 0
    assert read_rpc(tmp_path / "e.RPB") == rpc_of_image(str(tagged))


def test_the_image_itself_only_when_asked(run: Run, tmp_path: Path, dimap: Path) -> None:
    scene = image(tmp_path / "scene.tif")
    before = scene.read_bytes()
    refused = run("rpc", scene, "--rpc", dimap, "-o", scene)
    assert refused.returncode == 1
    assert "same file" in refused.stderr
    assert scene.read_bytes() == before
    done = run("rpc", scene, "--rpc", dimap, "--in-place")
    assert done.returncode == 0, done.stderr
    assert f"changed {scene}" in done.stderr
    assert loss(MODEL, scene) < LOSS
    for arguments in (("--in-place", "-o", "out/x.tif"), ()):
        done = run("rpc", scene, *arguments)
        assert done.returncode == 2
        assert "either -o or --in-place" in done.stderr


def test_a_crop_at_another_scale(run: Run, tmp_path: Path) -> None:
    scene = image(tmp_path / "scene.tif", rpc_tags=exact_tags(MODEL))
    done = run("rpc", scene, "--crop", "10", "20", "--scale", "0.5", "-o", tmp_path / "small.RPB")
    assert done.returncode == 0, done.stderr
    assert "those of the new image" in done.stderr
    small = read_rpc(tmp_path / "small.RPB")
    lon, lat, height = 5.3, 44.1, 1200.0
    row, col = MODEL.project(lon, lat, height)
    np.testing.assert_allclose(
        small.project(lon, lat, height), ((row - 10.0) / 2.0, (col - 20.0) / 2.0), atol=LOSS
    )
    small_image = image(tmp_path / "small.tif")
    assert loss(small, small_image) < LOSS
    ahead = run("rpc", scene, "--crop", "-5", "-7.5", "-o", tmp_path / "larger.json")
    assert ahead.returncode == 0, ahead.stderr
    np.testing.assert_allclose(
        read_rpc(tmp_path / "larger.json").project(lon, lat, height),
        (row + 5.0, col + 7.5),
        atol=LOSS,
    )


def test_files_of_a_crop_count_the_scene_and_those_beside_it_the_crop(
    run: Run, tmp_path: Path
) -> None:
    crop = image(tmp_path / "crop.tif", Affine(1.0, 0.0, 40.0, 0.0, 1.0, 60.0))
    scene = write_rpc(MODEL, tmp_path / "scene.RPB")
    own = replace(MODEL, line_off=MODEL.line_off - 60.0, samp_off=MODEL.samp_off - 40.0)
    for name, expected in (("other.RPB", MODEL), ("crop.RPB", own)):
        done = run("rpc", crop, "--rpc", scene, "-o", tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert read_rpc(tmp_path / name).line_off == pytest.approx(expected.line_off, abs=LOSS)
        assert read_rpc(tmp_path / name).samp_off == pytest.approx(expected.samp_off, abs=LOSS)
        assert ("full scene" in done.stderr) == (name == "other.RPB")
    assert loss(own, crop) < LOSS
    (tmp_path / "crop.RPB").unlink()
    assert run("rpc", crop, "--rpc", scene, "-o", "out/tagged.tif").returncode == 0
    assert loss(own, tmp_path / "tagged.tif") < LOSS


def test_what_goes_wrong_is_said_in_one_line(
    run: Run, scene: Path, tmp_path: Path, dimap: Path
) -> None:
    for code, words, arguments in (
        (2, "do not cut or resample", ("image.tif", "--scale", "2", "-o", "out/x.tif")),
        (2, "holds an RPC alone", (dimap, "-o", "out/x.tif")),
        (2, "holds an RPC alone", (dimap, "--in-place")),
        (1, "above 0", ("image.tif", "--scale", "-2", "-o", "out/x.RPB")),
        (1, "factor 1e+300", ("image.tif", "--scale", "1e300", "-o", "out/x.RPB")),
        (
            2,
            "--crop inf 3.0: must be finite",
            ("image.tif", "--crop", "1e400", "3", "-o", "out/x.RPB"),
        ),
        (1, "has no RPC", ("no_rpc.tif", "-o", "out/x.RPB")),
        (2, ".RPB, .TXT, .json or .tif", ("image.tif", "-o", "out/x.xml")),
        (1, "does not exist", ("missing.tif", "-o", "out/x.RPB")),
    ):
        done = run("rpc", *arguments)
        assert done.returncode == code, done.stderr
        assert words in done.stderr
        assert "damaged" not in done.stderr
        assert "format=" not in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_tags_through_write_lose_no_digit(tmp_path: Path) -> None:
    assert loss(MODEL, image(tmp_path / "exact.tif", rpc_tags=exact_tags(MODEL))) < LOSS
    assert loss(MODEL, image(tmp_path / "plain.tif", rpc_tags=MODEL.to_tags())) > LOSS


def test_an_image_that_is_no_geotiff_gets_a_file_beside_it(
    run: Run, scene: Path, tmp_path: Path
) -> None:
    """GDAL finds it there by its name."""
    shutil.copy(scene / "no_rpc.tif", tmp_path / "a.tif")
    rpb = write_rpc(simple_rpc(300), tmp_path / "given.RPB")
    assert run("rpc", tmp_path / "a.tif", "--rpc", rpb, "-o", tmp_path / "a.RPB").returncode == 0
    assert rpc_of_image(str(tmp_path / "a.tif")) == simple_rpc(300)
