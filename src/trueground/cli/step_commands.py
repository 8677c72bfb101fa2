"""Our own commands as steps of a job: the same words, the same checks, the same code as on the command line."""

from __future__ import annotations

import contextlib
import io
import shlex
import warnings
from collections.abc import Callable, Mapping, Sequence
from inspect import BoundArguments
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from cyclopts import Argument
from cyclopts.exceptions import CycloptsError, MissingArgumentError

from trueground.cli.console import console
from trueground.cli.failures import said_of
from trueground.errors import InputError, TruegroundError
from trueground.jobs import Complaint, Extent, Outcome
from trueground.jobs.kinds import KINDS

if TYPE_CHECKING:
    from cyclopts import App

_END = "--"  # of options: what follows begins with whatever it likes


class StepCommands:
    """The commands of an application, in this process."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._known: dict[str, dict[str, Argument]] = {}
        self._names: dict[str, dict[str, str]] = {}
        self._fine: set[str] = set()  # what commands have not complained of

    def parameters(self, command: str) -> dict[str, str]:
        """Return all names of a command's parameters, and the first name of each."""
        if command not in self._names:
            self._names[command] = {
                name: first
                for first, argument in self._arguments(command).items()
                for name in map(_key, argument.names)
                if not name.startswith("-")
            }
        return self._names[command]

    def options(self, command: str) -> dict[str, str]:
        """Return the same of those parameters that are options."""
        own = self._arguments(command)
        return {
            k: v for k, v in self.parameters(command).items() if not own[v].field_info.is_positional
        }

    def shape_fault(self, command: str, name: str, value: Any) -> str | None:
        """Return why a value has not as many items as a parameter takes."""
        return _shape_fault(name, value, self._arguments(command)[name])

    def _arguments(self, command: str) -> Mapping[str, Argument]:
        if command not in self._known:
            found = self._app[command].assemble_argument_collection()
            self._known[command] = {
                _key(a.names[0]): a for a in found if a.parse and a.names[0] != "*"
            }
        return self._known[command]

    def words(self, command: str, values: Mapping[str, Any]) -> list[str]:
        """Return the words of the command line."""
        options, places = [], []
        for name, argument in self._arguments(command).items():
            if name not in values:
                continue
            value = values[name]
            if argument.field_info.is_positional:
                places += [_word(v) for v in (value if isinstance(value, list) else [value])]
            elif argument.token_count()[0] > 1:
                options += [f"--{name}", *map(_word, value)]
            elif isinstance(value, list):
                options += [f"--{name}={_word(v)}" for v in value]
            elif argument.hint is not bool:
                options.append(f"--{name}={_word(value)}")
            elif value is not False:  # what is wrong is for the command to say
                options.append(f"--{name}" if value is True else f"--{name}={_word(value)}")
        return [command, *options, *([_END, *places] if places else [])]

    def complaint(self, command: str, values: Mapping[str, Any]) -> Complaint | None:
        """Return the first reason why a command cannot be run with such values."""
        arguments = self._arguments(command)
        for name, value in values.items():
            found = self.shape_fault(command, name, value)
            if found is not None:
                return Complaint(name, found)
        for name, argument in arguments.items():  # words could not tell which of them is missing
            if argument.field_info.is_positional and argument.required and name not in values:
                return Complaint(name, f"{command} needs {name}", is_missing=True)
        alike = _alike(command, values)
        if alike in self._fine:
            return None
        try:
            self._bound(self.words(command, values))
        except CycloptsError as error:
            key = None if error.argument is None else _key(error.argument.names[0])
            missing = isinstance(error, MissingArgumentError)
            return Complaint(key if key in arguments else None, said_of(error), missing)
        except Exception as error:  # of a type that a value was brought into
            return Complaint(None, said_of(error))
        wrong = _value_fault(command, values)
        if wrong is None:
            self._fine.add(alike)
        return wrong

    def run(self, words: Sequence[str]) -> Outcome:
        """Run a command; what it prints as results is caught, and so are its warnings."""
        printed, warned = io.StringIO(), list[str]()
        error: str | None = None
        before, console.command = console.command, shlex.join(["trueground", *words])
        try:
            with (
                console.heard(warned),
                contextlib.redirect_stdout(printed),
                warnings.catch_warnings(),  # each step is warned of what it does, also where another was
            ):
                self._app(list(words), exit_on_error=False, print_error=False)
        except SystemExit as ending:
            error = None if ending.code in (0, None) else "the command ended without a result"
        except Exception as failure:
            if console.verbose:
                console.traceback()
            error = " ".join(said_of(failure).split())
        finally:
            console.command = before
        said = tuple(printed.getvalue().splitlines())
        return Outcome(error=error, warnings=tuple(warned), said=said)

    def ortho_extents(self, values: Mapping[str, Any]) -> tuple[Extent, ...]:
        """Return how large the orthoimages are that `ortho` would make, as it finds out itself.

        Raises
        ------
        TruegroundError
            Where it would fail.
        """
        try:
            return self._extents(values)
        except TruegroundError:
            raise
        except Exception as error:
            raise InputError(said_of(error)) from error

    def _extents(self, values: Mapping[str, Any]) -> tuple[Extent, ...]:
        from trueground.cli.ortho_job import Picture

        given = self._bound(self.words("ortho", values)).arguments
        look, elevation, place = given["look"], given["elevation"], given["place"]
        pictures = [
            Picture.open(name, given["rpc"], origin=given["rpc_origin"], look=look)
            for name in given["images"]
        ]
        views = [(p.image, p.rpc) for p in pictures]
        mosaic = given["mosaic"] is not None
        grids = place.grids(views, elevation.open(given["dem"]), same=mosaic)
        found = [
            Extent(rows=g.shape[0], cols=g.shape[1], bytes=p.image.count * p.image.dtype.itemsize)
            for g, p in zip(grids, pictures, strict=True)
        ]
        return tuple(found[:1] if mosaic else found)

    def _bound(self, words: Sequence[str]) -> BoundArguments:
        _, bound, _ = self._app.parse_args(list(words), exit_on_error=False, print_error=False)
        bound.apply_defaults()
        return bound


