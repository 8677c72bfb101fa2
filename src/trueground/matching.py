"""Offsets between two images of the same ground, by phase correlation of patches."""

from __future__ import annotations

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
    whole, rest, ratio = (0, 0), (0.0, 0.0), 1.0
    settled, figures = False, (0.0, 0.0, 0.0)
    for round_ in range(_ROUNDS):
        top, left = margin + whole[0], margin + whole[1]
        spectra = _spectra(one, around[top : top + size, left : left + size], rest)
        if spectra is None:
            return NO_MATCH
        cross = spectra[1] * np.conj(spectra[0])
        weight = _weight(cross)
        if not settled:
            step, here = _peak(cross, weight)
            ratio = here if round_ == 0 else ratio
            settled = step == (0, 0) or round_ > _ROUNDS // 2
            if not settled:
                whole = whole[0] + step[0], whole[1] + step[1]
                if max(map(abs, whole)) > margin:
                    return NO_MATCH
                continue
            rest = _upsampled(cross, weight)
        before, rest = rest, _newton(cross, weight, rest)
        if max(map(abs, rest)) > 1.0:  # what looked like the peak was a slope
            return NO_MATCH
        if (
            max(abs(rest[0] - before[0]), abs(rest[1] - before[1])) < _SETTLED
            or round_ == _ROUNDS - 1
        ):
            figures = _figures(spectra, weight, rest)
            break
    return Match(whole[0] + rest[0], whole[1] + rest[1], *figures, ratio)


def _spectra(one: Float, two: Float, rest: tuple[float, float]) -> tuple[Complex, Complex] | None:
    """Return the spectra of two patches, tapered and without mean; None where there is nothing to match."""
    valid = np.isfinite(one) & np.isfinite(two)
    share = float(valid.mean())
    if share < _LEAST_VALID:
        return None
    size = one.shape[0]
    windows = [_taper(size, 0.0, 0.0), _taper(size, *rest)]
    if share < 1.0:
        soft = ndimage.gaussian_filter(valid.astype(np.float64), _SOFT, mode="nearest")
        soft = np.clip(2.0 * soft - 1.0, 0.0, 1.0) * valid
        windows = [w * soft for w in windows]
    out = []
    for patch, window in zip((one, two), windows, strict=True):
        known = patch if share == 1.0 else np.where(valid, patch, 0.0)
        mean = (known * window).sum() / window.sum()
        tapered = (known - mean) * window
        if not np.std(tapered) > _LEAST_CONTRAST * max(abs(mean), 1e-300):
            return None
        out.append(fft.fft2(tapered))
    return out[0], out[1]


def _taper(size: int, row: float, col: float) -> Float:
    """Return a Hann window around the middle, moved; two pixels narrower than the patch, to have room."""
    middle = (size - 1) / 2.0
    at = [(np.arange(size) - middle - move) / (size - 2.0) for move in (row, col)]
    one, two = (np.where(np.abs(t) < 0.5, np.cos(np.pi * t) ** 2, 0.0) for t in at)
    return np.outer(one, two)


def _weight(cross: Complex) -> Float:
    """Return what each frequency counts, adding up to one."""
    strength = np.sqrt(np.abs(cross))
    f = np.fft.fftfreq(cross.shape[0])
    f2 = f[:, np.newaxis] ** 2 + f**2
    strength *= (f2 < _CUT**2) & (f2 > 0.0)
    return np.asarray(strength / max(float(strength.sum()), 1e-300))


def _unit(cross: Complex) -> Complex:
    return cross / np.maximum(np.abs(cross), 1e-300)


def _peak(cross: Complex, weight: Float) -> tuple[tuple[int, int], float]:
    """Return the highest peak of the correlation [px], and how much higher it is than any other."""
    size = cross.shape[0]
    # Both factors have the symmetry of spectra of real patches, so that half of them says it all.
    half = size // 2 + 1
    surface = fft.irfft2(_unit(cross[:, :half]) * weight[:, :half], s=cross.shape)
    row, col = (int(p) for p in np.unravel_index(int(np.argmax(surface)), surface.shape))
    own = max(size // 16, 3)  # px around the peak that are its own
    rows, cols = ((np.arange(size) - p + size // 2) % size - size // 2 for p in (row, col))
    elsewhere = (np.abs(rows) > own)[:, np.newaxis] | (np.abs(cols) > own)
    second = float(surface[elsewhere].max())
    step = row - size if row > size // 2 else row, col - size if col > size // 2 else col
    return step, float(surface[row, col]) / max(second, 1e-300)


def _upsampled(cross: Complex, weight: Float) -> tuple[float, float]:
    """Return the highest place within a pixel of a correlation upsampled there, by a transform of matrices."""
    f = np.fft.fftfreq(cross.shape[0])
    at = np.arange(-_FINER, _FINER + 1) / _FINER
    kernel = np.exp(2j * np.pi * np.outer(at, f))
    surface = (kernel @ (_unit(cross) * weight) @ kernel.T).real
    row, col = np.unravel_index(int(np.argmax(surface)), surface.shape)
    return float(at[row]), float(at[col])


def _newton(cross: Complex, weight: Float, start: tuple[float, float]) -> tuple[float, float]:
    """Climb from a place to the top of the weighted correlation."""
    use = weight > 0.0
    f = 2.0 * np.pi * np.fft.fftfreq(cross.shape[0])
    fr, fc = np.broadcast_arrays(f[:, np.newaxis], f)
    omega, some, angle = np.stack([fr[use], fc[use]]), weight[use], np.angle(cross[use])
    d = np.array(start)
    for _ in range(_ROUNDS):
        residual = angle + d @ omega
        gradient = -omega @ (some * np.sin(residual))
        curvature = (omega * (some * np.cos(residual))) @ omega.T
        if not np.linalg.det(curvature) > 0.0 or curvature[0, 0] <= 0.0:
            break
        step = np.linalg.solve(curvature, gradient)
        d = d + step
        if np.abs(step).max() < 0.1 * _SETTLED or np.abs(d).max() > 2.0:
            break
    return float(d[0]), float(d[1])


def _figures(
    spectra: tuple[Complex, Complex], weight: Float, rest: tuple[float, float]
) -> tuple[float, float, float]:
    """Return the height of the phase correlation, weighted too, and the correlation, at a displacement."""
    a, b = spectra
    f = 2j * np.pi * np.fft.fftfreq(a.shape[0])
    turned = b * np.conj(a) * np.exp(f * rest[0])[:, np.newaxis] * np.exp(f * rest[1])
    phase = _unit(turned).real
    strength = float(np.sqrt((np.abs(a) ** 2).sum() * (np.abs(b) ** 2).sum()))
    return (
        float(phase.mean()),
        float((phase * weight).sum()),
        float(turned.real.sum() / strength),
    )
