"""`trueground align`: which cells are looked at and when a fit ends can be said, for all methods alike."""

from __future__ import annotations

import json
from pathlib import Path

from cli_scene import Run

NAMES = ("samples", "seed", "trim", "slope-range", "max-iterations", "tolerance")


def fitted(run: Run, folder: Path, *options: str) -> dict:
    """Align the scene's DEMs and return the JSON that tells of it."""
    done = run(
        "-q", "align", "reference.tif", "moving.tif", "-o", "out/a.tif", "--transform", "out/t.json",
        *options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "t.json").read_text())


def test_settings_reach_the_method_and_are_written_down(run: Run, tmp_path: Path) -> None:
    found = fitted(
        run, tmp_path, "--samples", "9000", "--seed", "3", "--trim", "4.5", "--slope-range", "2", "30",
        "--max-iterations", "40", "--tolerance", "0.0001",
    )  # fmt: skip
    said = {
        "samples": 9000, "seed": 3, "trim": 4.5, "slope_range": [2.0, 30.0], "max_iterations": 40,
        "tolerance": 0.0001,
    }  # fmt: skip
    assert said.items() <= found["parameters"].items()
    assert said.items() <= found["inputs"].items()
    assert 1000 < found["samples"] < 9500
    assert found["converged"]
    other = fitted(run, tmp_path, "--samples", "9000", "--seed", "4")
    assert other["shift_x"] != found["shift_x"]
    short = fitted(run, tmp_path, "--max-iterations", "1")
    assert not short["converged"]
    assert len(short["iterations"]) == 1


def test_each_step_takes_what_it_has(run: Run, tmp_path: Path) -> None:
    method = "nuth-kaab + deramp"
    fitted(run, tmp_path, "--method", method, "--samples", "8000", "--tolerance", "0.01")
    done = run(
        "align", "reference.tif", "moving.tif", "-o", "out/b.tif", "--method", "deramp", "--tolerance", "0.1"
    )  # fmt: skip
    assert done.returncode == 2
    assert "--tolerance" in done.stderr
    assert not (tmp_path / "b.tif").exists()


def test_settings_that_make_no_sense_are_said_before_any_work(run: Run) -> None:
    for options, says in (
        (("--samples", "0"), "--samples 0"),
        (("--trim", "-1"), "trim -1"),
        (("--slope-range", "40", "0.1"), "slope range"),
        (("--max-iterations", "0"), "iterations from 1"),
        (("--tolerance", "0"), "tolerance above 0"),
        (("--method", "vertical-shift:p100"), "'p100'"),
    ):
        done = run("align", "reference.tif", "moving.tif", "-o", "out/a.tif", *options)
        assert done.returncode in {1, 2}
        assert says in done.stderr, done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_percentile_by_name(run: Run, tmp_path: Path) -> None:
    low, high = (fitted(run, tmp_path, "--method", f"vertical-shift:{p}") for p in ("p10", "p90"))
    assert low["shift_z"] < high["shift_z"]
    assert low["parameters"]["statistic"] == "p10"


def test_help_names_them_with_examples(run: Run) -> None:
    shown = " ".join(run("align", "--help").stdout.replace("│", " ").split())
    for name in NAMES:
        assert f"--{name}" in shown
    assert "--samples 200000 --seed 1" in shown
