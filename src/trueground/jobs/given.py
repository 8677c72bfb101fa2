"""What tables of a job file say, with the places where they say it; and faults of it, collected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trueground.jobs.document import Document, Fault
from trueground.jobs.toml_places import Path as KeyPath


@dataclass(frozen=True, slots=True)
class Given:
    """Values that a table says, with their places."""

    at: KeyPath
    items: Mapping[str, tuple[Any, KeyPath]]

    @classmethod
    def of(cls, table: Mapping[str, Any], at: KeyPath) -> Given:
        """Take a table; `_` and `-` in keys are one, but for a key that stands there with both."""
        items: dict[str, tuple[Any, KeyPath]] = {}
        for key, value in table.items():
            name = key.replace("_", "-")
            items[name.replace("-", "_") if name in items else name] = (value, (*at, key))
        return cls(at, items)

    def renamed(self, names: Mapping[str, str]) -> Given:
        """Return the same with other names for some keys."""
        return Given(self.at, {names.get(k, k): item for k, item in self.items.items()})

    def over(self, other: Given) -> Given:
        """Return these, and what else the other says."""
        return Given(self.at, {**other.items, **self.items})


NOTHING = Given((), {})


@dataclass(frozen=True, slots=True)
class Faults:
    """Everything that is wrong with a document."""

    document: Document
    found: list[Fault] = field(default_factory=list)

    def add(self, text: str, at: KeyPath) -> None:
        """Add what is wrong with a value."""
        self.found.append(self.document.fault(text, at))

    def add_key(self, text: str, at: KeyPath) -> None:
        """Add what is wrong with a key."""
        self.found.append(self.document.fault(text, at, key=True))
