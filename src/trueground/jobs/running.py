"""A job run: scene after scene, step after step; what holds is reused, what fails stops its scene alone."""

from __future__ import annotations

import dataclasses
import datetime
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from trueground.errors import TruegroundError, WriteError
from trueground.jobs.commands import Commands, Outcome
from trueground.jobs.containment import check_unlinked
from trueground.jobs.model import Job, Scene, Step
from trueground.jobs.page import INDEX, write_index
from trueground.jobs.record import (
    RUN_FILE,
    STEP_FILE,
    RunRecord,
    SceneRecord,
    StepRecord,
    differences,
    input_prints,
    is_run,
    output_prints,
    read_record,
    reasons,
)
from trueground.jobs.sizes import Sizes
from trueground.lock import locked
from trueground.report.page import versions

_PAUSE = 20.0  # between two records of a run, in units of the time that the first takes
Told = Callable[[Scene, StepRecord], None]


def run_job(job: Job, *, commands: Commands, told: Told | None = None) -> RunRecord:
    """Run a job, or go on with it.

    `run.json` and `index.html` in the job's folder are up to date after every step, or soon after where there are
    very many.

    Parameters
    ----------
    job
        What `read_job` returned.
    commands
        The commands that its steps are.
    told
        Called when a step begins and when it ends.

    Raises
    ------
    WriteError
        Where the folder cannot be written, another run writes there, or it holds a page of somebody else's.
    KeyboardInterrupt
        Where the user ended it; the records say so.
    """
    _make(job.folder)
    with locked(job.folder):
        _check_own(job.folder)
        run = _Run(job=job, commands=commands, told=told or (lambda _scene, _record: None))
        return run.go()


@dataclass(kw_only=True)
class _Run:
    job: Job
    commands: Commands
    told: Told
    sizes: Sizes = field(init=False)
    record: RunRecord = field(init=False)
    _save_next: float = field(init=False, default=-math.inf)

    def __post_init__(self) -> None:
        self.sizes = Sizes(self.commands)
        self.record = RunRecord(
            job=self.job.name, file=str(self.job.file), software=versions(),
            started=datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="seconds"),
            scenes=[
                SceneRecord(name=s.name, steps=[StepRecord.of(step) for step in s.steps])
                for s in self.job.scenes
            ],
        )  # fmt: skip

    def go(self) -> RunRecord:
        start = time.perf_counter()
        try:
            for scene, record in zip(self.job.scenes, self.record.scenes, strict=True):
                self._scene(scene, record, start)
        except KeyboardInterrupt:
            self.record.status = "interrupted"
            raise
        finally:
            if self.record.status == "running":
                self.record.status = "failed" if self.record.failed else "done"
            self._save(start, at_end=True)
        return self.record

    def _scene(self, scene: Scene, record: SceneRecord, start: float) -> None:
        for number, step in enumerate(scene.steps):
            if record.status == "failed":
                record.steps[number] = dataclasses.replace(record.steps[number], status="skipped")
                self.told(scene, record.steps[number])
                continue
            record.steps[number] = begun = dataclasses.replace(
                record.steps[number], status="running"
            )
            self.told(scene, begun)
            try:
                record.steps[number] = self._step(step)
            except KeyboardInterrupt:
                record.steps[number] = dataclasses.replace(begun, status="interrupted")
                raise
            except (TruegroundError, OSError) as error:
                text = " ".join(str(error).split())
                record.steps[number] = dataclasses.replace(begun, status="failed", error=text)
            self.told(scene, record.steps[number])
            self._save(start)

    def _save(self, start: float, *, at_end: bool = False) -> None:
        """Write what was done so far; of very many scenes not after each step, for that would take longer than they."""
        begun = time.perf_counter()
        if begun < self._save_next and not at_end:
            return
        self.record.seconds = begun - start
        self.record.write(self.job.folder)
        write_index(self.job, self.record)
        now = time.perf_counter()
        self._save_next = now + _PAUSE * (now - begun)

    def _step(self, step: Step) -> StepRecord:
        """Do a step, or take its earlier results."""
        check_unlinked(step.folder, self.job.folder)
        old = read_record(step.folder)
        new = dataclasses.replace(StepRecord.of(step), status="running", inputs=input_prints(step))
        why = reasons(old, new, step.folder)
        if old is not None and not why:
            return dataclasses.replace(old, status="reused", why=())
        values = step.values
        tiles = Path(values["output"])
        if old is not None and "tiles" in values and tiles.is_dir() and not differences(old, new):
            values["resume"] = True
        else:
            _clear(step.folder)
        words = self.commands.words(step.command, values)
        new = dataclasses.replace(new, why=why, words=("trueground", *words))
        new.write(step.folder)
        start = time.perf_counter()
        outcome = self.commands.run(words)
        done = dataclasses.replace(
            new,
            seconds=round(time.perf_counter() - start, 3),
            warnings=outcome.warnings,
            said=outcome.said,
            error=_error(step, new, outcome),
        )
        if done.error is not None:
            done = dataclasses.replace(done, status="failed")
        else:
            pixels = self.sizes.pixels(step)
            outputs = output_prints(step.folder)
            done = dataclasses.replace(done, status="done", pixels=pixels, outputs=outputs)
        done.write(step.folder)
        return done


def _error(step: Step, record: StepRecord, outcome: Outcome) -> str | None:
    """Return why a step that was run has no result."""
    if outcome.error is not None:
        return outcome.error
    now = input_prints(step)
    changed = [name for name, before in record.inputs.items() if now[name] != before]
    if not changed:
        return None
    return f"{', '.join(changed)} changed while the step ran: its result may be of both; run again"


def _check_own(folder: Path) -> None:
    """Raise where a run would replace a file of its own two that no run has written."""
    for name in (RUN_FILE, INDEX):
        if (folder / name).exists() and not is_run(folder):
            msg = (
                f"{folder / name} is not of a run of a job, and would be replaced; give the job another folder, or "
                "move the file elsewhere"
            )
            raise WriteError(msg)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the folder {folder} cannot be made: {error.strerror}; give another one, or change its permissions"
        raise WriteError(msg) from error


def _clear(folder: Path) -> None:
    """Make the folder of a step, without what an earlier run left there; never what somebody else did.

    Raises
    ------
    WriteError
        Where it holds files and no record, so that they are no step's.
    """
    try:
        if folder.exists():
            left = [p.name for p in folder.iterdir() if not p.name.startswith(".")]
            if left and read_record(folder) is None:
                msg = (
                    f"{folder} holds {left[0]}, and no {STEP_FILE} that says that a job wrote it; "
                    "move the folder elsewhere, or delete it"
                )
                raise WriteError(msg)
            _empty(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the folder {folder} cannot be made anew: {error.strerror}; change its permissions, or delete it"
        raise WriteError(msg) from error


def _empty(folder: Path) -> None:
    """Remove what is in a step's folder, its record last: without it the rest would be nobody's."""
    for path in sorted(folder.iterdir(), key=lambda p: p.name == STEP_FILE):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
