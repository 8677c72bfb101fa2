"""A job as values: scenes, their steps, and what each step is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueground.jobs.toml_places import Path as KeyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A parameter of a step."""

    written: Any
    """As the job file has it."""
    value: Any
    """As the command takes it: names of files from here, and outputs of earlier steps by their names."""
    at: KeyPath
    """Where the job file says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command, with all that it is given."""

    name: str
    command: str
    folder: Path
    """Where its outputs lie."""
    settings: Mapping[str, Setting]
    inputs: Mapping[str, str]
    """Files that it reads: as written, and from here."""
    needs: tuple[str, ...]
    """Names of the earlier steps whose outputs it reads."""

    @property
    def values(self) -> dict[str, Any]:
        """What the command is given."""
        return {name: setting.value for name, setting in self.settings.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Steps that belong together: one fails, and those after it are left out."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """All scenes of a job file."""

    name: str
    file: Path
    folder: Path
    """Where everything goes."""
    scenes: tuple[Scene, ...]


def makes_several(command: str, settings: Mapping[str, Setting]) -> bool:
    """Tell whether a step makes one file of each of several images."""
    images = settings.get("images")
    many = images is not None and isinstance(images.value, list) and len(images.value) > 1
    return command == "ortho" and many and "mosaic" not in settings


def makes_folder(command: str, settings: Mapping[str, Setting]) -> bool:
    """Tell whether the main output of a step is a folder."""
    return makes_several(command, settings) or "tiles" in settings