def _alike(command: str, values: Mapping[str, Any]) -> str:
    """Return what parameters share that a command judges alike: of files their endings, of others all."""
    kind = KINDS.get(command)
    files = frozenset() if kind is None else kind.inputs | kind.outputs

    def seen(name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [seen(name, v) for v in value]
        return PurePath(str(value)).suffix if name in files else value

    return repr((command, sorted((n, seen(n, v)) for n, v in values.items())))


def _key(name: str) -> str:
    """Return what a job file calls a parameter."""
    return name.removeprefix("--").lower()


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shape_fault(name: str, value: Any, argument: Argument) -> str | None:
    """Return why a value has not as many items as a parameter takes."""
    count, many = argument.token_count()
    if count > 1:
        numbers = isinstance(value, list) and all(type(v) in (int, float) for v in value)
        if numbers and len(value) == count:
            return None
        return f"--{name} takes a list of {count} numbers"
    if isinstance(value, list) and not many:
        return f"--{name} takes one value, and a list of {len(value)} is given"
    if value in ("", []):
        return f"--{name} is empty; leave it out"
    return None


def _value_fault(command: str, values: Mapping[str, Any]) -> Complaint | None:
    """Return what a command would say of a value once it runs, and can be said before."""
    for name, value in values.items():
        check = _CHECKS.get((command, name)) or _CHECKS.get(("", name))
        if check is None:
            continue
        try:
            check(value)
        except Exception as error:  # also of the system, of a name that no file can have
            return Complaint(name, said_of(error))
    return None


def _check_method(value: Any) -> None:
    from trueground.coreg import method_named

    method_named(str(value))


def _check_blocks(value: Any) -> None:
    from trueground.cli.align_job import BlockOptions

    nothing = dict.fromkeys(("overlap", "field", "passes", "min_valid", "table", "raster"))
    BlockOptions.of(str(value), **nothing)


def _check_crs(value: Any) -> None:
    from trueground.projection import parse_crs

    parse_crs(str(value))


def _check_heights(value: Any) -> None:
    from trueground.vertical import Datum

    Datum.parse(str(value))


def _check_raster(value: Any) -> None:
    from pathlib import Path

    from trueground.cli.options import raster_output

    raster_output(Path(value))


def _check_engine(value: Any) -> None:
    from trueground.cluster import check_engine

    check_engine(str(value), 0)


def _check_workers(value: Any) -> None:
    from trueground.engine import Threads

    Threads(int(value))


_HEIGHTS = ("heights", "reference-heights", "moving-heights", "points-heights", "gcp-heights")
_CHECKS: Mapping[tuple[str, str], Callable[[Any], None]] = {
    ("align", "method"): _check_method,
    ("align", "blocks"): _check_blocks,
    ("diff", "output"): _check_raster,
    ("", "crs"): _check_crs,
    ("", "points-crs"): _check_crs,
    ("", "gcp-crs"): _check_crs,
    ("", "engine"): _check_engine,
    ("", "workers"): _check_workers,
    **{("", name): _check_heights for name in _HEIGHTS},
}
