"""The overview of a run: `index.html`, which leads to the pages of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from trueground.jobs.model import Job
from trueground.jobs.record import RunRecord, StepRecord
from trueground.report.page import Fact, Page, Section
from trueground.writer import write_text

INDEX = "index.html"
_PAGES = (".html", ".htm")
_SAID = {
    "running": "the run goes on, or was ended by force",
    "done": "all is done",
    "failed": "not all could be done",
    "interrupted": "the run was interrupted",
}
STATUSES = tuple(_SAID)
"""What may have become of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A file that is led to."""

    name: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """A step in the table of its scene."""

    name: str
    status: str
    seconds: str
    result: tuple[str, ...]
    files: tuple[Link, ...]


@dataclass(frozen=True, kw_only=True)
class StepsSection(Section):
    """The steps of a scene."""

    template: ClassVar[str] = "section_steps.html.j2"

    rows: tuple[StepRow, ...]


def write_index(job: Job, run: RunRecord) -> None:
    """Write the page into the job's folder."""
    counts = {
        s: [scene.status for scene in run.scenes].count(s) for s in ("done", "reused", "failed")
    }
    page = Page(
        title=run.job,
        lead=f"{len(run.scenes)} scenes of {Path(run.file).name}: {_SAID[run.status]}. "
        "All figures are in run.json beside this page.",
        facts=(
            Fact(label="Scenes done", value=str(counts["done"])),
            Fact(label="Reused whole", value=str(counts["reused"])),
            Fact(label="Failed", value=str(counts["failed"])),
            Fact(label="Time of this run", value=f"{run.seconds:.0f} s"),
        ),
        warnings=tuple(f"{s.name}: {s.error}" for s in run.failed),
        sections=tuple(_sections(job, run)),
    )
    write_text(job.folder / INDEX, page.render())


def _sections(job: Job, run: RunRecord) -> Iterator[Section]:
    for n, (scene, record) in enumerate(zip(job.scenes, run.scenes, strict=True), start=1):
        rows = [
            _row(f"{scene.name}/{step.name}", found)
            for step, found in zip(scene.steps, record.steps, strict=True)
        ]
        yield StepsSection(
            anchor=f"scene-{n}", heading=scene.name, text=record.status, rows=tuple(rows)
        )


def _row(folder: str, record: StepRecord) -> StepRow:
    outputs = list(record.outputs)
    pages = [name for name in outputs if name.lower().endswith(_PAGES)]
    shown = [*pages, *(n for n in outputs if n not in pages and "/" not in n)]
    files = tuple(Link(name=n, href=quote(f"{folder}/{n}")) for n in shown)
    lines = [*record.said, *(f"warning: {w}" for w in record.warnings), record.error or ""]
    seconds = f"{record.seconds:.1f}" if record.seconds else ""
    return StepRow(
        name=record.step, status=record.status, seconds=seconds, result=tuple(t for t in lines if t), files=files
    )  # fmt: skip
