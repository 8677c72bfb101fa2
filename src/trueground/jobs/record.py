"""What was done, as JSON: in each step's folder, to tell whether its results still hold, and of the run as a whole."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from trueground import __version__
from trueground.fingerprint import fingerprint, raster_fingerprint, text_fingerprint
from trueground.jobs.kinds import ENGINE_KEYS
from trueground.jobs.model import Step
from trueground.secret import without_secrets
from trueground.writer import write_text

STEP_FILE, RUN_FILE = "step.json", "run.json"
REMOTE = "not a local file"
"""Fingerprint of what cannot be looked at."""
Status = Literal["waiting", "running", "done", "reused", "failed", "skipped", "interrupted"]
_BESIDE = {".shp": (".dbf", ".shx", ".prj", ".cpg")}  # what belongs to a file of one name
_RPC_BESIDE = ".geom"  # GDAL does not know of it


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """What became of a step."""

    step: str
    command: str
    status: Status = "waiting"
    why: tuple[str, ...] = ()
    """Why it was run rather than reused."""
    words: tuple[str, ...] = ()
    """The command line that it is."""
    version: str = __version__
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """As the job file has them, without those that change no result."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Fingerprints, by the names in the job file."""
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Bytes and fingerprints, by the names within the step's folder."""
    seconds: float = 0.0
    pixels: int = 0
    """Of its outputs."""
    warnings: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    error: str | None = None

    @classmethod
    def of(cls, step: Step) -> StepRecord:
        """Return the record of a step that is yet to be done."""
        return cls(step=step.name, command=step.command, parameters=_parameters(step))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, items: Any) -> StepRecord:
        """Return a record from plain values.

        Raises
        ------
        ValueError
            Where they are none of a record.
        """
        if not isinstance(items, dict) or set(items) != set(_KINDS) or not _is_record(items):
            msg = "no record of a step"
            raise ValueError(msg)
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in items.items()
        }
        return cls(**values)

    def write(self, folder: Path) -> None:
        """Write it into the step's folder."""
        write_text(folder / STEP_FILE, json.dumps(self.to_dict(), indent=2) + "\n")


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "step": str, "command": str, "status": str, "why": list, "words": list, "version": str, "parameters": dict,
    "inputs": dict, "outputs": dict, "seconds": (int, float), "pixels": int, "warnings": list, "said": list,
    "error": (str, type(None)),
}  # fmt: skip


def _is_record(items: Mapping[str, Any]) -> bool:
    """Tell whether values are of the kinds of a record's."""
    if not all(isinstance(items[name], kind) for name, kind in _KINDS.items()):
        return False
    lists = [v for value in items.values() if isinstance(value, list) for v in value]
    outputs = all(isinstance(v, dict) for v in items["outputs"].values())
    return (
        items["status"] in get_args(Status) and outputs and all(isinstance(v, str) for v in lists)
    )


def read_record(folder: Path) -> StepRecord | None:
    """Return the record in a step's folder; None where there is none that can be read."""
    with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
        return StepRecord.from_dict(json.loads((folder / STEP_FILE).read_text(encoding="utf-8")))
    return None


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds the record of a run."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        items = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        return isinstance(items, dict) and {"software", "job", "scenes"} <= items.keys()
    return False


def _parameters(step: Step) -> dict[str, Any]:
    """Return what the job file says of a step, without what changes no result and without passwords."""
    found = {k: s.written for k, s in sorted(step.settings.items()) if k not in ENGINE_KEYS}
    plain: dict[str, Any] = json.loads(without_secrets(json.dumps(found)))
    return plain


def input_prints(step: Step) -> dict[str, str]:
    """Return the fingerprints of a step's inputs, by their names in the job file."""
    inputs = sorted(step.inputs.items())
    return {without_secrets(written): _print_of(path) for written, path in inputs}


