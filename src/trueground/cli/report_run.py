"""What `trueground report run.json` does: the overview of a run again, from its record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from trueground.errors import InputError
from trueground.jobs.model import Job
from trueground.jobs.page import INDEX, write_index
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
