"""Options of `trueground align` that say which cells its methods look at, and when they stop."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter

from trueground.cli.options import usage

if TYPE_CHECKING:
    from trueground.coreg import Pipeline


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """What is looked at; each method has its own defaults."""

    samples: int | None = None
    """Cells of the reference to look at, at most; with --blocks, of each block. Default: a million (dh-minimize: half a
    million, cpd: 5000)."""
    seed: int | None = None
    """Chooses the cells, where there are more. Default: 0."""
    trim: float | None = None
    """Leave out differences farther than so many NMADs from their median. Default: none."""
    slope_range: Annotated[tuple[float, float] | None, Parameter(negative=())] = None
    """Least and greatest slope of cells that count, in degrees, such as 0.1 40. Default: all."""
    max_iterations: int | None = None
    """Steps after which a fit ends without having converged. Default: 50 (cpd: 100)."""
    tolerance: float | None = None
    """Length of a step, in pixels of the reference, below which the fit has converged. Default: 0.001 (cpd: 0.01)."""

    def __post_init__(self) -> None:
        if self.samples is not None and self.samples < 1:
            msg = f"--samples {self.samples}: must be at least 1."
            raise usage(msg)

    @property
    def given(self) -> dict[str, object]:
        """What was said, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def of(self, steps: Pipeline) -> Pipeline:
        """Return methods with these settings; each takes those that it has.

        Raises
        ------
        CycloptsError
            Where none of the methods has a setting that is given.
        """
        chosen = cast("tuple[Any, ...]", steps.steps)
        has = [{f.name for f in fields(step)} for step in chosen]
        for name in self.given:
            if not any(name in one for one in has):
                option = f"--{name.replace('_', '-')}"
                msg = f"{option} is for methods that find a motion step by step: {steps.name} has none; leave it out."
                raise usage(msg)
        return replace(
            steps,
            steps=tuple(
                replace(step, **{k: v for k, v in self.given.items() if k in one})
                for step, one in zip(chosen, has, strict=True)
            ),
        )
