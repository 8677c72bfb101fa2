"""The whole story of `examples/blockwise_coregistration.py`, on a small pair and as a user would run it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import geopandas as gpd
import pytest
from shapely import box

from known_field import pair
from trueground import open_raster, write

SCRIPT = Path(__file__).parents[3] / "examples" / "blockwise_coregistration.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("blockwise_coregistration", SCRIPT)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    reference, moving = pair("plane", size=400, spoilt=0.0)
    west, _, _, north = reference.grid.bounds
    glacier = box(west, north - 500.0, west + 500.0, north)
    outlines = folder / "glacier.gpkg"
    gpd.GeoDataFrame(geometry=[glacier], crs=reference.grid.crs).to_file(outlines)
    paths = [
        write(r, folder / f"{n}.tif") for r, n in ((reference, "reference"), (moving, "moving"))
    ]
    return [*map(str, paths), "--outlines", str(outlines), "--block-size", "100"]


def told(text):
    """The errors before and after that were printed [m]."""
    return [
        float(v) for v in re.findall(r"^Error (?:before|after): ([0-9.]+) m$", text, re.MULTILINE)
    ]


def test_example_on_files(example, files, tmp_path, capsys):
    example.main([*files, "--output", str(tmp_path / "made" / "here")])
    before, after = told(capsys.readouterr().out)
    assert after < 0.6 * before
    assert (
        1.1 < after < 1.5
    )  # the noise of both, of which bilinear resampling leaves a half to all of one
    made = tmp_path / "made" / "here"
    for name in ("difference_before", "difference_after", "shifts"):
        assert (made / f"{name}.png").stat().st_size > 10_000
    assert open_raster(made / "aligned.tif").grid == open_raster(files[0]).grid


def test_one_path_is_too_few(example, files, tmp_path):
    with pytest.raises(SystemExit):
        example.main([files[0], "--output", str(tmp_path)])


@pytest.mark.slow
def test_example_on_the_sample_world(example, tmp_path, capsys):
    example.main(["--output", str(tmp_path)])
    before, after = told(capsys.readouterr().out)
    assert after < 0.2 * before
