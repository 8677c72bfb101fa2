"""A job file as text: its values, and the places that errors name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trueground.errors import InputError
from trueground.jobs.hints import shown
from trueground.jobs.toml_places import Path as KeyPath
from trueground.jobs.toml_places import Place, Places

_MOST = 16 << 20  # bytes of a job file: a hundred thousand scenes
_SAID_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a job file, and where."""

    file: Path
    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.place.line}:{self.place.column}: {self.text}"


class JobError(InputError):
    """All that is wrong with a job file, in the order of its lines."""

    def __init__(self, faults: list[Fault]) -> None:
        order = sorted(dict.fromkeys(faults), key=lambda f: (f.place.line, f.place.column))
        self.faults = tuple(order)
        super().__init__("\n".join(str(f) for f in order))


@dataclass(frozen=True, kw_only=True)
class Document:
    """A TOML file that was read."""

    file: Path
    data: dict[str, Any]
    places: Places

    @classmethod
    def load(cls, file: Path) -> Document:
        """Read a file.

        Raises
        ------
        JobError
            Where it is no TOML, or holds texts that no path and no option can be.
        InputError
            Where it cannot be read.
        """
        text = _text_of(file)
        try:
            data = tomllib.loads(text)
            places = Places(text)
        except RecursionError as error:
            fault = Fault(
                file, Place(1, 1), "values are nested too deeply: a job needs three levels"
            )
            raise JobError([fault]) from error
        except ValueError as error:  # also of whole numbers with thousands of digits
            raise JobError([_syntax_fault(file, text, error)]) from error
        read = cls(file=file, data=data, places=places)
        unprintable = list(read._unprintable(data, ()))
        if unprintable:
            raise JobError(unprintable)
        return read

    def fault(self, text: str, path: KeyPath, *, key: bool = False) -> Fault:
        """Return what is wrong with a value, or with its key."""
        return Fault(self.file, self.places.of(path, key=key), text)

    def _unprintable(self, found: Any, at: KeyPath) -> Iterator[Fault]:
        """Yield what is wrong with texts that hold control characters: NUL, line feeds and the like."""
        wrong = "holds a character that cannot be printed; take it out"
        if isinstance(found, str) and not found.isprintable():
            yield self.fault(f"{shown(found)} {wrong}", at)
        elif isinstance(found, dict):
            for key, value in found.items():
                if not key.isprintable():
                    yield self.fault(f"the key {shown(key)} {wrong}", (*at, key), key=True)
                yield from self._unprintable(value, (*at, key))
        elif isinstance(found, list):
            for number, value in enumerate(found):
                yield from self._unprintable(value, (*at, number))


def _text_of(file: Path) -> str:
    with file.open("rb") as opened:
        content = opened.read(_MOST + 1)
    if len(content) > _MOST:
        msg = f"{file}: more than {_MOST >> 20} MB are no job file; give one in TOML"
        raise InputError(msg)
    try:
        return content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        place = _place_at(before, len(before))
        fault = Fault(
            file, place, f"byte 0x{content[error.start]:02x} is no UTF-8; save the file as UTF-8"
        )
        raise JobError([fault]) from error


def _syntax_fault(file: Path, text: str, error: ValueError) -> Fault:
    said = str(error)
    found = _SAID_PLACE.search(said)
    if found is None:
        return Fault(file, Place(1, 1), f"{said}; correct the TOML")
    place = Place(int(found[1]), int(found[2])) if found[1] else _place_at(text, len(text))
    return Fault(file, place, f"{said[: found.start()]}; correct the TOML")


def _place_at(text: str, at: int) -> Place:
    return Place(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
