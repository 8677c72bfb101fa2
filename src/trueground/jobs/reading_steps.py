"""One step of a scene, from what its own table, the defaults, the scene and the job say of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueground.jobs.commands import Commands, Complaint
from trueground.jobs.given import NOTHING, Faults, Given
from trueground.jobs.hints import meant, shown
from trueground.jobs.kinds import KINDS, MAIN, REPORT
from trueground.jobs.model import Setting, Step, makes_folder, makes_several
from trueground.jobs.reading_values import ValueReader
from trueground.jobs.toml_places import Path as KeyPath
from trueground.pointfiles import is_point_file

_OPTION = re.compile(r"--([a-z][a-z-]*)")
_PLACEHOLDER = "to be given"


def same(name: str) -> str:
    """Return what two names share that one file system may take for one."""
    return name.casefold().replace("_", "-")


def check_keys(given: Given, command: str, *, faults: Faults, commands: Commands) -> None:
    """Add what is wrong with the names of a command's parameters."""
    names = commands.parameters(command)
    withheld = KINDS[command].withheld
    seen: dict[str, str] = {}
    for key, (_, at) in given.items.items():
        name = names.get(key.replace("_", "-"))
        if key in withheld:
            faults.add_key(f"{shown(key)} is no key of a step: {withheld[key]}; leave it out", at)
        elif name is None:
            faults.add_key(f"{command} has no parameter {shown(key)}; {meant(key, names)}", at)
        elif name in seen:
            text = f"{shown(key)} and {shown(seen[name])} are the same: give one of both"
            faults.add_key(text, at)
        else:
            seen[name] = key


@dataclass(kw_only=True)
class StepReader:
    """Reads the steps of a scene in their order."""

    commands: Commands
    faults: Faults
    scene: Given
    """Inputs of the scene."""
    defaults: Mapping[str, Given]
    """By command; `job` has the engine."""
    folder: Path
    """Of the scene."""
    report: bool
    """Whether pages are wanted."""
    _done: dict[str, Step] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)

    def unused(self) -> list[tuple[str, KeyPath]]:
        """Return the scene's inputs that no step has taken."""
        return [(k, at) for k, (_, at) in self.scene.items.items() if k not in self._used]

    def step(self, label: str, command: str, own: Given) -> Step:
        """Return a step; what is wrong with it is added to the faults.

        Parameters
        ----------
        label
            Its name.
        command
            What it does.
        own
            What the scene says of it.
        """
        check_keys(own, command, faults=self.faults, commands=self.commands)
        reader = ValueReader(
            faults=self.faults, kind=KINDS[command], folder=self.folder / label, done=self._done
        )
        given = self._given(command, own)
        read = {name: reader.setting(name, written, at) for name, (written, at) in given.items()}
        settings = {name: setting for name, setting in read.items() if setting is not None}
        self._add_outputs(command, settings, reader.folder, own.at)
        self._outputs_differ(command, settings)
        self._ask(command, settings, own.at, dropped=read.keys() - settings.keys())
        step = Step(
            name=label, command=command, folder=reader.folder, settings=settings, inputs=reader.inputs,
            needs=tuple(dict.fromkeys(reader.needs)),
        )  # fmt: skip
        self._done[label] = step
        return step

    def _given(self, command: str, own: Given) -> dict[str, tuple[Any, KeyPath]]:
        """Return what a step is given, of what says it the most specific: step, defaults, scene, job."""
        names = self.commands.parameters(command)
        specific: dict[str, tuple[Any, KeyPath]] = {}
        for given in (self.defaults.get(command, NOTHING), own):
            specific |= {names[k]: item for k, item in given.items.items() if k in names}
        found = {names[k]: v for k, v in self.defaults["job"].items.items() if k in names}
        for parameter, key in KINDS[command].scene.items():
            if key not in self.scene.items or parameter in specific:
                continue
            if command == "refine" and parameter == ("gcps" if "reference" in specific else "dem"):
                continue  # a DEM is for what matches an orthoimage
            found[parameter] = self.scene.items[key]
            self._used.add(key)
        return {**found, **specific}

    def _add_outputs(  # noqa: PLR0917
        self, command: str, settings: dict[str, Setting], folder: Path, at: KeyPath
    ) -> None:
        """Name the main output and the page, where the job does not."""
        kind = KINDS[command]
        moved = settings.get("moving" if command == "align" else "dem")
        name = Path(kind.main)
        if command in ("align", "apply") and moved is not None and is_point_file(str(moved.value)):
            name = name.with_suffix(Path(str(moved.value)).suffix)
        if makes_folder(command, settings):
            name = name.with_suffix("")
        settings.setdefault(MAIN, Setting(written=str(name), value=folder / name, at=at))
        of_points = any(
            k in settings and is_point_file(str(settings[k].value)) for k in ("reference", "moving")
        )
        of_one = not makes_several(command, settings) and "mosaic" not in settings
        if self.report and REPORT in kind.outputs and of_one and not of_points:
            page = f"{folder.name}.html"
            settings.setdefault(REPORT, Setting(written=page, value=folder / page, at=at))

    def _outputs_differ(self, command: str, settings: Mapping[str, Setting]) -> None:
        taken: dict[str, str] = {}
        for name, setting in settings.items():
            if name not in KINDS[command].outputs:
                continue
            path = same(str(setting.value))
            if path in taken:
                text = f"{name} = {shown(setting.written)} is the same file as {taken[path]}; give another name"
                self.faults.add(text, setting.at)
            taken[path] = name

    def _ask(
        self, command: str, settings: Mapping[str, Setting], at: KeyPath, *, dropped: set[str]
    ) -> None:
        """Ask the command about its parameters, and again without each that it does not take."""
        values = {name: setting.value for name, setting in settings.items()}
        values |= dict.fromkeys(dropped & KINDS[command].inputs, _PLACEHOLDER)
        asked = set(dropped)
        while (said := self.commands.complaint(command, values)) is not None:
            key = said.key
            if said.is_missing and key is not None and key not in values:
                if key not in asked:
                    self.faults.add(_wanted(command, key), at)
                values[key] = _PLACEHOLDER
                asked.add(key)
            elif key in values and key in settings and key not in asked:
                place = settings[key].at
                of_all = place[0] == "job"
                self.faults.add(said.text if of_all else f"{command}: {said.text}", place)
                del values[key]
                asked.add(key)
            else:  # of several together: what was taken out may be the reason
                if not asked:
                    self.faults.add(f"{command}: {said.text}", _place_of(said, settings, at))
                return


def _wanted(command: str, key: str) -> str:
    """Return what to do about a parameter that is missing."""
    by_scene = KINDS[command].scene.get(key)
    where = (
        f"give the scene {by_scene} = ..." if by_scene else f"give [scene.{command}] {key} = ..."
    )
    return f"{command} needs {key}: {where}, or [defaults.{command}] {key} = ..."


def _place_of(said: Complaint, settings: Mapping[str, Setting], at: KeyPath) -> KeyPath:
    """Return where the first option stands that is named in what does not go together."""
    named = [k for k in _OPTION.findall(said.text) if k in settings]
    return settings[named[0]].at if named else at
