"""What a job has to know of the commands that its steps are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Values = Mapping[str, Any]
"""Parameters of a command by their names in its help, in small letters and with `-`."""


class Complaint(NamedTuple):
    """What a command says of parameters that it cannot be run with."""

    key: str | None
    """The parameter; None where several do not go together."""
    text: str
    is_missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a command that was run."""

    error: str | None
    """One line; None where it succeeded."""
    warnings: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    """Lines of results that it printed."""


class Extent(NamedTuple):
    """How large a raster is."""

    rows: int
    cols: int
    bytes: int
    """Of a pixel, all bands."""

    @property
    def pixels(self) -> int:
        """Number of its pixels."""
        return self.rows * self.cols


class Commands(Protocol):
    """The commands of the command line."""

    def parameters(self, command: str) -> Mapping[str, str]:
        """Return the names of a command's parameters, and which of its names each is known by in `words`."""
        ...

    def complaint(self, command: str, values: Values) -> Complaint | None:
        """Return the first reason why a command cannot be run with such values, before any file is looked at."""
        ...

    def words(self, command: str, values: Values) -> list[str]:
        """Return the words of the command line, such as `align`, `--cog`, `--`, `a.tif`, `b.tif`."""
        ...

    def run(self, words: Sequence[str]) -> Outcome:
        """Run a command."""
        ...

    def ortho_extents(self, values: Values) -> tuple[Extent, ...]:
        """Return how large the orthoimages are that `ortho` would make."""
        ...
