"""Offsets between two images of the same ground, by phase correlation of patches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trueground.errors import InputError

Float = NDArray[np.float64]
_LEAST_PATCH = 16  # px
_LEAST_CONTRAST = 1e-9


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


def patch_offsets(
    first: NDArray[np.floating], second: NDArray[np.floating], *, size: int = 64
) -> PatchOffsets:
    """Measure the displacement of square patches, to some hundredths of a pixel.

    The normalised cross-power spectrum of two windowed patches has a phase that is linear in
    frequency; after the whole pixels are found at the peak of its inverse, the rest is the slope
    of that phase, by weighted least squares over the low frequencies, which alias least.

    Parameters
    ----------
    first, second
        (rows, cols) images on one grid; patches with NaN are skipped.
    size
        Edge of a patch [px]; patches overlap by half.

    References
    ----------
    Hoge (2003), IEEE Trans. Med. Imaging 22, 299-302, doi:10.1109/TMI.2002.808359;
    Leprince et al. (2007), IEEE Trans. Geosci. Remote Sens. 45, 1529-1558,
    doi:10.1109/TGRS.2006.888937.
    """
    if first.shape != second.shape or first.ndim != 2:
        msg = (
            f"images of {first.shape} and {second.shape}: must be two of the same rows and columns"
        )
        raise InputError(msg)
    if size < _LEAST_PATCH or size % 2:
        msg = f"patches of {size} px: must be even and at least {_LEAST_PATCH}"
        raise InputError(msg)
    found = []
    for i in range(0, first.shape[0] - size + 1, size // 2):
        for j in range(0, first.shape[1] - size + 1, size // 2):
            one, two = first[i : i + size, j : j + size], second[i : i + size, j : j + size]
            if np.isfinite(one).all() and np.isfinite(two).all():
                offset = _offset(one.astype(np.float64), two.astype(np.float64))
                found.append((i + size / 2, j + size / 2, *offset))
    return PatchOffsets(*np.array(found, dtype=np.float64).reshape(-1, 5).T)


def _offset(one: Float, two: Float) -> tuple[float, float, float]:
    size = one.shape[0]
    taper = np.hanning(size + 2)[1:-1]
    window = np.outer(taper, taper)
    row = col = 0
    whole = (0.0, 0.0, 0.0)
    for _ in range(3):  # the patch of the second follows the whole pixels
        moved = np.roll(two, (-row, -col), axis=(0, 1))
        a, b = (one - one.mean()) * window, (moved - moved.mean()) * window
        if np.std(a) < _LEAST_CONTRAST or np.std(b) < _LEAST_CONTRAST:
            return np.nan, np.nan, 0.0
        cross = np.fft.fft2(b) * np.conj(np.fft.fft2(a))
        strength = np.abs(cross)
        phase = cross / np.maximum(strength, 1e-300)
        surface = np.fft.ifft2(phase).real
        peak = np.unravel_index(int(np.argmax(surface)), surface.shape)
        step = [int(p) - size if p > size // 2 else int(p) for p in peak]
        quality = float(surface[peak])
        rest = _phase_slope(phase, strength, step)
        whole = (row + rest[0], col + rest[1], quality)
        if step == [0, 0]:
            break
        row, col = row + step[0], col + step[1]
    if max(abs(whole[0]), abs(whole[1])) > size / 4:
        return np.nan, np.nan, 0.0
    return whole


def _phase_slope(
    phase: NDArray[np.complex128], strength: Float, step: list[int]
) -> tuple[float, float]:
    """Return the displacement whose linear phase fits best, starting at whole pixels."""
    size = phase.shape[0]
    frequency = np.fft.fftfreq(size)
    fr, fc = np.meshgrid(frequency, frequency, indexing="ij")
    use = (np.hypot(fr, fc) < 0.25) & ((fr != 0) | (fc != 0))
    weight = np.sqrt(strength[use])
    design = -2.0 * np.pi * np.column_stack([fr[use], fc[use]])
    d = np.array(step, dtype=np.float64)
    for _ in range(5):
        residual = np.angle(phase[use] * np.exp(-1j * (design @ d)))
        w = weight / (1.0 + (residual / 0.5) ** 2)
        normal = design.T @ (design * w[:, np.newaxis])
        d = d + np.linalg.solve(normal, design.T @ (w * residual))
    return float(d[0]), float(d[1])
