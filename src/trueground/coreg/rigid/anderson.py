"""Steps of a slow iteration, extrapolated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
_MEMORY = 8  # steps that are looked at: one more than a motion has unknowns


class Anderson:
    r"""The memory of an iteration :math:`x \leftarrow x + f(x)`: where its steps began, and what was asked for there.

    The step is that of the combination of the last :math:`x_i` (weights add up to one) whose :math:`f` is least, if
    :math:`f` were linear: Anderson (1965), J. ACM 12, 547-560, doi:10.1145/321296.321305.

    Examples
    --------
    >>> memory, x = Anderson(1), np.zeros(1)
    >>> for _ in range(3):  # a hundredth of the way to 5 with each plain step
    ...     x = x + memory.step(0.01 * (5.0 - x))
    >>> x.round(9)
    array([5.])
    """

    def __init__(self, size: int) -> None:
        self._place = np.zeros(size)
        self._past: list[tuple[Float, Float]] = []

    def step(self, plain: Float) -> Float:
        """Return what to add instead of a plain step, and take it as done."""
        self._past.append((self._place, plain))
        del self._past[:-_MEMORY]
        step = plain
        if len(self._past) > 1:
            begun, asked = (np.diff(v, axis=0).T for v in zip(*self._past, strict=True))
            step = np.asarray(plain - (begun + asked) @ np.linalg.lstsq(asked, plain)[0])
        self._place = self._place + step
        return step

    def instead(self, taken: Float, step: Float) -> None:
        """Say that another step than the one returned has been `taken`."""
        self._place = self._place + (taken - step)

    def forget(self) -> None:
        """Begin anew, from the same place."""
        self._past.clear()
