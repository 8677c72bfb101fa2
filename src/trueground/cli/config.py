"""`--config FILE.toml`: options that a file holds. What the command line says comes first."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts.config import Dict
from cyclopts.exceptions import CycloptsError

from trueground.cli.console import console
from trueground.cli.options import refused
from trueground.cli.step_commands import StepCommands
from trueground.jobs import JobError
from trueground.jobs.document import Document
from trueground.jobs.given import Faults, Given
from trueground.jobs.hints import meant, shown

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.argument import ArgumentCollection

GLOBAL = ("quiet", "verbose")
_PLAIN = (str, int, float, bool)


@contextlib.contextmanager
def with_config(app: App, file: Path) -> Iterator[Config]:
    """Let an application take options from a file, as long as the context lasts.

    Raises
    ------
    SystemExit
        With the code of wrong usage, where something is wrong with the file; it has been said then.
    """
    try:
        config = Config.load(file, app)
        before, app.config = app.config, (config,)
        try:
            yield config
        except CycloptsError as error:
            raise config.placed(error) from error
        finally:
            app.config = before
    except JobError as faults:
        raise refused(faults) from None


@dataclass(kw_only=True)
class Config:
    """What a file says of one run of a command."""

    document: Document
    flags: Mapping[str, bool]
    """Options of all commands, such as `quiet`."""
    commands: StepCommands
    by_command: Mapping[str, Given]
    """Options by command; those of the top of the file are under each that has them."""
    words: list[str] = field(default_factory=list)
    """What was taken from the file, as words of a command line."""

    @classmethod
    def load(cls, file: Path, app: App) -> Config:
        """Read a file and check all of it, also what it says of other commands.

        Raises
        ------
        JobError
            With every fault, its line and column.
        InputError, OSError
            Where the file cannot be read.
        """
        document = Document.load(file)
        commands, faults = StepCommands(app), Faults(document)
        names = [name for name in app if not name.startswith("-")]
        tables = {k: v for k, v in document.data.items() if isinstance(v, dict)}
        top = Given.of({k: v for k, v in document.data.items() if k not in tables}, ())
        for name in set(tables) - set(names):
            text = f"there is no command {shown(name)}; {meant(name, names)}".rstrip("; ")
            faults.add_key(text, (name,))
        of_all = {name: commands.options(name) for name in names}
        check = _Check(commands, faults)
        known = {*GLOBAL, *(key for options in of_all.values() for key in options)}
        found = {}
        for name, options in of_all.items():
            shared = {k: v for k, v in top.items.items() if k in options}
            own = Given.of(tables.get(name, {}), (name,))
            check.options(own, name)
            check.options(Given((), shared), name)
            found[name] = own.renamed(options).over(Given((), shared).renamed(options))
        flags = {}
        for key, (value, at) in top.items.items():
            if key in GLOBAL and isinstance(value, bool):
                flags[key] = value
            elif key in GLOBAL:
                faults.add(f"{key} = {shown(value)}: must be true or false", at)
            elif key not in known:
                faults.add_key(f"no command has an option {shown(key)}; {meant(key, known)}", at)
        if faults.found:
            raise JobError(faults.found)
        return cls(document=document, flags=flags, commands=commands, by_command=found)

    def __call__(self, app: App, names: Sequence[str], arguments: ArgumentCollection) -> None:
        """Give a command the options that its command line has not said; for cyclopts, once."""
        if not names or names[0] not in self.by_command or self.words:
            return  # steps of a job are commands, too: they have what the job says, nothing else
        given = {n for argument in arguments if argument.tokens for n in argument.names}
        items = self.by_command[names[0]].items
        values = {k: v for k, (v, _) in items.items() if f"--{k}" not in given}
        self.words = self.commands.words(names[0], values)
        said = shlex.split(console.command)  # reports say how to do it again, also without the file
        at = said.index(names[0])
        console.command = shlex.join([*said[:at], *self.words, *said[at + 1 :]])
        source = Dict(data={names[0]: values}, source=str(self.document.file))
        source(app, tuple(names), arguments)

    @property
    def quiet(self) -> bool:
        """Whether results and errors only are printed."""
        return self.flags.get("quiet", False)

    @property
    def verbose(self) -> bool:
        """Whether more is printed."""
        return self.flags.get("verbose", False)

    def placed(self, error: CycloptsError) -> Exception:
        """Return an error of a value of this file with its place; another one as it is."""
        source = str(self.document.file)
        argument = error.argument
        if argument is None or not any(t.source == source for t in argument.tokens):
            return error
        key = argument.names[0].removeprefix("--")
        path = self.by_command[self.words[0]].items[key][1]
        text = str(error).strip().replace(f" from {source}", "")
        return JobError([self.document.fault(text, path)])


@dataclass(frozen=True)
class _Check:
    commands: StepCommands
    faults: Faults

    def options(self, given: Given, command: str) -> None:
        """Add what is wrong with the names of options, and with the shapes of their values."""
        known = self.commands.options(command)
        seen: dict[str, str] = {}
        for key, (value, at) in given.items.items():
            name = known.get(key)
            if name is None:
                said = f"{command} has no option {shown(key)}; {meant(key, known)}".rstrip("; ")
                if key in self.commands.parameters(command):
                    said = f"{command} takes {key} without an option: give it on the command line"
                self.faults.add_key(said, at)
            elif name in seen:
                said = f"{shown(key)} and {shown(seen[name])} are the same: give one of both"
                self.faults.add_key(said, at)
            else:
                seen[name] = key
                wrong = self._value_fault(command, name, value)
                if wrong is not None:
                    self.faults.add(wrong, at)

    def _value_fault(self, command: str, name: str, value: Any) -> str | None:
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, _PLAIN) for item in items):
            return f"{name} = {shown(value)}: must be a text, a number, true or false, or a list of these"
        return self.commands.shape_fault(command, name, value)
