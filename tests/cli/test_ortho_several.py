"""`trueground ortho` on several images, in tiles, and before any work."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio

from cli_scene import simple_rpc
from trueground.cli.main import run as run_here
from trueground.cli.ortho import _not_all
from trueground.grid import Grid
from trueground.lock import locked
from trueground.raster import ArrayRaster, open_raster
from trueground.writer import write

DEM = ("--dem", "reference.tif", "--heights", "ellipsoid")
SMALL = (
    "--crs",
    "EPSG:32632",
    "--resolution",
    "2.5",
    "--bounds",
    "400000",
    "5144800",
    "400400",
    "5145200",
)


@pytest.fixture
def here(scene: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(scene)
    return scene


def ortho(*words: str | Path, code: int = 0) -> None:
    assert run_here(["-q", "ortho", *map(str, words)]) == code


def multispectral(scene: Path, path: Path) -> Path:
    """An image of the same view with pixels four times as large."""
    grid = Grid(crs=None, transform=open_raster(scene / "image.tif").grid.transform, shape=(75, 75))
    array = np.random.default_rng(3).integers(1, 900, (3, 75, 75), dtype=np.uint16)
    rpc = simple_rpc(300).rescaled(0.25)
    return write(ArrayRaster(array=array, grid=grid), path, rpc_tags=rpc.to_tags())


def test_pan_and_multispectral_land_on_one_grid(here: Path, tmp_path: Path) -> None:
    colour = multispectral(here, tmp_path / "colour.tif")
    ortho("image.tif", colour, *DEM, "-o", tmp_path / "out")
    with (
        rasterio.open(tmp_path / "out/image.tif") as pan,
        rasterio.open(tmp_path / "out/colour.tif") as ms,
    ):
        assert pan.bounds == ms.bounds
        assert ms.res[0] == 4 * pan.res[0]
        assert (4 * ms.height, 4 * ms.width) == pan.shape
        steps = np.array(pan.bounds) / ms.res[0]
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
        assert ms.count == 3
    ortho("image.tif", colour, *DEM, "-o", tmp_path / "out", "--resolution", "3")
    with (
        rasterio.open(tmp_path / "out/image.tif") as pan,
        rasterio.open(tmp_path / "out/colour.tif") as ms,
    ):
        assert (pan.transform, pan.shape) == (ms.transform, ms.shape)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["colour.tif", "image.tif"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("image.tif", "no_rpc.tif", *DEM, "-o", "x", "--rpc", "image.tif"),
            "--rpc is that of one image",
        ),
        (("image.tif", "image.tif", *DEM, "-o", "x"), "two images are named image"),
        (("image.tif", "no_rpc.tif", *DEM, "-o", "x.tif"), "give a folder"),
        ((*DEM, "-o", "x.tif"), "which image"),
        (("image.tif", *DEM, "-o", "x.tif", "--resume"), "give --tiles"),
        (
            ("image.tif", *DEM, "-o", "x.tif", "--mosaic", "first", "--occlusion", "mask"),
            "fill or ignore",
        ),
    ],
)
def test_what_does_not_go_together(
    here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    before = sorted(here.iterdir())
    ortho(*words, code=2)
    assert said in capsys.readouterr().err
    assert sorted(here.iterdir()) == before


def test_mosaic(here: Path, tmp_path: Path) -> None:
    shutil.copy(here / "image.tif", tmp_path / "other.tif")
    with rasterio.open(tmp_path / "other.tif", "r+") as dataset:
        dataset.write(np.full((1, 300, 300), 7, dtype=np.uint16))
    whole = ("--occlusion", "ignore", *SMALL)
    for rule, order in (
        ("first", ("image.tif", tmp_path / "other.tif")),
        ("last", (tmp_path / "other.tif", "image.tif")),
    ):
        ortho(*order, *DEM, "-o", tmp_path / "m.tif", "--mosaic", rule, *whole)
        ortho("image.tif", *DEM, "-o", tmp_path / "one.tif", *whole)
        with (
            rasterio.open(tmp_path / "m.tif") as mosaic,
            rasterio.open(tmp_path / "one.tif") as one,
        ):
            np.testing.assert_array_equal(mosaic.read(), one.read())
            assert mosaic.tags()["TRUEGROUND_MOSAIC"] == rule
            assert "TRUEGROUND_RPC_2_FINGERPRINT" in mosaic.tags()


@pytest.mark.parametrize("said", ["scale", "offset", "unit"])
def test_mosaic_of_values_that_mean_different_things(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], said: str
) -> None:
    shutil.copy(here / "image.tif", tmp_path / "other.tif")
    value = "m" if said == "unit" else 0.5
    with rasterio.open(tmp_path / "other.tif", "r+") as dataset:
        setattr(dataset, f"{said}s", (value,))
    ortho(
        *("image.tif", tmp_path / "other.tif", *DEM, "-o", tmp_path / "m.tif"),
        *("--mosaic", "first", *SMALL),
        code=1,
    )
    error = capsys.readouterr().err
    assert f"other.tif) has in band 1 {said} {value}, the first " in error
    assert not (tmp_path / "m.tif").exists()


def test_threads_are_checked_first(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ortho("image.tif", "--dem", "none.tif", "-o", "x.tif", "--threads", "-3", code=1)
    assert "-3 threads" in capsys.readouterr().err


@pytest.mark.parametrize(("share", "said"), [(0.99999, "99.9%"), (0.5, "50.0%"), (0.0, "0.0%")])
def test_part_of_an_image_is_never_all_of_it(share: float, said: str) -> None:
    assert _not_all(share) == said


def test_hidden_ground_in_a_file_beside(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ortho("image.tif", *DEM, "-o", tmp_path / "o.tif", *SMALL, "--occlusion", "mask")
    assert "hidden from the sensor: " in capsys.readouterr().out
    with (
        rasterio.open(tmp_path / "o_hidden.tif") as hidden,
        rasterio.open(tmp_path / "o.tif") as image,
    ):
        assert (hidden.transform, hidden.shape) == (image.transform, image.shape)
        assert set(np.unique(hidden.read())) <= {0, 1, 255}


def test_dry_run_writes_nothing(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p: p.stat().st_mtime_ns for p in here.iterdir()}
    for more in ((), ("--cog",), ("--tiles", "100"), ("--alpha",)):
        out = tmp_path / ("t" if more[:1] == ("--tiles",) else "o.tif")
        ortho("image.tif", *DEM, "-o", out, *SMALL, *more, "--dry-run")
        said = capsys.readouterr().out
        for words in (
            "Grid(160 x 160 px of 2.5",
            "kB uncompressed",
            "as written",
            "memory: about",
            "time: about",
        ):
            assert words in said
    ortho(
        "image.tif", "no_rpc.tif", *DEM, "-o", tmp_path / "dir", "--dry-run", code=1
    )  # still held against the rules
    assert list(tmp_path.iterdir()) == []
    assert {p: p.stat().st_mtime_ns for p in here.iterdir()} == before


def test_tiles_are_the_whole(here: Path, tmp_path: Path) -> None:
    ortho("image.tif", *DEM, "-o", tmp_path / "one.tif", *SMALL)
    ortho("image.tif", *DEM, "-o", tmp_path / "t", *SMALL, "--tiles", "64")
    (tmp_path / "t").rename(tmp_path / "moved")  # paths are relative
    with (
        rasterio.open(tmp_path / "one.tif") as one,
        rasterio.open(tmp_path / "moved/t.vrt") as tiles,
    ):
        np.testing.assert_array_equal(tiles.read(), one.read())
        assert (tiles.transform, tiles.crs, tiles.nodata) == (one.transform, one.crs, one.nodata)
        assert tiles.tags()["TRUEGROUND_HEIGHTS"] == one.tags()["TRUEGROUND_HEIGHTS"]
    ortho("image.tif", *DEM, "-o", tmp_path / "moved", *SMALL, "--tiles", "64", code=1)


def test_resume_refuses_what_has_changed(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "image.tif"
    shutil.copy(here / "image.tif", image)
    tiles = ("-o", tmp_path / "t", "--tiles", "64", "--resume")
    ortho(image, *DEM, *tiles, *SMALL)
    capsys.readouterr()
    for more, words in (
        (("--resampling", "nearest"), "parameters.resampling was bilinear, now it is nearest"),
        (("--compress", "deflate"), "pixels.compression was zstd, now it is deflate"),
        (("--alpha",), "pixels.bands was 1, now it is 2"),
        (("--nodata", "0"), "parameters.nodata was not given, now it is 0.0"),
        (("--nodata", "0"), "parameters.valid_nodata was moved, now it is lost"),
    ):
        ortho(image, *DEM, *tiles, *SMALL, *more, code=1)
        said = capsys.readouterr().err
        assert words in said
        assert len(said.splitlines()) == 1
    ortho(image, *DEM, *tiles, "--crs", "EPSG:32632", "--resolution", "5", code=1)
    assert "grid.transform was [2.5" in capsys.readouterr().err
    with rasterio.open(image, "r+") as dataset:
        dataset.write(dataset.read() + 1)
    ortho(image, *DEM, *tiles, *SMALL, code=1)
    assert "inputs.image was sha256 " in capsys.readouterr().err


def steps(path: Path) -> Path:
    """A DEM of walls, which hide ground."""
    ground = open_raster("reference.tif")
    values = ground.read(ground.grid.window).copy()
    values[:, :, ::12] += 150.0
    return write(ArrayRaster(array=values, grid=ground.grid), path)


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--occlusion", "mask"),
        ("--alpha",),
        ("image.tif", "--mosaic", "nearest-nadir"),
        ("--occlusion", "ignore"),
    ],
)
def test_hidden_ground_of_tiles_that_were_there_is_counted(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    words = ("image.tif", "--dem", steps(tmp_path / "dem.tif"), "--heights", "ellipsoid")
    words = (*words, *SMALL, *more)
    ortho(*words, "-o", tmp_path / "o.tif")
    whole = capsys.readouterr().out
    shares = [line for line in whole.splitlines() if "hidden from the sensor" in line]
    assert len(shares) == (0 if "ignore" in more else 2 if "--mosaic" in more else 1)
    assert not any(" 0.00%" in line for line in shares)
    tiles = (*words, "-o", tmp_path / "t", "--tiles", "64")
    ortho(*tiles)
    assert capsys.readouterr().out == whole
    gone = sorted((tmp_path / "t/tiles").iterdir())[4:]
    for again in ([], gone):  # all are there; some are
        for path in again:
            path.unlink()
        ortho(*tiles, "--resume")
        assert capsys.readouterr().out == whole


def test_a_folder_that_another_run_writes(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiles = ("image.tif", *DEM, "-o", tmp_path / "t", "--tiles", "64", *SMALL)
    ortho(*tiles)
    capsys.readouterr()
    with locked(tmp_path / "t"):
        for more in ((), ("--resume",)):
            ortho(*tiles, *more, code=1)
            said = capsys.readouterr().err
            assert f"is being written by process {os.getpid()} on" in said
            assert len(said.splitlines()) == 1
    ortho(*tiles, "--resume")


def test_killed_and_gone_on_with(here: Path, tmp_path: Path) -> None:
    """Killed without a chance to tidy up, the command goes on from the tiles that it had finished."""
    place = (*SMALL[:2], "--resolution", "0.25", *SMALL[4:])
    ortho("image.tif", *DEM, "-o", tmp_path / "one.tif", *place)
    words = [
        "ortho",
        "image.tif",
        *DEM,
        "-o",
        str(tmp_path / "t"),
        "--tiles",
        "128",
        *place,
        "--resume",
        "--threads",
        "1",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "trueground", *words], stdout=subprocess.DEVNULL
    )
    tiles = tmp_path / "t/tiles"
    while len(list(tiles.glob("r*.tif"))) < 20 and process.poll() is None:
        time.sleep(0.01)
    ortho(*words[1:], code=1)  # one at a time
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "t/t.vrt").exists()
    kept = json.loads((tmp_path / "t/manifest.json").read_text())["tiles"]
    assert len(kept) < 169
    times = {name: (tmp_path / "t" / name).stat().st_mtime_ns for name in kept}
    (tiles / ".r0012_c0012.0123abcd.part.tif").write_bytes(b"half")
    damaged = next(iter(kept), None)
    if damaged is not None:
        (tmp_path / "t" / damaged).write_bytes(b"damaged")
    ortho(*words[1:])
    for name, before in times.items():
        assert ((tmp_path / "t" / name).stat().st_mtime_ns == before) == (name != damaged)
    assert len(list(tiles.iterdir())) == 169
    with rasterio.open(tmp_path / "one.tif") as one, rasterio.open(tmp_path / "t/t.vrt") as made:
        np.testing.assert_array_equal(made.read(), one.read())
