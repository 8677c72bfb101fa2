"""What changes slowly with the place: known exactly at a lattice, interpolated between, and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trueground.grid import Window
from trueground.kernels import lattice

Float = NDArray[np.float64]
_QUARTER = np.array([0.375, 0.75, -0.125])  # weights of three nodes at a quarter of a cell


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
        step = self.step
        first = Window(window.row // step, window.col // step, 0, 0)
        last_row = (window.row + window.height - 1) // step
        last_col = (window.col + window.width - 1) // step
        rows = np.arange(2 * first.row, 2 * last_row + 3) * (step / 2.0)
        cols = np.arange(2 * first.col, 2 * last_col + 3) * (step / 2.0)
        nodes = self.exactly(rows[:, np.newaxis], cols[np.newaxis, :])
        out = tuple(np.empty(window.shape) for _ in nodes)
        for node, values in zip(nodes, out, strict=True):
            flat = np.ascontiguousarray(np.broadcast_to(node, (rows.size, cols.size)))
            lattice.biquadratic(
                flat, first.row, first.col, float(step), window.row, window.col, values
            )
        for i, j in np.argwhere(self._wrong(nodes, rows, cols)).tolist():
            cell = Window((first.row + i) * step, (first.col + j) * step, step, step)
            cell = cell.intersect(window)
            inside = cell.slices_in(window)
            for values, exact in zip(out, self.exactly(*cell.pixel_centres()), strict=True):
                values[inside] = exact
        return out

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
