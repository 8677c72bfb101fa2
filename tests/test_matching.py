"""Offsets between images: known shifts of a fraction of a pixel come back."""

from __future__ import annotations

import numpy as np
import pytest

from trueground.errors import InputError
from trueground.matching import match_patch, patch_offsets


def texture(shape=(256, 256), *, seed=0, slope=1.2):
    """A periodic random image whose spectrum falls as that of a landscape."""
    rng = np.random.default_rng(seed)
    fr, fc = np.meshgrid(np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1]), indexing="ij")
    f = np.hypot(fr, fc)
    f[0, 0] = 1.0
    spectrum = np.fft.fft2(rng.normal(size=shape)) * f**-slope * (f < 0.45)
    image = np.fft.ifft2(spectrum).real
    return 100.0 + 20.0 * (image - image.mean()) / image.std()


def moved(image, d_row, d_col):
    """Shift by the Fourier theorem: what stood at (r, c) now stands at (r + d_row, c + d_col)."""
    fr, fc = np.meshgrid(
        np.fft.fftfreq(image.shape[0]), np.fft.fftfreq(image.shape[1]), indexing="ij"
    )
    return np.fft.ifft2(np.fft.fft2(image) * np.exp(-2j * np.pi * (fr * d_row + fc * d_col))).real


SHIFTS = [
    (0.0, 0.0),
    (0.25, -0.4),
    (0.5, 0.5),
    (1.3, -2.7),
    (-7.6, 5.2),
    (10.0, 0.0),
    (-0.05, 12.49),
]


@pytest.mark.parametrize("shift", SHIFTS)
def test_known_shifts(shift):
    image = texture()
    found = patch_offsets(image, moved(image, *shift))
    assert found.d_row.size == 49
    # No bias: a taper that stood still while the image moves drew a fraction of a pixel by 1 % of it towards zero.
    assert np.median(found.d_row) == pytest.approx(shift[0], abs=2e-4)
    assert np.median(found.d_col) == pytest.approx(shift[1], abs=2e-4)
    error = np.hypot(found.d_row - shift[0], found.d_col - shift[1])
    assert error.max() < 0.04  # of patches at the edge, of which a sixth is beyond it
    assert np.percentile(error, 90) < (5e-3 if max(map(abs, shift)) < 10.0 else 2e-2)


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("slope", [0.6, 1.2, 2.0])
def test_fractions_have_no_bias(size, slope):
    """Calibration: the slope of measured over true displacements is one, whatever the spectrum."""
    image = texture(seed=3, slope=slope)
    shifts = np.linspace(-0.5, 0.5, 11)
    means = []
    for shift in shifts:
        found = patch_offsets(image, moved(image, shift, -shift), size=size)
        means.append([found.d_row.mean(), found.d_col.mean()])
    row, col = np.array(means).T
    assert np.polyfit(shifts, row, 1)[0] == pytest.approx(1.0, abs=1e-3)
    assert np.polyfit(shifts, -col, 1)[0] == pytest.approx(1.0, abs=1e-3)
    assert np.abs(row - shifts).max() < 1e-3


@pytest.mark.parametrize("shift", SHIFTS[:4])
def test_small_patches(shift):
    image = texture()
    found = patch_offsets(image, moved(image, *shift), size=32)
    error = np.hypot(found.d_row - shift[0], found.d_col - shift[1])
    assert np.percentile(error, 90) < 5e-3


def test_with_noise_and_other_brightness():
    image = texture()
    rng = np.random.default_rng(1)
    second = 30.0 + 0.6 * moved(image, 0.3, -1.6) + rng.normal(0.0, 1.0, image.shape)
    found = patch_offsets(image + rng.normal(0.0, 2.0, image.shape), second)
    # Noise of a tenth of the contrast.
    assert np.median(found.d_row) == pytest.approx(0.3, abs=0.02)
    assert np.median(found.d_col) == pytest.approx(-1.6, abs=0.02)
    assert np.percentile(np.hypot(found.d_row - 0.3, found.d_col + 1.6), 90) < 0.1


def test_sign_by_whole_pixels():
    image = texture()
    found = patch_offsets(image, np.roll(image, (3, -2), axis=(0, 1)))
    # What the first shows lies 3 rows further down and 2 columns further left in the second.
    # Thousandths at the edge, beyond which nothing is known.
    np.testing.assert_allclose(found.d_row, 3.0, atol=5e-3)
    np.testing.assert_allclose(found.d_col, -2.0, atol=5e-3)
    assert (found.quality > 0.7).all()


