"""`trueground refine`, as a process of its own; what it writes is read by GDAL and by the other commands."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.transform import RPCTransformer

from cli_scene import Run, simple_rpc
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.rpc.model import Rpc
from trueground.rpc.readers import read_rpc
from trueground.rpc.writers import write_rpc
from trueground.vertical import Datum
from trueground.writer import write

SHIFT = np.array([[8.0], [-5.0]])  # px


def points(rpc: Rpc, n: int = 20) -> np.ndarray:
    """Row, column, longitude, latitude, height (5, n) of an image that is shifted, noisy, with two blunders."""
    rng = np.random.default_rng(0)
    lon = rpc.long_off + rpc.long_scale * rng.uniform(-0.9, 0.9, n)
    lat = rpc.lat_off + rpc.lat_scale * rng.uniform(-0.9, 0.9, n)
    height = rng.uniform(800.0, 1000.0, n)
    at = np.stack(rpc.project(lon, lat, height)) + SHIFT + rng.normal(0.0, 0.1, (2, n))
    at[0, 3] += 50.0
    at[1, 7] -= 50.0
    return np.stack([*at, lon, lat, height])


def table(path: Path, columns: np.ndarray, header: str = "row,col,lon,lat,height") -> Path:
    lines = [",".join(map(repr, map(float, cells))) for cells in columns.T]
    path.write_text("\n".join([header, *lines, ""]))
    return path


def moved(found: Rpc, given: Rpc) -> np.ndarray:
    """Return how far image points moved (2, n) [px]."""
    _, _, *ground = points(simple_rpc(300), 50)
    return np.stack(found.project(*ground)) - np.stack(given.project(*ground))


def test_refines_an_image_and_gdal_reads_it(run: Run, scene: Path, tmp_path: Path) -> None:
    shutil.copy(scene / "image.tif", tmp_path / "image.tif")
    gcps = table(tmp_path / "g.csv", points(simple_rpc(300)))
    done = run(
        "refine", tmp_path / "image.tif", gcps, "-o", "out/image.RPB", "--residuals", "out/r.csv"
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("model shift; RMS of points left out [px]: shift 0.1")
    assert lines[2].startswith("RMS of 18 points: 9.")
    assert lines[2].endswith("px after")
    assert lines[3] == "2 blunders: 4, 8"
    assert "wrote" in done.stderr
    assert "warning" not in done.stderr
    np.testing.assert_allclose(
        moved(read_rpc(tmp_path / "image.RPB"), simple_rpc(300)), SHIFT + np.zeros(50), atol=0.1
    )
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text())))
    assert len(rows) == 20
    assert [r["name"] for r in rows if float(r["weight"]) == 0.0] == ["4", "8"]
    assert float(rows[3]["row_after"]) == pytest.approx(50.0, abs=0.5)
    # GDAL finds the file beside the image, and prefers it to the tag in the image.
    row, col, *ground = points(simple_rpc(300))
    with rasterio.open(tmp_path / "image.tif") as image, RPCTransformer(image.rpcs) as gdal:
        seen = np.stack(gdal.rowcol(ground[0], ground[1], zs=ground[2], op=lambda v: v))
    good = np.delete(seen - [row, col], [3, 7], axis=1)
    assert np.abs(good).max() < 0.5  # 0.1 px of noise
    # Again: the file that holds the RPC is not replaced by what is made of it.
    again = run("refine", tmp_path / "image.tif", gcps, "-o", "out/image.RPB")
    assert again.returncode == 1
    assert "is the same file as" in again.stderr


@pytest.mark.parametrize("name", ["refined.RPB", "refined_RPC.TXT", "refined.json"])
def test_every_format_is_read_again(run: Run, tmp_path: Path, name: str) -> None:
    gcps = table(tmp_path / "g.csv", points(simple_rpc(300)))
    done = run("-q", "refine", "image.tif", gcps, "-o", f"out/{name}", "--model", "affine")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("model affine")
    assert "error of folding it into the RPC" in done.stdout
    seen = run("project", "image.tif", "7.70", "46.45", "900", "--rpc", tmp_path / name)
    assert seen.returncode == 0, seen.stderr
    row, col = simple_rpc(300).project(7.70, 46.45, 900.0)
    cells = seen.stdout.splitlines()[1].split(",")
    assert float(cells[3]) == pytest.approx(float(row) + 8.0, abs=0.2)
    assert float(cells[4]) == pytest.approx(float(col) - 5.0, abs=0.2)


def test_eastings_and_heights_above_a_geoid(run: Run, tmp_path: Path) -> None:
    row, col, lon, lat, height = points(simple_rpc(300))
    x, y = Transformer.from_crs(4326, 32632, always_xy=True).transform(lon, lat)
    above = height - Datum.parse("egm96").undulation(lon, lat)
    gcps = table(tmp_path / "g.csv", np.stack([row, col, x, y, above]), "row,col,x,y,z")
    done = run(
        "refine", "image.tif", gcps, "-o", "out/r.RPB", "--crs", "EPSG:32632", "--heights", "egm96"
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(
        moved(read_rpc(tmp_path / "r.RPB"), simple_rpc(300)), SHIFT + np.zeros(50), atol=0.1
    )
    silent = run("refine", "image.tif", gcps, "-o", "out/s.RPB", "--crs", "EPSG:32632")
    assert silent.returncode == 1
    assert "no declared vertical datum" in silent.stderr
    assert not (tmp_path / "s.RPB").exists()


def test_a_crop_counts_its_own_pixels(run: Run, tmp_path: Path) -> None:
    """Points are measured in the crop; the refined file is the scene's, or the crop's beside it."""
    scene = simple_rpc(300)
    crop = tmp_path / "crop.tif"
    offset = Affine(1.0, 0.0, 40.0, 0.0, 1.0, 60.0)
    grid = Grid(crs=None, transform=offset, shape=(200, 200))
    write(ArrayRaster(array=np.ones((200, 200), dtype=np.uint8), grid=grid), crop)
    columns = points(scene)
    columns[:2] -= np.array([[60.0], [40.0]])
    gcps = table(tmp_path / "g.csv", columns)
    write_rpc(scene, tmp_path / "scene.RPB")
    done = run("refine", crop, gcps, "--rpc", tmp_path / "scene.RPB", "-o", "out/refined.RPB")
    assert done.returncode == 0, done.stderr
    assert "those of the full scene" in done.stderr
    np.testing.assert_allclose(
        moved(read_rpc(tmp_path / "refined.RPB"), scene), SHIFT + np.zeros(50), atol=0.1
    )
    beside = run("refine", crop, gcps, "--rpc", tmp_path / "scene.RPB", "-o", "out/crop.RPB")
    assert beside.returncode == 0, beside.stderr
    own = run("project", crop, "7.70", "46.45", "900").stdout.splitlines()[1]
    given = run(
        "project", crop, "7.70", "46.45", "900", "--rpc", tmp_path / "refined.RPB"
    ).stdout.splitlines()[1]
    np.testing.assert_allclose(
        [float(v) for v in own.split(",")[:5]], [float(v) for v in given.split(",")[:5]], atol=1e-9
    )


def test_what_goes_wrong_is_said_in_one_line(run: Run, tmp_path: Path) -> None:
    gcps = table(tmp_path / "g.csv", points(simple_rpc(300))[:, :2])
    few = run("refine", "image.tif", gcps, "-o", "out/r.RPB", "--model", "affine")
    assert few.returncode == 1
    assert "2 ground control points" in few.stderr
    assert len(few.stderr.splitlines()) == 1
    for name in ("out/r.xyz", "out/r.tif"):
        unknown = run("refine", "image.tif", gcps, "-o", name)
        assert unknown.returncode == 2
        assert ".RPB, .TXT or .json" in unknown.stderr
        assert "format=" not in unknown.stderr
    assert run("refine", "image.tif", gcps, "-o", "out/r.RPB", "--model", "cubic").returncode == 2
    same = run("refine", "image.tif", gcps, "-o", gcps)
    assert "same file" in same.stderr
    columns = points(simple_rpc(300))
    columns[:2] = np.random.default_rng(5).uniform(0, 300, (2, 20))
    other = run("refine", "image.tif", table(tmp_path / "o.csv", columns), "-o", "out/r.RPB")
    assert other.returncode == 0
    assert "check that they belong to this image" in other.stderr
