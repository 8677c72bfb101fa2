"""`trueground run`: whole jobs on a small scene, stopped and gone on with, as a user runs them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cli_scene import Run
from trueground.cli.main import run as run_here
from trueground.raster import open_raster

DOCS = Path(__file__).parents[2] / "docs" / "jobs.md"
JOB = """\
[job]
output = "results"

[defaults.align]
transform = "shift.json"

[defaults.ortho]
dem = "{align}"
heights = "ellipsoid"
resolution = 5
crs = "EPSG:32632"

[defaults.diff]
b = "{align}"

[[scene]]
name = "far"
reference = "reference.tif"
moving = "far.tif"
steps = ["align", "diff"]

[[scene]]
name = "near"
reference = "reference.tif"
moving = "moving.tif"
image = "image.tif"
outlines = "outline.geojson"
steps = ["align", "ortho", "diff", "report"]
"""
NAMES = ("reference.tif", "moving.tif", "far.tif", "image.tif", "outline.geojson")


in_process = pytest.mark.filterwarnings("ignore:neither DEM declares")


@pytest.fixture
def job(scene: Path, tmp_path: Path) -> Path:
    """A job file beside copies of the scene."""
    for name in NAMES:
        shutil.copy2(scene / name, tmp_path / name)
    path = tmp_path / "job.toml"
    path.write_text(JOB)
    return path


def run_of(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def values(path: Path) -> np.ndarray:
    raster = open_raster(path)
    return raster.read(raster.grid.window)


def test_align_ortho_diff_report_and_all_of_it_again(run: Run, job: Path) -> None:
    done = run("run", job)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["scene", "step", "status", "seconds", "warnings", "result"]
    assert [line.split()[:3] for line in lines[1:]] == [
        ["far", "align", "failed"], ["far", "diff", "skipped"],
        ["near", "align", "done"], ["near", "ortho", "done"], ["near", "diff", "done"],
    ]  # fmt: skip
    assert "error: far: align: the rasters do not overlap" in done.stderr
    assert done.stderr.splitlines()[-1] == "error: 1 of 2 scenes failed: far"
    assert "Traceback" not in done.stderr
    folder = job.parent / "results"
    near = folder / "near"
    assert {p.relative_to(near).as_posix() for p in near.rglob("*") if p.is_file()} == {
        "align/aligned.tif", "align/shift.json", "align/align.html", "align/step.json",
        "ortho/ortho.tif", "ortho/ortho.html", "ortho/ortho.json", "ortho/step.json",
        "diff/difference.tif", "diff/step.json",
    }  # fmt: skip
    saved = run_of(folder)
    assert saved["status"] == "failed"
    assert [s["status"] for s in saved["scenes"]] == ["failed", "done"]
    align, ortho, diff = saved["scenes"][1]["steps"]
    assert "m before" in align["said"][1]
    assert align["warnings"] == [
        "neither DEM declares a vertical datum: their heights are taken to be above the same surface"
    ]
    assert ortho["inputs"]["{align}"] == align["outputs"]["aligned.tif"]["fingerprint"]
    page = (folder / "index.html").read_text()
    assert 'href="near/align/align.html"' in page
    assert "do not overlap" in page
    # The words in run.json are the command: it makes the same.
    other = job.parent / "again.tif"
    words = [
        w.replace(str(near / "diff" / "difference.tif"), str(other)) for w in diff["words"][1:]
    ]
    assert run(*words).returncode == 0
    np.testing.assert_array_equal(values(other), values(near / "diff" / "difference.tif"))
    before = {p: p.stat().st_mtime_ns for p in near.rglob("*")}
    again = run("run", job)
    assert again.returncode == 1
    assert [s["status"] for s in run_of(folder)["scenes"][1]["steps"]] == ["reused"] * 3
    assert {p: p.stat().st_mtime_ns for p in near.rglob("*")} == before


@in_process
def test_what_has_changed_is_done_again_and_says_why(here: Run, job: Path) -> None:
    job.write_text(JOB.replace("far.tif", "moving.tif").replace(', "report"', ""))
    assert here("-q", "run", job).returncode == 0
    job.write_text(job.read_text().replace("resolution = 5", "resolution = 4"))
    shutil.copy2(job.parent / "reference.tif", job.parent / "moving.tif")
    planned = here("run", job, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "1. far: align (would run: moving.tif has changed)" in planned.stdout
    assert "5 of 5 steps would run" in planned.stdout
    assert "from steps done before in this folder (2 of align, 2 of diff)" in planned.stdout
    done = here("run", job)
    assert done.returncode == 0, done.stderr
    assert "near: align done in" in done.stderr
    assert "(moving.tif has changed)" in done.stderr
    assert "(resolution was 5, and is 4; {align} has changed)" in done.stderr


@in_process
def test_a_plan_has_sizes_and_times_and_writes_nothing(here: Run, job: Path) -> None:
    before = sorted(job.parent.iterdir())
    done = here("run", job, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert sorted(job.parent.iterdir()) == before
    text = done.stdout.replace(f"{job.parent}/", "")
    assert "   reads moving.tif (240 x 240 px, " in text
    assert "   writes results/near/align/aligned.tif (240 x 240 px, 230 kB uncompressed)" in text
    assert "   reads results/near/align/aligned.tif (240 x 240 px, not there yet)" in text
    assert "5 of 5 steps would run, in about " in text
    shape = re.search(r"ortho/ortho.tif \((\d+) x (\d+) px", text)
    assert shape is not None
    made = here("-q", "run", job)
    assert made.returncode == 1
    ortho = open_raster(job.parent / "results/near/ortho/ortho.tif")
    assert (int(shape[1]), int(shape[2])) == ortho.grid.shape


SEVERAL = """\
[job]
output = "results"

