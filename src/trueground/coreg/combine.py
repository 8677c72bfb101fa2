"""Methods combine with `+`: one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from trueground.coreg.base import Alignment
    from trueground.coreg.bias.correction import Correction
    from trueground.coreg.pipeline import Pipeline
    from trueground.engine import Engine, Progress
    from trueground.pointcloud import PointCloud
    from trueground.raster import Raster


class Step(Protocol):
    """What a pipeline is made of: a method that finds a motion, or one that finds a correction of heights."""

    @property
    def name(self) -> str:
        """What the command line calls it."""

    def fit(
        self,
        reference: Raster | PointCloud,
        moving: Raster,
        *,
        valid: Raster | None = None,
        weights: Raster | None = None,
        initial: Alignment | None = None,
        engine: Engine | None = None,
        progress: Progress | None = None,
    ) -> Alignment | Correction:
        """Find the motion, `initial` included, or the correction of the DEM as `initial` moves it."""


class Combined:
    """What can be an operand of `+`."""

    def __add__(self, other: Combined) -> Pipeline:
        """Return the pipeline of this, and then the other."""
        from trueground.coreg.pipeline import Pipeline  # it is a `Combined` itself

        if not isinstance(other, Combined):
            return NotImplemented
        return Pipeline(steps=(*steps_of(self), *steps_of(other)))


def steps_of(method: Combined) -> tuple[Step, ...]:
    """Return the steps of a pipeline, or the one that a method is."""
    steps: tuple[Step, ...] | None = getattr(method, "steps", None)
    return (cast("Step", method),) if steps is None else steps
