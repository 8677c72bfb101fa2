"""A few of many, drawn by a number of chance each: the same ones however the many are cut into chunks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trueground.errors import InputError
from trueground.grid import Window
from trueground.kernels import choice

Float = NDArray[np.float64]
Index = NDArray[np.int64]

_SPARE = 65_536  # candidates held beyond the samples before the worst of them are dropped


def chances(window: Window, seed: int) -> Float:
    """Return a number in [0, 1) for each pixel of a window, from row, column and seed."""
    out = np.empty(window.shape)
    choice.uniform(window.row, window.col, seed, out)
    return out


def chances_of(first: int, count: int, seed: int) -> Float:
    """Return a number in [0, 1) for each of `count` points, from their place in the file and a seed."""
    out: Float = chances(Window(0, first, 1, count), seed)[0]
    return out


@dataclass(slots=True, kw_only=True)
class Draw:
    """Keep the candidates with the smallest chances, of all that are added in whatever chunks.

    A larger draw of the same seed holds a smaller one.
    """

    samples: int
    """How many to keep, from 1."""
    _kept: list[tuple[Float, Index, Float]] = field(default_factory=list, init=False)
    _count: int = field(default=0, init=False)
    _limit: float = field(default=np.inf, init=False)

    def __post_init__(self) -> None:
        if self.samples < 1:
            msg = f"{self.samples} samples: at least 1 is needed; leave the number out to take all"
            raise InputError(msg)

    def add(self, chance: Float, order: Index, values: Float) -> None:
        """Add candidates.

        Parameters
        ----------
        chance
            (n,) numbers in [0, 1).
        order
            (n,) a number for each, unlike any other's; the result is sorted by it.
        values
            (k, n) what is known of them.
        """
        keep = chance < self._limit
        kept = chance[keep], order[keep], values[:, keep]
        self._kept.append(kept)
        self._count += kept[0].size
        if self._count > self.samples + max(_SPARE, self.samples // 4):
            self._drop()

    def _drop(self) -> tuple[Float, Index, Float]:
        chance = np.concatenate([part[0] for part in self._kept])
        order = np.concatenate([part[1] for part in self._kept])
        values = np.concatenate([part[2] for part in self._kept], axis=1)
        best = np.arange(chance.size)
        if chance.size > self.samples:
            best = np.lexsort((order, chance))[: self.samples]
        rest = chance[best], order[best], values[:, best]
        self._kept, self._count = [rest], best.size
        if best.size == self.samples:
            self._limit = float(np.nextafter(rest[0].max(), 2.0))
        return rest

    def drawn(self) -> tuple[Index, Float]:
        """Return order (m,) and values (k, m) of those drawn, by their order; all where there are no more."""
        if not self._kept:
            return np.empty(0, dtype=np.int64), np.empty((0, 0))
        _, order, values = self._drop()
        by_order = np.argsort(order)
        return order[by_order], values[:, by_order]