[defaults.ortho]
dem = "reference.tif"
heights = "ellipsoid"
crs = "EPSG:32632"

[[scene]]
name = "both"
images = ["image.tif", "other.tif"]
steps = ["ortho", "tiled:ortho", "diff", "refine", "last:ortho", "report"]
tiled.images = "image.tif"
tiled.tiles = 256
diff.a = "{tiled}"
diff.b = "{ortho}/other.tif"
refine.image = "image.tif"
refine.reference = "{tiled}"
refine.dem = "reference.tif"
refine.heights = "ellipsoid"
refine.patches = 9
last.images = "image.tif"
last.rpc = "{refine}"
last.occlusion = "mask"
"""


@in_process
def test_several_images_tiles_and_a_refined_rpc(here: Run, job: Path) -> None:
    shutil.copy2(job.parent / "image.tif", job.parent / "other.tif")
    job.write_text(SEVERAL)
    planned = here("run", job, "--dry-run")
    sizes = [
        re.search(r"px, [0-9.]+ kB unc", t) for t in planned.stdout.splitlines() if "writes" in t
    ]
    assert [found is not None for found in sizes] == [True, True, True, False, True]
    assert "ortho.vrt (325 x 300 px, not there yet)" in planned.stdout
    done = here("-q", "run", job)
    assert done.returncode == 0, done.stderr
    folder = job.parent / "results" / "both"
    assert np.nanmax(abs(values(folder / "diff" / "difference.tif"))) == 0.0
    assert open_raster(folder / "last" / "ortho.tif").grid.shape == (325, 300)
    outputs = [set(s["outputs"]) for s in run_of(job.parent / "results")["scenes"][0]["steps"]]
    assert outputs[0] == {"ortho/image.tif", "ortho/other.tif"}
    assert {"ortho/manifest.json", "ortho/ortho.vrt", "tiled.html"} < outputs[1]
    assert outputs[3] == {"refined.RPB", "refine.html"}
    assert outputs[4] == {"ortho.tif", "ortho_hidden.tif", "last.html", "last.json"}


def test_faults_are_said_with_line_and_column_and_nothing_is_begun(here: Run, job: Path) -> None:
    job.write_text(
        JOB.replace("resolution = 5", 'resolution = "fine"').replace("shift.json", "../x")
    )
    done = here("run", job)
    assert done.returncode == 2
    assert done.stdout == ""
    assert [line.split(" ")[1] for line in done.stderr.splitlines()] == [
        f"{job}:5:13:",
        f"{job}:10:14:",
    ]
    assert not (job.parent / "results").exists()
    for name, code in (("none.toml", 1), (".", 1), ("image.tif", 2)):
        done = here("run", job.parent / name)
        assert done.returncode == code
        assert len(done.stderr.splitlines()) == 1
    assert here("run").returncode == 2


@in_process
def test_another_folder_than_the_job_says(here: Run, job: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    job.write_text(JOB.replace('output = "results"', ""))
    assert here("run", job).returncode == 2
    assert here("-q", "run", job, "-o", tmp_path / "deep" / "er").returncode == 1
    assert (tmp_path / "deep" / "er" / "run.json").is_file()
    assert (tmp_path / "deep" / "er" / "near" / "ortho" / "ortho.tif").is_file()


def started(job: Path, until: Path) -> subprocess.Popen[str]:
    """Run a job until a file says that a step runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "trueground", "run", job.name], cwd=job.parent, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    end = time.monotonic() + 60.0
    while not until.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    time.sleep(0.5)  # well within it
    return process


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `trueground` in this process: sooner there than one of its own."""

    def go(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        code = run_here([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess([], code, out, err)

    return go


@pytest.fixture
def slow(job: Path) -> Path:
    """A job whose orthoimage takes tens of seconds."""
    text = JOB.replace("resolution = 5", "resolution = 0.04").replace("far.tif", "moving.tif")
    job.write_text(text.replace(', "diff", "report"', ', "diff"'))
    return job


def finish(run: Run, slow: Path) -> dict:
    """Go on, with an orthoimage that is quicker."""
    slow.write_text(slow.read_text().replace("0.04", "5"))
    done = run("run", slow)
    assert done.returncode == 0, done.stderr
    folder = slow.parent / "results"
    assert not [p for p in folder.rglob("*") if p.name.startswith(".")]
    return run_of(folder)


def test_killed_in_the_middle_and_gone_on_with(run: Run, slow: Path) -> None:
    folder = slow.parent / "results"
    process = started(slow, folder / "near/ortho/step.json")
    second = run("run", slow)
    process.kill()
    process.communicate()
    assert second.returncode == 1
    assert f"is being written by process {process.pid}" in second.stderr
    saved = run_of(folder)
    assert saved["status"] == "running"
    assert not (folder / "near/ortho/ortho.tif").exists()
    steps = finish(run, slow)["scenes"][1]["steps"]
    assert [s["status"] for s in steps] == ["reused", "done", "done"]
    assert steps[1]["why"][0] == "it was not finished before"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(run: Run, slow: Path, number: signal.Signals) -> None:
    folder = slow.parent / "results"
    process = started(slow, folder / "near/ortho/step.json")
    process.send_signal(number)
    start = time.monotonic()
    _, said = process.communicate()
    assert time.monotonic() - start < 2.0
    assert process.returncode == -number  # a shell's loop ends as well
    assert said.splitlines()[-1] == "error: interrupted; nothing half-written was left"
    assert "Traceback" not in said
    saved = run_of(folder)
    assert saved["status"] == "interrupted"
    assert [s["status"] for s in saved["scenes"][1]["steps"]] == ["done", "interrupted", "waiting"]
    assert sorted(p.name for p in (folder / "near/ortho").iterdir()) == ["step.json"]
    assert not (folder / ".lock").exists()


def test_the_example_of_the_documentation(run: Run, scene: Path, tmp_path: Path) -> None:
    text = re.search(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert text is not None
    for source, name in (
        ("reference", "copernicus"), ("moving", "dem_north"), ("moving", "dem_south"), ("image", "north"),
    ):  # fmt: skip
        shutil.copy2(scene / f"{source}.tif", tmp_path / f"{name}.tif")
    shutil.copy2(scene / "outline.geojson", tmp_path / "glaciers.geojson")
    (tmp_path / "survey.toml").write_text(text[1], encoding="utf-8")
    done = run("run", tmp_path / "survey.toml")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "results"
    saved = run_of(folder)
    assert saved["job"] == "Survey 2024"
    assert [len(s["steps"]) for s in saved["scenes"]] == [4, 2]
    before, after = (
        abs(values(folder / "north" / s / "difference.tif")) for s in ("before", "diff")
    )
    assert np.nanmedian(after) < 0.1 * np.nanmedian(before)
    for name in ("align/align.html", "align/shift.json", "ortho/ortho.html"):
        assert (folder / "north" / name).is_file()
