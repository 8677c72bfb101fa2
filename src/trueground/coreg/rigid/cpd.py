"""Rigid motion from two clouds of points, one of which is a mixture of normal distributions."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import ClassVar, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from trueground.coreg import motion
from trueground.coreg.base import Alignment
from trueground.coreg.design import UNKNOWNS
from trueground.coreg.pairs import Pair, require_samples
from trueground.coreg.plain import matrix_of
from trueground.coreg.rigid.anderson import Anderson
from trueground.coreg.rigid.icp import Icp, metres
from trueground.coreg.rigid.method import RigidMethod
from trueground.coreg.rigid.superpose import moments, superpose
from trueground.coreg.sampled import require_choice
from trueground.engine import Progress
from trueground.errors import FitError, InputError

Float = NDArray[np.float64]
Motion = Literal["rigid", "translation"]
_FIRST = 3.0  # spacings; sigma to begin with
_LEAST = 1.0  # and at least: below, clouds are drawn to where their points happen to lie close
_EDGE = 4.0  # spacings from the edge of the moving cloud within which the other is left out
_EVENLY = (
    0.7548776662466927,
    0.5698402909980532,
)  # 1 / g and 1 / g^2 with g^3 = g + 1: the sequence R2
_REACH = 3.0  # sigmas beyond which a point does not belong to another
_NEIGHBOURS = 256  # points at most to which one belongs: those within reach at first
_BLOCK = 1024  # points looked at together
_SETTLED = 0.02  # relative change of sigma, above which earlier steps tell nothing


@dataclass(frozen=True, kw_only=True)
class Cpd(RigidMethod):
    r"""Coregister by coherent point drift of a sample, refined on the surface between its points.

    The cells :math:`x_n` of a sample of the reference are seen as drawn from a mixture of normal distributions about
    points :math:`y_m` of the moving DEM and, with probability :math:`w`, from nowhere. They belong to each other by

    .. math:: P_{mn} = \frac{e^{-|x_n - T(y_m)|^2 / 2 \sigma^2}}
        {\sum_k e^{-|x_n - T(y_k)|^2 / 2 \sigma^2} + (2 \pi \sigma^2)^{3/2} \frac{w}{1 - w} \frac{M}{N}},

    the motion :math:`T` is that of least :math:`\sum P_{mn} |x_n - T(y_m)|^2`, in closed form,
    :math:`\sigma^2` what is left of it for each coordinate, and all is repeated (eq. 6 and figure 2 of the paper).

    The clouds are sampled in different places, that of the moving DEM evenly: where both are of the same cells, each
    point belongs to its own twin and no horizontal shift is ever found. Cells near the edge of the moving cloud are
    left out, since edges attract each other. :math:`\sigma` begins with three times the distance between points of a
    cloud, so that only what lies within nine of them matters (a KD-tree finds it; memory grows with the sample alone),
    and is kept above one: below, clouds settle where their points happen to lie close. Steps are extrapolated
    (Anderson). Where cells do not count alike, each :math:`P_{mn}` is multiplied by how much :math:`x_n` does.

    What it can tell is limited by its points. A cloud of 5000 has one every 5.7 pixels of a DEM of 400 x 400; with 1 m
    of noise in both DEMs, pixels of 20 m and 7 pixels to go, it was found (12 fits each) to end within 0.6 px
    of the shift on terrain of 12 degrees, within 0.2 px on terrain of 30, and 0.07 degrees of the rotation.

    With `refine`, the default, that is where `Icp` begins: on the same cells, but with the surface between the
    moving DEM's nodes instead of single points. Then the shift is right within 0.02 px, the rotation within 0.002
    degrees, and there is a covariance; without it there is none. Where all cells can be looked at, `Icp` by itself
    knows more.

    References
    ----------
    Myronenko & Song (2010), IEEE Trans. PAMI 32, 2262-2275, doi:10.1109/TPAMI.2010.46.

    Examples
    --------
    >>> from trueground.coreg import Cpd
    >>> Cpd(samples=2000, refine=False).name
    'cpd'
    """

    samples: int = 5000
    """Cells of the reference to look at, at most, and points of the moving DEM."""
    motion: Motion = "rigid"
    """`translation`; `rigid`: and rotation."""
    outliers: float = 0.1
    """Share w of the reference's cells that belong to nothing, 0 to 1."""
    refine: bool = True
    """Whether to end with closest points on the surface."""
    max_iterations: int = 100
    """Steps of the drift at most."""
    tolerance: float = 0.01
    """Largest move of any point by the last step [px of the reference] below which the clouds lie still."""

    name: ClassVar[str] = "cpd"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("motion", self.motion, get_args(Motion))
        if not 0.0 <= self.outliers < 1.0:
            msg = f"outliers {self.outliers}: must be a share from 0 to below 1"
            raise InputError(msg)

    @property
    def unknowns(self) -> range:
        """Which parts of the motion are found."""
        return range(UNKNOWNS[self.motion])

    def fit_pair(
        self, pair: Pair, *, initial: Alignment | None = None, progress: Progress | None = None
    ) -> Alignment:
        """Find the motion of a pair that has been sampled already."""
        start = pair.start(self.name, initial)
        sloped = self._sloping(pair, start)
        clouds = _Clouds.of(pair, start)
        length, matrix = np.inf, np.eye(4)
        memory, sigma = Anderson(7), _FIRST * clouds.spacing
        unit = metres(*clouds.x[:2])
        history: list[dict[str, float]] = []
        for iteration in range(1, self.max_iterations + 1):
            moved = matrix[:3, :3] @ clouds.y + matrix[:3, 3:]
            step, spread = self._drift(clouds, moved, sigma)
            change = abs(max(spread, _LEAST * clouds.spacing) / sigma - 1.0)
            if change > _SETTLED:
                memory.forget()
            step = memory.step(step * unit)
            sigma = max(spread, _LEAST * clouds.spacing)
            length = float(np.linalg.norm(step))
            matrix = motion.small(step / unit) @ matrix
            found = replace(start, matrix=matrix_of(matrix @ np.asarray(start.matrix)))
            history.append({
                "iteration": iteration, "shift_x": found.shift_x, "shift_y": found.shift_y,
                "shift_z": found.shift_z, "step": length, "sigma": sigma,
            })  # fmt: skip
            if progress is not None:
                progress(iteration, self.max_iterations)
            if change <= _SETTLED and length < self.tolerance * pair.pixel:
                break
        if self.refine:
            closest = Icp(motion=self.motion, trim=self.trim, slope_range=self.slope_range)
            last = closest.fit_pair(pair, initial=found)
            lines = ({**i, "iteration": i["iteration"] + len(history)} for i in last.iterations)
            return replace(
                last, method=self.name, iterations=(*history, *lines), parameters=asdict(self)
            )
        found = replace(
            found, iterations=tuple(history), parameters=asdict(self),
            converged=length < self.tolerance * pair.pixel,
        )  # fmt: skip
        dh = pair.dh(found)
        found = self._measured(found, pair.dh(pair.start(self.name)), dh)
        # What points that lie elsewhere say of a surface has no simple law: there is no covariance. But the two DEMs
        # must have relief in common.
        self._rise(sloped, found, self._kept(sloped, found.centroid, dh))
        return replace(found, warnings=self._doubts(sloped, found))

    def _drift(self, clouds: _Clouds, moved: Float, sigma: float) -> tuple[Float, float]:
        """Return the motion (7,) that brings a cloud to the points that belong to it, and sigma as it was before."""
        belonging = _belonging(clouds, moved, sigma, self.outliers)
        some = belonging.weight > 0.0
        weight = belonging.weight[some]
        if weight.size < self.least_samples:
            msg = (
                f"the clouds have lost each other: {weight.size} points have one of the other cloud within "
                f"{_REACH * sigma:.3g} m, {self.least_samples} are needed; take more samples, another start, or icp"
            )
            raise FitError(msg)
        points = belonging.points[:, some] / weight
        step = superpose(moments(moved[:, some], points, weight), motion=self.motion)
        return step, float(np.sqrt(belonging.square / (3.0 * weight.sum())))


