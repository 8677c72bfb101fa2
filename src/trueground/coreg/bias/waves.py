"""Waves in values along a line: how many, how long, how high."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trueground.coreg.bias.curves import Sines

Float = NDArray[np.float64]
_OVERSAMPLING = 8  # frequencies for each that fits into the line
_SHORTEST = 4.0  # nodes in a wave
_LONGEST = 1.5  # times the line
_APART = 0.5  # waves along the line by which two of them differ


def find_waves(u: Float, values: Float, weights: Float, *, most: int) -> Sines:
    r"""Find the sum of sines that values along a line hold.

    The highest peak of the periodogram of what is left begins a new wave, all waves are fitted together by non-linear
    least squares, and that goes on while the Bayesian information criterion :math:`n \ln (R / n) + k \ln n` falls, with
    the weighted sum of squares :math:`R` of what is left, and :math:`k` numbers for :math:`n` values.

    Parameters
    ----------
    u
        (n,) places at equal distances, rising.
    values
        (n,); NaN where nothing is known.
    weights
        (n,) 1 / variance, but for a factor; 0 where nothing is known.
    most
        Greatest number of waves.

    References
    ----------
    Schwarz (1978), Annals of Statistics 6, 461-464, doi:10.1214/aos/1176344136.
    """
    step = float(u[1] - u[0])
    length, middle = step * u.size, float(u.mean())
    known = weights > 0.0
    t, v, w = (u[known] - middle) / length, values[known], weights[known] / weights[known].mean()
    found = np.array([np.average(v, weights=w)])
    left = v - found[0]
    criterion = _criterion(left, w, found.size)
    while (found.size - 1) // 3 < most:
        whole = np.zeros(u.size)
        whole[known] = w * left
        frequency = _peak(whole)
        if frequency is None:
            break
        turn = 2.0 * np.pi * frequency * t
        part = 2.0 * np.average(left * np.exp(1j * turn), weights=w)
        start = np.append(found, [part.real, part.imag, frequency])
        trial = _refined(t, v, w, start, highest=u.size / _SHORTEST)
        if (np.diff(np.sort(trial[3::3])) < _APART).any():
            break  # two waves that are one
        rest = v - _sum(trial, t)
        better = _criterion(rest, w, trial.size)
        if not better < criterion:
            break
        found, left, criterion = trial, rest, better
    order = np.argsort(found[3::3])
    a, b, f = (found[k::3][order] for k in (1, 2, 3))
    f = f / length
    back = 2.0 * np.pi * f * middle  # phases count from u = 0
    return Sines(
        constant=float(found[0]), frequencies=tuple(f.tolist()),
        cosines=tuple((a * np.cos(back) - b * np.sin(back)).tolist()),
        sines=tuple((a * np.sin(back) + b * np.cos(back)).tolist()),
    )  # fmt: skip


def slopes(curve: Sines, u: Float) -> tuple[Float, Float]:
    """Return how the sum answers to each of its coefficients (n, k), and to u (n,)."""
    columns, along = [np.ones(u.size)], np.zeros(u.size)
    waves = zip(curve.frequencies, curve.cosines, curve.sines, strict=True)
    for f, a, b in waves:
        turn = 2.0 * np.pi * f * u
        cosine, sine = np.cos(turn), np.sin(turn)
        rise = 2.0 * np.pi * (b * cosine - a * sine)
        columns += [cosine, sine, rise * u]
        along += rise * f
    return np.column_stack(columns), along


def moved(curve: Sines, step: Float) -> Sines:
    """Return the sum with steps (k,) added to its coefficients."""
    whole = np.asarray(curve.coefficients) + step
    return Sines(
        constant=float(whole[0]), cosines=tuple(whole[1::3].tolist()),
        sines=tuple(whole[2::3].tolist()), frequencies=tuple(whole[3::3].tolist()),
    )  # fmt: skip


def _peak(weighted: Float) -> float | None:
    """Return the frequency of the highest peak of a periodogram, in waves along the whole line."""
    power = np.abs(np.fft.rfft(weighted, n=_OVERSAMPLING * weighted.size)) ** 2
    frequency = np.arange(power.size) / _OVERSAMPLING
    allowed = (frequency >= 1.0 / _LONGEST) & (frequency <= weighted.size / _SHORTEST)
    if not (power * allowed).max() > 0.0:
        return None
    return float(frequency[int(np.argmax(power * allowed))])


def _sum(parts: Float, t: Float) -> Float:
    """Return a constant and waves of (cosine, sine, frequency)."""
    out = np.full(t.size, parts[0])
    for a, b, f in parts[1:].reshape(-1, 3):
        out += a * np.cos(2.0 * np.pi * f * t) + b * np.sin(2.0 * np.pi * f * t)
    return out


def _refined(  # noqa: PLR0917
    t: Float, values: Float, weights: Float, start: Float, *, highest: float
) -> Float:
    """Fit the constant and all waves together."""
    from scipy.optimize import least_squares

    root = np.sqrt(weights)

    def left(parts: Float) -> Float:
        return np.asarray(root * (_sum(parts, t) - values))

    def slope(parts: Float) -> Float:
        return np.asarray(root[:, np.newaxis] * _jacobian(parts, t))

    low, high = np.full(start.size, -np.inf), np.full(start.size, np.inf)
    low[3::3], high[3::3] = 1.0 / _LONGEST, highest
    inside = np.clip(start, low, high)
    found = least_squares(left, inside, jac=slope, x_scale="jac", bounds=(low, high))
    return np.asarray(found.x)


def _jacobian(parts: Float, t: Float) -> Float:
    waves = parts[1:].reshape(-1, 3)
    curve = Sines(
        constant=float(parts[0]), cosines=tuple(waves[:, 0].tolist()),
        sines=tuple(waves[:, 1].tolist()), frequencies=tuple(waves[:, 2].tolist()),
    )  # fmt: skip
    return slopes(curve, t)[0]


def _criterion(left: Float, weights: Float, numbers: int) -> float:
    n = left.size
    squares = float(weights @ left**2)
    return n * float(np.log(max(squares / n, 1e-300))) + numbers * float(np.log(n))
