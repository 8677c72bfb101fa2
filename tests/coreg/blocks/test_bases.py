"""Functions that fields are made of."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import BSpline

from bands import whole
from trueground.coreg.blocks.bases import KINDS, Basis, below

SPLINES = ("separable", "smooth")
U, V = np.random.default_rng(0).random((2, 400))
DENSE = np.random.default_rng(1).random((2, 1200))


def coefficients(basis, function):
    """The coefficients that reproduce a function."""
    design, values = basis.at(*DENSE), function(*DENSE)
    found, *_ = np.linalg.lstsq(design, values)
    np.testing.assert_allclose(design @ found, values, atol=1e-9)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_size_and_shape(kind):
    basis = Basis(kind=kind, cells=(4, 6))
    assert basis.at(U, V).shape == (400, basis.size)
    assert len(basis.penalty()) == basis.size


@pytest.mark.parametrize("kind", KINDS)
def test_sums_are_those_of_all_functions(kind):
    basis = Basis(kind=kind, cells=(4, 6))
    many = np.random.default_rng(2).normal(size=(3, basis.size))
    np.testing.assert_allclose(basis.sum_at(U, V, many), many @ basis.at(U, V).T, atol=1e-12)


def test_cubic_splines_are_those_of_scipy():
    knots = np.arange(-3, 9) / 5.0
    expected = BSpline.design_matrix(U * (1 - 1e-12), knots, 3).toarray()
    found = Basis(kind="separable", cells=(5, 1)).at(U, V)[:, :8]
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_splines_sum_to_one_up_to_the_edges():
    ends = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(Basis(kind="smooth", cells=(3, 7)).at(*ends).sum(axis=1), 1.0)


@pytest.mark.parametrize("kind", SPLINES)
def test_planes_cost_nothing(kind):
    basis = Basis(kind=kind, cells=(5, 7))
    plane = coefficients(basis, lambda u, v: 2.0 - 3.0 * u + 5.0 * v)
    penalty = whole(basis.penalty())
    scale = np.abs(penalty).max()
    assert abs(plane @ penalty @ plane) < 1e-9 * scale
    values = np.linalg.eigvalsh(penalty)
    assert values[0] > -1e-9 * scale


def test_free_is_what_the_penalty_leaves():
    basis = Basis(kind="smooth", cells=(5, 4))
    values = np.linalg.eigvalsh(whole(basis.penalty()))
    assert np.sum(values < 1e-9 * values[-1]) == basis.free


@pytest.mark.parametrize(
    ("function", "energy"),
    [(lambda u, v: u**2, 4.0), (lambda u, v: v**2, 4.0), (lambda u, v: 3.0 * u**2, 36.0)],
    ids=["u", "v", "three"],
)
@pytest.mark.parametrize("kind", SPLINES)
def test_penalty_is_the_bending_energy(kind, function, energy):
    """The integral of f_uu^2 + 2 f_uv^2 + f_vv^2; to the width of a cell at the edges, that differences leave out."""
    basis = Basis(kind=kind, cells=(16, 20))
    curved = coefficients(basis, function)
    # A row of coefficients has up to three more than there are cells.
    assert curved @ whole(basis.penalty()) @ curved == pytest.approx(energy, rel=0.3)


def test_a_twist_bends_too():
    basis = Basis(kind="smooth", cells=(16, 20))
    twisted = coefficients(basis, lambda u, v: u * v)
    assert twisted @ whole(basis.penalty()) @ twisted == pytest.approx(2.0, rel=0.3)


def test_band_is_that_of_the_matrix():
    matrix = np.random.default_rng(3).normal(size=(7, 7))
    matrix += matrix.T
    near = np.abs(np.subtract.outer(np.arange(7), np.arange(7))) <= 3
    np.testing.assert_array_equal(whole(below(matrix, 3)), np.where(near, matrix, 0.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cells", [(4, 6), (1, 1), (6, 1)])
@pytest.mark.parametrize("width", [(0.0, 0.0), (0.1, 0.2), (0.9, 0.9)])
def test_cells_see_the_means_of_the_functions(kind, cells, width):
    """Those of two points along each axis, in ascending order and up to the edges."""
    basis = Basis(kind=kind, cells=cells)
    u, v = (w / 2.0 + (1.0 - w) * t for t, w in zip((U, V), width, strict=True))
    u[:2], v[:2] = (width[0] / 2.0, 1.0 - width[0] / 2.0), (width[1] / 2.0, 1.0 - width[1] / 2.0)
    found = basis.seen(u, v, width)
    steps = [w / np.sqrt(12.0) for w in width]
    corners = [basis.at(u + i * steps[0], v + j * steps[1]) for i in (-1, 1) for j in (-1, 1)]
    many = np.random.default_rng(4).normal(size=basis.size)
    np.testing.assert_allclose(found.sums(many), np.mean(corners, axis=0) @ many, atol=1e-12)
    assert (np.diff(found.columns, axis=1) > 0).all()
    assert found.reach < basis.size
