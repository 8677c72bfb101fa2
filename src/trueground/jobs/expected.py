"""How long a step takes: as earlier ones did here, else as they did where this was measured.

    seconds = begin + pixels * cost / threads

The constants were measured on DEMs and an image of 4,000 x 4,000 px, see `docs/jobs.md`. The cost of what was done in
this folder before is known better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trueground.engine import available_processors
from trueground.jobs.model import Job
from trueground.jobs.record import read_record

_MEGA = 1e6
_LEAST = 50_000  # pixels below which a step's time says nothing about its cost
# Seconds to begin with, and processor seconds for a million pixels of output; of hilly terrain.
_MEASURED: Mapping[str, tuple[float, float]] = {
    "align": (0.5, 0.15),
    "apply": (0.2, 0.04),
    "refine": (60.0, 0.0),  # a hundred patches of a reference, however large it is
    "ortho": (0.5, 0.5),
    "diff": (0.2, 0.1),
    "uncertainty": (1.0, 0.4),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is known of the cost of steps."""

    seen: Mapping[str, tuple[int, float]]
    """By command: how many steps were done before in the job's folder, and the seconds of each million pixels."""

    @classmethod
    def of(cls, job: Job) -> Expected:
        """Look at what was done in a job's folder."""
        times: dict[str, list[tuple[float, int]]] = {}
        for step in (step for scene in job.scenes for step in scene.steps):
            record = read_record(step.folder)
            if record is not None and record.status == "done" and record.pixels >= _LEAST:
                times.setdefault(step.command, []).append((record.seconds, record.pixels))
        return cls(
            seen={
                name: (len(done), sum(t for t, _ in done) / sum(n for _, n in done) * _MEGA)
                for name, done in times.items()
            }
        )

    def seconds(self, command: str, pixels: int, *, threads: int) -> float:
        """Return about how long a command takes.

        Parameters
        ----------
        command
            Its name.
        pixels
            Of its output.
        threads
            On which it runs; 0 for all processors.
        """
        if command in self.seen:
            return self.seen[command][1] * pixels / _MEGA
        begin, cost = _MEASURED[command]
        most = available_processors()
        return begin + cost * pixels / _MEGA / min(threads or most, most)

    def source(self) -> str:
        """Return where the times come from."""
        if not self.seen:
            return (
                "from measurements on another machine (docs/jobs.md): within a factor of five, say"
            )
        known = ", ".join(f"{n} of {name}" for name, (n, _) in sorted(self.seen.items()))
        return f"from steps done before in this folder ({known}), else from measurements on another machine"
