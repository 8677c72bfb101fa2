"""Penalised regression: what it recovers, and what it says of its own error."""

from __future__ import annotations

import numpy as np
import pytest

from bands import whole
from trueground.coreg.blocks.bases import Basis
from trueground.coreg.blocks.smoother import _STIFFNESS, Smoothed
from trueground.kernels import band

U, V = (g.ravel() for g in np.meshgrid(*2 * [(np.arange(9) + 0.5) / 9]))
FINE = tuple(g.ravel() for g in np.meshgrid(*2 * [np.linspace(0.03, 0.97, 40)]))
SHEET = Basis(kind="smooth", cells=(9, 9))


def waves(u, v):
    return np.sin(2.0 * np.pi * u) + np.cos(3.0 * v)


def smoothed(basis, values, errors):
    return Smoothed.of(basis, basis.seen(U, V), values, errors)


def at(basis, found, places=FINE):
    return basis.at(*places) @ found.coefficients


def test_polynomial_is_the_weighted_mean_with_its_textbook_error():
    rng = np.random.default_rng(1)
    errors = rng.uniform(0.5, 2.0, U.size)
    values = 3.0 + errors * rng.normal(size=U.size)
    found = smoothed(Basis(kind="constant"), values, errors)
    weight = errors**-2.0
    mean = np.average(values, weights=weight)
    assert found.coefficients[0] == pytest.approx(mean)
    scatter = np.sum(weight * (values - mean) ** 2) / (U.size - 1)
    assert found.covariance[0, 0] == pytest.approx(scatter / weight.sum())
    assert found.scale == pytest.approx(np.sqrt(scatter))


def test_exact_values_come_back():
    found = smoothed(SHEET, waves(U, V), np.full(U.size, 0.1))
    np.testing.assert_allclose(at(SHEET, found), waves(*FINE), atol=0.02)


def test_noise_about_a_plane_is_smoothed_to_a_plane():
    """Where nothing bends, the likeliest sheet is stiff: as good as a plane."""
    errors = np.full(U.size, 0.3)
    lost = []
    for seed in range(20):
        values = 1.0 + 2.0 * U - V + errors * np.random.default_rng(seed).normal(size=U.size)
        off = at(SHEET, smoothed(SHEET, values, errors)) - (1.0 + 2.0 * FINE[0] - FINE[1])
        lost.append(np.sqrt(np.mean(off**2)))
    plane = 0.3 * np.sqrt(3.0 / U.size)  # three numbers of as many values
    assert np.median(lost) < 1.4 * plane


def test_what_bends_is_followed():
    errors = np.full(U.size, 0.05)
    values = waves(U, V) + errors * np.random.default_rng(0).normal(size=U.size)
    off = at(SHEET, smoothed(SHEET, values, errors)) - waves(*FINE)
    assert np.sqrt(np.mean(off**2)) < 0.05  # of noise that remains; a plane would miss by 0.7


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_intervals_hold_whatever_errors_were_stated(factor):
    """68 % of the area lie within a standard error, averaged over realisations (Nychka 1988)."""
    share, scales = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        errors = rng.uniform(0.1, 0.3, U.size)
        found = smoothed(SHEET, waves(U, V) + factor * errors * rng.normal(size=U.size), errors)
        sigma = np.sqrt(found.variances(SHEET.seen(*FINE)))
        share.append(np.mean(np.abs(at(SHEET, found) - waves(*FINE)) < sigma))
        scales.append(found.scale)
    assert 0.60 < np.mean(share) < 0.76
    assert np.mean(scales) == pytest.approx(factor, rel=0.15)


def test_a_vague_value_counts_little():
    values, errors = np.ones(U.size), np.full(U.size, 0.1)
    values[40], errors[40] = 50.0, 100.0
    found = smoothed(Basis(kind="plane"), values, errors)
    np.testing.assert_allclose(at(Basis(kind="plane"), found), 1.0, atol=0.01)


def test_stated_errors_scale_away():
    values = waves(U, V) + 0.1 * np.random.default_rng(3).normal(size=U.size)
    one, two = (smoothed(SHEET, values, np.full(U.size, e)) for e in (0.1, 10.0))
    np.testing.assert_allclose(one.coefficients, two.coefficients, rtol=1e-9)
    np.testing.assert_allclose(one.covariance, two.covariance, rtol=1e-6)
    assert one.scale == pytest.approx(100.0 * two.scale)


@pytest.mark.parametrize("kind", ["quadratic", "separable", "smooth"])
def test_variances_are_those_of_the_model(kind):
    """Of (B^T W B + lambda P)^-1 by whole matrices, also where no value tells of two splines at once."""
    basis = Basis(kind=kind, cells=(4, 3))
    some = V - U < 0.3  # nothing in a corner
    seen, errors = basis.seen(U[some], V[some]), np.full(some.sum(), 0.3)
    noise = np.random.default_rng(2).normal(size=errors.size)
    found = Smoothed.of(basis, seen, waves(U, V)[some] + 0.3 * noise, errors)
    design, penalty = basis.at(U[some], V[some]), whole(basis.penalty())
    normal = design.T @ design
    if kind != "quadratic":
        unit = np.trace(normal) / np.trace(penalty)
        normal += 1e-10 * np.trace(normal) / basis.size * np.eye(basis.size)
        normal += unit * _STIFFNESS[found.stiffness] * penalty
    at = basis.at(*FINE)
    expected = (found.scale * 0.3) ** 2 * np.sum(at * np.linalg.solve(normal, at.T).T, axis=1)
    # What is the same along and across leaves ten digits of sixteen.
    np.testing.assert_allclose(found.variances(basis.seen(*FINE)), expected, rtol=1e-4)


@pytest.mark.parametrize("logarithms", [np.nan, -np.inf])
def test_what_has_no_root_is_said(logarithms, monkeypatch):
    monkeypatch.setattr(band, "root", lambda *_: logarithms)
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        smoothed(SHEET, waves(U, V), np.full(U.size, 0.1))
