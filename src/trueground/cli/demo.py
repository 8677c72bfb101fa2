"""`trueground demo`."""

from __future__ import annotations

from pathlib import Path

from trueground.cli.console import console
from trueground.cli.engine_options import EngineOptions

_ENGINE = EngineOptions()


def demo(folder: Path, /, *, where: EngineOptions = _ENGINE) -> None:
    """Make a synthetic world, align its DEM, orthorectify its images, write a report, and say how good all of it is.

    Example: `trueground demo demo`

    Parameters
    ----------
    folder
        Where the results go; it is made where it does not exist.
    """
    from trueground.demo import run_demo
    from trueground.errors import WriteError
    from trueground.samples import world

    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        msg = f"the folder {folder} cannot be made: {error.strerror}; give another one"
        raise WriteError(msg) from error
    console.note("making the synthetic world (kept for the next time)")
    with console.timed("world"):
        made = world()
    with where.opened() as engine, console.progress("demo") as step, console.timed("demo"):
        result = run_demo(made, folder, engine=engine, command=console.command, progress=step)
    console.note(f"the world: {made.folder}")
    for path in result.files:
        print(f"made {path}")
    found, truth = result.alignment, made.mean_shift
    for name, value, true, off in zip(
        ("east", "north", "up"),
        (found.shift_x, found.shift_y, found.shift_z),
        truth,
        result.shift_error,
        strict=True,
    ):
        print(f"shift {name:<5} {value:+8.3f} m, true mean {true:+8.3f} m, error {off:+.3f} m")
    print(
        f"NMAD on stable terrain {result.before.nmad:.3f} m before, {result.after.nmad:.3f} m after"
    )
    for name, (median, high) in zip(("left", "right"), result.ortho_error, strict=True):
        print(
            f"{name} orthoimage off the true ground: median {median:.3f} px, 95 % below {high:.3f} px (2 m pixels)"
        )
