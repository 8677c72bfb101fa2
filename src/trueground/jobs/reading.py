"""A job file checked as a whole: every fault with its line and column, before any work."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trueground.jobs.commands import Commands
from trueground.jobs.containment import folder_fault, name_fault
from trueground.jobs.document import Document, JobError
from trueground.jobs.given import NOTHING, Faults, Given
from trueground.jobs.hints import meant, shown
from trueground.jobs.kinds import ENGINE_KEYS, KINDS, REPORT, SCENE_KEYS
from trueground.jobs.model import Job, Scene, Step
from trueground.jobs.reading_steps import StepReader, check_keys, same
from trueground.jobs.toml_places import Path as KeyPath

_TOP = ("job", "defaults", "scene")
_JOB = ("name", "output", *ENGINE_KEYS)
_ALIAS = {"image": "images"}
_SCENE = ("name", "steps", *SCENE_KEYS, *_ALIAS)
_Named = tuple[str, str, KeyPath]
"""Name, command and place of a step."""


def read_job(file: Path, *, commands: Commands, folder: Path | None = None) -> Job:
    """Read a job file and check it.

    Parameters
    ----------
    file
        TOML; what its paths begin from is its folder.
    commands
        The commands that steps can be.
    folder
        Where everything goes; as the file says by default.

    Raises
    ------
    JobError
        With everything that is wrong.
    """
    return _Reader(Document.load(file), commands, folder).job()


class _Reader:
    def __init__(self, document: Document, commands: Commands, folder: Path | None) -> None:
        self._file = document.file
        self._data = document.data
        self._commands = commands
        self._faults = Faults(document)
        self._job = self._table(document.data.get("job", {}), ("job",))
        self._folder = self._output_folder() if folder is None else folder
        self._defaults = self._all_defaults()

    def job(self) -> Job:
        """Return the job, or raise with all faults."""
        self._known(self._data, _TOP, where="a job file")
        self._known(self._job, _JOB, where="[job]", at=("job",))
        name = self._job.get("name", self._file.stem)
        if not isinstance(name, str):
            self._faults.add(f"name = {shown(name)}: must be a text", ("job", "name"))
        tables = self._data.get("scene", [])
        if (
            not isinstance(tables, list)
            or not tables
            or not all(isinstance(t, dict) for t in tables)
        ):
            text = "a job has scenes: give each as [[scene]] with a name and steps"
            self._faults.add(text, ("scene",))
            tables = []
        scenes = [self._scene(table, ("scene", n)) for n, table in enumerate(tables)]
        names = [(t.get("name"), ("scene", n, "name")) for n, t in enumerate(tables)]
        self._differ(names, "two scenes are named {}; each needs its own name")
        self._check_inputs([step for scene in scenes for step in scene.steps])
        if self._faults.found:
            raise JobError(self._faults.found)
        return Job(name=str(name), file=self._file, folder=self._folder, scenes=tuple(scenes))

    def _output_folder(self) -> Path:
        beside, at = self._file.parent, ("job", "output")
        given = self._job.get("output")
        if given is None:
            self._faults.add_key(
                'where do results go? Give [job] output = "FOLDER", or -o', ("job",)
            )
        elif not isinstance(given, str):
            self._faults.add(f"output = {shown(given)}: must be a text, the name of a folder", at)
        elif (wrong := folder_fault(given, beside)) is not None:
            self._faults.add(f"output = {shown(given)}: {wrong}", at)
        else:
            return beside / given
        return beside / "results"

    def _all_defaults(self) -> dict[str, Given]:
        """Return what is said of all steps of a command, of all scenes and of the job, by name."""
        tables = self._table(self._data.get("defaults", {}), ("defaults",))
        self._known(tables, ("scene", *KINDS), where="[defaults]", at=("defaults",))
        engine = {k: v for k, v in self._job.items() if k in ENGINE_KEYS}
        found = {"job": Given.of(engine, ("job",))}
        for name, table in tables.items():
            at = ("defaults", name)
            given = Given.of(self._table(table, at), at)
            if name == "scene":
                known = (*SCENE_KEYS, *_ALIAS)
                self._known(given.items, known, where="[defaults.scene]", at=at)
                found[name] = self._unaliased(given)
            elif name in KINDS:
                check_keys(given, name, faults=self._faults, commands=self._commands)
                found[name] = given
        return found

    def _scene(self, table: Mapping[str, Any], at: KeyPath) -> Scene:
        name = table.get("name")
        if name is None:
            self._faults.add_key('a scene has a name, that of its folder: give name = "..."', at)
        elif (wrong := name_fault(name)) is not None:
            self._faults.add(f"name = {shown(name)}: {wrong}", (*at, "name"))
        steps, report = self._step_names(table, at)
        labels = [label for label, _, _ in steps]
        self._check_scene_keys(table, at, labels=labels)
        own = Given.of({k: table[k] for k in (*SCENE_KEYS, *_ALIAS) if k in table}, at)
        reader = StepReader(
            commands=self._commands, faults=self._faults, report=report, defaults=self._defaults,
            folder=self._folder / str(name),
            scene=self._unaliased(own).over(self._defaults.get("scene", NOTHING)),
        )  # fmt: skip
        read, before = [], len(self._faults.found)
        for label, command, place in steps:
            said = table.get(label)
            given = Given.of(said, (*at, label)) if isinstance(said, dict) else Given(place, {})
            read.append(reader.step(label, command, Given(place, given.items)))
        fine = len(self._faults.found) == before
        if fine and report and not any(REPORT in step.settings for step in read):
            text = "no step of this scene has a page: a report is of one image, or of rasters; leave report out"
            self._faults.add(text, (*at, "steps", table["steps"].index(REPORT)))
        for key, place in reader.unused():
            if place[0] == "scene":
                text = f"no step of this scene takes {key}; leave it out, or add the step"
                self._faults.add_key(text, place)
        return Scene(name=str(name), steps=tuple(read))

    def _check_scene_keys(
        self, table: Mapping[str, Any], at: KeyPath, *, labels: list[str]
    ) -> None:
        for key, value in table.items():
            place = (*at, key)
            if key in labels and not isinstance(value, dict):
                text = f"{key} = {shown(value)}: must be a table of parameters of the step"
                self._faults.add(text, place)
            elif key in KINDS and key not in labels:
                text = f"no step of this scene is {key}: add it to steps, or leave this out"
                self._faults.add_key(text, place)
            elif key not in (*_SCENE, *labels):
                hint = meant(key, (*_SCENE, *labels))
                self._faults.add_key(
                    f"{shown(key)} is no key of a scene and no step of it; {hint}", place
                )

    def _unaliased(self, given: Given) -> Given:
        if {"image", "images"} <= given.items.keys():
            text = "image and images are the same: give one of both"
            self._faults.add_key(text, given.items["image"][1])
        return given.renamed(_ALIAS)

    def _step_names(self, table: Mapping[str, Any], at: KeyPath) -> tuple[list[_Named], bool]:
        """Return the steps of a scene, and whether pages are wanted."""
        words = table.get("steps")
        if not isinstance(words, list) or not words:
            text = 'a scene has steps: give steps = ["align", "ortho"], say'
            self._faults.add(text, (*at, "steps"))
            return [], False
        places = [(*at, "steps", number) for number in range(len(words))]
        found = []
        for word, place in zip(words, places, strict=True):
            wrong = _step_fault(word)
            if wrong is not None:
                self._faults.add(f"step {shown(word)}: {wrong}", place)
            elif word != REPORT:
                label, _, command = word.rpartition(":")
                found.append((label or command, command, place))
        labels = [w.rpartition(":")[0] or w if isinstance(w, str) else None for w in words]
        text = 'two steps are named {}; give one a name of its own, as in "before:diff"'
        self._differ(list(zip(labels, places, strict=True)), text)
        return found, REPORT in words

    def _differ(self, names: Sequence[tuple[Any, KeyPath]], text: str) -> None:
        """Say of names that stand twice, in letters of any size, that they do."""
        seen = set[str]()
        for name, place in names:
            if isinstance(name, str) and same(name) in seen:
                self._faults.add(text.format(shown(name)), place)
            elif isinstance(name, str):
                seen.add(same(name))

    def _check_inputs(self, steps: list[Step]) -> None:
        """Say of inputs that lie where a step writes that they do: they would be gone before they are read."""
        folders = {Path(os.path.realpath(step.folder)) for step in steps}
        for setting in (s for step in steps for s in step.settings.values()):
            written, values = _listed(setting.written), _listed(setting.value)
            for name, value in zip(written, values, strict=True):
                if not isinstance(value, str) or str(name).startswith("{"):
                    continue
                if folders & set(Path(os.path.realpath(value)).parents):
                    text = "lies in the folder of a step; name an output as {step}, or copy it elsewhere"
                    self._faults.add(f"{shown(name)} {text}", setting.at)

    def _known(
        self, table: Mapping[str, Any], known: tuple[str, ...], *, where: str, at: KeyPath = ()
    ) -> None:
        for key in table:
            if key not in known:
                text = f"{shown(key)} is no key of {where}; {meant(key, known)}"
                self._faults.add_key(text, (*at, key))

    def _table(self, found: Any, at: KeyPath) -> dict[str, Any]:
        if isinstance(found, dict):
            return found
        self._faults.add(f"{at[-1]} must be a table: [{'.'.join(map(str, at))}]", at)
        return {}


def _step_fault(word: Any) -> str | None:
    """Return why something in the list of steps is none."""
    if not isinstance(word, str):
        return "must be a text, the name of a command"
    label, colon, command = word.rpartition(":")
    known = (*KINDS, REPORT)
    if command not in known:
        return f"there is no command {shown(command)}; {meant(command, known)}"
    if not colon:
        return None
    if command == REPORT:
        return "report needs no name of its own"
    if label in (*known, *_SCENE):
        return f"{shown(label)} means something else; give it another name"
    wrong = name_fault(label, dots=False)
    return None if wrong is None else f"its name {wrong}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
