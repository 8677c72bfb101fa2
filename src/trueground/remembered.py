"""A raster that remembers what was read of it lately, and some pixels around."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueground.grid import Grid, Window
from trueground.raster import Raster, computed
from trueground.surface import OfSource

_STEP = 128  # px; windows whose middles lie so near each other take each other's place


@dataclass(frozen=True, kw_only=True)
class Remembered(OfSource):
    """A raster of one band of which windows are asked for again and again, a little beside where they were before."""

    source: Raster
    margin: int
    """Pixels around a window that are read as well."""
    limit: int
    """Pixels that are remembered, at most."""
    _held: OrderedDict[tuple[int, int], tuple[Window, NDArray[Any]]] = field(
        default_factory=OrderedDict, init=False, repr=False, compare=False
    )
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.source, self.margin, self.limit)

    @property
    def grid(self) -> Grid:
        """Grid of the source."""
        return self.source.grid

    @property
    def count(self) -> int:
        """Always one band."""
        return 1

    def read(self, window: Window) -> NDArray[Any]:
        """Return a window of the source."""
        return computed(self, window, self._compute)

    def _compute(self, window: Window) -> NDArray[Any]:
        values, held = self.around(window)
        rows, cols = window.slices_in(held)
        return values[np.newaxis, rows, cols]

    def around(self, window: Window) -> tuple[NDArray[Any], Window]:
        """Return values (rows, cols) of a window of the source at least, and the window that they are of."""
        key = (
            (window.row + window.height // 2) // _STEP,
            (window.col + window.width // 2) // _STEP,
        )
        with self._lock:
            for i, j in product((0, -1, 1), repeat=2):
                near = key[0] + i, key[1] + j
                found = self._held.get(near)
                if found is not None and found[0].contains(window):
                    self._held.move_to_end(near)
                    return found[1], found[0]
        wide = window.pad(self.margin).intersect(self.grid.window)
        values = self.source.read(wide)[0]
        with self._lock:
            self._held[key] = wide, values
            self._held.move_to_end(key)
            total = sum(w.size for w, _ in self._held.values())
            while total > self.limit and len(self._held) > 1:
                _, (dropped, _) = self._held.popitem(last=False)
                total -= dropped.size
        return values, wide


def _again(source: Raster, margin: int, limit: int) -> Remembered:
    """Return one that remembers nothing yet."""
    return Remembered(source=source, margin=margin, limit=limit)
