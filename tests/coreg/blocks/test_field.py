"""A field out of the shifts of blocks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from known_field import FIELDS
from trueground.coreg.blocks.field import OneAfterTheOther, ShiftField, fit_field
from trueground.errors import FitError, InputError

SIDE = 1500.0
WIDTH = 8 * SIDE
X, Y = (g.ravel() for g in np.meshgrid(*2 * [(np.arange(8) + 0.5) * SIDE]))
FINE = np.meshgrid(*2 * [np.linspace(0.0, WIDTH, 50)])


def truth(name, x, y):
    return np.stack(np.broadcast_arrays(*FIELDS[name](x / WIDTH, y / WIDTH)))


def seen(name):
    """The mean of a field over each block (3, 64)."""
    steps = ((np.arange(15) + 0.5) / 15 - 0.5) * SIDE
    return np.mean([truth(name, X + a, Y + b) for a in steps for b in steps], axis=0)


def fitted(name, seed=0, kind=None, scatter=1.0, lost=0.2):
    rng = np.random.default_rng(seed)
    errors = np.outer(rng.uniform(0.6, 2.0, X.size), [0.15, 0.15, 0.02])
    shifts = seen(name).T + scatter * errors * rng.normal(size=errors.shape)
    kept = rng.random(X.size) >= lost
    return fit_field(
        (X[kept], Y[kept]), shifts[kept], errors[kept], size=(SIDE, SIDE), kind=kind
    )  # fmt: skip


def off(field, name):
    return field.at(*FINE) - truth(name, *FINE)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("constant", "constant"),
        ("plane", "plane"),
        ("quadratic", "quadratic"),
        ("bumps", "smooth"),
        ("sine", "separable"),
    ],
)
def test_kind_is_chosen_and_truth_comes_back(name, kind):
    found = [fitted(name, seed) for seed in range(10)]
    assert sum(f.kind == kind for f in found) >= 7
    lost = np.sqrt(np.mean([off(f, name) ** 2 for f in found], axis=(0, 2, 3)))
    least = {"constant": 0.05, "plane": 0.1, "quadratic": 0.15, "bumps": 0.5, "sine": 0.3}[name]
    assert lost[:2].max() < least  # of blocks known to 0.15 m; a tenth of that in z
    assert lost[2] < least / 5.0


def test_a_mean_over_a_block_is_not_the_value_at_its_middle():
    """Of 40 u^2 the two differ by 0.05 m, at every block to the same side."""
    exact = fitted("quadratic", kind="quadratic", scatter=0.0, lost=0.0)
    np.testing.assert_allclose(off(exact, "quadratic"), 0.0, atol=1e-3)
    shift = seen("quadratic")[0] - truth("quadratic", X, Y)[0]
    assert shift.min() > 0.04


@pytest.mark.slow
@pytest.mark.parametrize("name", ["constant", "plane", "quadratic", "bumps"])
def test_stated_errors_cover_the_truth(name):
    """60 to 76 % within one sigma; blocks scatter by 1.3 times what they state."""
    share = []
    for seed in range(40):
        field = fitted(name, seed, scatter=1.3)
        share.append(np.abs(off(field, name)) < field.errors_at(*FINE))
    assert 0.60 <= np.mean(share) <= 0.76


def test_flat_beyond_the_blocks():
    field = fitted("quadratic")
    west, south, east, north = field.bounds
    inside = field.at([west, east], [south, 0.5 * (south + north)])
    beyond = field.at([west - 1e4, east + 1e6], [south - 1e5, 0.5 * (south + north)])
    np.testing.assert_array_equal(inside, beyond)
    np.testing.assert_array_equal(
        field.errors_at(east, north), field.errors_at(east + 1e5, north + 1e5)
    )


def test_shapes_broadcast():
    field = fitted("plane")
    assert field.at(5e3, 5e3).shape == (3,)
    assert field.at(np.zeros((4, 1)), np.zeros(5)).shape == (3, 4, 5)
    assert field.errors_at(np.zeros((4, 1)), np.zeros(5)).shape == (3, 4, 5)


@pytest.mark.parametrize("name", ["plane", "bumps"])
def test_an_unknown_place_has_no_shift(name):
    """Infinite or NaN is what a projection gives where it is not defined."""
    field = fitted(name)
    x, y = np.array([np.nan, 5e3, np.inf, 5e3]), np.array([5e3, np.nan, 5e3, 5e3])
    for values in (field.at(x, y), field.errors_at(x, y)):
        assert np.isnan(values[:, :3]).all()
        assert np.isfinite(values[:, 3]).all()


@pytest.mark.parametrize("name", ["plane", "bumps", "sine"])
def test_json_there_and_back(name):
    field = fitted(name)
    again = ShiftField.from_dict(json.loads(field.to_json()))
    assert again.to_json() == field.to_json()
    np.testing.assert_array_equal(again.at(*FINE), field.at(*FINE))
    np.testing.assert_array_equal(again.errors_at(*FINE), field.errors_at(*FINE))


def test_json_that_is_no_field():
    items = fitted("plane").to_dict()
    for broken in ({}, {**items, "kind": "cubic"}, {**items, "coefficients": [[1.0]] * 3}):
        with pytest.raises(InputError, match="not a field of shifts"):
            ShiftField.from_dict(broken)


def test_too_few_blocks():
    empty = np.zeros((0, 3))
    with pytest.raises(FitError, match="no block is good"):
        fit_field((empty[:, 0], empty[:, 0]), empty, empty, size=(SIDE, SIDE))
    some = np.ones((4, 3))
    with pytest.raises(FitError, match=r"4 good blocks: .* needs at least 12"):
        fit_field((X[:4], Y[:4]), some, some, size=(SIDE, SIDE), kind="smooth")


@pytest.mark.parametrize("along", [0, 1])
def test_a_row_of_blocks_tells_nothing_across(along):
    places = (X[:8], np.zeros(8)) if along == 0 else (np.zeros(8), X[:8])
    shifts = np.column_stack([X[:8] / 1000.0] * 3)
    field = fit_field(places, shifts, np.full((8, 3), 0.1), size=(SIDE, SIDE))
    assert field.kind == "constant"


def test_one_after_the_other():
    """The second field lives where the first has moved to: look up the first at the place before the second."""
    one, two = fitted("quadratic"), fitted("plane", 1)
    both = OneAfterTheOther(first=one, second=two)
    x, y = np.array([3e3, 7e3]), np.array([4e3, 2e3])
    later = two.at(x, y)
    np.testing.assert_allclose(both.at(x, y), later + one.at(x - later[0], y - later[1]))
    np.testing.assert_array_equal(both.errors_at(x, y), two.errors_at(x, y))


def test_simple_is_not_preferred_where_it_misses_by_far():
    """Waves that blocks left out cannot foretell: no kind predicts better, and a constant is off by five errors."""
    rng = np.random.default_rng(3)
    u, v = rng.uniform(0.0, 1.0, (2, 40))
    wave = 5.0 * np.sin(9.0 * u) * np.cos(9.0 * v)
    shifts = np.column_stack([wave, np.zeros((40, 2))]) + rng.normal(0.0, 1.0, (40, 3))
    found = fit_field((u * 5000.0, v * 5000.0), shifts, np.ones((40, 3)), size=(640.0, 640.0))
    assert found.kind == "smooth"
