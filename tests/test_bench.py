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


def lost(name):
    return {"name": name, "failure": "no such thing"}


@pytest.mark.parametrize(
    ("ours", "peer", "says"),
    [
        (side("a", [1.0], px=float("nan")), side("b", [2.0], px=0.1), "px not known"),
        (side("a", [1.0], **{"not judged": "no file"}), side("b", [2.0], px=0.1), "not judged: no file"),
        (side("a", [1.0]), side("b", [2.0], px=0.1), "none against 0.1 px"),
        (lost("a"), side("b", [2.0]), "result none: no such thing"),
        (side("a", [1.0]), lost("b"), "Not behind in time and memory in the 1 of 2 rows"),
        (lost("a"), lost("b"), "Not behind in time and memory in the 1 of 2 rows"),
    ],
)  # fmt: skip
def test_no_one_is_ahead_where_a_figure_is_missing(ours, peer, says):
    from figures import conclusion

    good = row(side("a", [1.0]), side("c", [2.0]))
    told = " ".join(conclusion("0", [good, row(ours, peer)]))
    assert says in told
    assert "**Ahead**" not in told


def test_what_was_asked_of_a_row_that_failed_is_not_reached():
    from figures import conclusion

    asked = [{"of": "wall", "wanted": 8, "floor": 5}]
    rows = [
        row(side("a", [1.0]), side("b", [9.0]), asked=asked),
        row(side("a", [1.0]), lost("c"), asked=asked),
        {**row(lost("a"), lost("none")), "most": 2000.0, "slope": (1.0, 0.1)},
    ]
    told = " ".join(conclusion("0", rows))
    assert "are reached" not in told
    assert "job / c (wall time: asked 8, floor 5, no figure)" in told
    assert "exponent of processor time: asked 1.0 +- 0.1, no figure" in told
    assert "memory: asked 2000 MB at most, no figure" in told


def test_a_limit_that_failed_is_not_reached():
    from figures import conclusion

    rows = [
        row(side("a", [1.0]), side("copy", [1.0]), limit=True),
        row(side("a", [1.0]), lost("copy"), limit=True),
    ]
    assert "At the limit" not in " ".join(conclusion("6", rows))


