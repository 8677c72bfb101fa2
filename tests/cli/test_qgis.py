"""The plugin for QGIS: its words are the command's, lines and ends are passed on; where QGIS is, a session of it."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time
import zipfile
from importlib import import_module, util
from pathlib import Path

import pytest
import rasterio

import trueground
from cli_scene import SHIFT
from trueground.cli import app

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "qgis"))
commands = import_module("trueground_processing.commands")
running = import_module("trueground_processing.running")
BY_NAME = {command.name: command for command in commands.COMMANDS}
SAMPLES = {
    "raster": "a b.tif", "outlines": ["-x.gpkg", "y.gpkg"], "file": "c.csv", "crs": "EPSG:32632",
    "bounds": (-4.5, 1.0, 2.0, 3.25), "text": "ellipsoid", "number": -2.5, "whole": 3, "raster-out": "o.tif",
    "points-out": "o.geojson", "page-out": "o.html", "json-out": "o.json", "words": "",
}  # fmt: skip
TEXTS = {"METHOD": "lzd + deramp", "BLOCKS": "500"}


def values_of(command) -> dict[str, object]:
    """Something for every field of a dialog."""
    return {
        p.name: TEXTS.get(p.name, p.choices[-1] if p.kind == "choice" else SAMPLES[p.kind])
        for p in command.parameters
    }


def bound(words: list[str]):
    _, found, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    found.apply_defaults()
    return found.arguments


# What is chosen becomes words -----------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_field_is_understood_by_the_command(name):
    bound(commands.words(BY_NAME[name], values_of(BY_NAME[name])))


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_choices_are_those_of_the_command(name):
    own = {n: a for a in app[name].assemble_argument_collection() for n in a.names}
    for parameter in BY_NAME[name].parameters:
        if parameter.kind == "choice":
            for choice in parameter.choices:
                values = {**values_of(BY_NAME[name]), parameter.name: choice}
                bound(commands.words(BY_NAME[name], values))
        if parameter.option is not None:
            assert parameter.option in own


def test_values_arrive():
    found = bound(commands.words(BY_NAME["align"], values_of(BY_NAME["align"])))
    assert (found["reference"], found["exclude"]) == ("a b.tif", ["-x.gpkg", "y.gpkg"])
    assert (found["method"], found["where"].workers) == ("lzd + deramp", 3)
    ortho = bound(commands.words(BY_NAME["ortho"], values_of(BY_NAME["ortho"])))
    assert ortho["place"].bounds == (-4.5, 1.0, 2.0, 3.25)
    assert ortho["place"].resolution == -2.5  # wrong, and for the command to say
    assert ortho["look"].occlusion == "ignore"


def test_what_is_not_chosen_is_left_to_the_command():
    given = {
        "REFERENCE": "a.tif",
        "MOVING": "-b.tif",
        "OUTPUT": "o.tif",
        "EXCLUDE": [],
        "METHOD": "",
        "GRID": None,
    }
    words = commands.words(BY_NAME["align"], given)
    assert words == ["align", "--output=o.tif", "--", "a.tif", "-b.tif"]
    assert bound(words)["moving"] == "-b.tif"
    further = commands.words(BY_NAME["align"], {**given, "FURTHER": "--seed 3 --mask 'm n.tif'"})
    assert bound(further)["mask"] == "m n.tif"
    windows = commands.words(
        BY_NAME["align"], {**given, "FURTHER": r'--mask "C:\a b\m.tif" --weights C:\n.tif'}
    )
    assert windows[1:5] == ["--mask", r"C:\a b\m.tif", "--weights", r"C:\n.tif"]
    with pytest.raises(ValueError, match="Reference DEM: nothing is given"):
        commands.words(BY_NAME["align"], {"MOVING": "b.tif", "OUTPUT": "o.tif"})
    with pytest.raises(ValueError, match="No closing quotation"):
        commands.words(BY_NAME["align"], {**given, "FURTHER": "--mask 'm"})


# A run ----------------------------------------------------------------------------------------------


class Feedback:
    """What QGIS would hear."""

    def __init__(self, cancel_after: float = 1e9) -> None:
        self.said: list[str] = []
        self._end = time.monotonic() + cancel_after

    def pushInfo(self, info):
        self.said.append(info)

    def pushWarning(self, warning):
        self.said.append(f"warning: {warning}")

    def setProgress(self, progress):
        self.said.append(f"{progress:g} %")

    def setProgressText(self, text):
        self.said.append(text)

    def isCanceled(self):
        return time.monotonic() > self._end


@pytest.fixture
def program(tmp_path):
    """A program of our own that stands for the command."""
    if sys.platform == "win32":
        pytest.skip("programs of a text alone are none here")

    def made(body: str) -> str:
        path = tmp_path / "pretended"
        path.write_text(
            f"#!{sys.executable}\nimport os, signal, sys, time\n{textwrap.dedent(body)}"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return made


def test_lines_progress_and_warnings_are_passed_on(program):
    feedback = Feedback()
    lines = running.run(
        program("""
            assert sys.argv[1:] == ["--progress=lines", "align", "a b", "$(touch x)"], sys.argv
            print("progress: fit 40 %", file=sys.stderr); print("warning: careful", file=sys.stderr)
            print("wrote it", file=sys.stderr, flush=True); time.sleep(0.2); print("shift x 1 m")
        """),
        ["align", "a b", "$(touch x)"], feedback,
    )  # fmt: skip
    assert lines == ["shift x 1 m"]
    assert feedback.said == ["fit", "40 %", "warning: careful", "wrote it", "shift x 1 m"]


def test_what_is_wrong_reaches_the_user(program):
    with pytest.raises(running.CommandError, match=r"\Aa.tif does not exist; check the path\Z"):
        running.run(
            program('print("error: a.tif does not exist; check the path", file=sys.stderr); sys.exit(1)'),
            [], Feedback(),
        )  # fmt: skip
    with pytest.raises(running.CommandError, match="code -9"):
        running.run(program("os.kill(os.getpid(), signal.SIGKILL)"), [], Feedback())


def test_cancelling_ends_the_command(program, tmp_path):
    body = """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(open({!r}, "w").close()))
        time.sleep(60)
    """
    ended = tmp_path / "ended"
    with pytest.raises(running.CancelledError):
        running.run(program(body.format(str(ended))), [], Feedback(cancel_after=1.0))
    assert ended.exists()


def test_a_command_that_does_not_end_is_ended(program, monkeypatch):
    monkeypatch.setattr(running, "_GRACE", 0.5)
    start = time.monotonic()
    with pytest.raises(running.CancelledError):
        running.run(
            program("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"),
            [],
            Feedback(1.0),
        )
    assert time.monotonic() - start < 20.0


def test_a_command_that_cannot_be_asked_to_end_is_ended(program, monkeypatch):
    def refused(*_):  # as Windows does of a process without a console
        raise OSError(6, "The handle is invalid")

    monkeypatch.setattr(subprocess.Popen, "send_signal", refused)
    monkeypatch.setattr(
        subprocess.Popen, "kill", lambda self: os.kill(self.pid, signal.SIGKILL)
    )  # its own asks send_signal
    start = time.monotonic()
    with pytest.raises(running.CancelledError):
        running.run(program("time.sleep(60)"), [], Feedback(1.0))
    assert time.monotonic() - start < 20.0


def test_the_environment_of_qgis_is_not_the_commands():
    own = {"PATH": "a", "PYTHONHOME": "b", "PROJ_LIB": "c", "GDAL_DATA": "d", "HOME": "e"}
    assert running.environment(own) == {"PATH": "a", "HOME": "e"}


def test_a_missing_program_is_said_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(running.CommandError, match="not on the search path: install trueground"):
        running.program_named("")
    with pytest.raises(running.CommandError, match="nowhere is no program"):
        running.program_named(str(tmp_path / "nowhere"))


def test_the_command_says_its_progress_in_lines(run, tmp_path):
    done = run("--progress=lines", "diff", "reference.tif", "moving.tif", "-o", "out/d.tif")
    lines = [line for line in done.stderr.splitlines() if line.startswith("progress: ")]
    assert lines[-1].endswith(" 100 %")
    assert all(running._PROGRESS.fullmatch(line) for line in lines)


# What is handed out ---------------------------------------------------------------------------------


def test_the_archive_is_whole(tmp_path):
    spec = util.spec_from_file_location("qgis_build", ROOT / "qgis" / "build.py")
    build = util.module_from_spec(spec)
    spec.loader.exec_module(build)
    with zipfile.ZipFile(build.build(tmp_path)) as archive:
        names = {n.removeprefix("trueground_processing/") for n in archive.namelist()}
        metadata = configparser.ConfigParser()
        metadata.read_string(archive.read("trueground_processing/metadata.txt").decode())
        license_text = archive.read("trueground_processing/LICENSE")
    general = dict(metadata["general"])
    assert general["version"] == trueground.__version__
    assert general["hasprocessingprovider"] == "yes"
    assert {"name", "qgisminimumversion", "description", "about", "author", "license"} <= set(
        general
    )
    modules = {p.name for p in (ROOT / "qgis" / "trueground_processing").glob("*.py")}
    assert names == {*modules, "metadata.txt", "LICENSE", general["icon"]}
    assert license_text == (ROOT / "LICENSE").read_bytes()


# QGIS itself ----------------------------------------------------------------------------------------


def python_of_qgis() -> str | None:
    """A Python that has QGIS: Debian's has where python3-qgis is installed."""
    for candidate in ("/usr/bin/python3", shutil.which("python3")):
        if candidate and Path(candidate).exists():
            done = subprocess.run(
                [candidate, "-c", "import qgis.core"], capture_output=True, check=False, timeout=120
            )
            if done.returncode == 0:
                return candidate
    return None


