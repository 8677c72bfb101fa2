"""Rigid motion from the least height difference: the difference against the gradient of the terrain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
from numpy.typing import NDArray

from trueground.coreg import regression
from trueground.coreg.design import UNKNOWNS, Motion, motion_design, require_two_ways
from trueground.coreg.rigid.method import Seen
from trueground.coreg.rigid.stepping import SteppingMethod
from trueground.coreg.sampled import require_choice

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Lzd(SteppingMethod):
    r"""Coregister by least height differences, linear in a small motion.

    A point :math:`p = (X, Y, Z)` about the centroid, moved by :math:`d = t + \omega \times p + \sigma p`, changes the
    height of the surface at a fixed place by :math:`d_z - g_x d_x - g_y d_y`, where :math:`g` is the gradient of the
    terrain. The difference of heights is regressed on that (eq. 4 of the paper, with a scale beside), weighted against
    blunders by Tukey's biweight; the motion is applied to the DEM itself and all is repeated.

    References
    ----------
    Rosenholm & Torlegard (1988): Three-dimensional absolute orientation of stereo models using digital elevation
    models, Photogrammetric Engineering & Remote Sensing 54, 1385-1389.

    Examples
    --------
    >>> from trueground.coreg import Lzd, method_named
    >>> method_named("lzd:translation").steps == (Lzd(motion="translation"),)
    True
    """

    motion: Motion = "rigid"
    """`translation`; `rigid`: and rotation; `similarity`: and scale."""

    name: ClassVar[str] = "lzd"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("motion", self.motion, get_args(Motion))

    @property
    def unknowns(self) -> range:
        """Which parts of the motion are found."""
        return range(UNKNOWNS[self.motion])

    def _step(self, seen: Seen) -> Float:
        design = self._design(seen, *seen.slopes)
        require_two_ways(design)
        step = np.zeros(7)
        step[: design.shape[1]] = regression.robust(design, seen.dh, seen.weight)
        return step

    def _influence(self, seen: Seen, rise: tuple[Float, Float]) -> Float:
        design = self._design(seen, *seen.slopes)
        return regression.influence(design, seen.dh, seen.weight, answers=self._design(seen, *rise))

    def _design(self, seen: Seen, slope_x: Float, slope_y: Float) -> Float:
        """Return (n, unknowns): how the height at each cell answers to each part of the motion."""
        return motion_design(*seen.places, slope_x, slope_y, motion=self.motion)
