"""Patches of a reference found in an orthoimage, in both directions and in several sizes, and what chance finds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueground.matching import Match, match_patch

Float = NDArray[np.float64]

USED = "used"
NO_TEXTURE = "too little texture"
NO_DATA = "no data"
NO_PEAK = "no peak"
CHANCE = "peak not above chance"
AMBIGUOUS = "two peaks nearly as high"
ONE_WAY = "directions disagree"
SIZES = "patch sizes disagree"
UNLIKE = "little correlation"
OUTVOTED = "disagrees with the others"

_LEAST_KNOWN = 0.5  # share of a patch
_SAME_SIZES = 2.0  # px, that two sizes of one patch may be apart
_SAME_WAYS = (1.5, 0.5)  # px, that both directions may be apart: of the largest and of other sizes
_LEAST_RATIO = 1.3  # of the highest peak over the next
_LEAST_CORRELATION = 0.3
_ABOVE = (
    3.0  # standard deviations of what chance finds, that the largest size has to be above its mean
)
_ABOVE_AGAIN = 1.0  # and smaller ones, which agree with it already
_FLOOR = 0.15  # of that limit
_FEWEST_CHANCES = 10  # of which a limit is made


class Trial(NamedTuple):
    """What was found at one place."""

    d_row: float
    """Rows [px] by which the image shows further down what the reference shows; NaN: not found."""
    d_col: float
    coherence: tuple[float, ...]
    """Of each size, largest first, see `matching.Match`."""
    correlation: float
    """Of the smallest size."""
    ratio: float
    """Of the largest size."""
    reason: str
    """Why there is no match; empty where there is one."""
    chance: tuple[tuple[float, ...], ...]
    """For each size: coherence with patches that show something else."""


def nothing(reason: str) -> Trial:
    """Return a trial that found nothing."""
    return Trial(math.nan, math.nan, (), 0.0, 1.0, reason, ())


def try_place(
    reference: Float, image: Float, steps: Sequence[tuple[int, int]], *, chance: bool
) -> Trial:
    """Match the middle of two square windows of the same ground.

    Each size starts where the one before ended. A patch of the reference is looked for in the image, and the patch of
    the image that was found in the reference; the result is the mean of both.

    Parameters
    ----------
    reference, image
        (n, n), NaN where there is no data.
    steps
        Size of the patch, and how far it is looked for [px], largest first.
    chance
        Match mirrored patches too: they have the same texture and brightness, and show another place.
    """
    row, col = 0.0, 0.0
    coherence: list[float] = []
    chances: list[tuple[float, ...]] = []
    ratio, match, reason = 1.0, None, ""
    for k, (size, margin) in enumerate(steps):
        at = round(row), round(col)
        one, around = _cut(reference, (0, 0), size), _cut(image, at, size + 2 * margin)
        if min(_known(one), _known(_cut(image, at, size))) < _LEAST_KNOWN:
            reason = reason or NO_DATA
            break
        if chance:
            others = [match_patch(other, around) for other in (one[::-1, ::-1], one[::-1])]
            chances.append(tuple(m.coherence for m in others if math.isfinite(m.d_row)))
        match = match_patch(one, around)
        if not math.isfinite(match.d_row):
            reason = NO_PEAK
            break
        found, apart = _both_ways(reference, image, match, step=(at, size, margin))
        coherence.append(match.coherence)
        ratio = match.ratio if k == 0 else ratio
        moved = math.hypot(found[0] - row, found[1] - col)
        row, col = found
        if not apart <= _SAME_WAYS[min(k, 1)]:
            reason = ONE_WAY
            break
        if k > 0 and moved > _SAME_SIZES:
            reason = SIZES
            break
    correlation = match.correlation if match else 0.0
    return Trial(row, col, tuple(coherence), correlation, ratio, reason, tuple(chances))


def _both_ways(
    reference: Float, image: Float, match: Match, *, step: tuple[tuple[int, int], int, int]
) -> tuple[tuple[float, float], float]:
    """Return the mean displacement of A on B and of B on A, and how far they are apart [px]."""
    at, size, margin = step
    row, col = at[0] + match.d_row, at[1] + match.d_col
    whole = round(row), round(col)
    back = match_patch(_cut(image, whole, size), _cut(reference, (0, 0), size + 2 * margin))
    rest = row - whole[0], col - whole[1]
    apart = math.hypot(rest[0] + back.d_row, rest[1] + back.d_col)
    if not math.isfinite(apart):
        return (row, col), math.inf
    return (
        whole[0] + (rest[0] - back.d_row) / 2.0,
        whole[1] + (rest[1] - back.d_col) / 2.0,
    ), apart


def limits_of(trials: Sequence[Trial], number: int) -> tuple[float, ...]:
    """Return the coherence that each of some sizes must have to be above chance."""
    out = []
    for k in range(number):
        found = np.array([c for t in trials for c in (t.chance[k] if len(t.chance) > k else ())])
        above = _ABOVE if k == 0 else _ABOVE_AGAIN
        enough = found.size >= _FEWEST_CHANCES
        limit = float(found.mean() + above * found.std()) if enough else 2.0 * _FLOOR
        out.append(max(limit, _FLOOR))
    return tuple(out)


def judged(trial: Trial, limits: Sequence[float]) -> str:
    """Return why a trial is refused; empty where it is not.

    Parameters
    ----------
    trial
        What was found.
    limits
        Coherence that chance may have, for each of its sizes.
    """
    weak = any(c < limit for c, limit in zip(trial.coherence, limits, strict=False))
    if weak:  # what else is wrong follows from it
        return CHANCE
    if trial.reason:
        return trial.reason
    if trial.ratio < _LEAST_RATIO:
        return AMBIGUOUS
    return UNLIKE if trial.correlation < _LEAST_CORRELATION else ""


def _cut(values: Float, offset: tuple[int, int], size: int) -> Float:
    """Return a square around the middle, moved; NaN beyond the edge."""
    n = values.shape[0]
    top, left = ((n - size) // 2 + o for o in offset)
    if min(top, left) >= 0 and max(top, left) + size <= n:
        return values[top : top + size, left : left + size]
    out = np.full((size, size), np.nan)
    rows, cols = (slice(max(o, 0), min(o + size, n)) for o in (top, left))
    part = values[rows, cols]
    if part.size:
        out[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left] = part
    return out


def _known(values: Float) -> float:
    return float(np.isfinite(values).mean())
