"""What rasters learn while they are read, brought home from the processes that read them."""

from __future__ import annotations

import contextlib
import threading
import uuid
import weakref
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Finding(NamedTuple):
    """One entry of a `Findings`, on its way home."""

    home: str
    key: Any
    value: Any


class Findings(dict[K, V]):
    """A dictionary that an object fills while it works, and whose copies in other processes report to it.

    It is pickled without its content. What is entered into a copy is noted where the block that does it is `collected`,
    and entered here by `enter`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._name = uuid.uuid4().hex
        _homes[self._name] = self

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        noted: list[Finding] | None = getattr(_local, "noted", None)
        if noted is not None:
            noted.append(Finding(self._name, key, value))

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _copy, (self._name,)


_homes: weakref.WeakValueDictionary[str, Findings[Any, Any]] = weakref.WeakValueDictionary()
_local = threading.local()


def _copy(name: str) -> Findings[Any, Any]:
    found: Findings[Any, Any] = Findings.__new__(Findings)
    found._name = name
    return found


@contextlib.contextmanager
def collected() -> Iterator[list[Finding]]:
    """Give a list of what is found in this thread, as long as the context lasts."""
    noted: list[Finding] = []
    _local.noted = noted
    try:
        yield noted
    finally:
        _local.noted = None


def enter(found: Iterable[Finding]) -> None:
    """Enter what copies have found where it belongs; what nobody asks for any more is dropped."""
    for home, key, value in found:
        owner = _homes.get(home)
        if owner is not None:
            owner[key] = value