class _Clouds(NamedTuple):
    """Points about the centroid."""

    x: Float
    """(3, n) of the reference."""
    counts: Float
    """(n,) how much each of them counts."""
    y: Float
    """(3, m) of the moving DEM, where it has been moved to so far."""
    spacing: float
    """Between neighbours of a cloud [m]."""

    @classmethod
    def of(cls, pair: Pair, start: Alignment) -> _Clouds:
        """Sample both DEMs, each in its own places."""
        cells, about = pair.cells, np.reshape(start.centroid, (3, 1))
        area = float(np.ptp(cells.x) * np.ptp(cells.y))
        spacing = float(np.sqrt(area / cells.x.size))
        u, v = np.outer(_EVENLY, np.arange(cells.x.size)) % 1.0 - 0.5
        places = cells._replace(
            x=(cells.x.min() + cells.x.max()) / 2.0 + u * np.ptp(cells.x),
            y=(cells.y.min() + cells.y.max()) / 2.0 + v * np.ptp(cells.y),
        )
        # One part: places lie anywhere.
        parts = ((pair.parts[0][0], slice(0, u.size)),)
        height = replace(pair, cells=places, parts=parts).heights(start)[0]
        known = np.isfinite(height)
        y = np.stack([places.x, places.y, height])[:, known] - about
        x = np.stack(cells[:3]) - about
        require_samples(height, RigidMethod.least_samples)
        edge = _EDGE * spacing
        low, high = y[:2].min(axis=1) + edge, y[:2].max(axis=1) - edge
        low, high = low[:, np.newaxis], high[:, np.newaxis]
        within = ((x[:2] - low > 0.0) & (high - x[:2] > 0.0)).all(axis=0)
        require_samples(np.where(within, 0.0, np.nan), RigidMethod.least_samples)
        return cls(x[:, within], cells.weight[within], y, spacing)


