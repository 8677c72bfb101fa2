"""A job, and commands that are checked as our own are and write a few bytes instead of doing their work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from trueground.cli.main import app
from trueground.cli.step_commands import StepCommands
from trueground.jobs import Outcome

JOB = """\
[job]
output = "results"
workers = 1

[defaults.align]
transform = "shift.json"

[defaults.ortho]
dem = "{align}"
heights = "ellipsoid"

[defaults.diff]
b = "{align}"

[[scene]]
name = "north"
reference = "reference.tif"
moving = "moving.tif"
image = "image.tif"
steps = ["align", "ortho", "diff", "report"]

[[scene]]
name = "south"
reference = "reference.tif"
moving = "other.tif"
steps = ["align", "diff"]
align.resampling = "cubic"
"""

Work = Callable[[str, dict[str, object]], Outcome | None]


class PretendCommands(StepCommands):
    """Writes the inputs' bytes into each output, and remembers what was run."""

    def __init__(self, work: Work = lambda _command, _values: None) -> None:
        super().__init__(app)
        self.ran: list[str] = []
        self._work = work

    def run(self, words: Sequence[str]) -> Outcome:
        command, *rest = words
        self.ran.append(command)
        options = dict(w[2:].split("=", 1) for w in rest if w.startswith("--") and "=" in w)
        places = rest[rest.index("--") + 1 :] if "--" in rest else []
        done = self._work(command, {**options, "places": places})
        if done is not None:
            return done
        read = b"".join(Path(p).read_bytes() for p in places)
        for name in ("output", "transform", "report", "residuals", "tiles-table", "field-raster"):
            if name in options:
                Path(options[name]).write_bytes(f"{command} {name} of ".encode() + read)
        return Outcome(error=None, said=(f"{command} of {len(read)} bytes",))


def files_below(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, links not followed."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not p.is_symlink()
    }
