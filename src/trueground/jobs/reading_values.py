"""Values of a step's parameters as its command takes them: files from here, and outputs of earlier steps by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trueground.file_raster import is_local
from trueground.jobs.containment import name_fault
from trueground.jobs.given import Faults
from trueground.jobs.hints import shown
from trueground.jobs.kinds import HEIGHTS, KINDS, MAIN, Kind
from trueground.jobs.model import Setting, Step, makes_folder, makes_several
from trueground.jobs.toml_places import Path as KeyPath

_REFERENCE = re.compile(r"\{([^{}.]*)(?:\.([^{}]*))?\}(?:/(.*))?")
_PLAIN = (str, int, float, bool)


@dataclass(frozen=True, kw_only=True)
class ValueReader:
    """Reads the values of one step."""

    faults: Faults
    kind: Kind
    folder: Path
    """Of the step."""
    done: Mapping[str, Step]
    """Earlier steps of the scene."""
    inputs: dict[str, str] = field(default_factory=dict)
    """Files that were read about: as written, and from here."""
    needs: list[str] = field(default_factory=list)
    """Names of the steps whose outputs are meant."""

    def setting(self, name: str, written: Any, at: KeyPath) -> Setting | None:
        """Return a parameter; None where its value is none, which is said then."""
        value: Any
        if name in self.kind.inputs:
            value = self._files(written, at)
        elif name in self.kind.outputs:
            value = self._output(name, written, at)
        elif not self._is_plain(name, written, at):
            value = None
        elif name.endswith(HEIGHTS) and isinstance(written, str):
            value = self._heights(written)
        else:
            value = written
        return None if value is None else Setting(written=written, value=value, at=at)

    def _files(self, written: Any, at: KeyPath) -> Any:
        if not isinstance(written, list):
            return self._file(written, at)
        found = [self._file(name, (*at, number)) for number, name in enumerate(written)]
        return None if None in found else found

    def _file(self, name: Any, at: KeyPath) -> str | None:
        """Return the name of a file to read, from here."""
        if not isinstance(name, str) or not name:
            self.faults.add(f"{shown(name)}: must be a text, the name of a file", at)
            return None
        value = self._output_named(name, at) if name.startswith("{") else self._path(name, at)
        if value is not None:
            self.inputs[name] = value
        return value

    def _path(self, name: str, at: KeyPath) -> str | None:
        if not is_local(name):
            return name
        beside = self.faults.document.file.parent
        if _is_there(beside / name):
            return str(beside / name)
        text = f"{shown(name)} does not exist; paths begin from the job file's folder, {beside}"
        self.faults.add(text, at)
        return None

    def _output_named(self, text: str, at: KeyPath) -> str | None:
        """Return the file that `{step}`, `{step.option}` or `{step}/file` stands for."""
        found = _REFERENCE.fullmatch(text)
        if found is None:
            wrong = "an earlier step's output is {step}, {step.option} or {step}/file"
        elif (step := self.done.get(found[1])) is None:
            known = ", ".join(f"{{{name}}}" for name in self.done) or "none, this is the first"
            wrong = f"no earlier step of this scene is named {shown(found[1])}; there are: {known}"
        else:
            self.needs.append(found[1])
            value = _output_of(step, (found[2] or MAIN).replace("_", "-"), found[3])
            if isinstance(value, Path):
                return str(value)
            wrong = value
        self.faults.add(f"{shown(text)}: {wrong}", at)
        return None

    def _heights(self, written: str) -> str:
        """Return the name of a datum, or of a file of one."""
        path = self.faults.document.file.parent / written
        if written and is_local(written) and _is_there(path):
            self.inputs[written] = str(path)
            return str(path)
        return written

    def _output(self, name: str, written: Any, at: KeyPath) -> Path | None:
        wrong = name_fault(written)
        if wrong is None:
            return self.folder / str(written)
        self.faults.add(f"{name} = {shown(written)}: {wrong}", at)
        return None

    def _is_plain(self, name: str, written: Any, at: KeyPath) -> bool:
        items = written if isinstance(written, list) else [written]
        if not all(isinstance(item, _PLAIN) for item in items):
            wrong = "must be a text, a number, true or false, or a list of these"
            self.faults.add(f"{name} = {shown(written)}: {wrong}", at)
            return False
        return True


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file can have
        return False


def _output_of(step: Step, option: str, rest: str | None) -> Path | str:
    """Return the file that a step writes; or why there is none."""
    from trueground.tiles import TileStore

    if option not in KINDS[step.command].outputs or option not in step.settings:
        return f'step {step.name} writes no {shown(option)}; give it {option} = "NAME"'
    path = Path(step.settings[option].value)
    if rest is not None:
        if not makes_folder(step.command, step.settings) or option != MAIN:
            return "that is one file; leave out what follows }"
        wrong = next((w for part in rest.split("/") if (w := name_fault(part))), None)
        return path / rest if wrong is None else f"a file in it {wrong}"
    if option == MAIN and makes_several(step.command, step.settings):
        return f"step {step.name} writes several files; say which with {{{step.name}}}/NAME.tif"
    if option == MAIN and "tiles" in step.settings:
        return TileStore(folder=path).vrt
    return path
