"""The wheel and the source archive: what is in them, and that the commands run from a clean installation."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

import trueground

ROOT = Path(__file__).parents[1]
CLEAN = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the source archive, built without isolation and so without the network."""
    folder = tmp_path_factory.mktemp("dist")
    # What hatchling's own command does; the backend is there, since it has installed the project.
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, source


def sources() -> set[str]:
    """All files of the package, as git would have them: nothing compiled."""
    src = ROOT / "src"
    return {
        path.relative_to(src).as_posix()
        for path in (src / "trueground").rglob("*")
        if path.is_file() and path.suffix not in {".pyc", ".pyo"} and not path.name.startswith(".")
    }


def test_the_wheel_holds_the_whole_package(archives):
    with zipfile.ZipFile(archives[0]) as wheel:
        names = set(wheel.namelist())
    package = {name for name in names if name.startswith("trueground/")}
    assert package == sources()
    assert "trueground/py.typed" in package
    assert "trueground/data/egm96_15.xz" in package
    assert any(re.fullmatch(r"trueground/report/templates/\w+\.html.*", name) for name in package)
    # Beside the package: what describes it, and nothing else.
    assert {name.split("/")[0] for name in names - package} == {
        f"trueground-{trueground.__version__}.dist-info"
    }


def test_the_source_archive_holds_no_data(archives):
    with tarfile.open(archives[1]) as source:
        files = {m.name.split("/", 1)[1]: m.size for m in source.getmembers() if m.isfile()}
    assert {f"src/{name}" for name in sources()} <= set(files)
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"} <= set(files)
    kinds = {".tif", ".hgt", ".gpkg", ".las", ".jp2", ".laz", ".zip"}
    rasters = [name for name in files if Path(name).suffix.lower() in kinds]
    assert rasters == []
    large = {name for name, size in files.items() if size > 200_000}
    assert {Path(name).name for name in large} <= {"egm96_15.xz"}
    assert archives[1].stat().st_size < 5_000_000


@pytest.mark.slow
def test_a_clean_installation_runs(archives, tmp_path):
    """With what pip finds: skipped where it finds nothing, such as without a network."""
    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    binaries = home / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(binaries / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--no-compile", "--retries", "1", "--only-binary=:all:",
         str(archives[0])],
        env=CLEAN, capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    if done.returncode and re.search(
        r"No matching distribution|Connection|timed out|No route", done.stderr
    ):
        pytest.skip(f"pip finds no packages here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    command = str(binaries / "trueground")

    def said(*words: str) -> str:
        ran = subprocess.run(
            [command, *words], env=CLEAN, capture_output=True, text=True, cwd=tmp_path, check=False
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    assert said("--version").strip() == trueground.__version__
    items = json.loads(said("info", "--system", "--json"))
    assert str(home) in items["trueground"], "it must run from the clean installation"
    assert items["geoid egm96"] == "found"
    assert "missing" not in items["packages"]
    assert "lacking" not in items["GDAL drivers"]
    assert "align" in said("--help")
    # And again from the source archive, which is built where it is installed.
    for words in (
        ["hatchling"],
        ["--no-build-isolation", "--no-deps", "--force-reinstall", str(archives[1])],
    ):
        subprocess.run([*pip, "install", "--quiet", *words], env=CLEAN, check=True, cwd=tmp_path)
    assert said("--version").strip() == trueground.__version__


def test_system_says_what_a_bug_report_needs():
    from trueground.cli.system import system_items

    items = system_items()
    assert items["trueground"].startswith(f"{trueground.__version__}, ")
    for name in (
        "Python",
        "packages",
        "platform",
        "processors",
        "memory",
        "GDAL",
        "PROJ",
        "kernels",
    ):
        assert re.search(r"\d", items[name]), name
    assert "GTiff" in items["GDAL drivers"]
    assert items["geoid egm96"] == "found"
    assert items["geoid egm2008"] == "found" or "projsync" in items["geoid egm2008"]


@pytest.mark.parametrize("words", [["info"], ["info", "x.tif", "--system"]])
def test_info_wants_a_file_or_system(words, capsys):
    from trueground.cli.main import USAGE, run

    assert run(words) == USAGE
    assert "--system" in capsys.readouterr().err


# The version -----------------------------------------------------------------------------------


def headings() -> list[str]:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.findall(r"^## \[(.+?)\]", text, flags=re.MULTILINE)


def test_the_version_is_one_and_stands_in_the_changelog():
    """Either something is unreleased, or the newest heading is the version itself."""
    version = Version(trueground.__version__)  # raises where it is none of PEP 440
    assert str(version) == trueground.__version__, "written as PEP 440 writes it"
    newest = headings()[0]
    assert newest == "Unreleased" or Version(newest) == version


def test_releases_fall_and_the_version_is_not_behind():
    released = [Version(name) for name in headings() if name != "Unreleased"]
    assert released == sorted(released, reverse=True)
    assert all(one <= Version(trueground.__version__) for one in released)


def test_the_citation_names_the_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    found = re.search(r"(?m)^version:\s*\"?([^\"\s]+)", text)
    assert found is None or found.group(1) == trueground.__version__
