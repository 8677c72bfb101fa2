"""What a user would not name, and must not lose; and what would change nothing."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import rasterio

from cli_scene import Run


def test_the_sources_of_an_input_are_inputs(run: Run, scene: Path, tmp_path: Path) -> None:
    source = tmp_path / "source.tif"
    shutil.copy(scene / "moving.tif", source)
    with rasterio.open(source) as dataset:
        vrt = rasterio.vrt.WarpedVRT(dataset)
        rasterio.shutil.copy(vrt, tmp_path / "view.vrt", driver="VRT")
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(source, "m.tif")
    for moving, output in (("view.vrt", "source.tif"), (Path(f"/vsizip/{archive}/m.tif"), "a.zip")):
        before = (tmp_path / output).read_bytes()
        done = run("diff", "reference.tif", tmp_path / moving, "-o", tmp_path / output)
        assert done.returncode == 1
        assert "same file" in done.stderr or "GeoTIFF" in done.stderr
        assert (tmp_path / output).read_bytes() == before


def test_the_rpc_beside_an_image_is_an_input(run: Run, scene: Path, tmp_path: Path) -> None:
    image = tmp_path / "scene.tif"
    shutil.copy(scene / "image.tif", image)
    beside = tmp_path / "scene.geom"
    beside.write_text("precious")
    points = tmp_path / "p.csv"
    points.write_text("row,col\n1,2\n")
    done = run("locate", image, "--points", points, "--height", "900", "-o", beside)
    assert done.returncode == 1
    assert "same file" in done.stderr
    assert beside.read_text() == "precious"


def test_rasters_are_geotiffs(run: Run, tmp_path: Path) -> None:
    done = run("diff", "reference.tif", "moving.tif", "-o", "out/x.png")
    assert done.returncode == 1
    assert ".tif" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_moving_dem_of_something_else_is_not_written(
    run: Run, scene: Path, tmp_path: Path
) -> None:
    flat = tmp_path / "flat.tif"
    with rasterio.open(scene / "moving.tif") as source:
        profile = source.profile
    with rasterio.open(flat, "w", **profile) as target:
        target.write(np.full((240, 240), 100.0, dtype=np.float32), 1)
    done = run("align", "reference.tif", flat, "-o", "out/a.tif")
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert not (tmp_path / "a.tif").exists()


def test_outlines_elsewhere_are_pointed_out(run: Run, tmp_path: Path) -> None:
    ring = [[20.0, 10.0], [20.1, 10.0], [20.1, 10.1], [20.0, 10.0]]
    feature = {
        "type": "Feature",
        "properties": {},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    outlines = tmp_path / "far.geojson"
    outlines.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    done = run("align", "reference.tif", "moving.tif", "-o", "out/a.tif", "--exclude", outlines)
    assert done.returncode == 0
    assert "no polygon of" in done.stderr


def test_a_full_standard_output_is_one_line(scene: Path) -> None:
    import subprocess
    import sys

    points = "\n".join(["row,col", *["1,2"] * 5000])
    (scene / "many.csv").write_text(points)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "trueground", "locate", "image.tif", "--height", "9", "--points", "many.csv"],
            cwd=scene, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "No space left" in done.stderr