@pytest.mark.slow
def test_in_qgis(scene, tmp_path):
    python = python_of_qgis()
    if python is None:
        pytest.skip("no Python here has QGIS: on Debian, apt install python3-qgis")
    folder = tmp_path / "scene of QGIS"
    shutil.copytree(scene, folder)
    (folder / "pixels.csv").write_text("row,col\n140.5,160.5\n")
    program = shutil.which("trueground", path=str(Path(sys.executable).parent))
    done = subprocess.run(
        [python, ROOT / "tests" / "qgis_session.py", folder, program],
        capture_output=True, text=True, check=False, timeout=600, cwd=tmp_path,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["algorithms"] == ["trueground:align", "trueground:locate", "trueground:ortho"]
    assert found["icon"]
    aligned = found["align"]
    moved = json.loads(Path(aligned["TRANSFORM"]).read_text())
    assert moved["shift_x"] == pytest.approx(SHIFT[0], abs=0.1)  # 0.01 px of 10 m
    assert moved["inputs"]["exclude"] == [str(folder / "outline.geojson")]
    with rasterio.open(aligned["OUTPUT"]) as dataset:
        assert dataset.tags()["TRUEGROUND_RESAMPLING"] == "cubic"
    assert "warning: neither DEM declares a vertical datum" in "\n".join(aligned["said"])
    assert aligned["progress"][-1] == 100.0
    with rasterio.open(found["ortho"]["OUTPUT"]) as dataset:
        assert tuple(dataset.bounds) == (400000, 5144800, 400400, 5145200)
    points = json.loads(Path(found["locate"]["OUTPUT"]).read_text())["features"]
    assert [f["properties"]["status"] for f in points] == ["ok"]
    assert "has no RPC; give the file" in found["failing"]["error"]
    assert "either a DEM or one height" in found["both"]["error"]
    assert not (folder / "cancelled.tif").exists()
    assert not found["left"]
