"""Refine an RPC by ground control: a correction in the image, robustly estimated and folded into the RPC."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.errors import FitError, InputError
from trueground.file_raster import is_local
from trueground.raster import open_raster
from trueground.rpc.correction import MODELS, Model, choose, estimate, fewest, terms
from trueground.rpc.gcps import Gcps
from trueground.rpc.located import HALF_PIXEL
from trueground.rpc.model import Coefficients, Rpc
from trueground.rpc.readers import crop_offset, is_rpc_file
from trueground.rpc.terms import cubic_terms

Float = NDArray[np.float64]

_NODES = np.linspace(-1.0, 1.0, 12)  # normalised, at which folded cross terms are fitted
_BETWEEN = np.linspace(-1.0, 1.0, 17)  # at which their error is looked for


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Refinement:
    """A refined RPC, what was changed, and how well it is known."""

    rpc: Rpc
    """The refined RPC, in the same pixels as the one before."""
    before: Rpc
    """The RPC that was refined."""
    gcps: Gcps
    """The points, as given."""
    model: Model
    """Given or chosen."""
    coefficients: Float
    """(2, 3) [px]: correction of row and column by 1, normalised line, normalised sample."""
    covariance: Float
    """(6, 6) [px^2] of the coefficients, row by row; NaN where nothing tells (no redundancy)."""
    sigma: float
    """Standard deviation of a point's row and of its column [px], given or from the residuals."""
    raw: Float
    """(2, n) [px]: row and column of the points, observed less projected by the RPC before."""
    residuals: Float
    """(2, n) [px]: observed less projected by the refined RPC."""
    weights: Float
    """(n,) from 0 to 1: Huber's weight of each point; 0: rejected as a blunder."""
    left_out: dict[Model, float]
    """RMS [px] of each model on points that it was not fitted to; models that too few points allow are missing."""
    fold_error: float
    """Largest distance [px] of the refined RPC from the RPC before plus the correction, over its domain."""

    @property
    def blunders(self) -> NDArray[np.bool_]:
        """(n,): points that were rejected."""
        return np.asarray(self.weights == 0.0)

    @property
    def rms_before(self) -> float:
        """RMS distance [px] of the points that were kept, by the RPC before."""
        return _rms(self.raw[:, ~self.blunders])

    @property
    def rms_after(self) -> float:
        """RMS distance [px] of the points that were kept, by the refined RPC."""
        return _rms(self.residuals[:, ~self.blunders])

    def correction(self, row: ArrayLike, col: ArrayLike) -> tuple[Float, Float]:
        """Return what is added to positions that the RPC before gives [px]."""
        moved = self._terms(row, col) @ self.coefficients.T
        return moved[..., 0], moved[..., 1]

    def sigma_at(self, row: ArrayLike, col: ArrayLike) -> tuple[Float, Float]:
        """Return the standard deviation of the refined RPC's row and column at positions in the image [px].

        It holds for the correction: noise of ground control, not what no correction of this model can mend.
        """
        at = self._terms(row, col)
        parts = self.covariance[:3, :3], self.covariance[3:, 3:]
        of_row, of_col = (np.sqrt(np.einsum("...i,ij,...j", at, part, at)) for part in parts)
        return of_row, of_col

    def _terms(self, row: ArrayLike, col: ArrayLike) -> Float:
        line, samp = normalised(self.before, row, col)
        return terms(line, samp)

    def table(self) -> dict[str, Float]:
        """Return the points with their errors before and after, column by column."""
        g = self.gcps
        columns = {"row": g.row, "col": g.col, "lon": g.lon, "lat": g.lat, "height": g.height}
        columns |= {"row_before": self.raw[0], "col_before": self.raw[1]}
        columns |= {"row_after": self.residuals[0], "col_after": self.residuals[1]}
        return columns | {"weight": self.weights}

    def to_csv(self) -> str:
        """Return the table as CSV, with the names of the points; errors are observed less projected [px]."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        table = self.table()
        writer.writerow(["name", *table])
        for label, *values in zip(
            self.gcps.label, *(v.tolist() for v in table.values()), strict=True
        ):
            writer.writerow([label, *map(repr, values)])
        return out.getvalue()

    def summary(self) -> str:
        """Say in a few lines what was corrected and how well it is known."""
        kept = ~self.blunders
        rejected = [label for label, good in zip(self.gcps.label, kept, strict=True) if not good]
        (a0, a1, a2), (b0, b1, b2) = self.coefficients.tolist()
        middle = float(np.hypot(*self.sigma_at(*_corner(self.before, 0.0, 0.0))))
        corners = [_corner(self.before, i, j) for i in (-1.0, 1.0) for j in (-1.0, 1.0)]
        worst = max(float(np.hypot(*self.sigma_at(*at))) for at in corners)
        tried = ", ".join(f"{name} {error:.3f}" for name, error in self.left_out.items())
        distinct = len(_distinct(self.gcps)[0])
        repeated = f" ({distinct} of all are distinct)" if distinct < len(self.gcps) else ""
        lines = [
            f"model {self.model}; RMS of points left out [px]: {tried or 'too few points'}",
            f"row {a0:+.3f} {a1:+.3f} line {a2:+.3f} sample px, "
            f"col {b0:+.3f} {b1:+.3f} line {b2:+.3f} sample px (line, sample: -1 to 1)",
            f"RMS of {_counted(int(kept.sum()), 'point')}{repeated}: "
            f"{self.rms_before:.3f} px before, {self.rms_after:.3f} px after",
            f"{_counted(len(rejected), 'blunder')}{': ' if rejected else ''}{', '.join(rejected)}",
        ]
        if np.isfinite(middle):
            lines.append(f"accuracy: {middle:.3f} px in the middle, {worst:.3f} px in the corners")
        else:
            lines.append(
                "accuracy: unknown, since no more points than needed agree at different places"
            )
        if self.model == "affine":
            lines.append(f"error of folding it into the RPC: {self.fold_error:.1e} px at most")
        return "\n".join(lines)


def refine(
    rpc: Rpc, gcps: Gcps, *, model: Model | None = None, sigma_px: float | None = None
) -> Refinement:
    r"""Correct an RPC so that it sees ground control points where they were observed.

    With `l`, `s` the normalised line and sample that the RPC gives:

    .. math::
        \Delta row = a_0 + a_1 l + a_2 s, \qquad \Delta col = b_0 + b_1 l + b_2 s

    ========  ==================  ======  ==========================================================
    model     free                points  folds into the RPC
    ========  ==================  ======  ==========================================================
    shift     a0, b0              1       exactly: offsets
    drift     a0, a1, b0, b2      2       exactly: offsets and scales
    affine    all                 3       numerators are refitted; `fold_error` says how well
    ========  ==================  ======  ==========================================================

    The estimate starts from the subset of points that brings half of all points nearest (so that up to 40 % of blunders
    of any size do no harm), rejects what cannot be noise, and weights the rest by Huber's function.

    Parameters
    ----------
    rpc
        In the pixels that the points were measured in.
    gcps
        The points.
    model
        None: the richest that predicts points left out better than a simpler one, by more than the standard error.
    sigma_px
        Standard deviation with which a point's row and column are known. Default: from the residuals; a model that the
        points just determine then has no accuracy (NaN). A point that is given twice counts once, and places count,
        not measurements: what the points of one place have in common nothing tells.

    Returns
    -------
    Refinement

    Raises
    ------
    InputError
        Where a point cannot be projected, or the model is unknown.
    FitError
        Where the points are too few for the model, or lie in a line.

    References
    ----------
    Fraser, Hanley: Bias compensation in rational functions for Ikonos satellite imagery. PE&RS 69(1), 2003,
    doi:10.14358/PERS.69.1.53.
    Fraser, Hanley: Bias-compensated RPCs for sensor orientation of high-resolution satellite imagery. PE&RS 71(8),
    2005, doi:10.14358/PERS.71.8.909.
    Grodecki, Dial: Block adjustment of high-resolution satellite images described by rational polynomials. PE&RS 69(1),
    2003, doi:10.14358/PERS.69.1.59.
    Huber: Robust estimation of a location parameter. Ann. Math. Statist. 35(1), 1964, doi:10.1214/aoms/1177703732.

    Examples
    --------
    >>> from trueground.samples import small_rpc
    >>> rpc = small_rpc()
    >>> import numpy as np
    >>> from trueground import refine
    >>> from trueground.rpc.gcps import Gcps
    >>> lon, lat, height = np.mgrid[9.896:9.904:5j, 46.396:46.404:5j, 500:1500:5j].reshape(3, -1)
    >>> row, col = rpc.project(lon, lat, height)
    >>> points = Gcps(row=row + 6.0, col=col - 4.0, lon=lon, lat=lat, height=height)
    >>> found = refine(rpc, points)
    >>> found.model, round(found.rms_before, 2), round(found.rms_after, 2)
    ('shift', 7.21, 0.0)
    """
    if model is not None and model not in MODELS:
        msg = f"model {model!r} is not known; use {', '.join(MODELS)} or None, which chooses"
        raise InputError(msg)
    if sigma_px is not None and not 0.0 < sigma_px < np.inf:
        msg = f"sigma_px is {sigma_px}: must be a number of pixels above zero"
        raise InputError(msg)
    needed = fewest(model or "shift")
    distinct, which = _distinct(gcps)
    if distinct.size < needed:
        number = f"{distinct.size} distinct of " if distinct.size < len(gcps) else ""
        points = f"{number}{_counted(len(gcps), 'ground control point')}"
        msg = f"{points}: the model {model or 'shift'!r} needs at least {needed}"
        raise FitError(msg)
    row, col = rpc.project(gcps.lon, gcps.lat, gcps.height)
    lost = np.flatnonzero(~np.isfinite(row))
    if lost.size:
        msg = f"ground control point {gcps.label[lost[0]]} cannot be projected by the RPC; leave it out"
        raise InputError(msg)
    design = terms(*normalised(rpc, row, col))
    raw = np.stack([gcps.row - row, gcps.col - col])
    chosen, left_out = choose(design[distinct], raw[:, distinct])
    used = model or chosen
    found = estimate(used, design[distinct], raw[:, distinct], sigma_px=sigma_px)
    sigma, covariance = found.sigma, found.covariance
    if sigma_px is None and _places(gcps, distinct[found.weights > 0.0]) <= fewest(used):
        sigma, covariance = np.nan, np.full_like(covariance, np.nan)
    refined, fold_error = folded(rpc, found.coefficients)
    row, col = refined.project(gcps.lon, gcps.lat, gcps.height)
    words = [rpc.origin] if rpc.origin else []
    return Refinement(
        rpc=replace(refined, origin="; ".join([*words, f"refined by {len(gcps)} points ({used})"])),
        before=rpc,
        gcps=gcps,
        model=used,
        coefficients=found.coefficients,
        covariance=covariance,
        sigma=sigma,
        raw=raw,
        residuals=np.stack([gcps.row - row, gcps.col - col]),
        weights=found.weights[which],
        left_out=left_out,
        fold_error=fold_error,
    )


def _distinct(gcps: Gcps) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which points are not given before, and for each point which of those it is."""
    table = np.stack([gcps.row, gcps.col, gcps.lon, gcps.lat, gcps.height], axis=1)
    _, first, group = np.unique(table, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    return first[order], rank[group.reshape(-1)]


def _places(gcps: Gcps, chosen: NDArray[np.intp]) -> int:
    """Return at how many different places some points lie, on the ground and in the image."""
    ground = np.stack([gcps.lon, gcps.lat, gcps.height], axis=1)[chosen]
    image = np.stack([gcps.row, gcps.col], axis=1)[chosen]
    return min(len(np.unique(ground, axis=0)), len(np.unique(image, axis=0)))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def normalised(rpc: Rpc, row: ArrayLike, col: ArrayLike) -> tuple[Float, Float]:
    """Return line and sample in the units of the RPC's polynomials."""
    line = (np.asarray(row, dtype=np.float64) - HALF_PIXEL - rpc.line_off) / rpc.line_scale
    samp = (np.asarray(col, dtype=np.float64) - HALF_PIXEL - rpc.samp_off) / rpc.samp_scale
    line, samp = np.broadcast_arrays(line, samp)
    return line, samp


def folded(rpc: Rpc, coefficients: Float) -> tuple[Rpc, float]:
    """Return the RPC with a correction in it, and the largest error [px] that this makes over the RPC's domain.

    `off + scale l + a0 + a1 l` is a change of offset and scale. A cross term `a2 s` would need the product of both
    denominators: the numerator gets `a2 T` instead, `T` the cubic nearest to `s D`, with `D` the axis' own denominator.
    `T` is the other axis' numerator where both denominators are equal; then affine corrections fold exactly, too.
    """
    (a0, a1, a2), (b0, b1, b2) = coefficients.tolist()
    line_scale, samp_scale = rpc.line_scale + a1, rpc.samp_scale + b2
    if line_scale * rpc.line_scale <= 0.0 or samp_scale * rpc.samp_scale <= 0.0:
        msg = f"a drift of {a1:.4g}, {b2:.4g} px is larger than the image; check rows and columns of the points"
        raise FitError(msg)
    line_num, of_line = _with_cross_term(rpc, "line", a2 / line_scale)
    samp_num, of_samp = _with_cross_term(rpc, "samp", b1 / samp_scale)
    refined = replace(
        rpc,
        line_off=rpc.line_off + a0,
        samp_off=rpc.samp_off + b0,
        line_scale=line_scale,
        samp_scale=samp_scale,
        line_num=line_num,
        samp_num=samp_num,
        direct=None,  # it maps the old pixels
    )
    return refined, float(np.hypot(of_line * line_scale, of_samp * samp_scale))


def _with_cross_term(rpc: Rpc, axis: str, factor: float) -> tuple[Coefficients, float]:
    """Return the numerator of an axis plus `factor` times the other axis, and the largest error, normalised."""
    other = "samp" if axis == "line" else "line"
    own = np.array(getattr(rpc, f"{axis}_num"))
    if factor == 0.0:
        return tuple(own.tolist()), 0.0
    if rpc.line_den == rpc.samp_den:
        return tuple((own + factor * np.array(getattr(rpc, f"{other}_num"))).tolist()), 0.0

    def at(nodes: Float) -> tuple[Float, Float, Float]:
        grid = np.meshgrid(nodes, nodes, nodes, indexing="ij")
        design = cubic_terms(*(a.ravel() for a in grid))
        value = (design @ getattr(rpc, f"{other}_num")) / (design @ getattr(rpc, f"{other}_den"))
        return design, design @ np.array(getattr(rpc, f"{axis}_den")), value

    design, denominator, value = at(_NODES)
    cross = np.linalg.lstsq(design / denominator[:, np.newaxis], value, rcond=None)[0]
    design, denominator, value = at(_BETWEEN)
    error = float(np.abs(factor * ((design @ cross) / denominator - value)).max())
    if not np.isfinite(error):
        msg = "a denominator of the RPC vanishes in its domain, so no affine correction folds into it; take drift"
        raise FitError(msg)
    return tuple((own + factor * cross).tolist()), error


def for_file(image: str, output: str | os.PathLike[str], *, keep: bool) -> tuple[float, float]:
    """Return the row and column of the scene from which an RPC file counts that is written for an image.

    (0, 0) where GDAL will find the file beside the image, since it takes it for the image's own pixels; the offset of
    the crop elsewhere, since a file given as the RPC counts the pixels of the scene.

    Parameters
    ----------
    image
        The image, or a file that holds an RPC alone.
    output
        The RPC file.
    keep
        Raise where the output would replace a file that GDAL finds beside the image: the RPC may come from it.
    """
    if is_rpc_file(image):
        return 0.0, 0.0
    place = Path(output)
    stem = Path(image).stem
    beside = is_local(image) and place.absolute().parent == Path(image).absolute().parent
    if beside and place.name.lower() in (f"{stem}.rpb".lower(), f"{stem}_rpc.txt".lower()):
        if keep and place.exists():
            msg = f"{place} holds an RPC of the image already; move it away and give it with --rpc, or write elsewhere"
            raise InputError(msg)
        return 0.0, 0.0
    return crop_offset(open_raster(image))


def _corner(rpc: Rpc, line: float, samp: float) -> tuple[float, float]:
    """Return row and column of normalised line and sample."""
    row = rpc.line_off + rpc.line_scale * line + HALF_PIXEL
    return row, rpc.samp_off + rpc.samp_scale * samp + HALF_PIXEL


def _rms(residuals: Float) -> float:
    return float(np.sqrt(np.mean(np.sum(residuals**2, axis=0))))
