"""What a run would do, without doing it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from trueground.errors import TruegroundError
from trueground.jobs.commands import Commands, Extent
from trueground.jobs.expected import Expected
from trueground.jobs.kinds import KINDS
from trueground.jobs.model import Job, Step
from trueground.jobs.record import StepRecord, input_prints, read_record, reasons
from trueground.jobs.sizes import Sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedInput:
    """A file that a step reads."""

    path: str
    extent: Extent | None
    """None of what is no raster."""
    size: int | None
    """Bytes on disk; None of what is not there yet, or not a local file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """A step as it would be run."""

    scene: str
    step: str
    words: tuple[str, ...]
    why: tuple[str, ...]
    """Why it would be run; nothing where its earlier results do."""
    inputs: tuple[PlannedInput, ...]
    output: Path
    extents: tuple[Extent, ...]
    """Of the rasters that it makes."""
    problem: str | None
    """Why their size is not known, which the step itself will say too."""
    seconds: float
    """About how long it takes; 0 where it is reused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All steps in their order."""

    steps: tuple[PlannedStep, ...]
    source: str
    """Where the times come from."""

    @property
    def seconds(self) -> float:
        """About how long all of it takes."""
        return sum(s.seconds for s in self.steps)


def plan(job: Job, *, commands: Commands) -> Plan:
    """Return what a run would do; nothing is written.

    Parameters
    ----------
    job
        As `read_job` returns it.
    commands
        What its steps are.
    """
    sizes, expected = Sizes(commands), Expected.of(job)
    found = []
    for scene in job.scenes:
        anew = set[str]()
        for step in scene.steps:
            why = _why(step, anew)
            if why:
                anew.add(step.name)
            found.append(_planned(scene.name, step, why, commands, sizes, expected))
    return Plan(steps=tuple(found), source=expected.source())


def _why(step: Step, anew: set[str]) -> tuple[str, ...]:
    before = sorted(anew.intersection(step.needs))
    if before:
        return tuple(f"{name} is made anew" for name in before)
    new = dataclasses.replace(StepRecord.of(step), inputs=input_prints(step))
    return reasons(read_record(step.folder), new, step.folder)


def _planned(  # noqa: PLR0917
    scene: str,
    step: Step,
    why: tuple[str, ...],
    commands: Commands,
    sizes: Sizes,
    expected: Expected,
) -> PlannedStep:
    extents: tuple[Extent, ...] = ()
    problem = None
    try:
        extents = sizes.of_output(step)
    except TruegroundError as error:
        problem = str(error)
    values = step.values
    threads = values.get("workers", values.get("threads", 0))
    pixels = sum(e.pixels for e in extents)
    return PlannedStep(
        scene=scene, step=step.name, words=("trueground", *commands.words(step.command, values)), why=why,
        inputs=tuple(
            PlannedInput(path=path, extent=sizes.of_file(path), size=_size(path))
            for path in step.inputs.values()
        ),
        output=Path(values["output"]), problem=problem,
        extents=extents if KINDS[step.command].raster else (),
        seconds=expected.seconds(step.command, pixels, threads=int(threads)) if why else 0.0,
    )  # fmt: skip


def _size(path: str) -> int | None:
    file = Path(path)
    return file.stat().st_size if file.is_file() else None
