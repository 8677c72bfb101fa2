"""What a table is given, and the rows that it gives back."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import HERE, OURS, Contender, Failed, Outcome, Worker, call, environment, race

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A figure that was asked for, and what is the least that is accepted."""

    of: str
    """wall, cpu, fit, peak: how many times trueground's a peer's is; or `slope`."""
    wanted: float
    floor: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {"of": self.of, "wanted": self.wanted, "floor": self.floor}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large a run is, and where things are."""

    quick: bool
    data: Path | None
    """Folder of the real data, where there is one."""
    scratch: Path
    pairs: int = 5

    def pick(self, full: Any, quick: Any) -> Any:
        """Return a setting of the full or the quick form."""
        return quick if self.quick else full

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """Make a folder for scenes, and delete it at the end."""
        path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.scratch))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def scene(self, script: str, *words: object) -> None:
        """Let a script make scenes, in a process of its own."""
        call(OURS, HERE / script, *words)


def judged(kind: str, *words: object) -> dict[str, Any]:
    """Return errors of a file against the truth."""
    return dict(json.loads(call(OURS, HERE / "judge.py", kind, *words)))


def alone(
    name: str, python: Path | str, script: str, job: str, *, small: Mapping[str, Any] | None = None, **given: Any
) -> Worker:  # fmt: skip
    """Return a worker of one thread."""
    return Worker(name=name, python=python, script=script, job=job, given=given, small=small or {},
                  env=environment(one_thread=True))  # fmt: skip


def compared(
    title: str,
    contenders: Sequence[Contender],
    rounds: int,
    *,
    asked: Mapping[str, Sequence[Asked]] | None = None,
    limit: bool = False,
) -> list[Row]:
    """Race trueground, which comes first, with all others; return a row for each of them.

    `limit`: the others are what nothing can be quicker than, and ratios are trueground's to theirs.
    """
    print(f"  {title}, {rounds} pairs", flush=True)
    outcomes = race(contenders, rounds)
    return rows_of(title, outcomes, asked=asked or {}, limit=limit)


def rows_of(
    title: str, outcomes: Sequence[Outcome], *, asked: Mapping[str, Sequence[Asked]], limit: bool
) -> list[Row]:
    """Return rows of trueground's outcome with each of the others."""
    ours, *others = (o.to_json() for o in outcomes)
    return [
        {
            "title": title,
            "ours": ours,
            "peer": peer,
            "asked": [a.to_json() for a in asked.get(peer["name"], ())],
            "limit": limit,
        }
        for peer in others
    ]


def missing(title: str, peer: str, why: str, asked: Sequence[Asked] = ()) -> Row:
    """Return a row that says why there is no figure."""
    return {"title": title, "ours": {"name": "trueground", "failure": why},
            "peer": {"name": peer, "failure": why}, "asked": [a.to_json() for a in asked],
            "limit": False}  # fmt: skip


@contextmanager
def said(rows: list[Row], title: str, peer: str, asked: Sequence[Asked] = ()) -> Iterator[None]:
    """Turn what fails outside the races, as the making of a scene, into a row."""
    try:
        yield
    except (Failed, OSError) as error:
        print(f"    {title}: FAILED: {error}", flush=True)
        rows.append(missing(title, peer, str(error), asked))


NO_DATA = "needs the real data: set TRUEGROUND_DATA to their folder"
