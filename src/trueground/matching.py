"""Offsets between two images of the same ground, by phase correlation of patches."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from trueground.errors import InputError

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]

_LEAST_PATCH = 16  # px
_LEAST_CONTRAST = 1e-9  # of the mean brightness
_CUT = 0.25  # cycles per px: higher frequencies alias, and are what resampling spoils
_FINER = 8  # steps in a pixel of the upsampled correlation, from which Newton's method starts
_SETTLED = 1e-4  # px; the next round would change a hundredth of it
_ROUNDS = 12
_SOFT = 2.0  # px, over which the edge of what is known fades
_LEAST_VALID = 0.5  # share of a patch


class Match(NamedTuple):
    """How one patch lies in another image."""

    d_row: float
    """Rows [px] by which what the first shows lies further down in the second; NaN: no match."""
    d_col: float
    quality: float
    """Height of the phase correlation's peak, from 0 to 1 (identical)."""
    coherence: float
    """The same with frequencies weighted by their strength, below a quarter of a cycle per pixel."""
    correlation: float
    """Coefficient of correlation of both patches after the displacement, -1 to 1."""
    ratio: float
    """Height of the peak that was found first over that of the next one elsewhere; 1: chance."""


class PatchOffsets(NamedTuple):
    """How the second image is displaced against the first, patch by patch."""

    row: Float
    """Row of the patch's centre [px]."""
    col: Float
    d_row: Float
    """Rows [px] by which what the first shows lies further down in the second; NaN: no match."""
    d_col: Float
    quality: Float
    """Height of the correlation's peak, from 0 to 1 (identical)."""


NO_MATCH = Match(np.nan, np.nan, 0.0, 0.0, 0.0, 1.0)


