"""Results on a terminal are drawn; in a pipe they are plain text, CSV or JSON that programs read."""

from __future__ import annotations

import csv
import json
import sys

import numpy as np
import pytest

from trueground.cli.drawn_table import print_items, print_table
from trueground.cli.tables import emit
from trueground.status import Status


@pytest.fixture
def terminal(monkeypatch):
    def shown(*, is_one: bool) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: is_one, raising=False)
        monkeypatch.setenv("TERM", "dumb")  # without colours

    return shown


def test_items(terminal, capsys):
    items = {"file": "a[b].tif", "bounds": "west " * 30}
    terminal(is_one=False)
    print_items(items)
    assert capsys.readouterr().out.splitlines() == [f"{k:<6}  {v}" for k, v in items.items()]
    terminal(is_one=True)
    print_items(items)
    lines = capsys.readouterr().out.splitlines()
    assert "a[b].tif" in lines[0]  # no markup of rich's
    assert len(lines) > 2
    assert all(line.startswith(" " * 6) for line in lines[2:])


def test_tables(terminal, capsys):
    rows = [("x", "1.5", "a [red]"), ("long", "22", "b")]
    for is_one in (False, True):
        terminal(is_one=is_one)
        print_table(("name", "number", "said"), rows, left=("said",))
        first, *others = capsys.readouterr().out.splitlines()
        assert first.split() == ["name", "number", "said"]
        assert [line.split(None, 2)[2].rstrip() for line in others] == ["a [red]", "b"]
        assert others[0].index("1.5") + 3 == others[1].index("22") + 2  # flush right


def test_points(terminal, capsys):
    columns = {
        "row": np.array([1.5, 2.0]),
        "col": np.array([0.25, 3.0]),
        "lon": np.array([7.5, np.nan]),
    }
    status = np.array([Status.OK, Status.NO_DATA], dtype=np.uint8)
    for is_one in (False, True):
        terminal(is_one=is_one)
        emit(columns, status, ("lon",), output=None, done="located")
        head, first, second = capsys.readouterr().out.splitlines()
        if is_one:
            assert head.split() == ["row", "col", "lon", "status"]
            assert first.split() == ["1.5", "0.25", "7.5", "ok"]
        else:
            assert list(csv.reader([head, first, second]))[1] == ["1.5", "0.25", "7.5", "ok"]


def test_diff_as_json(run):
    done = run("-q", "diff", "reference.tif", "moving.tif", "-o", "out/d.tif", "--json")
    found = json.loads(done.stdout)
    assert set(found) == {"count", "median", "nmad", "mean", "std", "rmse", "le90"}
    assert found["count"] > 50_000
