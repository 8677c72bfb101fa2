"""The application: its commands, its options for all of them, and its exit codes."""

from __future__ import annotations

import gc
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.exceptions import CycloptsError

from trueground import __version__
from trueground.cli.align import align
from trueground.cli.apply import apply
from trueground.cli.console import console, say_error
from trueground.cli.converge import converge
from trueground.cli.demo import demo
from trueground.cli.diff import diff
from trueground.cli.failures import said_of
from trueground.cli.info import info
from trueground.cli.locate import locate
from trueground.cli.ortho import ortho
from trueground.cli.project import project
from trueground.cli.refine import refine
from trueground.cli.report import report
from trueground.cli.rpc import rpc
from trueground.cli.run import run as run_job_file
from trueground.cli.signals import SIGNALLED, code_of, die_of, interrupt
from trueground.cli.uncertainty import uncertainty

DONE, FAILED, USAGE = 0, 1, 2
_GARBAGE = 100_000  # objects between searches for it: what is imported is none; 0.05 s

app = App(
    name="trueground",
    version=__version__,
    help="Put satellite images and elevation models in their true place on the ground, and prove it.",
    help_format="markdown",
    suppress_keyboard_interrupt=False,  # it would exit with 130 and say nothing
)
for _command in (
    align,
    apply,
    ortho,
    locate,
    project,
    refine,
    rpc,
    converge,
    diff,
    uncertainty,
    report,
    info,
    demo,
):
    app.command(_command)
app.command(run_job_file, name="run")
app.register_install_completion_command(name="--install-completion")


app.meta.suppress_keyboard_interrupt = False


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative=())] = False,
    verbose: Annotated[bool, Parameter(name=["--verbose", "-v"], negative=())] = False,
    progress: Literal["bar", "lines"] = "bar",
    config: Annotated[Path | None, Parameter(negative=())] = None,
) -> None:
    """Run a command.

    Parameters
    ----------
    quiet
        Print results and errors only.
    verbose
        Print what is done, and the traceback of an error.
    progress
        How progress is shown: a bar, on a terminal only; or lines on standard error, for programs that read them.
    config
        TOML file with options in tables named after their commands; the command line comes first. See docs/config.md.
    """
    console.progress_lines = progress == "lines"
    console.command = shlex.join(["trueground", *tokens])
    if tokens and tokens[0].startswith("-") and tokens[0] not in app:
        raise _unknown_option(tokens[0])
    if config is None:
        _speak(quiet=quiet, verbose=verbose)
        app(tokens, exit_on_error=False, print_error=False)
        return
    from trueground.cli.config import with_config

    with with_config(app, config) as said:
        _speak(quiet=quiet or said.quiet, verbose=verbose or (said.verbose and not quiet))
        app(tokens, exit_on_error=False, print_error=False)


def _unknown_option(name: str) -> CycloptsError:
    """Return the error of an option before the command that is none; cyclopts would take it for a command."""
    from trueground.jobs.hints import meant

    known = [
        n
        for argument in app.meta.assemble_argument_collection()
        for n in argument.names
        if n.startswith("--")
    ]
    return CycloptsError(
        msg=f'Unknown option "{name}" before a command; {meant(name, [*known, "--help", "--version"])}'
    )


def _speak(*, quiet: bool, verbose: bool) -> None:
    console.quiet = quiet and not verbose
    console.verbose = verbose


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 wrong usage, 1 everything else; what a signal ends dies of it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    _keep_libraries_off_stderr()
    os.environ["TRUEGROUND_COMMAND"] = "1"  # see trueground.kernels
    gc.set_threshold(_GARBAGE)
    code = run(sys.argv[1:] if arguments is None else arguments)
    if code > SIGNALLED:
        sys.stdout.flush()
        sys.stderr.flush()
        die_of(code - SIGNALLED)
    if "trueground.engine" in sys.modules and sys.modules["trueground.engine"].is_busy():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    gc.freeze()  # the process ends: looking through all that was imported once more would take 0.15 s
    sys.exit(code)


def _keep_libraries_off_stderr() -> None:
    """Give Python's standard error a descriptor of its own, and what C libraries print by themselves to nobody.

    libtiff writes "No space left on device" past GDAL's error handler, beside the one line that we say about it.
    """
    if "--verbose" in sys.argv or "-v" in sys.argv:
        return
    own = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    sys.stderr = os.fdopen(own, "w", buffering=1, errors="backslashreplace")


def run(arguments: list[str]) -> int:
    """Run the command line and return the exit code."""
    code = FAILED
    try:
        with console.warnings_in_one_line():
            app.meta(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        code = DONE
    except CycloptsError as error:
        say_error(f"{said_of(error)} See 'trueground {_command_of(arguments)}--help'.")
        code = USAGE
    except KeyboardInterrupt as error:
        say_error("interrupted; nothing half-written was left")
        code = code_of(error)
    except BrokenPipeError:  # the reader of a pipe has gone: nothing to tell it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else FAILED
    except Exception as error:
        if console.verbose:
            console.traceback()
        say_error(said_of(error))
    return code


def _command_of(arguments: list[str]) -> str:
    named = next((a for a in arguments if not a.startswith("-")), "")
    return f"{named} " if named in app else ""
