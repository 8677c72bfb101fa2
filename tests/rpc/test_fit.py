"""RPCs fitted to known rational functions, and to the manufacturers' physical models."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from trueground.errors import FitError, InputError
from trueground.rpc import Rpc
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


def test_reports_its_residuals() -> None:
    rpc = known_rpc()
    points = lattice(rpc)
    row, col = rpc.project(*points)
    noise = np.random.default_rng(1).normal(0.0, 0.5, (2, *row.shape))
    fit = fit_rpc(row + noise[0], col + noise[1], *points, ridge=1e-3)
    fitted = fit.rpc.project(*points)
    distance = np.hypot(fitted[0] - row - noise[0], fitted[1] - col - noise[1])
    assert fit.max == pytest.approx(distance.max())
    assert fit.rms == pytest.approx(np.sqrt((distance**2).mean()))
    # sqrt(2) * 0.5 px, less what 78 of 810 degrees of freedom take up
    assert 0.6 < fit.rms < 0.72


def test_ridge_tames_few_noisy_points() -> None:
    rpc = known_rpc()
    rng = np.random.default_rng(5)
    x, y, h = rng.uniform(-1, 1, (3, 60))
    points = (rpc.long_off + 0.15 * x, rpc.lat_off + 0.1 * y, rpc.height_off + 700.0 * h)
    row, col = rpc.project(*points)
    noisy = row + rng.normal(0, 0.3, 60), col + rng.normal(0, 0.3, 60)
    others = tuple(a[::3] for a in lattice(rpc))

    def error(ridge: float) -> float:
        fitted = fit_rpc(*noisy, *points, ridge=ridge).rpc.project(*others)
        true = rpc.project(*others)
        return float(np.sqrt(np.mean((fitted[0] - true[0]) ** 2 + (fitted[1] - true[1]) ** 2)))

    # px; noise of 0.3 px on 60 points
    assert error(3e-2) < 0.9
    assert error(3e-2) < error(1e-3) / 1.3
    with pytest.raises(FitError, match="raise the ridge"):
        fit_rpc(*noisy, *points, ridge=1e-7)


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
        fit_rpc(*points[:, :38])
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


GRIDS = {
    "ventoux/GRID_PHR1B_P_201308051042194_SEN_690908101-001.tif": (5, 1e-7),
    "ventoux/GRID_PHR1B_P_201308051042523_SEN_690908101-002.tif": (5, 1e-7),
    "phr_2018/GRID_P1BP--2018122638935449CP.tif": (9, 1e-4),
    # The model of this one, 38 km by 20 km by 4.9 km, is no cubic: 1.3e-4 px is the best that
    # least squares can do with all five levels, and 1e-4 holds for the lowest four (up to 3667 m).
    "phr_2017/GRID_P1BP--2017092838284574CP.tif": (4, 1e-4),
}


@pytest.mark.data
@pytest.mark.parametrize("name", GRIDS)
def test_physical_models(data_folder: Path, name: str) -> None:
    import rasterio

    levels, tolerance = GRIDS[name]
    with rasterio.open(data_folder / name) as grid:
        bands = grid.read()
        tags = {**grid.tags(), **grid.tags(ns="GTiff")}
        t = grid.transform
    altitudes = {
        int(match[1]): float(value)
        for key, value in tags.items()
        if (match := re.fullmatch(r"(?:LG_)?ALTITUDE_B(\d+)", key))
    }
    heights = np.array([altitudes[2 * k] for k in range(levels)])
    # The transform's origin is the first node (see the data's README), corner-based.
    row = t.f + t.e * np.arange(bands.shape[1])
    col = t.c + t.a * np.arange(bands.shape[2])
    h, row, col = np.meshgrid(heights, row, col, indexing="ij")
    lon, lat = bands[0 : 2 * levels : 2], bands[1 : 2 * levels : 2]
    i, j = np.indices(h.shape[1:])
    held_out = np.broadcast_to((i + j) % 2 == 1, h.shape)
    fit = fit_rpc(*(a[~held_out] for a in (row, col, lon, lat, h)))
    fitted_row, fitted_col = fit.rpc.project(lon[held_out], lat[held_out], h[held_out])
    distance = np.hypot(fitted_row - row[held_out], fitted_col - col[held_out])
    assert distance.max() <= tolerance
