"""Statistics by streaming, against numpy on the whole array."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from affine import Affine
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trueground import stats
from trueground.engine import Serial, Threads
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster
from trueground.stats import NMAD_FACTOR, Statistics, nmad, statistics


def raster(array, **settings):
    array = np.atleast_2d(np.asarray(array))
    grid = Grid(crs=None, transform=Affine(1, 0, 0, 0, -1, 0), shape=array.shape)
    return ArrayRaster(array=array, grid=grid, **settings)


def expected(values):
    """The same figures by numpy, with all values in memory."""
    v = values[np.isfinite(values)].astype(np.float64)
    median = np.median(v)
    deviation = np.abs(v - median).astype(np.float32).astype(np.float64)
    return {
        "count": v.size,
        "median": median,
        "nmad": NMAD_FACTOR * np.median(deviation),
        "mean": v.mean(),
        "std": v.std(),
        "rmse": math.sqrt(np.mean(v**2)),
        "le90": np.percentile(np.abs(v), 90),
    }


def check(found: Statistics, values):
    want = expected(values)
    got = found.to_dict()
    for exact in ("count", "median", "nmad", "le90"):
        assert got[exact] == want[exact], exact
    # Sums depend on their order by round-off: 2^-53 of the largest term, a few hundred terms.
    scale = np.nanmax(np.abs(values[np.isfinite(values)])).astype(np.float64)
    for summed in ("mean", "std", "rmse"):
        assert got[summed] == pytest.approx(want[summed], rel=1e-12, abs=1e-13 * scale), summed


# Differences stay finite in float32, and numpy's own mean of two does not overflow.
NUMBERS = st.one_of(
    st.floats(-(2.0**126), 2.0**126, width=32),
    st.floats(-10, 10, width=32),
    st.integers(-3, 3).map(float),  # duplicates
    st.sampled_from([0.0, -0.0, 1.4e-45, -1.4e-45, 1e-40, 1e38, -1e38]),
)


@given(
    values=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.one_of(NUMBERS, st.just(math.nan)),
    )
)
@example(values=np.array([[-(2.0**53), 1.0]], dtype=np.float32))  # the middle rounds otherwise
def test_equal_to_numpy(values):
    if np.isnan(values).all():
        values[0, 0] = 1.5
    check(statistics(raster(values)), values)


@given(values=hnp.arrays(np.float32, st.integers(1, 40), elements=NUMBERS))
def test_nmad_equals_its_definition(values):
    wide = values.astype(np.float64)
    assert nmad(wide) == 1.4826 * np.median(np.abs(wide - np.median(wide)))


@pytest.mark.parametrize("count", [1, 2, 3, 10, 11, 21])
def test_even_and_odd_counts(count):
    values = np.random.default_rng(count).normal(size=(1, count)).astype(np.float32)
    check(statistics(raster(values)), values)


@pytest.mark.parametrize("block", [1, 7, 50, 1000])
@pytest.mark.parametrize("engine", [Serial(), Threads(3)])
def test_does_not_depend_on_blocks_or_threads(monkeypatch, block, engine):
    rng = np.random.default_rng(1)
    values = rng.normal(3.0, 20.0, (40, 30)).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    monkeypatch.setattr(stats, "_BLOCK", block)
    check(statistics(raster(values), engine=engine), values)


def test_a_million_values_of_all_magnitudes():
    rng = np.random.default_rng(2)
    values = (rng.normal(size=(1100, 1000)) * 10.0 ** rng.integers(-30, 30, (1100, 1000))).astype(
        np.float32
    )
    check(statistics(raster(values)), values)


def test_normal_errors_of_sigma_two():
    values = np.random.default_rng(3).normal(0.5, 2.0, (1000, 1000)).astype(np.float32)
    found = statistics(raster(values))
    # Standard errors with 1e6 samples: median 1.25 sigma/1000, NMAD 1.17 sigma/1000; five of them.
    assert found.median == pytest.approx(0.5, abs=0.013)
    assert found.nmad == pytest.approx(2.0, abs=0.012)
    assert found.std == pytest.approx(2.0, abs=0.008)
    assert found.rmse == pytest.approx(math.hypot(2.0, 0.5), abs=0.01)


def test_no_data_at_all():
    found = statistics(raster(np.full((3, 4), np.nan, dtype=np.float32)))
    assert found.count == 0
    assert all(math.isnan(v) for k, v in found.to_dict().items() if k != "count")
    assert math.isnan(nmad(np.array([])))


def test_infinite_values_are_left_out():
    values = np.array([[1.0, np.inf, 3.0, -np.inf]], dtype=np.float32)
    check(statistics(raster(values)), values)


def test_spread_beyond_float32_is_infinite_and_no_crash():
    found = statistics(raster(np.array([[-3e38, 3e38, 3e38]], dtype=np.float32)))
    assert found.median == float(np.float32(3e38))
    assert found.nmad == 0.0
    found = statistics(raster(np.array([[-3e38, -3e38, 3e38, 3.2e38, -3.1e38]]).astype("f4")))
    assert found.nmad == pytest.approx(NMAD_FACTOR * 1e37, rel=1e-5)
    assert (
        math.isinf(
            statistics(raster(np.array([[-3e38, 3e38, 3e38, -3e38, 0.0, 1, 2]], dtype="f4"))).nmad
        )
        is False
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.float32])
def test_a_mask_leaves_cells_out(dtype):
    rng = np.random.default_rng(4)
    values = rng.normal(size=(30, 20)).astype(np.float32)
    keep = rng.random(values.shape) < 0.6
    found = statistics(raster(values), valid=raster(keep.astype(dtype)))
    check(found, np.where(keep, values, np.nan))


def test_no_data_in_the_mask_is_not_valid():
    values = np.arange(6, dtype=np.float32)[np.newaxis]
    gaps = np.array([[1, 1, 0, np.nan, np.nan, 1]], dtype=np.float32)
    assert statistics(raster(values), valid=raster(gaps)).count == 3
    marked = np.array([[1, 1, 0, 255, 255, 1]], dtype=np.uint8)
    assert statistics(raster(values), valid=raster(marked, nodata=255)).count == 3


def test_a_mask_on_another_grid_is_refused():
    with pytest.raises(InputError, match="mask lies on"):
        statistics(raster(np.zeros((3, 4), dtype=np.float32)), valid=raster(np.ones((4, 3))))


def test_progress_reaches_its_total(monkeypatch):
    monkeypatch.setattr(stats, "_BLOCK", 2)
    calls = []
    statistics(raster(np.ones((4, 4), dtype=np.float32)), progress=lambda *a: calls.append(a))
    assert calls == [(k, 16) for k in range(1, 17)]


def test_blocks_are_read_in_bounded_windows():
    class Endless:
        grid = Grid(crs=None, transform=Affine(1, 0, 0, 0, -1, 0), shape=(3000, 2500))
        count = 1
        dtype = np.dtype(np.float32)
        nodata = math.nan

        def read(self, window: Window):
            assert window.size <= 1024 * 1024
            return np.full((1, *window.shape), 7.0, dtype=np.float32)

    found = statistics(Endless())
    assert (found.count, found.median, found.nmad, found.le90) == (7_500_000, 7.0, 0.0, 7.0)


def test_nmad_is_of_finite_values():
    values = np.array([1.0, 2.0, 4.0, 8.0, 9.0])
    dirty = np.array([np.nan, 1.0, 2.0, np.inf, 4.0, 8.0, 9.0, -np.inf])
    assert nmad(dirty) == nmad(values) == NMAD_FACTOR * 3.0
    assert math.isnan(nmad(np.full(3, np.nan)))


def test_threads_read_unless_another_engine_is_given(monkeypatch):
    names = set()
    read = ArrayRaster.read

    def spied(self, window):
        names.add(threading.current_thread().name.split("_")[0])
        return read(self, window)

    monkeypatch.setattr(ArrayRaster, "read", spied)
    statistics(raster(np.ones((4, 4), dtype=np.float32)))
    assert names == {"trueground"}
