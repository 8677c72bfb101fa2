"""The benchmarks' own arithmetic: ratios, sentences, races of which one fails. Nothing here is slow."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def _found(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def side(name, wall, *, cpu=None, peak=100.0, **errors):
    return {"name": name, "wall": wall, "cpu": cpu or wall, "peak": peak, "errors": errors}


def row(ours, peer, *, limit=False, asked=()):
    return {"title": "job", "ours": ours, "peer": peer, "limit": limit, "asked": list(asked)}


def test_ratios_are_of_pairs():
    from figures import ratio

    found = ratio(row(side("a", [1.0, 2.0, 4.0]), side("b", [2.0, 8.0, 4.0])), "wall")
    assert (found.least, found.median, found.greatest) == (1.0, 2.0, 4.0)
    limit = ratio(row(side("a", [2.0, 3.0]), side("b", [1.0, 1.0]), limit=True), "wall")
    assert limit.median == 2.5


@pytest.mark.parametrize(
    ("ours", "peer", "says"),
    [
        (side("a", [1.0]), side("b", [2.0]), "**Ahead**"),
        (side("a", [3.0]), side("b", [2.0]), "wall time 0.667 x"),
        (side("a", [1.0], cpu=[4.0]), side("b", [2.0]), "processor time 0.5 x"),
        (side("a", [1.0], peak=200.0), side("b", [2.0]), "memory 0.5 x"),
        (side("a", [1.0], px=0.5), side("b", [2.0], px=0.1), "error 0.5 against 0.1 px"),
        (side("a", [1.0], px=0.002), side("b", [2.0], px=0.001), "**Ahead**"),
    ],
)
def test_the_sentence_follows_from_the_figures(ours, peer, says):
    from figures import conclusion

    assert says in " ".join(conclusion("0", [row(ours, peer)]))


@pytest.mark.parametrize(
    ("wall", "says"),
    [(10.0, "are reached"), (6.0, "**Asked and not reached**"), (2.0, "**Below the floor**")],
)
def test_what_was_asked_stands_beside_what_was_measured(wall, says):
    from figures import conclusion

    asked = [{"of": "wall", "wanted": 8, "floor": 5}]
    told = conclusion("0", [row(side("a", [1.0]), side("b", [wall]), asked=asked)])
    assert says in told[-1]


@pytest.mark.parametrize(
    ("cost", "says"),
    [(1.4, "are reached"), (2.0, "**Asked and not reached**"), (3.0, "**Below the floor**")],
)
def test_of_a_limit_less_is_better(cost, says):
    from figures import conclusion

    asked = [{"of": "wall", "wanted": 1.5, "floor": 2.5}]
    told = conclusion("0", [row(side("a", [cost]), side("copy", [1.0]), limit=True, asked=asked)])
    assert told[0].startswith(f"**Not at the limit**: job, {cost:.3g} times copy")
    assert says in told[-1]


def test_a_contender_that_fails_is_said_and_the_others_run():
    from figures import conclusion
    from measure import Command, race
    from plan import rows_of
    from render import line

    good = Command(name="good", words=[sys.executable, "-c", "pass"])
    bad = Command(name="bad", words=[sys.executable, "-c", "raise SystemExit('no such thing')"])
    absent = Command(name="absent", words=["/nowhere/python"])
    outcomes = race([good, bad, absent], 2)
    assert len(outcomes[0].spent) == 2
    assert outcomes[0].spent[0].cpu > 0.0
    assert outcomes[0].spent[0].peak > 1.0
    rows = rows_of("job", outcomes, asked={}, limit=False)
    assert "bad: no such thing" in line(rows[0])
    assert "No such file" in line(rows[1])
    assert "**No figures** of job / bad" in conclusion("0", rows)[-1]


def test_a_peer_that_could_not_be_installed_says_why(tmp_path, monkeypatch):
    import peers
    from measure import Command, race

    monkeypatch.setattr(peers, "HOME", tmp_path)
    (tmp_path / "shareloc.failure").write_text("ERROR: No matching distribution found")
    absent = Command(name="shareloc", words=[peers.python_of("shareloc"), "-c", "pass"])
    assert race([absent], 1)[0].failure == "ERROR: No matching distribution found"


def test_a_worker_answers_and_dies_with_its_last_line(tmp_path, monkeypatch):
    import measure

    script = tmp_path / "job.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(BENCHMARKS / 'workers')!r})\n"
        "from serve import serve\n"
        "def add(one, fails):\n"
        "    print('noise that is no answer')\n"
        "    def run():\n"
        "        if fails: raise ValueError('cannot add')\n"
        "        return {'said': {'part': 0.5}, 'sum': one + 1}\n"
        "    return run, lambda result: {'px': result['sum']}\n"
        "serve({'add': add})\n"
    )
    monkeypatch.setattr(measure, "WORKERS", tmp_path)
    given = {"name": "w", "python": sys.executable, "script": "job.py", "job": "add"}
    good = measure.Worker(**given, given={"one": 2, "fails": False})
    bad = measure.Worker(**given, given={"one": 2, "fails": True})
    first, second = measure.race([good, bad], 3)
    assert first.errors == {"px": 3}
    assert [s.said for s in first.spent] == [{"part": 0.5}] * 3
    assert second.failure == "ValueError: cannot add"


def test_exponents_are_of_pixels_without_the_start(tmp_path):
    from plan import Plan
    from table_growth import exponents

    figures = [{"size": 256, "wall": 1.0, "cpu": 1.0, "peak": 100.0}]
    for size in (2000, 4000, 8000, 16_000):
        time = 1.0 + size**2 * 1e-7
        figures.append({"size": size, "wall": time, "cpu": time, "peak": 300.0})
    found = exponents(figures, Plan(quick=False, data=None, scratch=tmp_path))
    assert found["least"] == 4000
    assert found["exponents"] == pytest.approx({"wall": 1.0, "cpu": 1.0, "peak": 0.0}, abs=1e-9)


def test_without_data_tables_say_so(tmp_path):
    import table_ortho
    import table_points
    from figures import conclusion
    from plan import Plan

    plan = Plan(quick=True, data=None, scratch=tmp_path)
    for table in (table_points, table_ortho):
        assert "set TRUEGROUND_DATA" in conclusion("0", table.run(plan))[-1]


def test_results_become_text(tmp_path):
    from render import render

    table = {
        "title": "Jobs", "intro": "What.", "rows": [row(side("a", [1.0, 1.0]), side("b", [3.0, 2.0], px=1.0))],
        "when": "2026-01-01 00:00 UTC", "commit": "abc", "seconds": 60.0, "others": 0.0,
        "load_before": 0.1, "load_after": 1.0,
    }  # fmt: skip
    results = {
        "tables": {"1": table}, "machine": {"processor": "p", "cores": 2, "memory": 8, "system": "s"},
        "versions": {"trueground": "1"}, "quick": False, "commit": "abc", "date": "d", "all": ["1", "2"],
        "command": "make bench",
    }  # fmt: skip
    source, target = tmp_path / "results.json", tmp_path / "RESULTS.md"
    source.write_text(json.dumps(results))
    render(source, target)
    text = target.read_text()
    assert "| job | b | 2 | 2.5 (2-3) |" in text
    assert "Not measured yet: tables 2." in text


def test_samples_belong_to_the_deepest_function_of_the_package():
    from profiles import counted

    raw = (
        "<module> (a.py:1);read (/x/src/trueground/raster.py:9);dot (numpy/core.py:3) 30\n"
        "<module> (a.py:1);main (/x/src/trueground/cli/main.py:2) 10\n"
        "<module> (a.py:1) 10\n"
        "_bootstrap (threading.py:1);_worker (concurrent/futures/thread.py:81) 99\n"
    )
    lines = counted(raw).splitlines()
    assert lines[1].split() == ["60.0%", "60.0%", "raster.py", "read"]
    assert any("(outside) a.py <module>" in line for line in lines)
