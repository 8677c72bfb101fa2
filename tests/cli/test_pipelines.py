"""Several methods on the command line, and what they found applied again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from cli_scene import SHIFT, Run, hills
from trueground.coreg import Chain, read_result
from trueground.raster import ArrayRaster, open_raster
from trueground.writer import write


def ramp(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 1.0 + 2e-3 * (x - 400_000.0) - 1e-3 * (y - 5_145_000.0)


@pytest.fixture(scope="module")
def ramped(scene: Path) -> Path:
    """The moving DEM of the scene, without a tilt that it should have."""
    source = open_raster(scene / "moving.tif")
    x, y = source.grid.xy(*source.grid.window.pixel_centres())
    values = source.read(source.grid.window)[0] - ramp(x + SHIFT[0], y + SHIFT[1])
    return write(
        ArrayRaster(array=values.astype(np.float32), grid=source.grid), scene / "ramped.tif"
    )


def error_of(path: Path) -> np.ndarray:
    with rasterio.open(path) as found:
        rows, cols = np.mgrid[20:220, 20:220]
        x, y = found.xy(rows.ravel(), cols.ravel())
        return found.read(1)[20:220, 20:220].ravel() - hills(np.array(x), np.array(y))


def test_align_with_several_methods_and_apply_what_they_found(
    run: Run, ramped: Path, tmp_path: Path
) -> None:
    done = run(
        "align", "reference.tif", ramped, "-o", "out/aligned.tif", "--transform", "out/t.json",
        "--report", "out/r.html", "--method", "deramp + nuth-kaab+deramp:2 + nuth-kaab",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = read_result((tmp_path / "t.json").read_text())
    assert isinstance(found, Chain)
    assert found.method == "deramp + nuth-kaab + deramp + nuth-kaab"
    assert found.shift_x == pytest.approx(SHIFT[0], abs=0.3)
    assert np.nanmedian(np.abs(error_of(tmp_path / "aligned.tif"))) < 0.1
    assert done.stdout.splitlines()[0].startswith("shift x ")
    assert [line.split(":")[0] for line in done.stdout.splitlines()[1:3]] == ["deramp", "deramp"]
    assert done.stdout.splitlines()[3].startswith("NMAD on ")
    page = (tmp_path / "r.html").read_text()
    assert "Corrections of the heights" in page
    assert "m/km east" in page
    assert "corrected (deramp, deramp) and moved" in page
    with rasterio.open(tmp_path / "aligned.tif") as aligned:
        tag = json.loads(aligned.tags()["TRUEGROUND_TRANSFORM"])
        assert len(tag["corrections"]) == 2
        want = aligned.read(1)
    again = run("apply", tmp_path / "t.json", ramped, "-o", "out/again.tif")
    assert again.returncode == 0, again.stderr
    with rasterio.open(tmp_path / "again.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), want)
        assert dataset.tags()["TRUEGROUND_DEM"] == str(ramped)
    undone = run("apply", tmp_path / "t.json", ramped, "-o", "out/no.tif", "--invert")
    assert undone.returncode == 2
    assert "undone" in undone.stderr


def test_corrections_alone(run: Run, ramped: Path, tmp_path: Path) -> None:
    done = run(
        "-q", "align", "reference.tif", ramped, "-o", "out/a.tif", "--transform", "out/t.json",
        "--method", "terrain-bias:elevation", "--report", "out/r.html",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "terrain-bias: of elevation" in done.stdout
    assert "was corrected (terrain-bias) onto" in (tmp_path / "r.html").read_text()
    done = run("apply", tmp_path / "t.json", ramped, "-o", "out/b.tif")
    assert done.returncode == 0, done.stderr
    done = run(
        "apply", tmp_path / "t.json", ramped, "-o", "out/c.tif", "--variable", "reference.tif",
        "--like", "reference.tif", "--cog",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with rasterio.open(tmp_path / "a.tif") as one, rasterio.open(tmp_path / "c.tif") as two:
        np.testing.assert_array_equal(one.read(1), two.read(1))


def test_a_motion_is_applied_and_undone(run: Run, tmp_path: Path) -> None:
    done = run(
        "align", "reference.tif", "moving.tif", "-o", "out/a.tif", "--transform", "out/t.json",
        "--method", "nuth-kaab + vertical-shift",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    there = run(
        "apply", tmp_path / "t.json", "reference.tif", "-o", "out/there.tif", "--invert",
        "--resampling", "cubic",
    )  # fmt: skip
    assert there.returncode == 0, there.stderr
    back = run(
        "apply", tmp_path / "t.json", tmp_path / "there.tif", "-o", "out/back.tif",
        "--resampling", "cubic", "--like", "reference.tif",
    )  # fmt: skip
    assert back.returncode == 0, back.stderr
    assert np.nanmedian(np.abs(error_of(tmp_path / "back.tif"))) < 0.05


def test_what_is_wrong_is_said_before_any_work(run: Run, scene: Path, tmp_path: Path) -> None:
    done = run("align", "reference.tif", "moving.tif", "-o", "out/a.tif", "--method", "magic")
    assert done.returncode == 2
    assert "magic" in done.stderr
    assert "terrain-bias, vertical-shift" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    (tmp_path / "odd.json").write_text("{}")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    for name, says in (
        ("odd.json", "odd.json"), ("bytes.json", "not text"), ("none.json", "none.json"),
    ):  # fmt: skip
        done = run("apply", tmp_path / name, "moving.tif", "-o", "out/a.tif")
        assert done.returncode == 1
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1
    good = tmp_path / "t.json"
    done = run("-q", "align", "reference.tif", "moving.tif", "-o", "out/a.tif", "--transform", good)
    assert done.returncode == 0, done.stderr
    done = run("apply", good, "moving.tif", "-o", good)
    assert done.returncode == 1
    done = run("apply", good, "moving.tif", "-o", "out/b.tif", "--variable", "reference.tif")
    assert done.returncode == 2
    assert "--variable" in done.stderr
    done = run("apply", good, "moving.tif", "-o", scene / "moving.tif")
    assert done.returncode == 1
    assert "same file" in done.stderr
