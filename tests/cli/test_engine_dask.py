"""Commands on a cluster: the same files, clear errors, and an end within two seconds."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cluster_jobs import scheduler_and_workers
from trueground.raster import open_raster

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

COMMANDS = {
    "ortho": ("image.tif", "--dem", "reference.tif", "--heights", "ellipsoid", "-o", "out/o.tif"),
    "tiles": (
        "image.tif", "--dem", "reference.tif", "--heights", "ellipsoid", "-o", "out/tiles", "--tiles", "128",
    ),
    "align": ("reference.tif", "moving.tif", "-o", "out/a.tif", "--exclude", "outline.geojson"),
    "blocks": ("reference.tif", "moving.tif", "-o", "out/b.tif", "--blocks", "80"),
    "diff": ("reference.tif", "moving.tif", "-o", "out/d.tif"),
    "locate": ("image.tif", "--dem", "reference.tif", "--heights", "ellipsoid", "-o", "out/l.tif"),
}  # fmt: skip
OUTPUTS = {
    "ortho": "o.tif",
    "tiles": "tiles/tiles.vrt",
    "align": "a.tif",
    "blocks": "b.tif",
    "diff": "d.tif",
    "locate": "l.tif",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    with scheduler_and_workers(folder, workers=2) as (found, _):
        yield found.replace("tcp", "dask")


def _pixels(path: Path):
    raster = open_raster(path)
    return raster.read(raster.grid.window)


def _command(name):
    return {"tiles": "ortho", "blocks": "align"}.get(name, name)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_makes_the_same_on_a_cluster(name, run, tmp_path, address):
    said, found = [], []
    for engine in ("threads", address):
        done = run(_command(name), *COMMANDS[name], "--engine", engine)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
        found.append(_pixels(tmp_path / OUTPUTS[name]))
        if name == "tiles":
            (tmp_path / "tiles").rename(tmp_path / f"before_{len(found)}")
    assert said[0] == said[1]
    np.testing.assert_array_equal(*found)


def test_processes_of_this_computer(run, tmp_path):
    done = run("ortho", *COMMANDS["ortho"], "--engine", "dask", "--workers", "2", "--verbose")
    assert done.returncode == 0, done.stderr
    expected = run("ortho", *COMMANDS["ortho"][:-1], "out/t.tif", "--engine", "serial")
    assert expected.returncode == 0, expected.stderr
    assert "hidden from the sensor" in done.stdout
    assert done.stdout == expected.stdout
    np.testing.assert_array_equal(_pixels(tmp_path / "o.tif"), _pixels(tmp_path / "t.tif"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--engine", "spark"),
            "engine 'spark' is not known: give threads, serial, dask or dask://HOST:PORT",
        ),
        (("--engine", "dask://host"), "is no address of a Dask scheduler: give dask://HOST:PORT"),
        (("--engine", "serial", "--workers", "2"), "2 workers for the engine serial"),
        (("--workers", "-1"), "-1 threads"),
    ],
)
def test_engines_that_there_are_not(words, said, run, tmp_path):
    done = run("diff", *COMMANDS["diff"], *words)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def _children(process):
    found = subprocess.run(
        ["pgrep", "--parent", str(process.pid), "--full", "spawn_main"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return [int(pid) for pid in found.stdout.split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_ended_leaves_nothing_within_two_seconds(number, scene, tmp_path):
    words = [
        "ortho", *COMMANDS["ortho"][:-1], str(tmp_path / "o.tif"), "--resolution", "0.2", "--engine", "dask",
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "trueground", *words, "--workers", "2"], cwd=scene,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 60.0
    while not any(".part" in p.name for p in tmp_path.iterdir()):
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    workers = _children(process)
    assert len(workers) == 2
    start = time.monotonic()
    if number == signal.SIGINT:  # as a terminal sends it: to all
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, said = process.communicate(timeout=30)
    while any(_is_alive(pid) for pid in workers):
        assert time.monotonic() - start < 2.0
        time.sleep(0.02)
    assert time.monotonic() - start < 2.0
    assert not (tmp_path / "o.tif").exists()
    if number != signal.SIGKILL:
        assert process.returncode == -number
        assert said.splitlines()[-1] == "error: interrupted; nothing half-written was left"
        assert "Traceback" not in said
        assert not list(tmp_path.iterdir())


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


JOB = """\
[job]
output = "results"
engine = "dask"
workers = 2

[[scene]]
name = "a"
reference = "reference.tif"
moving = "moving.tif"
steps = ["align", "diff"]
diff.b = "{align}"

[[scene]]
name = "b"
reference = "reference.tif"
moving = "far.tif"
steps = ["align"]

[[scene]]
name = "c"
reference = "reference.tif"
moving = "moving.tif"
steps = ["diff"]
"""


@pytest.mark.filterwarnings("ignore:neither DEM declares")
def test_the_steps_of_a_job_share_a_cluster_until_one_fails(scene, tmp_path, monkeypatch, capsys):
    from trueground.cli.main import run as run_here
    from trueground.cluster import connection

    made, start = [], connection._processes

    def started(distributed, workers):
        made.append(start(distributed, workers))
        return made[-1]

    monkeypatch.setattr(connection, "_processes", started)
    for name in ("reference.tif", "moving.tif", "far.tif"):
        shutil.copy(scene / name, tmp_path / name)
    (tmp_path / "job.toml").write_text(JOB)
    assert run_here(["run", str(tmp_path / "job.toml")]) == 1  # b does not overlap
    assert "1 of 3 scenes failed: b" in capsys.readouterr().err
    assert len(made) in (1, 2)
    assert {c.client.status for c in made} == {"closed"}
