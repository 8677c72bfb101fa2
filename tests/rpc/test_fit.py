"""RPCs fitted to known rational functions, and to the manufacturers' physical models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physical_grids import GRIDS, physical_grid
from trueground.errors import FitError, InputError
from trueground.rpc import Rpc
from trueground.rpc import fit as fit_module
from trueground.rpc.fit import fit_rpc


def known_rpc(*, long_off: float = 5.2) -> Rpc:
    """An RPC with mild denominators, whose every coefficient counts."""
    rng = np.random.default_rng(7)
    small = 10.0 ** -np.array([0, 3, 3, 3, *[4] * 6, *[6] * 10])
    den = [np.concatenate([[1.0], small[1:] * rng.uniform(-1, 1, 19)]) for _ in range(2)]
    num = [small * rng.uniform(-1, 1, 20) for _ in range(2)]
    num[0][:4] = [0.01, 0.05, -1.1, 0.03]
    num[1][:4] = [-0.02, 1.05, 0.04, 0.2]
    return Rpc(
        line_off=4000.0,
        samp_off=5000.0,
        lat_off=44.2,
        long_off=long_off,
        height_off=800.0,
        line_scale=4000.0,
        samp_scale=5000.0,
        lat_scale=0.1,
        long_scale=0.15,
        height_scale=700.0,
        line_num=tuple(num[0]),
        line_den=tuple(den[0]),
        samp_num=tuple(num[1]),
        samp_den=tuple(den[1]),
    )


def lattice(rpc: Rpc, n: int = 9) -> tuple[np.ndarray, ...]:
    steps = np.linspace(-1.0, 1.0, n)
    x, y, h = np.meshgrid(steps, steps, steps[:: (n - 1) // 4], indexing="ij")
    lon = np.remainder(rpc.long_off + rpc.long_scale * x + 180.0, 360.0) - 180.0
    return lon, rpc.lat_off + rpc.lat_scale * y, rpc.height_off + rpc.height_scale * h


@pytest.mark.parametrize("long_off", [5.2, 179.95, -180.0])
def test_recovers_a_rational_function(long_off: float) -> None:
    rpc = known_rpc(long_off=long_off)
    points = lattice(rpc)
    fit = fit_rpc(*rpc.project(*points), *points, ridge=0.0)
    # The function is of the family that is fitted: what is left is round-off of 1e4 px.
    assert fit.max < 1e-7
    rng = np.random.default_rng(3)
    lon = rpc.long_off + rpc.long_scale * rng.uniform(-1, 1, 500)
    lat = rpc.lat_off + rpc.lat_scale * rng.uniform(-1, 1, 500)
    height = rpc.height_off + rpc.height_scale * rng.uniform(-1, 1, 500)
    for fitted, true in zip(
        fit.rpc.project(lon, lat, height), rpc.project(lon, lat, height), strict=True
    ):
        np.testing.assert_allclose(fitted, true, atol=1e-6)
    assert -180.0 <= fit.rpc.long_off <= 180.0


def noisy(points: tuple[np.ndarray, ...], sigma: float, seed: int) -> tuple[np.ndarray, ...]:
    row, col, *ground = points
    noise = np.random.default_rng(seed).normal(0.0, sigma, (2, *row.shape))
    return row + noise[0], col + noise[1], *ground


def rms_of(rpc: Rpc, points: tuple[np.ndarray, ...]) -> float:
    row, col, *ground = points
    fitted = rpc.project(*ground)
    return float(np.sqrt(np.mean((fitted[0] - row) ** 2 + (fitted[1] - col) ** 2)))


def test_reports_residuals_of_points_used_and_of_points_not_used() -> None:
    rpc = known_rpc()
    ground = lattice(rpc)
    truth = (*rpc.project(*ground), *ground)
    given = noisy(truth, 0.5, seed=1)
    fit = fit_rpc(*given, ridge=1e-4)
    fitted = fit.rpc.project(*ground)
    distance = np.hypot(fitted[0] - given[0], fitted[1] - given[1])
    assert fit.max == pytest.approx(distance.max())
    assert fit.rms == pytest.approx(np.sqrt((distance**2).mean()))
    # sqrt(2) * 0.5 px, less what 78 of 810 degrees of freedom take up; more on the points that were left out
    assert 0.6 < fit.rms < 0.72
    assert 0.72 < fit.held_out_rms < 1.0
    assert fit.held_out.shape == (2, distance.size)
    assert fit.held_out_max == pytest.approx(np.hypot(*fit.held_out).max())


def test_a_ridge_is_chosen_that_suits_the_points() -> None:
    rpc = known_rpc()
    rng = np.random.default_rng(5)
    x, y, h = rng.uniform(-1, 1, (3, 60))
    ground = (rpc.long_off + 0.15 * x, rpc.lat_off + 0.1 * y, rpc.height_off + 700.0 * h)
    given = noisy((*rpc.project(*ground), *ground), 0.3, seed=6)
    others = lattice(rpc)
    truth = (*rpc.project(*others), *others)
    chosen = fit_rpc(*given)
    assert chosen.minimised == "rms"
    by_ridge = {
        ridge: rms_of(fit_rpc(*given, ridge=ridge).rpc, truth) for ridge in (1e-4, 1e-3, 1e-2, 1.0)
    }
    # 0.3 px noise on 60 points; the extrapolation to the corners of the cube is part of it
    assert rms_of(chosen.rpc, truth) < 0.7
    assert rms_of(chosen.rpc, truth) < 1.15 * min(by_ridge.values())
    assert max(by_ridge.values()) > 1.5 * min(by_ridge.values())  # else any would do
    # What was held out predicts the noise and the error together.
    assert chosen.held_out_rms == pytest.approx(np.hypot(0.3 * np.sqrt(2), 0.3), rel=0.5)
    with pytest.raises(FitError, match="raise the ridge"):
        fit_rpc(*given, ridge=1e-7)


def test_fewer_points_than_unknowns() -> None:
    rpc = known_rpc()
    rng = np.random.default_rng(8)
    x, y, h = rng.uniform(-1, 1, (3, 20))
    ground = (rpc.long_off + 0.15 * x, rpc.lat_off + 0.1 * y, rpc.height_off + 700.0 * h)
    given = noisy((*rpc.project(*ground), *ground), 0.3, seed=9)
    inner = tuple(a[1:-1, 1:-1, 1:-1] for a in lattice(rpc))
    fit = fit_rpc(*given)
    # Its quadratic terms of 1e-4 are 0.5 px, which 20 points do not tell from noise of 0.3 px.
    assert rms_of(fit.rpc, (*rpc.project(*inner), *inner)) < 1.0


def test_a_fit_is_a_fit_where_those_that_check_it_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    rpc = known_rpc()
    ground = lattice(rpc)
    given = (*rpc.project(*ground), *ground)
    whole = fit_module._fit

    def fails_for_half(points: Any, **options: Any) -> Any:
        if points.design.shape[0] < ground[0].size:
            raise FitError
        return whole(points, **options)

    monkeypatch.setattr(fit_module, "_fit", fails_for_half)
    fit = fit_rpc(*given, ridge=0.0)
    assert fit.max < 1e-6
    assert np.isnan(fit.held_out).all()
    assert np.isnan(fit.held_out_rms)
    assert fit.minimised == "rms"


def test_noise_is_not_fitted_by_its_maximum() -> None:
    rpc = known_rpc()
    ground = lattice(rpc, n=17)
    given = noisy((*rpc.project(*ground), *ground), 0.3, seed=2)
    fit = fit_rpc(*given)
    assert fit.minimised == "rms"
    truth = (*rpc.project(*ground), *ground)
    worse = fit_rpc(*given, minimise="max", ridge=fit.ridge)
    assert worse.max < fit.max
    assert rms_of(worse.rpc, truth) > 2.0 * rms_of(fit.rpc, truth)


def test_counts_from_the_corner() -> None:
    lon, lat, height = np.meshgrid(*[np.linspace(-1, 1, 5)] * 3)
    fit = fit_rpc(100.0 - 100.0 * lat, 100.0 + 100.0 * lon, lon, lat, 500.0 + 9.0 * height)
    # Corner-based 100.0 is 99.5 in the formulas, which count from the first pixel's centre.
    assert fit.rpc.line_off == pytest.approx(99.5)
    assert fit.rpc.samp_off == pytest.approx(99.5)


def test_says_what_is_wrong() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0.0, 1.0, (5, 100))
    with pytest.raises(InputError, match=r"38 points.*39 unknowns"):
        fit_rpc(*points[:, :38], ridge=0.0)
    with pytest.raises(InputError, match=r"7 points.*at least 8"):
        fit_rpc(*points[:, :7])
    with pytest.raises(InputError, match="ridge is -1"):
        fit_rpc(*points, ridge=-1)
    broken = points.copy()
    broken[2, 7] = np.nan
    with pytest.raises(InputError, match="1 of 100 points"):
        fit_rpc(*broken)
    flat = points.copy()
    flat[4] = 250.0
    with pytest.raises(FitError, match="all heights are 250"):
        fit_rpc(*flat)
    with pytest.raises(FitError, match=r"denominator.*raise the ridge"):
        fit_rpc(*points, ridge=0.0)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "tolerance"),
    # Measured: 6e-9, 7e-9, 3.3e-5, 4.7e-5 px. Least squares leaves 1.3e-4 px in the corners of 2017 (38 km by 20 km by
    # 4.9 km); a linear programme shows that no RPC of third order comes below 4.5e-5 px there.
    [("ventoux left", 1e-7), ("ventoux right", 1e-7), ("2018", 5e-5), ("2017", 6e-5)],
)
def test_half_of_a_physical_model_predicts_the_other(
    data_folder: Path, name: str, tolerance: float
) -> None:
    points = physical_grid(data_folder, name)
    i, j = np.indices(points[0].shape[1:])
    held_out = np.broadcast_to((i + j) % 2 == 1, points[0].shape)
    fit = fit_rpc(*(a[~held_out] for a in points))
    row, col, *ground = (a[held_out] for a in points)
    fitted_row, fitted_col = fit.rpc.project(*ground)
    assert np.hypot(fitted_row - row, fitted_col - col).max() <= tolerance
    assert fit.max <= tolerance
    if name == "2017":
        assert fit.minimised == "max"
        assert fit_rpc(*(a[~held_out] for a in points), minimise="rms").max > 2.0 * fit.max


@pytest.mark.data
@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("seed", range(3))
def test_sixty_noisy_points_of_a_physical_model(data_folder: Path, name: str, seed: int) -> None:
    points = tuple(a.ravel() for a in physical_grid(data_folder, name))
    used = np.zeros(points[0].size, dtype=bool)
    used[np.random.default_rng(seed).choice(used.size, 60, replace=False)] = True
    fit = fit_rpc(*noisy(tuple(a[used] for a in points), 0.3, seed=seed + 100))
    # Measured on 40 draws each: median 0.20 px (Ventoux) and 0.37 px, largest 0.58 px.
    assert rms_of(fit.rpc, tuple(a[~used] for a in points)) <= 0.7
