"""`trueground refine --reference`, as a process of its own."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from cli_scene import Run
from control_scene import Small, biased, error, random_texture, small
from trueground.raster import ArrayRaster
from trueground.rpc.readers import read_rpc
from trueground.rpc.writers import exact_tags
from trueground.writer import write

QUICK = ("--patches", "25", "--patch-sizes", "64,32", "--search", "24")


@pytest.fixture(scope="module")
def small_scene() -> Small:
    return small()


@pytest.fixture(scope="module")
def files(small_scene: Small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("control")
    wrong = biased(small_scene.rpc)
    write(small_scene.image, folder / "image.tif", rpc_tags=exact_tags(wrong))
    write(small_scene.reference, folder / "reference.tif")
    write(small_scene.heights, folder / "dem.tif")
    grid = small_scene.reference.grid
    other = random_texture(grid.shape, 9).astype(np.float32)
    write(ArrayRaster(array=other, grid=grid), folder / "other.tif")
    return folder


def command(files: Path, reference: str = "reference.tif") -> list[str | Path]:
    return [
        "refine", files / "image.tif", "--reference", files / reference, "--dem", files / "dem.tif",
        "--heights", "ellipsoid", *QUICK,
    ]  # fmt: skip


def test_refines_and_reports(run: Run, files: Path, small_scene: Small, tmp_path: Path) -> None:
    done = run(
        *command(files), "-o", "out/r.RPB", "--residuals", "out/r.csv", "--report", "out/r.html"
    )
    assert done.returncode == 0, done.stderr
    assert "patches match (64/32 px)" in done.stdout
    assert "model drift" in done.stdout
    found = read_rpc(tmp_path / "r.RPB")
    rms, worst = error(found, small_scene.rpc, small_scene.dem, small_scene.image.grid.shape)
    assert rms < 0.05
    assert worst < 0.1
    verdicts = [r["verdict"] for r in csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text()))]
    assert f"{verdicts.count('used')} of {len(verdicts)} patches match" in done.stdout
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "The RPC of image.tif, refined" in page
    assert "--patch-sizes 64,32" in page  # the command that makes it again
    again = run("-q", *command(files), "-o", "out/s.json", "--residuals", "out/s.geojson")
    assert again.returncode == 0, again.stderr
    features = json.loads((tmp_path / "s.geojson").read_text())["features"]
    assert [f["properties"]["verdict"] for f in features] == verdicts


def test_another_place_is_refused_in_one_line(run: Run, files: Path, tmp_path: Path) -> None:
    done = run(*command(files, "other.tif"), "-o", "out/r.RPB", "--report", "out/r.html")
    assert done.returncode == 1
    assert "does not match the reference" in done.stderr
    assert "chance" in done.stderr
    assert not list(tmp_path.glob("r.*"))


def test_what_does_not_go_together(run: Run, files: Path, tmp_path: Path) -> None:
    image, reference = files / "image.tif", files / "reference.tif"
    neither = run("refine", image, "-o", "out/r.RPB")
    assert neither.returncode == 2
    assert "--reference" in neither.stderr
    flat = run("refine", image, "--reference", reference, "-o", "out/r.RPB")
    assert flat.returncode == 2
    assert "--dem" in flat.stderr
    dem = files / "dem.tif"
    both = run("refine", image, "p.csv", "--reference", reference, "--dem", dem, "-o", "out/r.RPB")
    assert both.returncode == 2
    words = run(*command(files), "--patch-sizes", "big", "-o", "out/r.RPB")
    assert words.returncode in {1, 2}
    table = tmp_path / "p.csv"
    table.write_text("row,col,lon,lat,height\n150,150,7.70,46.45,900\n")
    report = run("refine", image, table, "-o", "out/g.RPB", "--report", "out/g.html")
    assert report.returncode == 0, report.stderr
    assert "ground control points agree" in (tmp_path / "g.html").read_text(encoding="utf-8")
    silent = run("refine", image, table, "-o", "out/h.RPB", "--residuals", "out/h.geojson")
    assert silent.returncode == 1
    assert ".csv" in silent.stderr
    assert not (tmp_path / "h.RPB").exists()
