"""Things that copies of an object share within a process: a bounded number of them, by what they are made of."""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """The things used last, by key; those that nobody else holds go when others come."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._things: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the thing of a key, made where there is none."""
        with self._lock:
            if key not in self._things:
                self._things[key] = make()
            self._things.move_to_end(key)
            while len(self._things) > self._most:
                self._things.popitem(last=False)
            return self._things[key]

    def __len__(self) -> int:
        return len(self._things)


class _HoldsAnArray(Exception):  # noqa: N818 (an answer, not an error)
    """What is to be told apart has an array in it."""


def content_key(*values: Any) -> str | None:
    """Return what tells values from others, by all that they hold; None where that includes an array.

    Files count by what their raster says of them: path, size and time of the last change.
    """

    def refuse(_buffer: pickle.PickleBuffer) -> bool:
        raise _HoldsAnArray

    try:
        return hashlib.sha256(pickle.dumps(values, protocol=5, buffer_callback=refuse)).hexdigest()
    except _HoldsAnArray:
        return None
