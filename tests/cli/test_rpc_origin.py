"""`--rpc-origin` on every command that reads an RPC, and what `info` says of RPC files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rpc_products as products
from cli_scene import Run, simple_rpc
from trueground.raster import open_raster


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """One RPC, as a file that counts from 1 and as one that counts from 0."""
    model = simple_rpc(300)
    texts = {"dimap": products.dimap(model), "rpb": products.rpb(model)}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {name: tmp_path / name for name in texts}


def table(text: str) -> list[list[str]]:
    return [line.split(",") for line in text.splitlines()]


def test_locate_and_project(run: Run, files: dict[str, Path]) -> None:
    own = run("project", "image.tif", "7.7", "46.45", "900").stdout
    assert run("project", files["dimap"], "7.7", "46.45", "900").stdout == own
    assert run("project", "no_rpc.tif", "7.7", "46.45", "900", "--rpc", files["rpb"]).stdout == own
    row, col = (float(v) for v in table(own)[1][3:5])
    for name, origin, move in (("dimap", "0", 1.0), ("rpb", "1", -1.0)):
        said = run("project", files[name], "7.7", "46.45", "900", "--rpc-origin", origin).stdout
        moved = [float(v) for v in table(said)[1][3:5]]
        np.testing.assert_allclose(moved, (row + move, col + move), atol=1e-6)
        place = ("locate", files[name], str(moved[0]), str(moved[1]), "--height", "900")
        back = table(run(*place, "--rpc-origin", origin).stdout)[1]
        np.testing.assert_allclose([float(v) for v in back[2:4]], (7.7, 46.45), atol=1e-9)


def test_ortho(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    def made(name: str, *more: str | Path) -> np.ndarray:
        heights = ("--dem", "reference.tif", "--heights", "ellipsoid", "--like", "reference.tif")
        done = run("ortho", "no_rpc.tif", *heights, "-o", tmp_path / name, *more)
        assert done.returncode == 0, done.stderr
        raster = open_raster(tmp_path / name)
        return raster.read(raster.grid.window)

    usual = made("a.tif", "--rpc", files["dimap"])
    np.testing.assert_array_equal(
        made("b.tif", "--rpc", files["dimap"], "--rpc-origin", "1"), usual
    )
    assert (made("c.tif", "--rpc", files["dimap"], "--rpc-origin", "0") != usual).any()


def test_info(run: Run, files: dict[str, Path]) -> None:
    said = run("info", files["dimap"]).stdout
    assert "RPC file" in said
    assert "DIMAP PHR_SENSOR: first pixel's centre is (1, 1) there" in said
    assert "RPC pixel origin  1 in the file" in said
    said = run("info", files["dimap"], "--rpc-origin", "0").stdout
    assert "RPC pixel origin  0 in the file" in said
    assert "RPC pixel origin  0 in the file" in run("info", "image.tif").stdout


def test_other_origins_are_refused(run: Run, files: dict[str, Path]) -> None:
    for command in (("info", files["rpb"]), ("locate", files["rpb"], "1", "2", "--height", "0")):
        done = run(*command, "--rpc-origin", "2")
        assert done.returncode == 2
        assert "Choose from: 0, 1" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_damaged_files_end_in_one_line(run: Run, files: dict[str, Path]) -> None:
    text = files["dimap"].read_text()
    files["dimap"].write_text(text.replace("<LONG_OFF>", "<LONG_OFF>much "))
    for command in ("info", "project"):
        done = run(
            command, files["dimap"], *(["7.7", "46.45", "900"] if command == "project" else [])
        )
        assert done.returncode == 1
        assert "LONG_OFF is 'much" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert run("info", "garbage.tif").returncode == 1
