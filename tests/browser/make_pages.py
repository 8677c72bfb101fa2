"""Writes one report of each kind into a folder, as a process of its own: `python make_pages.py FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from cli_scene import SHIFT, hills
from control_scene import biased, small
from trueground.cli.main import run
from trueground.difference import Difference
from trueground.raster import ArrayRaster, open_raster
from trueground.report import write_demo_report
from trueground.vectors import read_outlines
from trueground.writer import write

_JOB = """
[job]
name = "Two scenes"
output = "out"
[defaults.align]
reference_heights = "ellipsoid"
moving_heights = "ellipsoid"
[[scene]]
name = "north"
reference = "heights.tif"
moving = "moving.tif"
steps = ["align"]
[[scene]]
name = "south"
reference = "heights.tif"
moving = "flat.tif"
steps = ["align"]
"""


def main(folder: Path) -> None:
    """Make the scene and all pages."""
    _write_scene(folder)
    dems = ("heights.tif", "moving.tif", "--reference-heights", "ellipsoid", "--moving-heights", "ellipsoid",
            "--exclude", "ice.geojson")  # fmt: skip
    seen = ("--dem", "heights.tif", "--heights", "ellipsoid")
    of_commands = (
        ("align", *dems, "-o", "aligned.tif", "--transform", "alignment.json", "--report", "alignment.html"),
        ("align", *dems, "-o", "b.tif", "--blocks", "60", "--transform", "b.json", "--report", "blockwise.html"),
        ("ortho", "image.tif", *seen, "-o", "o.tif", "--reference", "texture.tif", "--report", "orthoimage.html"),
        ("refine", "image.tif", *seen, "-o", "r.RPB", "--reference", "texture.tif", "--patches", "20",
         "--patch-sizes", "128,64", "--report", "refinement.html"),
        ("converge", "image.tif", *seen, "--grid", "40", "-o", "convergence.html", "--trace", "150", "150"),
        ("diff", *dems[:1], "aligned.tif", "--reference-heights", "ellipsoid", "-o", "dh.tif"),
        ("uncertainty", "dh.tif", "--areas", "ice.geojson", "--slope-from", "heights.tif", "-o", "changes.json",
         "--report", "uncertainty.html"),
    )  # fmt: skip
    for words in of_commands:
        _must(run(list(words)), 0, words)
    _write_demo()
    (folder / "ice.geojson").rename(folder / "gone.geojson")
    words = ("report", "alignment.json", "-o", "rebuilt.html")
    _must(run(list(words)), 0, words)
    (folder / "job.toml").write_text(_JOB)
    _must(run(["run", "job.toml"]), 1, ("run", "of a scene that fails"))
    (folder / "out" / "index.html").rename(folder / "out" / "run.html")


def _must(code: int, due: int, words: tuple[str, ...]) -> None:
    if code != due:
        sys.exit(f"trueground {' '.join(words)}: exit code {code}, not {due}")


def _write_scene(folder: Path) -> None:
    scene = small()
    write(scene.heights, folder / "heights.tif")
    write(scene.reference, folder / "texture.tif")
    write(scene.image, folder / "image.tif", rpc_tags=biased(scene.rpc).to_tags())
    grid = scene.heights.grid
    x, y = grid.xy(*grid.window.pixel_centres())
    rough = np.random.default_rng(1).normal(0.0, 0.3, grid.shape)
    moved = (hills(x + SHIFT[0], y + SHIFT[1]) - SHIFT[2] + rough).astype(np.float32)
    moved[20:30, 40:60] = np.nan
    moved[120:180, 120:180] -= 12.0  # of the ice
    write(ArrayRaster(array=moved, grid=grid), folder / "moving.tif")
    write(ArrayRaster(array=np.full(grid.shape, 7.0, np.float32), grid=grid), folder / "flat.tif")
    west, north = grid.transform @ (120, 120)
    east, south = grid.transform @ (180, 180)
    ring = [[west, north], [east, north], [east, south], [west, south], [west, north]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "properties": {"name": "ice"}, "geometry": shape}
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
    collection = {"type": "FeatureCollection", "crs": crs, "features": [feature]}
    (folder / "ice.geojson").write_text(json.dumps(collection))


def _write_demo() -> None:
    reference = open_raster("heights.tif")
    moving, aligned = open_raster("moving.tif"), open_raster("aligned.tif")
    before, after = (Difference(first=reference, second=r) for r in (moving, aligned))
    write_demo_report(
        "demo.html",
        alignment=json.loads(Path("alignment.json").read_text()),
        before=before,
        after=after,
        reference=reference,
        outlines=read_outlines("ice.geojson"),
        truth=dict(zip(("shift_x", "shift_y", "shift_z"), SHIFT, strict=True)),
        images=[open_raster("o.tif"), open_raster("texture.tif")],
        numbers={"Pixels": 12345},
        command="trueground demo demo",
    )


if __name__ == "__main__":
    import os

    os.chdir(sys.argv[1])
    main(Path.cwd())
