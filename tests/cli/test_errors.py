"""Wrong input ends in one line, the right exit code, and nothing under the final name."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli_scene import Run

ORTHO = ("ortho", "image.tif", "--dem", "reference.tif")


def one_line(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    errors = [line for line in said if line.startswith("error: ")]
    assert len(said) <= 1 + said.count("") + sum(
        line.startswith(("heights of ", "output: ")) for line in said
    )
    assert len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in errors[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ortho", "no_rpc.tif", "--dem", "reference.tif", "--heights", "ellipsoid"),
         ("no_rpc.tif", "has no RPC", "--rpc")),
        (ORTHO, ("reference.tif", "no declared vertical datum", "--heights")),
        ((*ORTHO, "--heights", "egm2020"), ("egm2020", "ellipsoid, egm96, egm2008 or a grid file")),
        (("ortho", "image.tif", "--dem", "far.tif", "--heights", "ellipsoid"), ("far.tif", "does not look at")),
        (("ortho", "missing.tif", "--dem", "reference.tif", "--heights", "ellipsoid"),
         ("missing.tif", "does not exist")),
        (("ortho", "garbage.tif", "--dem", "reference.tif", "--heights", "ellipsoid"), ("garbage.tif", "not a raster")),
        (("ortho", "image.tif", "--dem", "garbage.tif", "--heights", "ellipsoid"), ("garbage.tif", "not a raster")),
        ((*ORTHO, "--heights", "ellipsoid", "--crs", "EPSG:999999"), ("EPSG:999999",)),
        ((*ORTHO, "--heights", "ellipsoid", "--resolution", "-1"), ("-1", "positive")),
        ((*ORTHO, "--heights", "ellipsoid", "--bounds", "2", "2", "1", "3"), ("west < east",)),
        ((*ORTHO, "--heights", "reference.tif"), ("reference.tif", "not a geoid grid")),
        ((*ORTHO, "--heights", "ellipsoid", "--resolution", "1e-9"), ("1e-09", "finer")),
        ((*ORTHO, "--heights", "ellipsoid", "--like", "far.tif"), ("would be empty", "--bounds")),
        ((*ORTHO, "--heights", "ellipsoid", "--bounds", "0", "0", "10", "10"), ("would be empty",)),
        (("align", "reference.tif", "far.tif"), ("do not overlap",)),
        (("align", "reference.tif", "moving.tif", "--exclude", "missing.gpkg"), ("missing.gpkg", "does not exist")),
        (("align", "reference.tif", "moving.tif", "--exclude", "garbage.tif"), ("garbage.tif",)),
        (("align", "reference.tif", "moving.tif", "--moving-heights", "egm96"),
         ("reference.tif", "--reference-heights")),
        (("align", "reference.tif", "image.tif"), ()),
        (("diff", "reference.tif", "garbage.tif"), ("garbage.tif",)),
    ],
)  # fmt: skip
def test_bad_input(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    one_line(run(*arguments, "-o", "out/x.tif"), 1, *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("ortho", "image.tif", "-o", "out/x.tif"),
        ("orto",),
        ("align", "reference.tif", "-o", "out/x.tif"),
        ("align", "reference.tif", "moving.tif", "-o", "out/x.tif", "--method", "magic"),
        ("align", "reference.tif", "moving.tif", "-o", "out/x.tif", "--bonds", "1"),
        (*ORTHO, "--heights", "ellipsoid", "-o", "out/x.tif", "--bounds", "1", "2"),
        (*ORTHO, "--heights", "ellipsoid", "-o", "out/x.tif", "--resolution", "fine"),
        (
            *ORTHO,
            "--heights",
            "ellipsoid",
            "-o",
            "out/x.tif",
            "--like",
            "far.tif",
            "--crs",
            "EPSG:4326",
        ),
        ("locate", "image.tif", "1", "2"),
        ("locate", "image.tif", "1", "2", "--height", "3", "--dem", "reference.tif"),
        ("locate", "image.tif", "1", "--height", "3"),
        ("locate", "image.tif", "--height", "3"),
        ("project", "image.tif", "1", "2"),
        ("project", "image.tif"),
    ],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    one_line(run(*arguments), 2, "--help")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.tif", "b.tif"), "align needs --output, which was not given"),
        (("a.tif", "-o", "out/x.tif"), "align needs MOVING, which was not given"),
        (("a.tif", "b.tif", "-o"), "-o requires an argument"),
        (("a.tif", "b.tif", "--outptu", "out/x.tif"), "Did you mean --output"),
        (("a.tif", "b.tif", "-o", "out/x.tif", "--json", "my x.json"), "'my x.json': not expected there; options have"),
    ],
)  # fmt: skip
def test_what_is_missing_or_left_over_is_named(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    one_line(run("align", *arguments), 2, said, "--help")


def test_the_output_folder_must_exist_and_be_writable(run: Run, tmp_path: Path) -> None:
    one_line(
        run("diff", "reference.tif", "moving.tif", "-o", "out/no/such/x.tif"),
        1,
        "does not exist",
        "make it first",
    )
    (tmp_path / "folder.tif").mkdir()
    one_line(run("diff", "reference.tif", "moving.tif", "-o", "out/folder.tif"), 1, "is a folder")


def test_an_input_is_never_overwritten(run: Run, scene: Path, tmp_path: Path) -> None:
    before = (scene / "moving.tif").read_bytes()
    one_line(run("align", "reference.tif", "moving.tif", "-o", "moving.tif"), 1, "same file")
    one_line(
        run("align", "reference.tif", "moving.tif", "-o", scene / "moving.tif"), 1, "same file"
    )
    assert (scene / "moving.tif").read_bytes() == before


def test_bad_tables_name_the_line(run: Run, tmp_path: Path) -> None:
    points = tmp_path / "p.csv"
    points.write_text("row,col\n1,2\n3,abc\n")
    one_line(run("locate", "image.tif", "--height", "1", "--points", points), 1, "line 3", "'abc'")
    points.write_text("x,y\n1,2\n")
    one_line(run("locate", "image.tif", "--height", "1", "--points", points), 1, "x,y", "row,col")
    points.write_bytes(b"\xff\xfe\x00\x01")
    one_line(run("locate", "image.tif", "--height", "1", "--points", points), 1, "p.csv")
    one_line(run("locate", "image.tif", "--height", "1", "--points", "out/none.csv"), 1, "none.csv")


def test_a_full_disk_leaves_nothing_behind(run: Run, scene: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(small)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        old = small / "x.tif"
        old.write_bytes(b"precious")
        one_line(run("diff", "reference.tif", "moving.tif", "-o", old), 1, "could not be written")
        assert old.read_bytes() == b"precious"
        assert [p.name for p in small.iterdir()] == ["x.tif"]
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_runs_leave_nothing_behind(
    scene: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """A large orthoimage is stopped once its temporary file is there."""
    command = [
        sys.executable, "-m", "trueground", "ortho", "image.tif", "--dem", "reference.tif", "--heights", "ellipsoid",
        "-o", str(tmp_path / "x.tif"), "--resolution", "0.03", "--threads", "1",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=scene, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    for _ in range(600):
        if list(tmp_path.iterdir()) or process.poll() is not None:
            break
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()
    start = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == -number
    assert "error: interrupted" in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - start < 10.0


def test_a_closed_pipe_is_no_error(scene: Path) -> None:
    shell = shutil.which("sh")
    assert shell is not None
    command = f"{sys.executable} -m trueground info reference.tif | head -n 1"
    done = subprocess.run(
        [shell, "-c", command], cwd=scene, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


def test_verbose_shows_the_traceback(run: Run) -> None:
    done = run("-v", "diff", "reference.tif", "garbage.tif", "-o", "out/x.tif")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_second_run_compiles_nothing(run: Run, scene: Path, tmp_path: Path) -> None:
    """numba writes to its cache what it compiles: the second run adds no file."""
    cache = tmp_path / "cache"
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    command = [
        sys.executable,
        "-m",
        "trueground",
        "align",
        "reference.tif",
        "moving.tif",
        "-o",
        str(tmp_path / "d.tif"),
    ]
    states = []
    for _ in range(2):
        subprocess.run(command, cwd=scene, env=environment, check=True, capture_output=True)
        states.append(sorted((p.name, p.stat().st_mtime_ns) for p in cache.rglob("*.nb?")))
    assert states[0]
    assert states[0] == states[1]