class _Belonging(NamedTuple):
    """What of one cloud belongs to the points of another."""

    weight: Float
    """(m,) sum of c P over n, where c is how much a point of the other cloud counts."""
    points: Float
    """(3, m) sum of c P x."""
    square: float
    """Sum of c P times the square of the distance [m^2]."""


def _belonging(  # noqa: PLR0917 (two clouds and how they belong)
    clouds: _Clouds, moved: Float, sigma: float, outliers: float
) -> _Belonging:
    from scipy.spatial import cKDTree

    x = clouds.x
    tree, count = cKDTree(moved.T), moved.shape[1]
    nowhere = (2.0 * np.pi * sigma**2) ** 1.5 * outliers / (1.0 - outliers) * count / x.shape[1]
    weight, points, square = np.zeros(count), np.zeros((3, count)), 0.0
    neighbours = min(_NEIGHBOURS, count)
    for first in range(0, x.shape[1], _BLOCK):
        part = x[:, first : first + _BLOCK]
        found = tree.query(part.T, k=neighbours, distance_upper_bound=_REACH * sigma)
        distance, index = (np.asarray(v) for v in found)
        row, k = np.nonzero(np.isfinite(distance))
        off, index = distance[row, k], index[row, k]
        share = np.exp(-0.5 * (off / sigma) ** 2)
        share /= (np.bincount(row, share, part.shape[1]) + nowhere)[row]
        share *= clouds.counts[first:][row]
        weight += np.bincount(index, share, count)
        points += [np.bincount(index, share * values[row], count) for values in part]
        square += float(share @ off**2)
    return _Belonging(weight, points, square)
