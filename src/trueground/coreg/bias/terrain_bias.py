"""A bias that depends on the ground: its slope, its aspect, its height, its curvature, or anything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.bias.curves import Powers, Sines, Table
from trueground.coreg.bias.method import BiasMethod, Fitted, Sample, covariance_of, regressed
from trueground.coreg.bias.shapes import LEVEL, OfVariable
from trueground.coreg.bias.variable import TERRAIN, Terrain, Variable
from trueground.coreg.covariance import clustered_in_groups
from trueground.coreg.medians import median_influence, weighted_median
from trueground.coreg.sampled import require_choice
from trueground.errors import FitError, InputError
from trueground.raster import Raster

Float = NDArray[np.float64]
Model = Literal["bins", "polynomial"]
_CIRCLE = 360.0  # degrees
_LEAST_CELLS = 30  # in a bin that counts
_TAIL = 1e-3  # share of the cells at either end, beyond whose values a polynomial is flat
_HIGHEST = 10  # degree


@dataclass(frozen=True, kw_only=True)
class TerrainBias(BiasMethod):
    r"""Add a function of a variable of the ground.

    Radar looks into dry snow, forests hide the ground, a sharp DEM is higher on ridges than a smooth one, and a scale
    is wrong: differences then depend on elevation, slope, aspect or curvature of the terrain. The variable is that of
    the *reference*, or any raster that is given; it is interpolated at the places of the moving DEM.

    The model `bins` takes medians of the differences in bins of the variable, which get narrower towards the ends, and
    straight lines between them. The model `polynomial` is regressed on the differences, weighted against blunders by
    Tukey's biweight; of an aspect it is a Fourier series. Beyond the values that were seen both stay what they are
    there. The aspect of level ground is none: it gets the mean over all directions. Slope, aspect and curvature need
    all eight neighbours: where the reference has them not, those of the DEM itself are taken, and where that has them
    not either, along its border and around its holes, nothing is known, and the result has no data.

    What depends on the ground and what a shift does are not independent. Where high ground is in the north, an error
    of the scale of heights looks like a shift, and a shift like that error (GlacioHack/xdem#987); aspect and a
    horizontal shift can hardly be told apart at all. Neither order of the two is right then: the first method takes a
    part of what belongs to the second, without a trace in the residuals. So this method regresses what it adds on
    the slopes of the reference, as a method that finds a shift would do, and where that is more than 0.05 px, the
    result warns of it. Take both in turns until neither changes, or leave one out.

    References
    ----------
    Gardelle, Berthier & Arnaud (2012), Journal of Glaciology 58, 419-422, doi:10.3189/2012JoG11J175. Nuth & Kaab
    (2011), The Cryosphere 5, 271-290, doi:10.5194/tc-5-271-2011.

    Examples
    --------
    >>> from trueground.coreg import NuthKaab, TerrainBias
    >>> (NuthKaab() + TerrainBias(variable="elevation")).name
    'nuth-kaab + terrain-bias'
    """

    variable: Terrain | Raster = "slope"
    """`slope`, `aspect`, `elevation` or `curvature` of the reference; or a raster, on any grid."""
    variable_name: str | None = None
    """What a raster is called in the result; `variable` by default."""
    model: Model = "bins"
    bins: int = 30
    order: int = 2
    """Degree of the polynomial."""

    name: ClassVar[str] = "terrain-bias"
    looks_like_shift: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.variable, Raster) and self.variable not in TERRAIN:
            msg = f"variable {self.variable!r}: must be one of {', '.join(TERRAIN)}, or a raster"
            raise InputError(msg)
        require_choice("model", self.model, get_args(Model))
        if self.bins < 2 or not 1 <= self.order <= _HIGHEST:
            msg = f"{self.bins} bins, order {self.order}: must be at least 2, and from 1 to {_HIGHEST}"
            raise InputError(msg)

    def _variable(self, reference: Raster) -> Variable:
        if isinstance(self.variable, Raster):
            return Variable(name=self.variable_name or "variable", source=self.variable, given=True)
        return Variable(name=self.variable, source=reference)

    def _parameters(self) -> dict[str, Any]:
        out = super()._parameters()
        out.setdefault("variable", self.variable_name or "variable")
        return out

    def _fitted(self, sample: Sample) -> Fitted:
        name = self.variable if isinstance(self.variable, str) else self.variable_name or "variable"
        circular = name == "aspect"
        if circular:  # level ground says nothing of directions
            faces = sample.value != LEVEL
            if faces.sum() < self.least_samples:
                msg = f"{int(faces.sum())} cells that are not level: at least {self.least_samples} are needed"
                raise FitError(msg)
            sample = Sample(*(v[faces] for v in sample))
        elif not np.ptp(sample.value) > 0.0:
            msg = f"the variable {name} is {float(sample.value[0]):g} at all cells: nothing can depend on it"
            raise FitError(msg)
        if self.model == "bins":
            curve, covariance = self._binned(sample, circular=circular)
            return Fitted(shape=OfVariable(variable=name, curve=curve), covariance=covariance)
        model = self._series if circular else self._powers
        series, covariance = model(sample)
        return Fitted(shape=OfVariable(variable=name, curve=series), covariance=covariance)

    def _binned(self, sample: Sample, *, circular: bool) -> tuple[Table, Float | None]:
        share = np.linspace(0.0, 1.0, self.bins + 1)
        if circular:
            edges = _CIRCLE * share
        else:
            edges = np.unique(np.quantile(sample.value, (1.0 - np.cos(np.pi * share)) / 2.0))
        # The greatest value has a bin of its own: there may be few values, each of many cells.
        group = np.searchsorted(edges[1:], sample.value, side="right")
        enough = np.bincount(group) >= _LEAST_CELLS
        use = enough[group]
        if enough.sum() < 2:
            msg = (
                f"{int(enough.sum())} bins hold {_LEAST_CELLS} cells: at least 2 are needed; "
                "take fewer bins or more samples"
            )
            raise FitError(msg)
        group = (np.cumsum(enough) - 1)[group[use]]
        x, y, weight, dh, value = (v[use] for v in sample)
        order = np.argsort(group.astype(np.int32), kind="stable")
        ends = np.cumsum(np.bincount(group))[:-1]
        parts = [np.split(v[order], ends) for v in (value, dh, weight)]
        nodes = np.array([weighted_median(v, w) for v, w in zip(parts[0], parts[2], strict=True)])
        medians = np.array([weighted_median(d, w) for d, w in zip(*parts[1:], strict=True)])
        table = Table(
            nodes=tuple(nodes.tolist()), values=tuple(medians.tolist()),
            period=_CIRCLE if circular else None,
        )  # fmt: skip
        score = median_influence(dh - medians[group], group, weight)
        return table, clustered_in_groups(score, group, x, y)

    def _powers(self, sample: Sample) -> tuple[Powers, Float | None]:
        low, high = np.quantile(sample.value, [_TAIL, 1.0 - _TAIL]).tolist()
        if not high > low:
            low, high = float(sample.value.min()), float(sample.value.max())
        zero = Powers(
            centre=(low + high) / 2.0, scale=(high - low) / 2.0, reach=(low, high),
            coefficients=(0.0,) * (self.order + 1),
        )  # fmt: skip
        powers = np.polynomial.polynomial.polyvander(zero.scaled(sample.value), self.order)
        design = np.asarray(powers, dtype=np.float64)
        solution = regressed(design, sample.dh, sample.weight)
        curve = Powers(
            centre=zero.centre, scale=zero.scale, reach=zero.reach,
            coefficients=tuple(solution.tolist()),
        )  # fmt: skip
        return curve, covariance_of(design, sample.dh - design @ solution, sample)

    def _series(self, sample: Sample) -> tuple[Sines, Float | None]:
        turn = np.radians(sample.value)[:, np.newaxis] * np.arange(1, self.order + 1)
        design = np.ones((sample.x.size, 2 * self.order + 1))
        design[:, 1::2], design[:, 2::2] = np.cos(turn), np.sin(turn)
        solution = regressed(design, sample.dh, sample.weight)
        curve = Sines(
            constant=float(solution[0]),
            frequencies=tuple(k / _CIRCLE for k in range(1, self.order + 1)),
            cosines=tuple(solution[1::2].tolist()), sines=tuple(solution[2::2].tolist()),
        )  # fmt: skip
        found = covariance_of(design, sample.dh - design @ solution, sample)
        if found is None:
            return curve, None
        # The frequencies, which are given, stand between.
        where = np.setdiff1d(np.arange(3 * self.order + 1), 3 * np.arange(1, self.order + 1))
        covariance = np.zeros((3 * self.order + 1,) * 2)
        covariance[np.ix_(where, where)] = found
        return curve, covariance
