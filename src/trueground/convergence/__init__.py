"""When and why the classic solvers fail: all of them over a grid of pixels, held against the certified one."""

from __future__ import annotations

from trueground.convergence.result import Convergence, Outcome, Run, Sight, Tally
from trueground.convergence.study import study

__all__ = ["Convergence", "Outcome", "Run", "Sight", "Tally", "study"]
