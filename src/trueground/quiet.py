"""Warnings of other libraries, silenced for a moment, in whatever thread."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_one_at_a_time = threading.Lock()


@contextmanager
def quiet(category: type[Warning]) -> Iterator[None]:
    """Ignore a kind of warning.

    `warnings.catch_warnings` keeps the filters of the whole process and puts them back: two threads
    inside it at the same time would leave one's filters behind for ever. Here they take turns.
    """
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore", category)
        yield
