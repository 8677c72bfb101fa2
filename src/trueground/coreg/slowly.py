"""What changes slowly with the place: known exactly at a lattice, interpolated between, and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueground.grid import Window
from trueground.kernels import lattice

Float = NDArray[np.float64]
_AT_ONCE = 64  # cells that are evaluated exactly together
_QUARTER = np.array([0.375, 0.75, -0.125])  # weights of three nodes at a quarter of a cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """A lattice over a window."""

    values: Float
    """(k, n, m) of each function at every half cell."""
    first: tuple[int, int]
    """Row and column of the first cell, in cells."""
    wrong: NDArray[np.intp]
    """(cells, 2) row and column, from the first, of cells in which interpolation does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowly:
    """Functions of row and column that a lattice carries.

    They are evaluated exactly at every half cell and interpolated biquadratically. Each cell is checked at two places
    inside; one whose error could exceed the tolerance, or that is not known (near a pole, or where a projection is not
    defined), is evaluated exactly at each pixel. A value therefore depends on its pixel alone.
    """

    exactly: Callable[[NDArray[Any], NDArray[Any]], tuple[Float, ...]]
    """Values at rows and columns that broadcast."""
    tolerances: tuple[float, ...]
    """Of each value."""
    step: int = 64
    """Width of a cell [px]; even."""

    def over(self, window: Window) -> tuple[Float, ...]:
        """Return the values, (height, width) each, at the centres of a window's pixels."""
        nodes = self.nodes(window)
        out = tuple(np.empty(window.shape) for _ in nodes.values)
        for node, values in zip(nodes.values, out, strict=True):
            lattice.biquadratic(
                node, *nodes.first, float(self.step), window.row, window.col, values
            )
        for inside, exact in self.exact(nodes, window):
            for values, own in zip(out, exact, strict=True):
                values[inside] = own
        return out

    def nodes(self, window: Window) -> Nodes:
        """Return the lattice over a window, evaluated."""
        step = self.step
        first = window.row // step, window.col // step
        last_row = (window.row + window.height - 1) // step
        last_col = (window.col + window.width - 1) // step
        rows = np.arange(2 * first[0], 2 * last_row + 3) * (step / 2.0)
        cols = np.arange(2 * first[1], 2 * last_col + 3) * (step / 2.0)
        values = self.exactly(rows[:, np.newaxis], cols[np.newaxis, :])
        wrong = np.argwhere(self._wrong(values, rows, cols))
        full = np.stack([np.broadcast_to(v, (rows.size, cols.size)) for v in values])
        return Nodes(values=full, first=first, wrong=wrong)

    def exact(
        self, nodes: Nodes, window: Window
    ) -> Iterator[tuple[tuple[slice, slice], tuple[Float, ...]]]:
        """Yield parts of a window that its lattice does not hold, and their values."""
        step = self.step
        corners = (nodes.wrong + nodes.first) * step
        for some in np.array_split(corners, -(-len(corners) // _AT_ONCE)) if len(corners) else ():
            centres = some[:, :, np.newaxis] + np.arange(step) + 0.5
            values = self.exactly(centres[:, 0, :, np.newaxis], centres[:, 1, np.newaxis, :])
            shape = len(some), step, step
            values = tuple(np.broadcast_to(v, shape) for v in values)
            for k, (row, col) in enumerate(some.tolist()):
                cell = Window(row, col, step, step)
                part = cell.intersect(window)
                if part.size:
                    inside = part.slices_in(cell)
                    yield part.slices_in(window), tuple(v[k][inside] for v in values)

    def _wrong(
        self, nodes: tuple[Float, ...], rows: NDArray[Any], cols: NDArray[Any]
    ) -> NDArray[np.bool_]:
        """Tell which cells the lattice does not hold."""
        wrong = np.zeros(((rows.size - 1) // 2, (cols.size - 1) // 2), dtype=bool)
        for along, where in ((_QUARTER, 0.25), (_QUARTER[::-1], 0.75)):
            # Errors along both axes that cancel at one of the two places add up at the other.
            true = self.exactly(
                rows[:-1:2, np.newaxis] + 0.25 * self.step,
                cols[np.newaxis, :-1:2] + where * self.step,
            )
            for node, exact, tolerance in zip(nodes, true, self.tolerances, strict=True):
                cells = np.lib.stride_tricks.sliding_window_view(node, (3, 3))[::2, ::2]
                error = np.abs(np.einsum("ijkl,k,l->ij", cells, _QUARTER, along) - exact)
                wrong |= ~(error <= tolerance)  # also where it is NaN
        return wrong
