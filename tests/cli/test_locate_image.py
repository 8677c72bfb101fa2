"""`trueground locate`: the whole image, holes, the classic solvers, adjusted heights, and what does not go together."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import rasterio

from cli_scene import Run, simple_rpc
from trueground.dem import Dem
from trueground.file_raster import open_dataset
from trueground.raster import ArrayRaster, open_raster
from trueground.rpc.writers import write_rpc
from trueground.status import Status
from trueground.writer import write

DEM = ("--dem", "holed.tif", "--heights", "ellipsoid")
PIXEL = 2e-5  # degrees, of the scene's image


@pytest.fixture(scope="module", autouse=True)
def holed(scene: Path) -> Path:
    """The reference DEM with a hole of 6 x 10 cells under the image."""
    reference = open_raster(scene / "reference.tif")
    heights = reference.read(reference.grid.window)
    heights[0, 110:116, 120:130] = np.nan
    return write(ArrayRaster(array=heights, grid=reference.grid), scene / "holed.tif")


def table(done: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def bands(path: Path) -> np.ndarray:
    with open_dataset(path) as dataset:
        return dataset.read()


def test_the_whole_image_is_what_its_pixels_are(run: Run, tmp_path: Path) -> None:
    done = run("locate", "image.tif", *DEM, "-o", "out/g.tif", "--status", "out/s.tif")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    found, (status,) = bands(tmp_path / "g.tif"), bands(tmp_path / "s.tif")
    with open_dataset(tmp_path / "g.tif") as dataset:
        assert dataset.descriptions == ("longitude", "latitude", "height")
        assert dataset.dtypes == ("float64",) * 3
        assert np.isnan(dataset.nodata)
        assert dataset.shape == (300, 300)
        assert dataset.transform == rasterio.Affine.identity()
        assert dataset.tags()["TRUEGROUND_HEIGHTS"] == "the WGS 84 ellipsoid"
        assert dataset.tags()["TRUEGROUND_SOLVER"] == "certified"
    np.testing.assert_array_equal(np.isnan(found).any(axis=0), status != Status.OK)
    holes = int((status == Status.NO_DATA).sum())
    assert holes > 100
    assert f"{holes} of 90000 pixels: no data" in done.stderr
    picks = np.random.default_rng(3).integers(0, 300, (20, 2))
    picks[0] = np.argwhere(status == Status.NO_DATA)[0]
    points = tmp_path / "p.csv"
    points.write_text("row,col\n" + "".join(f"{r + 0.5},{c + 0.5}\n" for r, c in picks))
    for (r, c), point in zip(
        picks, table(run("locate", "image.tif", *DEM, "--points", points)), strict=True
    ):
        assert point["status"] == Status(int(status[r, c])).label
        if point["status"] == "ok":
            expected = [float(point[n]) for n in ("lon", "lat", "height")]
            np.testing.assert_allclose(found[:2, r, c], expected[:2], atol=2e-6 * PIXEL)
            np.testing.assert_allclose(found[2, r, c], expected[2], atol=1e-5)


def test_every_tenth_pixel_at_a_height(run: Run, tmp_path: Path) -> None:
    done = run(
        "locate",
        "image.tif",
        "--height",
        "900",
        "-o",
        "out/g.tif",
        "--step",
        "10",
        "--threads",
        "1",
    )
    assert done.returncode == 0, done.stderr
    found = bands(tmp_path / "g.tif")
    assert found.shape == (3, 30, 30)
    row, col = simple_rpc(300).project(*found)
    np.testing.assert_allclose(row, np.arange(0, 300, 10)[:, None] + 0.5 + 0.0 * row, atol=1e-8)
    np.testing.assert_allclose(col, np.arange(0, 300, 10)[None, :] + 0.5 + 0.0 * col, atol=1e-8)
    with open_dataset(tmp_path / "g.tif") as dataset:
        assert dataset.xy(0, 0) == (0.5, 0.5)  # centres
        assert dataset.xy(2, 1) == (10.5, 20.5)


@pytest.mark.parametrize("answer", ["nearest", "850"])
def test_holes_are_filled_when_asked(run: Run, tmp_path: Path, answer: str) -> None:
    done = run("locate", "image.tif", *DEM, "-o", "out/g.tif", "--on-nodata", answer)
    assert done.returncode == 0, done.stderr
    heights = bands(tmp_path / "g.tif")[2]
    assert np.isfinite(heights).all()
    assert (np.abs(heights - 850.0) < 1e-3).any() == (answer == "850")


def test_classic_solvers_tell_how_they_got_there(run: Run) -> None:
    place = ("locate", "image.tif", "100.5", "160.5", *DEM)
    (certified,) = table(run(*place))
    assert "iterations" not in certified
    for solver in ("gdal", "height-substitution"):
        (found,) = table(run(*place, "--solver", solver))
        assert list(found) == [*[*certified][:5], "iterations", "residual", "status"]
        assert 1 <= int(found["iterations"]) <= 20
        assert float(found["residual"]) < 0.1
        assert found["status"] == "ok"
        assert abs(float(found["lon"]) - float(certified["lon"])) < PIXEL
    (near,) = table(run(*place, "--solver", "gdal", "--dem-interpolation", "nearest"))
    assert near["height"] != found["height"]


def test_adjusted_heights(run: Run, scene: Path, tmp_path: Path) -> None:
    """GDAL's RPC_HEIGHT_SCALE and RPC_HEIGHT: scale * DEM + offset."""
    (usual,) = table(run("locate", "image.tif", "100.5", "160.5", *DEM))
    changed = ("--dem-scale", "0.5", "--dem-offset", "400")
    (found,) = table(run("locate", "image.tif", "100.5", "160.5", *DEM, *changed))
    lon, lat, height = (float(found[n]) for n in ("lon", "lat", "height"))
    assert abs(height - float(usual["height"])) > 20.0
    dem = Dem.open(scene / "holed.tif", heights="ellipsoid")
    assert height == pytest.approx(
        float(0.5 * dem.heights(lon, lat) + 400.0), abs=1e-3
    )  # m, float32
    ortho = (
        "--crs",
        "EPSG:32632",
        "--resolution",
        "20",
        "--bounds",
        "399900",
        "5144800",
        "400400",
        "5145200",
    )
    made = []
    for name, more in (
        ("a.tif", ()),
        ("b.tif", changed),
        ("c.tif", ("--dem-interpolation", "cubic")),
    ):
        done = run("ortho", "image.tif", *DEM, *ortho, *more, "-o", tmp_path / name)
        assert done.returncode == 0, done.stderr
        made.append(bands(tmp_path / name))
    assert (made[0] != made[1]).any()
    assert (made[0] != made[2]).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*DEM, "-o", "out/g.tif", "--height", "5"), "either --dem or --height"),
        (("--height", "5", "--dem-offset", "3", "-o", "out/g.tif"), "--dem"),
        (("--height", "5", "--on-nodata", "nearest", "-o", "out/g.tif"), "--on-nodata"),
        (("--height", "5", "--solver", "gdal", "-o", "out/g.tif"), "--solver"),
        ((*DEM, "--solver", "gdal", "--on-nodata", "nearest", "-o", "out/g.tif"), "fails at holes"),
        ((*DEM, "--dem-interpolation", "cubic", "-o", "out/g.tif"), "bilinear surface"),
        (("1", "2", *DEM, "-o", "out/g.tif"), ".csv or .geojson"),
        (("1", "2", *DEM, "--step", "2"), "whole image"),
        (("1", "2", *DEM, "--status", "out/s.tif"), "whole image"),
        ((*DEM,), "-o with a name that ends in .tif"),
        ((*DEM, "-o", "out/g.csv"), "-o with a name that ends in .tif"),
        ((*DEM, "--on-nodata", "mean", "-o", "out/g.tif"), "--on-nodata"),
        ((*DEM, "--solver", "magic", "-o", "out/g.tif"), "certified"),
    ],
)
def test_wrong_usage(run: Run, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = run("locate", "image.tif", *arguments)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--on-nodata", "nan"), "finite"),
        (("--dem-scale", "0"), "scale 0"),
        (("--dem-offset", "inf"), "offset inf"),
        (("--step", "0"), "step 0"),
        (("--status", "out/g.tif"), "same file"),
        (("--status", "out/s.png"), ".tif"),
        (("--threads", "-1"), "-1 threads"),
    ],
)
def test_bad_input(run: Run, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = run("locate", "image.tif", *DEM, "-o", "out/g.tif", *arguments)
    assert done.returncode == 1, done.stderr
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_rpc_alone_has_no_size(run: Run, scene: Path, tmp_path: Path) -> None:
    alone = write_rpc(simple_rpc(300), tmp_path / "scene.RPB")
    done = run("locate", alone, "--height", "900", "-o", "out/g.tif")
    assert done.returncode == 1
    assert "holds an RPC alone" in done.stderr
    assert not (tmp_path / "g.tif").exists()
    image = tmp_path / "other.tif"
    shutil.copy(scene / "no_rpc.tif", image)
    done = run("locate", image, "--rpc", alone, "--height", "900", "-o", "out/g.tif")
    assert done.returncode == 0, done.stderr
    assert bands(tmp_path / "g.tif").shape == (3, 300, 300)
