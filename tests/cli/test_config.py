"""`--config FILE.toml`: its options count, those of the command line count more; faults are said with their place."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from trueground.cli import app
from trueground.cli.config import Config, with_config
from trueground.cli.console import console
from trueground.cli.main import run
from trueground.jobs import JobError


@pytest.fixture
def config(tmp_path: Path):
    def written(text: str) -> Path:
        path = tmp_path / "options.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def bound(file: Path, *words: str) -> dict[str, object]:
    """What a command would be called with."""
    console.command = shlex.join(["trueground", *words])
    with with_config(app, file):
        _, found, _ = app.parse_args(list(words), exit_on_error=False, print_error=False)
    found.apply_defaults()
    return dict(found.arguments)


def test_options_of_a_command_and_of_all_that_have_them(config):
    file = config("""
        workers = 3                      # of all
        resampling = "cubic"
        [diff]
        exclude = ["a.gpkg", "https://b//c.gpkg"]
        reference_heights = "egm96"
        cog = true
        [align]
        slope-range = [0.1, 40]
        resampling = "nearest"
        workers = 5
    """)
    diff = bound(file, "diff", "a.tif", "b.tif", "-o", "c.tif")
    assert diff["exclude"] == ["a.gpkg", "https://b//c.gpkg"]
    assert (diff["reference_heights"], diff["cog"], diff["resampling"]) == ("egm96", True, "cubic")
    assert diff["where"].workers == 3
    align = bound(file, "align", "a.tif", "b.tif", "-o", "c.tif")
    assert align["sample"].slope_range == (0.1, 40.0)
    assert (align["resampling"], align["where"].workers) == ("nearest", 5)
    assert bound(file, "info", "a.tif")["path"] == "a.tif"


def test_the_command_line_comes_first(config):
    file = config(
        '[diff]\noutput = "no.tif"\nexclude = ["no.gpkg"]\nthreads = 7\nresampling = "cubic"\n'
    )
    words = ["diff", "a", "b", "-o", "c.tif", "--exclude", "yes.gpkg", "--workers", "2"]
    found = bound(file, *words)
    assert found["output"] == Path("c.tif")
    assert found["exclude"] == ["yes.gpkg"]
    assert (found["where"].workers, found["resampling"]) == (2, "cubic")
    assert shlex.split(console.command) == ["trueground", "diff", "--resampling=cubic", *words[1:]]


def test_the_command_to_repeat_it_needs_no_file(config):
    file = config('workers = 2\n[diff]\nexclude = ["x y.gpkg"]\ncog = true\noutput = "c.tif"\n')
    bound(file, "diff", "a.tif", "b.tif")
    words = shlex.split(console.command)
    assert words[0] == "trueground"
    _, again, _ = app.parse_args(words[1:], exit_on_error=False, print_error=False)
    again.apply_defaults()
    assert dict(again.arguments) == bound(file, "diff", "a.tif", "b.tif")


def test_steps_of_jobs_are_not_touched(config):
    """The first command is what the user has called; `run` calls others for its steps."""
    words = ["diff", "a", "b", "-o", "c.tif"]
    console.command = shlex.join(["trueground", *words])
    with with_config(app, config("[diff]\ncog = true\n")):
        cog = []
        for _ in range(2):
            _, found, _ = app.parse_args(words, exit_on_error=False, print_error=False)
            found.apply_defaults()
            cog.append(found.arguments["cog"])
    assert cog == [True, False]
    _, found, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    assert "cog" not in found.kwargs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wrkers = 2", '1:1: no command has an option "wrkers"; did you mean workers?'),
        ("[algin]\nblocks = 5", '1:1: there is no command "algin"; did you mean align?'),
        ("[align]\nmetod = 5", '2:1: align has no option "metod"; did you mean method?'),
        ('[align]\nreference = "a"', "2:1: align takes reference without an option"),
        ("[diff]\nworkers = 1\nthreads = 2", '3:1: "threads" and "workers" are the same'),
        ("[align]\nslope_range = [1]", "2:15: --slope-range takes a list of 2 numbers"),
        ("[align]\nsample.seed = 1", '2:1: align has no option "sample"'),
        ("[diff]\nexclude = [{a = 1}]", "2:11: exclude ="),
        ("quiet = 1", "1:9: quiet = 1: must be true or false"),
        ("[align", "1:7: Expected"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(config, text, said):
    file = config(text)
    with pytest.raises(JobError) as caught:
        Config.load(file, app)
    (first, *_) = str(caught.value).splitlines()
    assert first.startswith(f"{file}:{said}")


def test_all_faults_at_once_and_the_code_of_wrong_usage(config, capsys):
    file = config("[diff]\nexclud = 'a'\nworkers = 'many'\n[info]\njsn = true\n")
    assert run(["diff", "a", "b", "-o", "c.tif", "--config", str(file)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[2] for line in lines] == ["2", "5"]


def test_a_value_of_the_wrong_kind_has_its_place(config, capsys):
    file = config("[diff]\n\nworkers = 'many'\n")
    assert run(["--config", str(file), "diff", "a", "b", "-o", "c.tif"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {file}:3:11: Invalid value")
    assert run(["--config", str(file), "diff", "a", "b", "-o", "c.tif", "--workers", "few"]) == 2
    assert "few" in capsys.readouterr().err


def test_missing_files_and_quiet(config, capsys, tmp_path):
    assert run(["--config", str(tmp_path / "none.toml"), "info", "a"]) == 1
    assert "none.toml does not exist" in capsys.readouterr().err
    file = config("quiet = true\n")
    run(["--config", str(file), "info", "--system"])
    assert console.quiet
    run(["info", "--system"])
    assert not console.quiet
    run(["--quiet", "--config", str(config("verbose = true\n")), "info", "--system"])
    assert console.quiet
    assert not console.verbose


def test_the_example_of_the_documentation_is_accepted(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "config.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"(?ms)^```toml\n(.*?)^```", page)
    file = tmp_path / "survey.toml"
    file.write_text(example, encoding="utf-8")
    align = bound(file, "align", "a.tif", "b.tif", "-o", "c.tif")
    assert (align["method"], align["where"].workers) == ("nuth-kaab + deramp", 8)
    assert bound(file, "ortho", "a.tif", "--dem", "b.tif", "-o", "c.tif")["storage"].cog
