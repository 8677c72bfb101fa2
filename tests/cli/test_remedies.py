"""What a new user does wrong: the line says what it is and which option, file or command mends it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from pyproj import CRS
from shapely.geometry import box

from cli_scene import SHIFT, Run, hills
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.writer import write

WEST, NORTH = 399_000.0, 5_146_200.0  # of the scene
UTM = CRS.from_epsg(32632)


def hilly(path: Path, crs: CRS | None = UTM, *, unfilled: slice | None = None) -> Path:
    """Write the moving DEM of the scene with another CRS, or with -9999 in some rows."""
    grid = Grid(crs=crs, transform=Affine(10.0, 0, WEST, 0, -10.0, NORTH), shape=(240, 240))
    x, y = grid.xy(*grid.window.pixel_centres())
    values = (hills(x + SHIFT[0], y + SHIFT[1]) - SHIFT[2]).astype(np.float32)
    if unfilled is not None:
        values[unfilled] = -9999.0
    write(ArrayRaster(array=values, grid=grid), path)
    return path


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Points of the reference, whose CRS says nothing of heights."""
    rng = np.random.default_rng(0)
    x = WEST + rng.uniform(100.0, 2300.0, 2000)
    y = NORTH - rng.uniform(100.0, 2300.0, 2000)
    path = tmp_path_factory.mktemp("points") / "p.gpkg"
    frame = gpd.GeoDataFrame({"z": hills(x, y)}, geometry=gpd.points_from_xy(x, y), crs=UTM)
    frame.to_file(path, driver="GPKG")
    return path


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    errors = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert done.returncode == code, done.stderr
    assert len(errors) == 1, done.stderr
    for word in words:
        assert word in errors[0]


@pytest.mark.parametrize("method", ["deramp", "terrain-bias", "nuth-kaab + deramp"])
def test_heights_of_points_are_not_corrected(run: Run, points: Path, method: str) -> None:
    done = run("align", "reference.tif", points, "-o", "out/x.gpkg", "--method", method)
    refused(done, 1, "leave out the methods that correct", "the reference")


@pytest.mark.parametrize(
    "option", [("--field", "plane"), ("--min-valid", "0.3"), ("--passes", "3"), ("--overlap", "9")]
)
def test_what_is_of_blocks_needs_blocks(run: Run, option: tuple[str, str]) -> None:
    done = run("align", "reference.tif", "moving.tif", "-o", "out/x.tif", *option)
    refused(done, 2, option[0], "--blocks")


def test_the_option_for_heights_is_that_of_align(run: Run, points: Path, tmp_path: Path) -> None:
    said = "-o", "out/x.tif", "--points-heights", "egm96"
    refused(run("align", points, "moving.tif", *said), 1, "moving.tif", "--moving-heights")
    said = "-o", "out/x.gpkg", "--points-heights", "egm96"
    refused(run("align", "moving.tif", points, *said), 1, "moving.tif", "--reference-heights")
    odd = hilly(tmp_path / "navd88.tif", CRS.from_user_input("EPSG:32632+5703"))
    done = run("align", "reference.tif", odd, "-o", "out/x.tif")
    refused(done, 1, "NAVD88", "--moving-heights")
    done = run("align", odd, odd, "-o", "out/same.tif")  # both say the same: nothing to convert
    assert done.returncode == 0, done.stderr


def test_a_motion_to_begin_with(run: Run, tmp_path: Path) -> None:
    pair = "align", "reference.tif", "moving.tif", "-o", "out/x.tif"
    done = run(*pair, "--blocks", "80", "--transform", "out/blocks.json")
    assert done.returncode == 0, done.stderr
    refused(
        run(*pair, "--initial", "out/blocks.json"), 1, "blocks.json", "block by block", "one motion"
    )
    done = run(*pair, "--method", "nuth-kaab + deramp", "--transform", "out/chain.json")
    assert done.returncode == 0, done.stderr
    done = run(*pair, "--initial", "out/chain.json", "--transform", "out/again.json")
    assert done.returncode == 0, done.stderr
    assert "its corrections are not taken" in done.stderr
    found = json.loads((tmp_path / "again.json").read_text())
    first = json.loads((tmp_path / "chain.json").read_text())
    assert found["iterations"][0]["shift_x"] == pytest.approx(first["shift_x"], abs=0.02)
    assert found["shift_x"] == pytest.approx(SHIFT[0], abs=0.1)


def test_nodata_that_nobody_declared_is_pointed_out(run: Run, tmp_path: Path) -> None:
    filled = hilly(tmp_path / "filled.tif", unfilled=slice(0, 80))
    done = run("align", "reference.tif", filled, "-o", "out/x.tif")
    refused(done, 1, "33% of the cells of the moving DEM", "gdal_edit.py -a_nodata -9999")
    done = run("align", filled, "reference.tif", "-o", "out/x.tif")
    refused(done, 1, "33% of the cells of the reference", "gdal_edit.py -a_nodata -9999")


def test_flat_terrain_is_not_called_undeclared(run: Run, tmp_path: Path) -> None:
    grid = Grid(crs=UTM, transform=Affine(10.0, 0, WEST, 0, -10.0, NORTH), shape=(240, 240))
    write(
        ArrayRaster(array=np.full((240, 240), 7.0, dtype=np.float32), grid=grid),
        tmp_path / "flat.tif",
    )
    done = run("align", tmp_path / "flat.tif", tmp_path / "flat.tif", "-o", "out/x.tif")
    refused(done, 1, "flat")
    assert "nodata" not in done.stderr


def test_areas_beside_the_raster_are_refused_at_once(run: Run, tmp_path: Path) -> None:
    for name, west in (("on", WEST), ("off", WEST + 4e5)):
        polygon = box(west + 500.0, NORTH - 1500.0, west + 1000.0, NORTH - 1000.0)
        frame = gpd.GeoDataFrame(geometry=[polygon], crs=UTM).to_crs(4326)
        frame.to_file(tmp_path / f"{name}.gpkg", driver="GPKG")
    plain = hilly(tmp_path / "plain.tif", None)
    done = run("uncertainty", plain, "--areas", "out/on.gpkg")
    refused(done, 1, "no polygon of", "has no CRS", "gdal_edit.py -a_srs")
    assert done.stdout == ""
    done = run("uncertainty", "moving.tif", "--areas", "out/off.gpkg")
    refused(done, 1, "no polygon of", "check their CRS")
    assert done.stdout == ""


def test_one_file_for_two_options(run: Run) -> None:
    pair = "align", "reference.tif", "moving.tif"
    done = run(*pair, "-o", "out/x.tif", "--transform", "out/x.tif")
    refused(done, 1, "--output", "--transform", "same file")
    refused(run(*pair, "-o", "moving.tif"), 1, "--output", "the input moving.tif", "same file")


def test_files_that_are_not_there(run: Run) -> None:
    done = run("align", "reference.tif", "pts.txt", "-o", "out/x.tif")
    refused(done, 1, "pts.txt does not exist")
    done = run("apply", "nope.json", "moving.tif", "-o", "out/x.tif")
    refused(done, 1, "nope.json does not exist")
    assert "permissions" not in done.stderr
    done = run("align", "reference.tif", "moving.tif", "-o", "out/x.tif", "--initial", "nope.json")
    refused(done, 1, "nope.json does not exist")


def test_an_interrupt_while_it_starts_is_one_line() -> None:
    """The interrupt comes when a part of the command line is imported."""
    code = """
import runpy, sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "trueground.cli.align":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
runpy.run_module("trueground", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    refused(done, -signal.SIGINT, "error: interrupted")
