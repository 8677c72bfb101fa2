"""Compiled kernels on disk: kept for the next process, whoever else writes there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from cli_scene import hills
from trueground.grid import Grid
from trueground.raster import ArrayRaster, open_raster
from trueground.writer import write

KERNELS = """
import sys, time
from pathlib import Path
import numpy as np
from trueground.kernels import kernel

""" + "".join(
    f"""
@kernel
def plus_{k}(a, b):
    return a + b + {k}
""" for k in range(6)
)  # fmt: skip
TYPES = ("int32", "int64", "float32", "float64")
AT_ONCE = """
from many import *
folder, kind = Path(sys.argv[1]), sys.argv[2]
def together(name, save):
    def wait(*args):
        (folder / f"{name}-{kind}").touch()
        while len(list(folder.glob(f"{name}-*"))) < 4:
            pass
        save(*args)
    return wait
for k in range(6):
    made = globals()[f"plus_{k}"]
    made._cache.save_overload = together(made.__name__, made._cache.save_overload)
    assert made(getattr(np, kind)(1), getattr(np, kind)(2)) == 3 + k
"""
AFTERWARDS = """
from many import *
hits, misses = 0, 0
for k in range(6):
    made = globals()[f"plus_{k}"]
    for kind in sys.argv[1].split(","):
        found = made(getattr(np, kind)(1), getattr(np, kind)(2))
        assert found == 3 + k, (kind, found)
    hits += sum(made.stats.cache_hits.values())
    misses += sum(made.stats.cache_misses.values())
print(hits, misses)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """For processes that have compiled nothing yet."""
    (tmp_path / "many.py").write_text(KERNELS)
    settings = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}
    kept = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    return {**kept, **settings, "OPENBLAS_NUM_THREADS": "1"}


def afterwards(environment: dict[str, str], kinds: str = ",".join(TYPES)) -> str:
    done = subprocess.run(
        [sys.executable, "-c", AFTERWARDS, kinds],
        env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_what_four_processes_compile_at_once_is_all_kept(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    """Each compiles the same kernels, for numbers of another type; nobody loads the code of another type."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, str(tmp_path), kind],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
        for kind in TYPES
    ]  # fmt: skip
    for process in started:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert afterwards(environment) == "24 0"
    assert not list((tmp_path / "cache").rglob("*.tmp.*"))


@pytest.mark.slow
def test_code_that_cannot_be_read_is_compiled_anew(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    assert afterwards(environment, "int64") == "0 6"
    first, second, third, *_ = sorted((tmp_path / "cache").rglob("*.nbc"))
    os.truncate(first, first.stat().st_size // 2)
    second.write_bytes(b"")
    third.write_bytes(b"\x80\x04\x95" * 10)
    assert afterwards(environment, "int64") == "3 3"
    assert afterwards(environment, "int64") == "6 0"


@pytest.mark.slow
def test_first_commands_that_are_started_together(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    place = Affine(20.0, 0, 399_000.0, 0, -20.0, 5_146_200.0)
    grid = Grid(crs=CRS.from_epsg(32632), transform=place, shape=(120, 120))
    x, y = grid.xy(*grid.window.pixel_centres())
    for name, shift in (("reference", 0.0), ("moving", 6.0)):
        heights = hills(x + shift, y).astype(np.float32)
        write(ArrayRaster(array=heights, grid=grid), tmp_path / f"{name}.tif")
    words = [
        sys.executable,
        "-m",
        "trueground",
        "align",
        "reference.tif",
        "moving.tif",
        "--workers",
        "1",
    ]
    started = [
        subprocess.Popen(
            [*words, "--output", f"{k}.tif"],
            env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for k in range(4)
    ]  # fmt: skip
    said = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0] * 4, said
    pixels = [open_raster(tmp_path / f"{k}.tif").read(grid.window) for k in range(4)]
    for found in pixels[1:]:
        np.testing.assert_array_equal(found, pixels[0])