def patch_offsets(
    first: NDArray[np.floating], second: NDArray[np.floating], *, size: int = 64
) -> PatchOffsets:
    """Measure the displacement of square patches, to some thousandths of a pixel.

    See `match_patch`. A displacement of more than a quarter of the patch is no match.

    Parameters
    ----------
    first, second
        (rows, cols) images on one grid; patches with NaN are skipped.
    size
        Edge of a patch [px]; patches overlap by half.

    Examples
    --------
    >>> image = np.random.default_rng(0).normal(size=(64, 64))
    >>> found = patch_offsets(image, np.roll(image, 2, axis=0), size=32)
    >>> bool(np.all(np.abs(found.d_row - 2.0) < 0.01))
    True
    """
    if first.shape != second.shape or first.ndim != 2:
        msg = (
            f"images of {first.shape} and {second.shape}: must be two of the same rows and columns"
        )
        raise InputError(msg)
    if size < _LEAST_PATCH or size % 2:
        msg = f"patches of {size} px: must be even and at least {_LEAST_PATCH}"
        raise InputError(msg)
    margin = size // 4
    wide = np.pad(second.astype(np.float64), margin, constant_values=np.nan)
    found = []
    for i in range(0, first.shape[0] - size + 1, size // 2):
        for j in range(0, first.shape[1] - size + 1, size // 2):
            one, two = first[i : i + size, j : j + size], second[i : i + size, j : j + size]
            if np.isfinite(one).all() and np.isfinite(two).all():
                around = wide[i : i + size + 2 * margin, j : j + size + 2 * margin]
                match = match_patch(one.astype(np.float64), around)
                found.append((i + size / 2, j + size / 2, *match[:3]))
    return PatchOffsets(*np.array(found, dtype=np.float64).reshape(-1, 5).T)


def match_patch(one: Float, around: Float) -> Match:
    r"""Find a patch in another image, by the phase of their cross-power spectrum.

    The whole pixels come from the highest peak of the correlation, whose patch of the second image is cut anew until it
    shows the same ground. The rest, `d`, is where the frequencies `f` below a quarter of a cycle add up best:

    .. math:: \max_d \; \sum_f \sqrt{|C_f|}\, \cos(\arg C_f + 2 \pi f \cdot d), \qquad C = B \bar A

    first on an upsampled grid by a discrete Fourier transform of its own (Guizar-Sicairos et al.), then by Newton's
    method. The taper follows: the patch of the second image is tapered by `w(x - d)`. A taper that stands still is
    something that both images show at no displacement, which draws `d` by 1 % towards zero.

    Parameters
    ----------
    one
        (size, size) patch of the first image; NaN where there is no data.
    around
        (size + 2 m, size + 2 m) of the second image with the same centre; the patch is looked for up to `m` away.

    References
    ----------
    Guizar-Sicairos, Thurman, Fienup (2008), Opt. Lett. 33, 156-158, doi:10.1364/OL.33.000156;
    Leprince et al. (2007), IEEE Trans. Geosci. Remote Sens. 45, 1529-1558, doi:10.1109/TGRS.2006.888937;
    Hoge (2003), IEEE Trans. Med. Imaging 22, 299-302, doi:10.1109/TMI.2002.808359.
    """
    size = one.shape[0]
    margin = (around.shape[0] - size) // 2
    first = _spectrum(one, _taper(size, 0.0, 0.0)) if np.isfinite(one).all() else None
    whole, rest, ratio = (0, 0), (0.0, 0.0), 1.0
    settled, figures = False, (0.0, 0.0, 0.0)
    for round_ in range(_ROUNDS):
        top, left = margin + whole[0], margin + whole[1]
        spectra = _spectra(one, around[top : top + size, left : left + size], rest, whole=first)
        if spectra is None:
            return NO_MATCH
        low = _low(spectra)
        if not settled:
            step, here = _peak(low, size)
            ratio = here if round_ == 0 else ratio
            settled = step == (0, 0) or round_ > _ROUNDS // 2
            if not settled:
                whole = whole[0] + step[0], whole[1] + step[1]
                if max(map(abs, whole)) > margin:
                    return NO_MATCH
                continue
            rest = _upsampled(low)
        before, rest = rest, _newton(low, rest)
        if max(map(abs, rest)) > 1.0:  # what looked like the peak was a slope
            return NO_MATCH
        if (
            max(abs(rest[0] - before[0]), abs(rest[1] - before[1])) < _SETTLED
            or round_ == _ROUNDS - 1
        ):
            figures = _figures(spectra, low, rest)
            break
    return Match(whole[0] + rest[0], whole[1] + rest[1], *figures, ratio)


def _spectra(
    one: Float, two: Float, rest: tuple[float, float], *, whole: Complex | None
) -> tuple[Complex, Complex] | None:
    """Return the spectra of two patches, tapered and without mean; None where there is nothing to match.

    `whole` is that of the first where all of it is known.
    """
    size = one.shape[0]
    windows = [_taper(size, 0.0, 0.0), _taper(size, *rest)]
    valid = np.isfinite(two)
    if whole is not None and valid.all():
        second = _spectrum(two, windows[1])
        return None if second is None else (whole, second)
    valid &= np.isfinite(one)
    if float(valid.mean()) < _LEAST_VALID:
        return None
    soft = ndimage.gaussian_filter(valid.astype(np.float64), _SOFT, mode="nearest")
    soft = np.clip(2.0 * soft - 1.0, 0.0, 1.0) * valid
    known = (np.where(valid, patch, 0.0) for patch in (one, two))
    a, b = (_spectrum(patch, w * soft) for patch, w in zip(known, windows, strict=True))
    return None if a is None or b is None else (a, b)


def _spectrum(patch: Float, window: Float) -> Complex | None:
    """Return the spectrum of a patch, tapered by a window and without mean; None of a flat one."""
    mean = float((patch * window).sum() / window.sum())
    tapered = (patch - mean) * window
    if not np.sqrt(np.square(tapered).mean()) > _LEAST_CONTRAST * max(abs(mean), 1e-300):
        return None
    return np.asarray(fft.rfft2(tapered, overwrite_x=True))


@functools.lru_cache(maxsize=8)
def _taper(size: int, row: float, col: float) -> Float:
    """Return a Hann window around the middle, moved; two pixels narrower than the patch, to have room."""
    middle = (size - 1) / 2.0
    at = [(np.arange(size) - middle - move) / (size - 2.0) for move in (row, col)]
    one, two = (np.where(np.abs(t) < 0.5, np.cos(np.pi * t) ** 2, 0.0) for t in at)
    return np.outer(one, two)


class _Low(NamedTuple):
    """The low frequencies of a cross-power spectrum that are not negative along rows; the others say the same."""

    f_row: Float
    """(n,) [cycles per px]"""
    f_col: Float
    """(m,) [cycles per px]"""
    phase: Complex
    """(n, m), of length one."""
    weight: Float
    """(n, m): what each counts; both of a pair together, so that they add up to one."""


def _low(spectra: tuple[Complex, Complex]) -> _Low:
    """Return the frequencies that tell how two patches lie."""
    size = spectra[0].shape[0]
    f_row, f_col = _frequencies(size)
    rows, cols = np.flatnonzero(np.abs(f_row) < _CUT), int((f_col < _CUT).sum())
    a, b = (spectrum[rows, :cols] for spectrum in spectra)
    f_row, f_col = f_row[rows], f_col[:cols]
    cross = b * np.conj(a)
    strength = np.abs(cross)
    phase = cross / np.maximum(strength, 1e-300)
    f2 = f_row[:, np.newaxis] ** 2 + f_col**2
    weight = np.sqrt(strength) * ((f2 < _CUT**2) & (f2 > 0.0))
    weight[:, 1:] *= 2.0
    return _Low(f_row, f_col, phase, weight / max(float(weight.sum()), 1e-300))


def _peak(low: _Low, size: int) -> tuple[tuple[int, int], float]:
    """Return the highest peak of the correlation [px], and how much higher it is than any other."""
    half = np.zeros((size, size // 2 + 1), dtype=np.complex128)
    rows = np.rint(low.f_row * size).astype(int)
    half[rows, : low.f_col.size] = low.phase * low.weight
    half[:, 0] *= 2.0
    surface = fft.irfft2(half, s=(size, size), overwrite_x=True)
    row, col = (int(p) for p in np.unravel_index(int(np.argmax(surface)), surface.shape))
    own = max(size // 16, 3)  # px around the peak that are its own
    highest = float(surface[row, col])
    near = [(np.arange(-own, own + 1) + p) % size for p in (row, col)]
    surface[np.ix_(*near)] = -np.inf
    step = row - size if row > size // 2 else row, col - size if col > size // 2 else col
    return step, highest / max(float(surface.max()), 1e-300)


def _upsampled(low: _Low) -> tuple[float, float]:
    """Return the highest place within a pixel of a correlation upsampled there, by a transform of matrices."""
    at = np.arange(-_FINER, _FINER + 1) / _FINER
    along_rows, along_cols = (np.exp(2j * np.pi * np.outer(at, f)) for f in (low.f_row, low.f_col))
    # Not by BLAS: its threads wait for each other, and took ten times as long where patches are matched in threads.
    at_rows = np.einsum("if,fg->ig", along_rows, low.phase * low.weight)
    surface = np.einsum("ig,jg->ij", at_rows, along_cols).real
    row, col = np.unravel_index(int(np.argmax(surface)), surface.shape)
    return float(at[row]), float(at[col])


def _newton(low: _Low, start: tuple[float, float]) -> tuple[float, float]:
    """Climb from a place to the top of the weighted correlation."""
    fr, fc = 2.0 * np.pi * low.f_row, 2.0 * np.pi * low.f_col
    angle = np.angle(low.phase)
    d = np.array(start)
    for _ in range(_ROUNDS):
        residual = angle + (d[0] * fr)[:, np.newaxis] + d[1] * fc
        slope, bend = low.weight * np.sin(residual), low.weight * np.cos(residual)
        of_row, of_col = bend.sum(axis=1), bend.sum(axis=0)
        gradient = -np.array([(fr * slope.sum(axis=1)).sum(), (fc * slope.sum(axis=0)).sum()])
        both = float((fr * (bend * fc).sum(axis=1)).sum())
        curvature = np.array([[(fr**2 * of_row).sum(), both], [both, (fc**2 * of_col).sum()]])
        if not np.linalg.det(curvature) > 0.0 or curvature[0, 0] <= 0.0:
            break
        step = np.linalg.solve(curvature, gradient)
        d = d + step
        if np.abs(step).max() < 0.1 * _SETTLED or np.abs(d).max() > 2.0:
            break
    return float(d[0]), float(d[1])


def _figures(
    spectra: tuple[Complex, Complex], low: _Low, rest: tuple[float, float]
) -> tuple[float, float, float]:
    """Return the height of the phase correlation, weighted too, and the correlation, at a displacement."""
    a, b = spectra
    size = a.shape[0]
    pairs = np.full(a.shape[1], 2.0)  # all but the first and the last column stand for two
    pairs[0] = pairs[-1] = 1.0

    def total(of: Float) -> float:
        return float(of.sum(axis=0) @ pairs)

    turn = [np.exp(2j * np.pi * f * d) for f, d in zip(_frequencies(size), rest, strict=True)]
    turned = b * np.conj(a) * turn[0][:, np.newaxis] * turn[1]
    turned_low = low.phase * np.exp(2j * np.pi * low.f_row * rest[0])[:, np.newaxis]
    turned_low *= np.exp(2j * np.pi * low.f_col * rest[1])
    strength = np.sqrt(total(np.abs(a) ** 2) * total(np.abs(b) ** 2))
    return (
        total((turned / np.maximum(np.abs(turned), 1e-300)).real) / size**2,
        float((turned_low.real * low.weight).sum()),
        total(turned.real) / float(strength),
    )


def _frequencies(size: int) -> tuple[Float, Float]:
    """Return the frequencies of a real patch's spectrum along columns and along rows [cycles per px]."""
    return np.arange(size) / size - (np.arange(size) >= size / 2), np.arange(size // 2 + 1) / size
