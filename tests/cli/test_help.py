"""What every command says of itself, found in the application: examples, options, what was probably meant."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from trueground.cli import app
from trueground.cli.main import run

COMMANDS = [name for name in app if not name.startswith("-")]
SHELLS = ("bash", "zsh", "fish")


def examples(name: str) -> list[str]:
    """The command lines in a command's help."""
    said = inspect.getdoc(app[name].default_command) or ""
    found = re.findall(r"(?m)^Examples?\b[^`]*`(trueground [^`]*)`", said)
    return [re.sub(r"\s+", " ", line) for line in found]


def options(name: str) -> list[str]:
    arguments = app[name].assemble_argument_collection()
    return [n for a in arguments if a.parse for n in a.names if n.startswith("--")]


def test_all_commands_are_looked_at():
    assert {"align", "ortho", "locate", "run"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_that_are_understood(name):
    found = examples(name)
    assert found, f"{name} --help has no example"
    for line in found:
        words = shlex.split(line)
        assert words[1] == name
        app.parse_args(words[1:], exit_on_error=False, print_error=False)


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """What is said of each command."""
    parts = re.split(r"(?m)^## trueground (?=\w)", app.generate_docs(output_format="markdown"))
    return {part.split(None, 1)[0]: part for part in parts[1:]}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is(name, pages):
    """Options without a text show themselves by their name alone."""
    page = pages[name]
    for option in options(name):
        assert re.search(rf"(?m)^\* `[^`]*{option}\b[^`]*`: \S", page), f"{name} {option}"


def test_what_is_meant_is_asked(capsys):
    for words, meant in (
        (["algin", "a", "b"], '"align"'),
        (["align", "a", "b", "-o", "c.tif", "--metod", "icp"], "--method"),
        (["align", "a", "b", "-o", "c.tif", "--resampling", "cubix"], '"cubic"'),
        (["--quit", "info", "a.tif"], "--quiet"),
    ):
        assert run(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"id you mean {meant}?" in line


def script_of(shell: str, folder: Path) -> Path:
    path = folder / f"completion.{shell}"
    path.write_text(app.generate_completion(shell=shell), encoding="utf-8")
    return path


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_of_completion_are_valid(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    script = script_of(shell, tmp_path)
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for name in COMMANDS:
        assert re.search(rf"\b{name}\b", script.read_text(encoding="utf-8"))


LINES = {
    "al": ["align"],
    "align r": ["reference.tif"],
    "align reference.tif moving.tif --exclude o": ["outlines.gpkg"],
    "align reference.tif moving.tif --res": ["--resampling", "--resume"],
    "align reference.tif moving.tif --resampling cu": ["cubic"],
    "ortho scene.tif --dem r": ["reference.tif"],
    "--config c": ["config.toml"],
}


def asked(shell: str, script: Path, line: str) -> str:
    """A program that prints what a shell completes a line with."""
    source = f"source {shlex.quote(str(script))}"
    if shell == "fish":
        return f"{source}; complete -C {shlex.quote(f'trueground {line}')}"
    words = ["trueground", *line.split(" ")]
    return textwrap.dedent(f"""
        {source}
        COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; COMPREPLY=()
        _trueground
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_shells_complete(shell, line, tmp_path):
    """Files, too, where an input is wanted, though names of inputs may be addresses."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    program = asked(shell, script_of(shell, tmp_path), line)
    work = tmp_path / "work"
    work.mkdir()
    for name in ("reference.tif", "moving.tif", "outlines.gpkg", "config.toml"):
        (work / name).touch()
    done = subprocess.run(
        [shell, "-c", program], capture_output=True, text=True, check=False, cwd=work,
        env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stderr == ""
    assert sorted(said.split("\t")[0] for said in done.stdout.splitlines()) == LINES[line]


def test_addresses_stay_as_they_are():
    """A path would lose the second slash."""
    words = [
        "diff",
        "https://a.org//b.tif",
        "/vsicurl/https://c.org/d.tif",
        "-o",
        "e.tif",
        "--exclude",
        "s3://f//g",
    ]
    _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    assert bound.args == tuple(words[1:3])
    assert bound.kwargs["exclude"] == ["s3://f//g"]
