"""What `trueground report run.json` does: the overview of a run again, from its record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from trueground.errors import InputError
from trueground.jobs.model import Job
from trueground.jobs.page import INDEX, STATUSES, write_index
from trueground.jobs.record import RunRecord, SceneRecord, StepRecord


def write_run(path: Path, items: Mapping[str, Any]) -> Path:
    """Write the overview beside the record, and return its name.

    Raises
    ------
    InputError
        Where the record is not whole.
    """
    try:
        scenes = [
            SceneRecord(name=s["name"], steps=[StepRecord.from_dict(step) for step in s["steps"]])
            for s in items["scenes"]
        ]
        told = {k: items[k] for k in ("job", "file", "started", "software", "status", "seconds")}
        run = RunRecord(scenes=scenes, **told)
        _check(run)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"{path}: the record of the run is not whole ({error!r}); 'trueground run' writes it again"
        raise InputError(msg) from error
    # The page asks a job for the names of its scenes and steps alone, and a record has them.
    named = [
        SimpleNamespace(name=s.name, steps=[SimpleNamespace(name=step.step) for step in s.steps])
        for s in scenes
    ]
    write_index(cast("Job", SimpleNamespace(scenes=named, folder=path.parent)), run)
    return path.parent / INDEX


def _check(run: RunRecord) -> None:
    """Look whether a record holds what the page says of it."""
    if run.status not in STATUSES:
        msg = f"status is {run.status!r:.40}, and must be one of {', '.join(STATUSES)}"
        raise ValueError(msg)
    if isinstance(run.seconds, bool) or not isinstance(run.seconds, int | float):
        msg = f"seconds is {run.seconds!r:.40}, and must be a number"
        raise TypeError(msg)
    for name in ("job", "file"):
        if not isinstance(getattr(run, name), str):
            msg = f"{name} must be text"
            raise TypeError(msg)
    if not all(isinstance(s.name, str) for s in run.scenes):
        msg = "a scene's name must be text"
        raise TypeError(msg)
