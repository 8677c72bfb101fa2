"""`trueground run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trueground.cli.console import console, say_error
from trueground.cli.drawn_table import print_table
from trueground.cli.engine_options import clusters_shared
from trueground.cli.options import Flag, OptionalOutput, refused
from trueground.secret import without_secrets

if TYPE_CHECKING:
    from trueground.jobs import Plan, RunRecord, Scene, StepRecord

_FAILED = 1
_LONGEST = 70  # characters of a result in the table
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def run(job: Path, /, *, output: OptionalOutput = None, dry_run: Flag = False) -> None:
    """Run the steps of many scenes, as a job file says; what was done before and still holds is reused.

    Example: `trueground run survey.toml`

    Example, what would be done: `trueground run survey.toml --dry-run`

    A job file is TOML. Each `[[scene]]` has a name, its inputs and its steps, which are commands: align, apply, refine,
    ortho, diff, uncertainty, and report for their pages. Parameters have the names of their options:

        [job]
        output = "results"

        [defaults.ortho]
        dem = "{align}"
        heights = "egm96"

        [[scene]]
        name = "north"
        reference = "reference.tif"
        moving = "dem.tif"
        images = "north.tif"
        steps = ["align", "ortho", "report"]

    A scene that fails does not stop the others. The same command again goes on where a run was stopped, and does what
    has changed. See docs/jobs.md.

    Parameters
    ----------
    job
        The job file; paths in it begin from its folder.
    output
        Folder of everything that is written. Default: as [job] says.
    dry_run
        Check the job, print what would be done, how large it is and about how long it takes, and write nothing.
    """
    from trueground.cli.main import app
    from trueground.cli.step_commands import StepCommands
    from trueground.jobs import JobError, plan, read_job, run_job

    commands = StepCommands(app)
    try:
        read = read_job(job, commands=commands, folder=output)
    except JobError as faults:
        raise refused(faults) from None
    if dry_run:
        _print_plan(plan(read, commands=commands))
        return
    with clusters_shared():
        done = run_job(read, commands=commands, told=_tell)
    _print_summary(done)
    console.note(f"wrote {read.folder / 'run.json'}, {read.folder / 'index.html'}")
    if done.failed:
        count = len(done.failed)
        say_error(
            f"{count} of {len(done.scenes)} scenes failed: {', '.join(s.name for s in done.failed)}"
        )
        raise SystemExit(_FAILED)


def _tell(scene: Scene, record: StepRecord) -> None:
    """Say how far the run is."""
    where = f"{scene.name}: {record.step}"
    if record.status == "running":
        console.note(f"{where} ...")
    elif record.status == "failed":
        say_error(f"{where}: {record.error}")
    elif record.status == "done":
        console.note(f"{where} done in {record.seconds:.1f} s ({'; '.join(record.why)})")
    else:
        console.note(f"{where} {record.status}")


def _print_plan(found: Plan) -> None:
    for number, step in enumerate(found.steps, start=1):
        verdict = f"would run: {'; '.join(step.why)}" if step.why else "would be reused"
        print(f"{number}. {step.scene}: {step.step} ({verdict})")
        for item in step.inputs:
            about = "not there yet" if item.size is None else _bytes(item.size)
            if item.extent is not None:
                about = f"{item.extent.rows} x {item.extent.cols} px, {about}"
            print(f"   reads {without_secrets(item.path)} ({about})")
        size = sum(e.pixels * e.bytes for e in step.extents)
        pixels = ", ".join(f"{e.rows} x {e.cols} px" for e in step.extents)
        about = f" ({pixels}, {_bytes(size)} uncompressed)" if pixels else ""
        if step.problem is not None:
            about = f" (its size is not known: {without_secrets(step.problem)})"
        print(f"   writes {step.output}{about}")
        if step.why:
            print(f"   takes about {_duration(step.seconds)}")
    runs = sum(bool(s.why) for s in found.steps)
    print(
        f"{runs} of {len(found.steps)} steps would run, in about {_duration(found.seconds)}; times are {found.source}"
    )


def _print_summary(done: RunRecord) -> None:
    rows: list[tuple[str, ...]] = []
    for scene in done.scenes:
        for step in scene.steps:
            result = without_secrets(step.error or (step.said[0] if step.said else ""))
            cut = result if len(result) <= _LONGEST else f"{result[: _LONGEST - 3]}..."
            warned = str(len(step.warnings)) if step.warnings else ""
            seconds = f"{step.seconds:.1f}" if step.seconds else ""
            rows.append((scene.name, step.step, step.status, seconds, warned, cut))
    columns = ("scene", "step", "status", "seconds", "warnings", "result")
    print_table(columns, rows, left=("step", "status", "result"))


def _bytes(number: float) -> str:
    for unit in _UNITS[:-1]:
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} {_UNITS[-1]}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{max(seconds, 1.0):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