def test_places_of_the_patches():
    image = texture((96, 128))
    found = patch_offsets(image, image, size=32)
    assert found.row.min() == found.col.min() == 16
    assert (found.row.max(), found.col.max()) == (80, 112)
    assert found.row.size == 5 * 7


def test_patches_with_gaps_are_skipped():
    image = texture()
    gap = image.copy()
    gap[100, 100] = np.nan
    found = patch_offsets(image, gap, size=64)
    assert found.row.size == 49 - 4
    assert np.isfinite(found.d_row).all()
    assert patch_offsets(image, np.full_like(image, np.nan)).row.size == 0


def test_nothing_to_match():
    flat = np.full((64, 64), 5.0)
    found = patch_offsets(flat, texture((64, 64)))
    assert np.isnan(found.d_row).all()
    assert (found.quality == 0.0).all()


def test_unrelated_images_have_no_quality():
    alike = patch_offsets(texture(seed=1), texture(seed=1)).quality
    other = patch_offsets(texture(seed=1), texture(seed=2)).quality
    assert other.max() < 0.3 < alike.min()


def test_integer_images():
    image = texture()
    found = patch_offsets(image.astype(np.uint8), moved(image, 0.4, 0.4).astype(np.uint8))
    assert np.median(found.d_row) == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize(
    ("first", "second", "size"),
    [
        ((64, 64), (64, 65), 32),
        ((64,), (64,), 32),
        ((64, 64), (64, 64), 15),
        ((64, 64), (64, 64), 33),
    ],
)
def test_what_cannot_be_compared_is_refused(first, second, size):
    with pytest.raises(InputError, match="must be"):
        patch_offsets(np.zeros(first), np.zeros(second), size=size)


def test_a_patch_is_followed_with_its_figures():
    image = texture((256, 256), seed=5)
    second = moved(image, 20.3, -15.6)
    found = match_patch(image[96:160, 96:160], second[72:184, 72:184])
    assert found.d_row == pytest.approx(20.3, abs=2e-3)
    assert found.d_col == pytest.approx(-15.6, abs=2e-3)
    assert found.coherence > 0.95
    assert found.correlation > 0.99
    assert found.ratio > 1.5
    hidden = second[72:184, 72:184].copy()
    hidden[70:90, 20:40] = np.nan
    assert match_patch(image[96:160, 96:160], hidden).d_row == pytest.approx(20.3, abs=0.05)
    other = match_patch(image[96:160, 96:160][::-1, ::-1], second[72:184, 72:184])
    assert other.coherence < 0.7
    nothing = match_patch(image[96:160, 96:160], np.full((112, 112), np.nan))
    assert np.isnan(nothing.d_row)


def climbed(one, two, at):
    """The sum of the docstring over all frequencies, at some displacements of two patches that were cut alike."""
    size = one.shape[0]
    x = np.arange(size) - (size - 1) / 2.0

    def tapered(patch, move):
        w = [
            np.cos(np.pi * t) ** 2 * (np.abs(t) < 0.5)
            for t in ((x - m) / (size - 2.0) for m in move)
        ]
        w = np.outer(*w)
        return np.fft.fft2((patch - (patch * w).sum() / w.sum()) * w)

    cross = tapered(two, at[0]) * np.conj(tapered(one, (0.0, 0.0)))
    fr, fc = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij")
    weight = np.sqrt(np.abs(cross)) * (np.hypot(fr, fc) < 0.25) * (np.hypot(fr, fc) > 0.0)
    return [
        (weight * np.cos(np.angle(cross) + 2.0 * np.pi * (fr * d[0] + fc * d[1]))).sum() for d in at
    ]


@pytest.mark.parametrize("size", [32, 64, 128])
def test_it_is_the_highest_place_of_the_whole_sum(size):
    """Half of the frequencies, and few of them, say what all do: also where noise makes none of them alike."""
    rng = np.random.default_rng(size)
    image = texture(seed=size)
    second = moved(image, 0.37, -0.21) + rng.normal(0.0, 6.0, image.shape)
    start, end = 128 - size // 2, 128 + size // 2
    one, two = image[start:end, start:end], second[start:end, start:end]
    found = match_patch(one, second[start - 8 : end + 8, start - 8 : end + 8])
    top = found[:2]
    assert max(map(abs, top)) < 0.5
    around = [(top[0] + dr, top[1] + dc) for dr in (-2e-3, 0.0, 2e-3) for dc in (-2e-3, 0.0, 2e-3)]
    assert np.argmax(climbed(one, two, [top, *around])) in (0, 5)
