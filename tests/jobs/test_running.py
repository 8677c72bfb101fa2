"""Steps are run in order, reused while they hold, and say why they do not; nothing leaves the job's folder."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretend_commands import JOB, PretendCommands, files_below
from trueground.errors import WriteError
from trueground.jobs import Outcome, RunRecord, StepRecord, plan, read_job, run_job
from trueground.jobs.record import read_record


def run(path: Path, commands: PretendCommands | None = None) -> RunRecord:
    commands = commands or PretendCommands()
    return run_job(read_job(path, commands=commands), commands=commands)


def statuses(record: RunRecord) -> list[list[str]]:
    return [[step.status for step in scene.steps] for scene in record.scenes]


def on_disk(path: Path) -> dict:
    return json.loads((path.parent / "results" / "run.json").read_text())


def test_a_job_is_done_and_then_reused(edit):
    path = edit()
    commands = PretendCommands()
    first = run(path, commands)
    assert commands.ran == ["align", "ortho", "diff", "align", "diff"]
    assert statuses(first) == [["done"] * 3, ["done"] * 2]
    saved = on_disk(path)
    assert saved["status"] == "done"
    align = saved["scenes"][0]["steps"][0]
    assert set(align["outputs"]) == {"aligned.tif", "shift.json", "align.html"}
    assert align["outputs"]["aligned.tif"]["fingerprint"].startswith("sha256 ")
    assert set(align["inputs"]) == {"reference.tif", "moving.tif"}
    assert align["said"] == ["align of 15 bytes"]
    assert align["why"] == ["no earlier result"]
    made = files_below(path.parent / "results" / "north")
    again = run(path, commands)
    assert len(commands.ran) == 5
    assert statuses(again) == [["reused"] * 3, ["reused"] * 2]
    assert files_below(path.parent / "results" / "north") == made
    assert on_disk(path)["scenes"][0]["status"] == "reused"


@pytest.mark.parametrize(
    ("old", "new", "ran", "why"),
    [
        ('"cubic"', '"bilinear"', ["align"], 'resampling was "cubic", and is "bilinear"'),
        ('"{align}"\n\n[[', '"{align}"\ncog = true\n\n[[', ["diff", "diff"], "cog was not given, and is true"),
        ('"shift.json"', '"s.json"', ["align", "align"], 'transform was "shift.json", and is "s.json"'),
        ("workers = 1", "threads = 2", [], None),
    ],
)  # fmt: skip
def test_changed_parameters(edit, old, new, ran, why):
    """What pretended steps write depends on their inputs alone: steps after a changed parameter are reused."""
    run(edit())
    commands = PretendCommands()
    done = run(edit((old, new)), commands)
    assert commands.ran == ran
    said = [reason for scene in done.scenes for step in scene.steps for reason in step.why]
    assert said == [why] * len(ran)


def test_changed_inputs_go_down_the_chain(edit, tmp_path):
    path = edit()
    run(path)
    (tmp_path / "moving.tif").write_bytes(b"another")
    commands = PretendCommands()
    job = read_job(path, commands=commands)
    planned = [(p.step, p.why) for p in plan(job, commands=commands).steps]
    assert planned == [
        ("align", ("moving.tif has changed",)), ("ortho", ("align is made anew",)),
        ("diff", ("align is made anew",)), ("align", ()), ("diff", ()),
    ]  # fmt: skip
    done = run(path, commands)
    assert commands.ran == ["align", "ortho", "diff"]
    assert done.scenes[0].steps[0].why == ("moving.tif has changed",)
    assert done.scenes[0].steps[1].why == ("{align} has changed",)
    assert statuses(done)[1] == ["reused", "reused"]


def test_outputs_that_were_touched_or_are_gone_are_made_again(edit, tmp_path):
    path = edit()
    run(path)
    (tmp_path / "results/north/ortho/ortho.tif").write_bytes(b"scribbled")
    (tmp_path / "results/south/align/shift.json").unlink()
    done = run(path)
    assert done.scenes[0].steps[1].why == ("output ortho.tif is not as it was written",)
    assert done.scenes[1].steps[0].why == ("output shift.json is missing",)
    assert statuses(done) == [["reused", "done", "reused"], ["done", "reused"]]


def test_another_version_of_the_software(edit, monkeypatch):
    path = edit()
    run(path)
    monkeypatch.setattr("trueground.jobs.running.StepRecord.of", lambda step: StepRecord(
        step=step.name, command=step.command, version="9.9",
        parameters={k: s.written for k, s in sorted(step.settings.items()) if k != "workers"},
    ))  # fmt: skip
    done = run(path)
    assert "and this is 9.9" in done.scenes[0].steps[0].why[0]


def test_a_scene_that_fails_stops_alone(edit):
    def work(command, values):
        if command == "align" and "moving.tif" in values["places"][1]:
            return Outcome(error="no overlap", warnings=("odd",))
        return None

    path = edit()
    done = run(path, PretendCommands(work))
    assert statuses(done) == [["failed", "skipped", "skipped"], ["done", "done"]]
    assert [s.name for s in done.failed] == ["north"]
    saved = on_disk(path)
    assert saved["status"] == "failed"
    assert saved["scenes"][0]["error"] == "no overlap"
    assert saved["scenes"][0]["steps"][0]["warnings"] == ["odd"]
    page = (path.parent / "results" / "index.html").read_text()
    assert "no overlap" in page
    assert 'href="south/align/aligned.tif"' in page
    later = run(path)
    assert later.scenes[0].steps[0].why[0] == "it failed before"
    assert statuses(later) == [["done"] * 3, ["reused"] * 2]


def test_an_interrupted_run_says_so_and_goes_on(edit):
    def work(command, values):
        if command == "ortho":
            raise KeyboardInterrupt

    path = edit()
    with pytest.raises(KeyboardInterrupt):
        run(path, PretendCommands(work))
    saved = on_disk(path)
    assert saved["status"] == "interrupted"
    assert [s["status"] for s in saved["scenes"][0]["steps"]] == ["done", "interrupted", "waiting"]
    assert saved["scenes"][1]["status"] == "waiting"
    commands = PretendCommands()
    done = run(path, commands)
    assert commands.ran == ["ortho", "diff", "align", "diff"]
    assert done.scenes[0].steps[1].why == ("it was not finished before",)


def test_an_input_that_changes_while_the_step_runs(edit, tmp_path):
    def work(command, values):
        (tmp_path / "other.tif").write_bytes(os.urandom(8))

    done = run(edit(), PretendCommands(work))
    assert statuses(done) == [["done"] * 3, ["failed", "skipped"]]
    assert "other.tif changed while the step ran" in done.scenes[1].steps[0].error


def test_tiles_that_were_not_finished_are_gone_on_with(edit, tmp_path):
    folder = tmp_path / "results/north/ortho/ortho"
    seen = []

    def work(command, values):
        if command != "ortho":
            return None
        seen.append((folder.exists(), "--resume" in str(values) or "resume" in values))
        folder.mkdir(exist_ok=True)
        return Outcome(error="stopped" if len(seen) == 1 else None)

    class Commands(PretendCommands):
        def run(self, words):
            if "--resume" in words:
                resumed.append(words[0])
            return super().run(words)

    resumed: list[str] = []
    path = edit(('heights = "ellipsoid"', 'heights = "ellipsoid"\ntiles = 512'))
    run(path, Commands(work))
    assert resumed == []
    run(path, Commands(work))
    assert resumed == ["ortho"]
    assert [found for found, _ in seen] == [False, True]
    run(edit(('heights = "ellipsoid"', "tiles = 256")), Commands(work))
    assert resumed == ["ortho"]
    assert seen[-1][0] is False


def test_remote_inputs_are_never_held_for_unchanged(edit):
    path = edit(('moving = "other.tif"', 'moving = "/vsicurl/http://localhost:9/x.tif"'))
    commands = PretendCommands(lambda c, v: Outcome(error=None))
    run(path, commands)
    done = run(path, commands)
    assert "cannot be told" in done.scenes[1].steps[0].why[0]


def test_passwords_are_written_nowhere(edit, tmp_path):
    address = "/vsicurl/http://me:hunter2@localhost:9/x.tif?token=abcdef"
    path = edit(('moving = "other.tif"', f'moving = "{address}"'))
    done = run(path, PretendCommands(lambda c, v: Outcome(error=f"no {address}", said=(address,))))
    assert done.scenes[1].steps[0].error is not None
    for name, content in files_below(tmp_path / "results").items():
        assert b"hunter2" not in content, name
        assert b"abcdef" not in content, name
    assert b"localhost:9/x.tif?token=***" in (tmp_path / "results/run.json").read_bytes()


def test_two_runs_in_one_folder_are_refused(edit, tmp_path):
    path = edit()
    refused = []

    def work(command, values):
        with pytest.raises(WriteError, match="one run at a time"):
            run(path)
        refused.append(command)

    run(path, PretendCommands(work))
    assert len(refused) == 5
    (tmp_path / "results" / ".lock").write_text(
        json.dumps({"pid": 1, "host": socket.gethostname()})
    )
    run(path)  # left by a process that is no more, or by one that has not locked it


def test_links_and_foreign_files_are_left_alone(edit, tmp_path, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "precious").write_bytes(b"x")
    results = tmp_path / "results"
    results.mkdir()
    (results / "north").symlink_to(outside)
    (results / "south" / "align").mkdir(parents=True)
    (results / "south" / "align" / "mine.txt").write_text("mine")
    done = run(edit())
    assert statuses(done) == [["failed", "skipped", "skipped"], ["failed", "skipped"]]
    assert "is a link" in done.scenes[0].error
    assert "holds mine.txt" in done.scenes[1].error
    assert files_below(outside) == {"precious": b"x"}
    assert (results / "south" / "align" / "mine.txt").read_text() == "mine"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)  # fmt: skip


@given(junk=JUNK, key=st.sampled_from(sorted(StepRecord(step="a", command="b").to_dict())))
@settings(max_examples=150, deadline=None)
def test_a_record_that_is_none_is_no_record(tmp_path_factory, junk, key):
    """Whatever stands in `step.json`, it is read as a record or not at all."""
    folder = tmp_path_factory.mktemp("records")
    for content in (junk, {**StepRecord(step="a", command="b").to_dict(), key: junk}):
        (folder / "step.json").write_text(json.dumps(content))
        found = read_record(folder)
        assert found is None or isinstance(found.to_dict(), dict)
    (folder / "step.json").write_bytes(b"\xff\x00{")
    assert read_record(folder) is None


@pytest.mark.parametrize("name", ["index.html", "run.json"])
def test_pages_of_somebody_else_are_not_replaced(edit, tmp_path, name):
    (tmp_path / name).write_text('{"mine": 1}')
    path = edit(('"results"', '"."'))
    with pytest.raises(WriteError, match=f"{name} is not of a run of a job"):
        run(path)
    assert (tmp_path / name).read_text() == '{"mine": 1}'
    (tmp_path / name).unlink()
    run(path)
    assert statuses(run(path)) == [["reused"] * 3, ["reused"] * 2]


def test_ended_while_a_folder_was_emptied(edit, tmp_path, monkeypatch):
    """Whatever is left of a step belongs to the job, so that it goes on."""
    run(edit())
    removed, unlink = [], Path.unlink

    def ended(self, *args, **kwargs):
        if "north/align" in str(self) and not self.name.startswith("."):
            if len(removed) == 2:
                raise KeyboardInterrupt
            removed.append(self.name)
        unlink(self, *args, **kwargs)

    path = edit(('"shift.json"', '"s.json"'))
    monkeypatch.setattr(Path, "unlink", ended)
    with pytest.raises(KeyboardInterrupt):
        run(path)
    monkeypatch.undo()
    assert len(removed) == 2
    assert (tmp_path / "results/north/align/step.json").exists()
    assert statuses(run(path))[0] == ["done", "reused", "reused"]


def test_many_scenes_are_asked_about_and_recorded_a_few_times(edit, monkeypatch):
    head, scene = (
        JOB[: JOB.index("[[scene]]")],
        JOB[JOB.index("[[scene]]") : JOB.rindex("[[scene]]")],
    )
    path = edit(text=head + "".join(scene.replace("north", f"n{k}") for k in range(30)))
    asked, written = [], []
    bound, write = PretendCommands._bound, RunRecord.write

    def slow(self, folder):
        written.append(sum(s.status == "done" for s in self.scenes))
        time.sleep(0.02)
        write(self, folder)

    monkeypatch.setattr(
        PretendCommands, "_bound", lambda self, w: asked.append(w[0]) or bound(self, w)
    )
    monkeypatch.setattr(RunRecord, "write", slow)
    commands = PretendCommands()
    job = read_job(path, commands=commands)
    assert sorted(asked) == ["align", "diff", "ortho"]
    run_job(job, commands=commands)
    assert written[-1] == 30
    assert len(written) < 45  # of 90 steps