def test_reasons_reach_as_far_as_was_looked():
    from reasons import REASONS, UNKNOWN, reason

    assert "noise" in reason("3", "error", "nuth-kaab", 0.004, "px")
    assert reason("3", "error", "nuth-kaab", 5.0, "px") == UNKNOWN
    assert reason("3", "error", "nuth-kaab", 50.0, "m") == UNKNOWN
    assert reason("3", "wall", "terrain-bias", 0.6) != UNKNOWN
    assert reason("3", "wall", "terrain-bias", 0.01) == UNKNOWN
    assert reason("6", "wall", "align --blocks 500", 2.0) != UNKNOWN
    assert reason("6", "wall", "align --blocks 500", 20.0) == UNKNOWN
    for one in REASONS:
        measure = one.measures[0]
        assert one.explains(one.table, measure, one.words, float("nan"), "px") is False


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


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A worker whose job tells the errors that it was given."""
    import measure

    script = tmp_path / "job.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(BENCHMARKS / 'workers')!r})\n"
        "import time\n"
        "from pathlib import Path\n"
        "from serve import serve\n"
        "def note(log, what, pause):\n"
        "    def run():\n"
        "        time.sleep(pause)\n"
        "        with Path(log).open('a') as file: file.write(what)\n"
        "        return {}\n"
        "    return run, lambda _: {}\n"
        "serve({'note': note})\n"
    )
    monkeypatch.setattr(measure, "WORKERS", tmp_path)

    def made(what, pause=0.0, **more):
        given = {"log": str(tmp_path / "log"), "what": what, "pause": pause}
        return measure.Worker(
            name=what, python=sys.executable, script="job.py", job="note", given=given, **more
        )

    return made


def test_each_worker_has_run_once_before_the_race(job, tmp_path):
    from measure import race

    race([job("a"), job("b", small={"what": "s"})], 2)
    assert (tmp_path / "log").read_text() == "asabba"


def test_a_command_does_a_small_job_before_each_run(tmp_path):
    from measure import Command, race

    log = tmp_path / "log"
    note = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"
    words = [sys.executable, "-c", note, str(log)]
    race([Command(name="a", words=[*words, "A"], small=[*words, "s"])], 2)
    assert log.read_text() == "ssAsA"


def test_a_contender_that_takes_too_long_fails_alone(job, monkeypatch):
    import measure

    monkeypatch.setattr(measure, "PATIENCE", 1.0)
    endless = measure.Command(
        name="endless", words=[sys.executable, "-c", "import time; time.sleep(99)"]
    )
    outcomes = measure.race([job("a"), endless, job("b", 99.0)], 1)
    assert [bool(o.failure) for o in outcomes] == [False, True, True]
    assert "killed by signal 9" in outcomes[1].failure
    assert "killed by signal 9" in outcomes[2].failure


def test_a_scene_that_takes_too_long_is_a_failure(tmp_path, monkeypatch):
    import measure

    script = tmp_path / "slow.py"
    script.write_text("import time; time.sleep(99)")
    monkeypatch.setattr(measure, "PATIENCE", 0.2)
    with pytest.raises(measure.Failed, match="timed out"):
        measure.call(sys.executable, script)


def test_an_installation_that_takes_too_long_is_kept_as_why(monkeypatch):
    import peers

    monkeypatch.setattr(peers, "PATIENCE", 0.2)
    assert "timed out" in peers.failing([sys.executable, "-c", "import time; time.sleep(99)"])


def test_the_copy_is_the_file_as_it_was_written(tmp_path, monkeypatch):
    import numpy as np
    import rasterio

    monkeypatch.syspath_prepend(str(BENCHMARKS / "workers"))
    import with_rasterio
    from affine import Affine

    values = np.arange(300.0 * 400.0, dtype=np.float32).reshape(1, 300, 400)
    profile = {
        "driver": "GTiff", "dtype": "float32", "width": 400, "height": 300, "count": 1, "crs": "EPSG:32633",
        "compress": "zstd", "predictor": 3, "zstd_level": 1, "tiled": True, "blockxsize": 128, "blockysize": 128,
        "transform": Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 8_000_000.0),
    }  # fmt: skip
    source, output = tmp_path / "source.tif", tmp_path / "copy.tif"
    with rasterio.open(source, "w", **profile) as file:
        file.write(values)
    monkeypatch.setattr(with_rasterio.Path, "unlink", lambda _: None)
    run, _ = with_rasterio.moved_bytes([str(source)], str(source), str(output))
    run()
    with rasterio.open(source) as first, rasterio.open(output) as second:
        assert np.array_equal(second.read(), values)
        assert second.profile == first.profile
        for tag in ("COMPRESSION", "PREDICTOR"):
            assert second.tags(ns="IMAGE_STRUCTURE")[tag] == first.tags(ns="IMAGE_STRUCTURE")[tag]
    assert abs(output.stat().st_size - source.stat().st_size) < 1000


def test_a_table_runs_without_its_peers(tmp_path, monkeypatch):
    import peers
    import table_coreg
    from figures import conclusion
    from plan import Plan

    monkeypatch.setattr(peers, "HOME", tmp_path / "nowhere")
    monkeypatch.setattr(table_coreg, "METHODS", ("nuth-kaab",))
    monkeypatch.setattr(table_coreg, "SIZES", (600, 600))
    rows = table_coreg.run(Plan(quick=False, data=None, scratch=tmp_path, pairs=1))
    assert [r["peer"]["name"] for r in rows] == ["xDEM", "demcompare"]
    assert rows[0]["ours"]["errors"]["px"] < 0.02
    told = " ".join(conclusion("3", rows))
    assert "**Ahead**" not in told
    assert "asked 8, floor 5, no figure" in told
    assert "xDEM: not installed" in told


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
