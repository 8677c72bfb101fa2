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
from trueground.secret import without_secrets

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


@pytest.mark.parametrize("mode", ["plain", "slow", "busy", "broken", "dropped"])
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


# ---------------------------------------------------------------------------- S3


@pytest.fixture
def bucket(scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A bucket `scenes` with the scene's files, on a server that asks for signed requests."""
    folder = tmp_path / "s3"
    folder.mkdir()
    (folder / "scenes").symlink_to(scene)
    with served(folder, "signed") as address:
        settings = {
            "AWS_S3_ENDPOINT": address.removeprefix("http://"), "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_ACCESS_KEY_ID": "known", "AWS_SECRET_ACCESS_KEY": "s3cr3tKey", "AWS_SESSION_TOKEN": "s3cr3tToken",
            "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "none",
        }  # fmt: skip
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("place", ["s3://scenes", "/vsis3/scenes"])
def test_a_bucket_is_read_as_a_folder(
    scene: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    inputs = "reference.tif", "moving.tif"
    done = run("diff", *(f"{place}/{n}" for n in inputs), "-o", "out/remote.tif")
    assert done.returncode == 0, done.stderr
    assert run("diff", *inputs, "-o", "out/local.tif").returncode == 0
    here, there = (rasterio.open(tmp_path / f"{n}.tif").read() for n in ("local", "remote"))
    np.testing.assert_array_equal(there, here)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "stranger")
    done = run("diff", f"{place}/reference.tif", "moving.tif", "-o", "out/d.tif")
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    assert f"{place}/reference.tif is not a raster that GDAL can read" in done.stderr


@pytest.mark.usefixtures("bucket")
def test_keys_of_a_bucket_are_nowhere(run: Run, tmp_path: Path) -> None:
    out, s3 = tmp_path, "s3://scenes"
    (out / "job.toml").write_text(
        f"""[job]
output = "job"
[[scene]]
name = "a"
reference = "{s3}/reference.tif"
moving = "{s3}/moving.tif"
image = "{s3}/image.tif"
steps = ["align", "ortho", "diff", "report"]
align.transform = "shift.json"
ortho.dem = "{{align}}"
ortho.heights = "ellipsoid"
ortho.resolution = 5
"""
    )
    told = ""
    for words in (
        ("run", out / "job.toml"),
        ("ortho", f"{s3}/image.tif", "--dem", f"{s3}/reference.tif", "--heights", "ellipsoid", "-o", out / "tiles",
         "--tiles", "512", "--verbose"),
        ("diff", f"{s3}/reference.tif", f"{s3}/moving.tif", "-o", out / "d.tif", "--cog", "--verbose"),
        ("info", f"{s3}/reference.tif"),
        ("diff", f"{s3}/reference.tif", f"{s3}/none.tif", "-o", out / "e.tif", "--verbose"),
    ):  # fmt: skip
        done = run(*words)
        assert done.returncode == ("none.tif" in str(words)), done.stderr
        told += done.stdout + done.stderr
    assert "s3cr3t" not in told
    written = [Path(folder) / name for folder, _, names in os.walk(out) for name in names]
    assert {p.name for p in written} >= {
        "run.json",
        "step.json",
        "align.html",
        "manifest.json",
        "d.tif",
    }
    for path in written:
        assert b"s3cr3t" not in path.read_bytes(), path
    with rasterio.open(out / "d.tif") as file:
        assert f"{s3}/reference.tif" in str(file.tags())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("https://me:p@ss@host/a.tif", "https://***@host/a.tif"),
        ("https://me:word@host/a@b.tif?x=1@2", "https://***@host/a@b.tif?x=1@2"),
        ("s3://AK:SK@bucket/a.tif", "s3://***@bucket/a.tif"),
        ("/vsicurl?url=https%3A%2F%2Fh%2Fa%3Ftoken%3Dab%26x%3D1&header.Authorization=Bearer%20x",
         "/vsicurl?url=https%3A%2F%2Fh%2Fa%3Ftoken%3D***%26x%3D1&header.Authorization=***"),
        ("/vsiaz/a?sv=2020&sig=a%2Bb%3D&se=1", "/vsiaz/a?sv=2020&sig=***&se=1"),
        ("PG:dbname=a password=word host=h", "PG:dbname=a password=*** host=h"),
        ("PG:dbname=a password='two words'", "PG:dbname=a password=***"),
        ("MYSQL:db,password=word,port=1", "MYSQL:db,password=***,port=1"),
        ("see http://h/x@y", "see http://h/x@y"),
    ],
)  # fmt: skip
def test_what_is_secret_in_a_name(name: str, shown: str) -> None:
    assert without_secrets(name) == shown