def _print_of(path: str) -> str:
    found = raster_fingerprint(path)
    file = Path(path)
    if not file.name:  # the root of a file system
        return found
    endings = (_RPC_BESIDE, *_BESIDE.get(file.suffix.lower(), ()))
    beside = [p for e in endings if (p := file.with_suffix(e)).is_file() and p != file]
    if not beside:
        return found
    return text_fingerprint("\n".join([found, *(f"{p.name}: {fingerprint(p)}" for p in beside)]))


def output_prints(folder: Path) -> dict[str, dict[str, Any]]:
    """Return size and fingerprint of the files that a step has written."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            relative = path.relative_to(folder)
            if relative == Path(STEP_FILE) or name.startswith("."):
                continue
            found[relative.as_posix()] = {
                "bytes": path.stat().st_size, "fingerprint": fingerprint(path),
            }  # fmt: skip
    return dict(sorted(found.items()))


def reasons(old: StepRecord | None, new: StepRecord, folder: Path) -> tuple[str, ...]:
    """Return why earlier results do not do; nothing where they do.

    Parameters
    ----------
    old
        The record of the earlier run.
    new
        Of this one, with the fingerprints of its inputs.
    folder
        Of the step; its files are held against the record.
    """
    if old is None:
        return ("no earlier result",)
    if old.status != "done":
        said = "it failed before" if old.status == "failed" else "it was not finished before"
        return (said, *differences(old, new))
    found = differences(old, new)
    if found:
        return found
    now = output_prints(folder)
    found = tuple(f"output {name} is missing" for name in old.outputs if name not in now)
    return found + tuple(
        f"output {name} is not as it was written" for name, is_now in now.items()
        if name in old.outputs and old.outputs[name] != is_now
    )  # fmt: skip


def differences(old: StepRecord, new: StepRecord) -> tuple[str, ...]:
    """Return in what two records of a step are not of the same work."""
    found = []
    if old.command != new.command:
        found.append(f"it was {old.command}, and is {new.command}")
    if old.version != new.version:
        found.append(f"it was made by trueground {old.version}, and this is {new.version}")
    for name in sorted({*old.parameters, *new.parameters}):
        before, now = (_said(r.parameters, name) for r in (old, new))
        if before != now:
            found.append(f"{name} was {before}, and is {now}")
    for name, now in new.inputs.items():
        if now == REMOTE:
            found.append(f"{name} is no local file: whether it has changed cannot be told")
        elif name in old.inputs and old.inputs[name] != now:
            found.append(f"{name} has changed")
    return tuple(found)


def _said(parameters: Mapping[str, Any], name: str) -> str:
    return json.dumps(parameters[name]) if name in parameters else "not given"


@dataclass(kw_only=True)
class SceneRecord:
    """What became of a scene."""

    name: str
    steps: list[StepRecord]

    @property
    def status(self) -> Status:
        """That of the step that decides."""
        found = [s.status for s in self.steps]
        for status in ("interrupted", "failed", "running", "waiting"):
            if status in found:
                return status
        return "reused" if all(s == "reused" for s in found) else "done"

    @property
    def error(self) -> str | None:
        """Why it failed."""
        return next((s.error for s in self.steps if s.error is not None), None)


@dataclass(kw_only=True)
class RunRecord:
    """What became of a run."""

    job: str
    file: str
    started: str
    software: str
    scenes: list[SceneRecord]
    status: Status = "running"
    seconds: float = 0.0

    @property
    def failed(self) -> list[SceneRecord]:
        """Scenes that failed."""
        return [s for s in self.scenes if s.status == "failed"]

    def write(self, folder: Path) -> None:
        """Write it as `run.json`."""
        scenes = [
            {
                "name": s.name, "status": s.status, "error": s.error,
                "steps": [step.to_dict() for step in s.steps],
            }
            for s in self.scenes
        ]  # fmt: skip
        items = {
            "version": __version__, "software": self.software, "job": self.job, "file": self.file,
            "started": self.started, "status": self.status, "seconds": round(self.seconds, 3), "scenes": scenes,
        }  # fmt: skip
        write_text(folder / RUN_FILE, json.dumps(items, indent=2) + "\n")
