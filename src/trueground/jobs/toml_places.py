"""Where in a TOML text each key and each value stands: the standard library's parser does not tell.

The text must be valid: `tomllib` has read it. What is found here are places alone; values come from there.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""Keys and indices that lead to a value, as in `("scene", 0, "name")`."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BASIC = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
_LONG_BASIC = re.compile(r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*"{3,5}')
_LONG_LITERAL = re.compile(r"'''(?:[^']|'(?!''))*'{3,5}")
_SCALAR = re.compile(r"[^,\]}\n#]*")  # a date may hold a space
_STRINGS = (_LONG_BASIC, _LONG_LITERAL, _BASIC, _LITERAL)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a text, both counted from 1."""

    line: int
    column: int


@dataclass
class Places:
    """Places of the keys and values of a text."""

    text: str
    keys: dict[Path, Place] = field(default_factory=dict)
    """By the path of the value that is named; of an item of `[[name]]`, its heading."""
    values: dict[Path, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._starts = [0, *(m.end() for m in re.finditer("\n", self.text))]
        self._counts: dict[Path, int] = {}
        self._at = 0
        self._read()

    def of(self, path: Path, *, key: bool = False) -> Place:
        """Return the place of a value or its key, or of the nearest that it lies in."""
        first, second = (self.keys, self.values) if key else (self.values, self.keys)
        while path:
            if path in first or path in second:
                return first.get(path) or second[path]
            path = path[:-1]
        return Place(1, 1)

    def _read(self) -> None:
        base: Path = ()
        self._skip()
        while self._at < len(self.text):
            if self.text.startswith("[", self._at):
                base = self._heading()
            else:
                self._pair(base)
            self._skip()

    def _heading(self) -> Path:
        """Read `[a.b]` or `[[a.b]]`; return the path of the table that it begins."""
        place = self._place()
        many = self.text.startswith("[[", self._at)
        self._at += 2 if many else 1
        path: Path = ()
        parts = self._dotted()
        for number, (name, _) in enumerate(parts, start=1):
            path = (*path, name)
            if many and number == len(parts):
                self.keys.setdefault(path, place)
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path = (*path, self._counts[path])
            self.keys.setdefault(path, place)
        self._skip()
        self._at += 2 if many else 1
        return path

    def _pair(self, base: Path) -> None:
        """Read `a.b = value`."""
        path = base
        for name, place in self._dotted():
            path = (*path, name)
            self.keys.setdefault(path, place)
        self._skip()
        self._at += 1  # =
        self._skip()
        self._value(path)

    def _dotted(self) -> list[tuple[str, Place]]:
        """Read the parts of a key, up to what follows it."""
        parts = []
        while True:
            self._skip()
            place, start = self._place(), self._at
            found = next(
                m for p in (_BARE, _BASIC, _LITERAL) if (m := p.match(self.text, self._at))
            )
            self._at = found.end()
            word = self.text[start : self._at]
            name = word if word[0] not in "\"'" else tomllib.loads(f"x = {word}")["x"]
            parts.append((name, place))
            self._skip()
            if not self.text.startswith(".", self._at):
                return parts
            self._at += 1

    def _value(self, path: Path) -> None:
        self.values[path] = self._place()
        opening = self.text[self._at]
        if opening == "[":
            self._items(path, "]")
        elif opening == "{":
            self._items(path, "}")
        else:
            patterns = _STRINGS if opening in "\"'" else (_SCALAR,)
            self._at = next(m for p in patterns if (m := p.match(self.text, self._at))).end()

    def _items(self, path: Path, closing: str) -> None:
        """Read an array, or an inline table."""
        self._at += 1
        number = 0
        self._skip()
        while not self.text.startswith(closing, self._at):
            if closing == "]":
                self._value((*path, number))
                number += 1
            else:
                self._pair(path)
            self._skip()
            if self.text.startswith(",", self._at):
                self._at += 1
                self._skip()
        self._at += 1

    def _skip(self) -> None:
        found = _BLANK.match(self.text, self._at)
        self._at = found.end() if found else self._at

    def _place(self) -> Place:
        line = bisect_right(self._starts, self._at)
        return Place(line, self._at - self._starts[line - 1] + 1)
