"""RPCs refined by ground control: against biases made on purpose, blunders, and the manufacturers' physical models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.transform import RPCTransformer

from physical_grids import GRIDS, physical_grid
from trueground.errors import FitError, InputError
from trueground.grid import Grid
from trueground.raster import ArrayRaster
from trueground.rpc.correction import Model, choose, estimate, fewest, leave_one_out, terms
from trueground.rpc.gcps import Gcps
from trueground.rpc.model import Rpc
from trueground.rpc.readers import read_rpc
from trueground.rpc.refine import Refinement, for_file, normalised, refine
from trueground.rpc.writers import write_rpc
from trueground.writer import write

# [px]: by 1, normalised line, normalised sample
BIAS: dict[Model, np.ndarray] = {
    "shift": np.array([[8.0, 0.0, 0.0], [-5.0, 0.0, 0.0]]),
    "drift": np.array([[8.0, 1.5, 0.0], [-5.0, 0.0, -0.9]]),
    "affine": np.array([[8.0, 1.5, -0.7], [-5.0, 1.1, -0.9]]),
}

# [m] where the RPCs are the manufacturers' (peers of the grids' levels; beyond, they drift away)
HEIGHTS = {
    "ventoux left": (-100, 2000), "ventoux right": (-100, 2000), "2018": (586, 587), "2017": (-30, 1203),
}  # fmt: skip


def some_rpc(*, equal_denominators: bool = False) -> Rpc:
    """A view with denominators that differ by 1 %: much more than those of any satellite."""
    rng = np.random.default_rng(3)
    small = np.array([0.0, *[1e-2] * 3, *[1e-3] * 6, *[1e-5] * 10])
    num = small * rng.uniform(-1, 1, (2, 20))
    den = small * rng.uniform(-1, 1, (2, 20))
    num[0, :4], num[1, :4], den[:, 0] = [0.01, 0.05, -1.1, 0.1], [-0.02, 1.05, 0.04, 0.2], 1.0
    return Rpc(
        line_off=9000.0, samp_off=7000.0, lat_off=44.2, long_off=5.2, height_off=800.0,
        line_scale=9000.0, samp_scale=7000.0, lat_scale=0.1, long_scale=0.15, height_scale=700.0,
        line_num=tuple(num[0]), line_den=tuple(den[0]),
        samp_num=tuple(num[1]), samp_den=tuple(den[0 if equal_denominators else 1]),
    )  # fmt: skip


def ground_of(rpc: Rpc, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y, h = np.random.default_rng(seed).uniform(-1.0, 1.0, (3, n))
    return (
        rpc.long_off + rpc.long_scale * x,
        rpc.lat_off + rpc.lat_scale * y,
        rpc.height_off + rpc.height_scale * h,
    )


def observed(
    rpc: Rpc, bias: np.ndarray, n: int, *, noise: float = 0.3, blunders: float = 0.0, seed: int = 0
) -> tuple[Gcps, np.ndarray]:
    """Return points of a biased image, and which of them are blunders of 50 px."""
    ground = ground_of(rpc, n, seed)
    row, col = rpc.project(*ground)
    at = np.stack([row, col]) + bias @ terms(*normalised(rpc, row, col)).T
    rng = np.random.default_rng(seed + 1000)
    at += rng.normal(0.0, noise, at.shape)
    bad = np.zeros(n, dtype=bool)
    bad[rng.choice(n, round(blunders * n), replace=False)] = True
    angle = rng.uniform(0.0, 2.0 * np.pi, n)
    at += 50.0 * bad * np.stack([np.cos(angle), np.sin(angle)])
    lon, lat, height = ground
    return Gcps(row=at[0], col=at[1], lon=lon, lat=lat, height=height), bad


def error_of(found: Refinement, bias: np.ndarray) -> float:
    """Return the RMS distance [px] of a refined RPC from the biased image, over its domain."""
    ground = ground_of(found.before, 2000, seed=77)
    row, col = found.before.project(*ground)
    truth = np.stack([row, col]) + bias @ terms(*normalised(found.before, row, col)).T
    off = np.stack(found.rpc.project(*ground)) - truth
    return float(np.sqrt((off**2).sum(axis=0).mean()))


@pytest.mark.parametrize("model", BIAS)
def test_brings_a_biased_rpc_back(model: Model) -> None:
    gcps, _ = observed(some_rpc(), BIAS[model], 20, noise=0.0)
    found = refine(some_rpc(), gcps, model=model)
    np.testing.assert_allclose(found.coefficients, BIAS[model], atol=1e-8)
    assert found.rms_before > 5.0
    # px: shift and drift fold exactly; an affine correction of 1 px does so to 1 % of denominators, squared
    assert error_of(found, BIAS[model]) < (1e-3 if model == "affine" else 1e-8)
    assert "refined by 20 points" in found.rpc.origin


@pytest.mark.parametrize("model", BIAS)
def test_folds_what_it_found_into_the_rpc(model: Model) -> None:
    rpc = some_rpc()
    found = refine(rpc, observed(rpc, BIAS[model], 20)[0], model=model)
    ground = ground_of(rpc, 5000, seed=5)
    row, col = rpc.project(*ground)
    d_row, d_col = found.correction(row, col)
    new_row, new_col = found.rpc.project(*ground)
    worst = np.hypot(new_row - row - d_row, new_col - col - d_col).max()
    if model == "affine":
        assert worst <= found.fold_error < 1e-3
        assert found.fold_error < 3.0 * worst  # the error that is told is no mere bound
        assert found.rpc.line_den == rpc.line_den
    else:
        assert worst < 1e-9
        assert found.fold_error == 0.0
        for name in ("line_num", "line_den", "samp_num", "samp_den"):
            assert getattr(found.rpc, name) == getattr(rpc, name)


def test_affine_folds_exactly_where_denominators_are_equal() -> None:
    rpc = some_rpc(equal_denominators=True)
    gcps, _ = observed(rpc, BIAS["affine"], 20, noise=0.0)
    found = refine(rpc, gcps, model="affine")
    assert found.fold_error == 0.0
    assert error_of(found, BIAS["affine"]) < 1e-8


@pytest.mark.parametrize("truth", BIAS)
@pytest.mark.parametrize("seed", range(4))
def test_twenty_percent_of_blunders_do_no_harm(truth: Model, seed: int) -> None:
    gcps, bad = observed(some_rpc(), BIAS[truth], 40, blunders=0.2, seed=seed)
    found = refine(some_rpc(), gcps)
    assert found.blunders[bad].all()
    assert found.blunders[~bad].sum() <= 1  # one of a thousand good points is rejected
    assert found.model == truth
    # 0.3 px on 32 points: 0.3 * sqrt(2 * terms / 32), twice
    assert error_of(found, BIAS[truth]) < 0.6 * np.sqrt(2 * fewest(truth) / 32)
    assert found.sigma == pytest.approx(0.3, rel=0.25)
    assert 0.3 < found.rms_after < 0.5  # 0.42 px
    lines = found.summary().splitlines()
    assert lines[0].startswith(f"model {truth}")
    assert f"{found.blunders.sum()} blunders: " in lines[3]


def test_even_forty_percent_of_blunders_at_one_place_do_no_harm() -> None:
    """A wrong datum of some of the points: they agree with each other."""
    gcps, _ = observed(some_rpc(), BIAS["shift"], 50)
    moved = np.arange(50) < 20
    found = refine(some_rpc(), Gcps(
        row=gcps.row + 12.0 * moved, col=gcps.col, lon=gcps.lon, lat=gcps.lat, height=gcps.height
    ))  # fmt: skip
    np.testing.assert_array_equal(found.blunders, moved)


@pytest.mark.parametrize(("truth", "n"), [("shift", 6), ("drift", 12), ("affine", 20)])
def test_model_is_chosen_by_points_left_out(truth: Model, n: int) -> None:
    right = 0
    for seed in range(20):
        gcps, _ = observed(some_rpc(), BIAS[truth], n, seed=seed)
        found = refine(some_rpc(), gcps)
        right += found.model == truth
        assert set(found.left_out) == {"shift", "drift", "affine"}
    assert right >= 17
    # A single point is a shift, whatever the truth.
    assert refine(some_rpc(), observed(some_rpc(), BIAS[truth], 1)[0]).model == "shift"


def test_leave_one_out_is_what_it_says() -> None:
    rng = np.random.default_rng(0)
    design, errors = terms(*rng.uniform(-1, 1, (2, 9))), rng.normal(size=(2, 9))
    for model, bias in BIAS.items():
        fast = leave_one_out(model, design, errors)
        for i in range(9):
            kept = np.arange(9) != i
            for axis, free in enumerate(bias != 0):
                fit = np.linalg.lstsq(design[kept][:, free], errors[axis, kept], rcond=None)[0]
                assert fast[axis, i] == pytest.approx(errors[axis, i] - design[i, free] @ fit)


@pytest.mark.parametrize("model", BIAS)
def test_predicted_accuracy_is_that_of_many_trials(model: Model) -> None:
    rpc = some_rpc()
    gcps, _ = observed(rpc, BIAS[model], 15, noise=0.0)
    at = np.array([500.0, 9000.0, 17_900.0]), np.array([700.0, 7000.0, 13_000.0])
    rng = np.random.default_rng(1)
    design = terms(*normalised(rpc, *rpc.project(gcps.lon, gcps.lat, gcps.height)))
    where = terms(*normalised(rpc, *at))
    raw = np.stack([gcps.row, gcps.col]) - np.stack(rpc.project(gcps.lon, gcps.lat, gcps.height))
    got = np.array([
        where @ estimate(model, design, raw + rng.normal(0.0, 0.3, raw.shape)).coefficients.T
        for _ in range(400)
    ])  # fmt: skip
    found = refine(rpc, gcps, model=model, sigma_px=0.3)
    predicted = np.stack(found.sigma_at(*at), axis=-1)
    ratio = got.std(axis=0) / predicted
    # 400 trials give a standard deviation to 3.5 %; Huber's estimate costs 1 to 2 %.
    assert np.all((ratio > 0.88) & (ratio < 1.15)), ratio
    assert predicted[0, 0] > (1.3 if model != "shift" else 0.99) * predicted[1, 0]


def test_accuracy_is_unknown_without_redundancy_and_known_when_told() -> None:
    gcps, _ = observed(some_rpc(), BIAS["shift"], 1)
    silent = refine(some_rpc(), gcps)
    assert np.isnan(silent.sigma)
    assert np.isnan(silent.sigma_at(0.0, 0.0)).all()
    assert "unknown" in silent.summary()
    told = refine(some_rpc(), gcps, sigma_px=0.5)
    assert told.sigma_at(0.0, 0.0)[0] == pytest.approx(0.5)


def repeated(gcps: Gcps, times: int) -> Gcps:
    names = ("row", "col", "lon", "lat", "height")
    return Gcps(**{name: np.tile(getattr(gcps, name), times) for name in names})


def test_a_point_given_five_times_is_one_point() -> None:
    one, _ = observed(some_rpc(), BIAS["shift"], 1)
    found = refine(some_rpc(), repeated(one, 5))
    assert np.isnan(found.sigma)
    assert np.isnan(found.sigma_at(0.0, 0.0)).all()
    assert found.left_out == {}
    lines = found.summary().splitlines()
    assert lines[0].endswith("too few points")
    assert lines[2].startswith("RMS of 5 points (1 of all are distinct)")
    assert lines[3] == "0 blunders"
    assert lines[4].startswith("accuracy: unknown")
    with pytest.raises(FitError, match="1 distinct of 5 ground control points"):
        refine(some_rpc(), repeated(one, 5), model="drift")
    # Measured five times, its place on the ground is still known once.
    noise = np.random.default_rng(0).normal(0.0, 0.3, 5)
    again = repeated(one, 5)
    measured = Gcps(
        row=again.row + noise, col=again.col, lon=again.lon, lat=again.lat, height=again.height
    )
    assert np.isnan(refine(some_rpc(), measured).sigma)


def test_repeated_points_change_nothing() -> None:
    gcps, bad = observed(some_rpc(), BIAS["drift"], 20, blunders=0.1)
    once, thrice = refine(some_rpc(), gcps), refine(some_rpc(), repeated(gcps, 3))
    assert thrice.rpc == once.rpc
    assert thrice.sigma == once.sigma
    np.testing.assert_array_equal(thrice.covariance, once.covariance)
    np.testing.assert_array_equal(thrice.weights, np.tile(once.weights, 3))
    assert thrice.blunders[np.tile(bad, 3)].all()


def test_the_summary_is_english() -> None:
    gcps, _ = observed(some_rpc(), BIAS["shift"], 20, noise=0.1)
    row = gcps.row.copy()
    row[4] += 50.0
    found = refine(
        some_rpc(), Gcps(row=row, col=gcps.col, lon=gcps.lon, lat=gcps.lat, height=gcps.height)
    )
    lines = found.summary().splitlines()
    assert lines[3] == "1 blunder: 5"
    assert "line" in lines[1]
    assert lines[1].endswith("sample px (line, sample: -1 to 1)")
    assert " l " not in lines[1]


def test_points_in_a_line_give_a_shift_or_an_error() -> None:
    rpc = some_rpc()
    t = np.linspace(-1, 1, 12)
    lon, lat, height = rpc.long_off + 0 * t, rpc.lat_off + 0.1 * t, rpc.height_off + 0 * t
    row, col = rpc.project(lon, lat, height)
    rng = np.random.default_rng(0)
    on_line = np.stack([row, col])
    straight = on_line[:, :1] + (on_line[:, -1:] - on_line[:, :1]) * (t + 1) / 2
    found = rpc.localize(straight[0], straight[1], height)
    noise = rng.normal(0, 0.3, (2, 12))
    gcps = Gcps(
        row=straight[0] + 3 + noise[0],
        col=straight[1] + noise[1],
        lon=found.lon,
        lat=found.lat,
        height=height,
    )
    assert refine(rpc, gcps).model == "shift"
    with pytest.raises(FitError, match=r"12 ground control points cannot determine.*line"):
        refine(rpc, gcps, model="affine")


def test_says_what_is_wrong() -> None:
    rpc = some_rpc()
    gcps, _ = observed(rpc, BIAS["shift"], 2)
    with pytest.raises(FitError, match=r"2 ground control points.*'affine' needs at least 3"):
        refine(rpc, gcps, model="affine")
    with pytest.raises(InputError, match="'quadratic' is not known; use shift, drift, affine"):
        refine(rpc, gcps, model="quadratic")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="sigma_px is 0"):
        refine(rpc, gcps, sigma_px=0.0)
    with pytest.raises(FitError, match="0 ground control points"):
        refine(rpc, Gcps(row=[], col=[], lon=[], lat=[], height=[]))  # type: ignore[arg-type]


def test_scatter_of_points_that_do_not_belong_to_the_image_is_told() -> None:
    gcps, _ = observed(some_rpc(), BIAS["shift"], 30)
    nonsense = np.random.default_rng(99).uniform(-4000, 4000, (2, 30))
    assert refine(some_rpc(), replace(gcps, row=gcps.row + nonsense[0])).sigma > 500.0


def test_choice_tells_rms_of_points_left_out() -> None:
    rng = np.random.default_rng(2)
    design = terms(*rng.uniform(-1, 1, (2, 2000)))
    errors = BIAS["drift"] @ design.T + rng.normal(0, 0.3, (2, 2000))
    model, left_out = choose(design, errors)
    assert model == "drift"
    assert left_out["drift"] == pytest.approx(0.3 * np.sqrt(2), rel=0.05)
    assert left_out["shift"] == pytest.approx(np.sqrt(2 * 0.09 + (1.5**2 + 0.9**2) / 3), rel=0.05)


def test_table_has_a_line_for_each_point() -> None:
    gcps, _ = observed(some_rpc(), BIAS["shift"], 5)
    found = refine(some_rpc(), gcps)
    lines = found.to_csv().splitlines()
    assert (
        lines[0] == "name,row,col,lon,lat,height,row_before,col_before,row_after,col_after,weight"
    )
    assert len(lines) == 6
    number = [float(v) for v in lines[3].split(",")[1:]]
    assert number[0] == gcps.row[2]
    assert number[5] == pytest.approx(8.0, abs=1.5)


def test_gdal_sees_the_refined_rpc(tmp_path: Path) -> None:
    rpc = some_rpc()
    found = refine(rpc, observed(rpc, BIAS["affine"], 20)[0], model="affine")
    plain = Grid(crs=None, transform=Affine.identity(), shape=(9, 9))
    image = ArrayRaster(array=np.zeros((9, 9), dtype=np.uint8), grid=plain)
    write(image, tmp_path / "scene.tif", rpc_tags=rpc.to_tags())
    write_rpc(found.rpc, tmp_path / "scene.RPB")
    ground = ground_of(rpc, 200, seed=9)
    with rasterio.open(tmp_path / "scene.tif") as scene, RPCTransformer(scene.rpcs) as gdal:
        # rasterio floors by default, and its offsets from the corner are those of GDAL
        row, col = gdal.rowcol(*ground[:2], zs=ground[2], op=lambda v: v)
    np.testing.assert_allclose(np.stack(found.rpc.project(*ground)), [row, col], atol=1e-6)


def test_a_file_beside_the_image_counts_its_pixels_and_any_other_those_of_the_scene(
    tmp_path: Path,
) -> None:
    crop = tmp_path / "crop.tif"
    offset = Affine(1.0, 0.0, 4915.0, 0.0, 1.0, 5162.0)
    plain = Grid(crs=None, transform=offset, shape=(9, 9))
    write(ArrayRaster(array=np.zeros((9, 9), dtype=np.uint8), grid=plain), crop)
    assert for_file(str(crop), tmp_path / "crop.RPB", keep=True) == (0.0, 0.0)
    assert for_file(str(crop), tmp_path / "crop_RPC.TXT", keep=True) == (0.0, 0.0)
    assert for_file(str(crop), tmp_path / "refined.RPB", keep=True) == (5162.0, 4915.0)
    (tmp_path / "other").mkdir()
    assert for_file(str(crop), tmp_path / "other" / "crop.RPB", keep=True) == (5162.0, 4915.0)
    write_rpc(some_rpc(), tmp_path / "crop.RPB")
    with pytest.raises(InputError, match=r"crop.RPB holds an RPC of the image already"):
        for_file(str(crop), tmp_path / "crop.RPB", keep=True)
    assert for_file(str(crop), tmp_path / "crop.RPB", keep=False) == (0.0, 0.0)


@pytest.mark.data
@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("model", ["drift", "affine"])
def test_brings_the_rpc_back_to_the_physical_model(
    data_folder: Path, name: str, model: Model
) -> None:
    """100 points of the manufacturer's grid, moved by 8, -5 px and a drift, 0.3 px noise, 10 % blunders of 50 px."""
    rpc = read_rpc(data_folder / GRIDS[name][1])
    grid = np.stack([a.ravel() for a in physical_grid(data_folder, name)])
    low, high = HEIGHTS[name]
    row, col, lon, lat, height = grid[:, (grid[4] >= low) & (grid[4] <= high)]
    before = np.hypot(*(np.stack(rpc.project(lon, lat, height)) - [row, col])).max()
    assert before <= 0.003  # px: the manufacturer's own fit
    moved = np.stack([row, col]) + BIAS[model] @ terms(*normalised(rpc, row, col)).T
    rng = np.random.default_rng(4)
    used = rng.choice(row.size, 100, replace=False)
    at = moved[:, used] + rng.normal(0.0, 0.3, (2, 100))
    at[:, :10] += 50.0 * np.stack([np.cos(np.arange(10.0)), np.sin(np.arange(10.0))])
    gcps = Gcps(row=at[0], col=at[1], lon=lon[used], lat=lat[used], height=height[used])
    found = refine(rpc, gcps)
    assert found.blunders[:10].all()
    assert found.blunders[10:].sum() <= 1
    off = np.hypot(*(np.stack(found.rpc.project(lon, lat, height)) - moved))
    # 0.3 px on 90 points leave 0.3 * sqrt(4 / 90) = 0.06 px by a drift, 0.08 px by an affine correction.
    assert np.sqrt((off**2).mean()) < 0.15
    # Without noise, all that is left is the manufacturer's own fit and the folding.
    exact = refine(rpc, replace(gcps, row=moved[0, used], col=moved[1, used]), model=model)
    off = np.hypot(*(np.stack(exact.rpc.project(lon, lat, height)) - moved))
    assert off.max() <= 0.003
    assert exact.fold_error < 1e-5
