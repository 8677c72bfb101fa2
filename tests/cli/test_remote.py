"""Remote files: read as local ones, from servers that are slow, busy or break off; credentials are not written."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import rasterio

from cli_scene import Run

SERVER = Path(__file__).parents[1] / "range_server.py"
SECRETS = "X-Amz-Signature=s3cr3t&access_token=s3cr3t"


@contextmanager
def served(folder: Path, mode: str = "plain") -> Iterator[str]:
    """Serve a folder on this machine; give the address."""
    words = [sys.executable, str(SERVER), str(folder), mode]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()


@pytest.mark.parametrize("mode", ["plain", "slow", "busy", "broken"])
def test_a_remote_file_is_read_as_a_local_one(
    scene: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.05")
    inputs = "reference.tif", "moving.tif"
    with served(scene, mode) as address:
        remote = (f"{address}/{name}" for name in inputs)
        done = run("diff", *remote, "-o", "out/remote.tif")
    assert done.returncode == 0, done.stderr
    assert run("diff", *inputs, "-o", "out/local.tif").returncode == 0
    here, there = (rasterio.open(tmp_path / f"{n}.tif").read() for n in ("local", "remote"))
    np.testing.assert_array_equal(there, here)


@pytest.mark.parametrize(("mode", "words"), [("down", "500"), ("silent", "not a raster")])
def test_a_server_that_fails_for_good_is_one_error(
    scene: Path, run: Run, monkeypatch: pytest.MonkeyPatch, mode: str, words: str
) -> None:
    for name, value in (("RETRY_DELAY", "0.05"), ("LOW_SPEED_TIME", "1"), ("MAX_RETRY", "1")):
        monkeypatch.setenv(f"GDAL_HTTP_{name}", value)
    start = time.monotonic()
    with served(scene, mode) as address:
        done = run("diff", f"{address}/reference.tif?{SECRETS}", "moving.tif", "-o", "out/d.tif")
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert words in errors[0]
    assert "Traceback" not in done.stderr
    assert "s3cr3t" not in done.stderr
    assert time.monotonic() - start < 30.0


def test_credentials_are_nowhere(scene: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path
    with served(scene) as address:
        host = address.removeprefix("http://")
        done = run(
            "align", f"{address}/reference.tif?{SECRETS}", f"http://me:s3cr3t@{host}/moving.tif",
            "-o", out / "a.tif", "--transform", out / "a.json", "--report", out / "a.html", "--verbose",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told = done.stdout + done.stderr
        done = run(
            "ortho", f"{address}/image.tif?{SECRETS}", "--dem", f"{address}/reference.tif?{SECRETS}",
            "--heights", "ellipsoid", "-o", out / "tiles", "--tiles", "512",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told += done.stdout + done.stderr
        done = run("diff", f"{address}/reference.tif?{SECRETS}", f"{address}/none.tif?{SECRETS}",
                   "-o", out / "d.tif", "--verbose")  # fmt: skip
        assert done.returncode == 1
        told += done.stdout + done.stderr
    assert "s3cr3t" not in told
    written = [Path(folder) / name for folder, _, names in os.walk(out) for name in names]
    assert {p.suffix for p in written} >= {".tif", ".json", ".html", ".vrt"}
    for path in written:
        assert b"s3cr3t" not in path.read_bytes(), path
    with rasterio.open(out / "a.tif") as file:
        assert "Signature=***" in str(file.tags())
