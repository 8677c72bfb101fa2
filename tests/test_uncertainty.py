"""Standard errors of means: against the double sum, Rolstad's disk, and the scatter of realisations."""

from __future__ import annotations

import math

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from pyproj import CRS
from shapely.geometry import LineString, Point, Polygon, box

from simulated_fields import CORRELATED, PIXEL, TWO_RANGES, WHITE, fields, grid, raster
from trueground import covariance_sum
from trueground.covariance_sum import CovarianceSum
from trueground.errors import InputError
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster
from trueground.uncertainty import area_names, cell_metric, ground_area, mean_changes
from trueground.variogram import Variogram
from trueground.variogram_model import Part, VariogramModel
from trueground.vectors import outline_mask

SHAPE = (180, 200)
GRID = grid(SHAPE)
WEST, SOUTH, EAST, NORTH = GRID.bounds
CENTRE = Point((WEST + EAST) / 2, (SOUTH + NORTH) / 2)
STAR = Polygon(
    [
        (CENTRE.x + r * math.sin(a), CENTRE.y + r * math.cos(a))
        for a, r in zip(np.linspace(0, 2 * math.pi, 11)[:-1], [800, 250] * 5, strict=True)
    ]
)
AREAS = gpd.GeoDataFrame(
    {"name": ["small", "large", "star", "strip"]},
    geometry=[
        CENTRE.buffer(60),
        CENTRE.buffer(500),
        STAR,
        box(WEST + 100, SOUTH + 200, EAST - 100, SOUTH + 320),
    ],
    crs=GRID.crs,
)


MASKS = [outline_mask([AREAS.iloc[[i]]], GRID).read(GRID.window)[0] != 0 for i in range(len(AREAS))]


def scatter_of(model, realisations, factor=1.0):
    """Standard deviation over realisations of the mean over each area."""
    means = [
        [(factor * field)[mask].mean() for mask in MASKS]
        for seed in range(realisations // 2)
        for field in fields(model, SHAPE, seed)
    ]
    return np.std(means, axis=0, ddof=1)


def double_sum(model, weights, metric):
    row, col = np.nonzero(weights)
    w = weights[row, col]
    dr, dc = row[:, np.newaxis] - row, col[:, np.newaxis] - col
    lag = np.sqrt(metric[0, 0] * dr**2 + 2 * metric[0, 1] * dr * dc + metric[1, 1] * dc**2)
    return float(w @ model.covariance(lag) @ w)


@pytest.mark.parametrize(
    "metric", [np.diag([100.0, 144.0]), np.array([[100.0, 40.0], [40.0, 144.0]])]
)
@pytest.mark.parametrize("kind", ["spherical", "exponential", "gaussian"])
def test_sum_is_the_double_sum_over_cells(metric, kind, monkeypatch):
    """Also in tiles with margins, and near it on coarser cells."""
    rng = np.random.default_rng(0)
    weights = rng.random((37, 52)) * (rng.random((37, 52)) > 0.3)
    window = Window(100, 200, 37, 52)
    parts = (Part(kind=kind, range=80.0, sill=1.0), Part(kind=kind, range=900.0, sill=0.5))
    model = VariogramModel(nugget=0.3, parts=parts)
    expected = double_sum(model, weights, metric)

    def found():
        summed = CovarianceSum(model=model, metric=metric)
        return summed.of(lambda w: weights[w.slices_in(window)], window)

    assert found() == pytest.approx(expected, rel=1e-12)
    monkeypatch.setattr(covariance_sum, "_TILE", 16)
    # What an exponential leaves beyond three ranges is cut off.
    assert found() == pytest.approx(expected, rel=1e-4)
    monkeypatch.setattr(covariance_sum, "_REACH", 9)
    assert found() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("ratio", [0.3, 0.7, 1.0])
def test_disk_within_the_range_as_the_exact_integral(ratio):
    """Pairs of points of a disk have distances of a known density: one integral is the variance."""
    radius, reach = 400.0, 400.0 / ratio
    model = VariogramModel(nugget=0.0, parts=(Part(kind="spherical", range=reach, sill=2.0),))
    d = np.linspace(0.0, 2 * radius, 20_001)
    x = d / (2 * radius)
    density = 8 * x / (np.pi * radius) * (np.arccos(x) - x * np.sqrt(1 - x * x))
    assert np.trapezoid(density, d) == pytest.approx(1.0, abs=1e-6)
    expected = math.sqrt(np.trapezoid(density * model.covariance(d), d))
    areas = gpd.GeoDataFrame(geometry=[CENTRE.buffer(radius, quad_segs=64)], crs=GRID.crs)
    (found,) = mean_changes(raster(np.zeros(SHAPE)), areas, model)
    assert found.standard_error == pytest.approx(expected, rel=0.005)  # 40 cells in a radius


@pytest.mark.parametrize("times", [3.0, 4.0])
def test_large_disk_as_rolstad(times):
    """Rolstad et al. (2009), doi:10.3189/002214309789470950, see the covariance from the middle of a
    disk larger than the range a: s^2 = sigma^2 a^2 / (5 L^2); cells near the edge have fewer neighbours.
    """
    reach, radius = 200.0, 200.0 * times
    model = VariogramModel(nugget=0.0, parts=(Part(kind="spherical", range=reach, sill=2.0),))
    areas = gpd.GeoDataFrame(geometry=[CENTRE.buffer(radius, quad_segs=64)], crs=GRID.crs)
    (found,) = mean_changes(raster(np.zeros(SHAPE)), areas, model)
    circular = math.sqrt(2.0 * reach**2 / (5.0 * radius**2))
    assert 0.85 * circular < found.standard_error < circular


@pytest.mark.parametrize("model", [WHITE, CORRELATED, TWO_RANGES], ids=["white", "one", "two"])
def test_standard_error_is_the_scatter_of_realisations(model):
    """200 realisations: their scatter is 5 % off by chance, and 0.8 to 1.25 is asked for."""
    predicted = mean_changes(raster(np.zeros(SHAPE)), AREAS, model)
    scatter = scatter_of(model, 200)
    ratio = np.array([c.standard_error for c in predicted]) / scatter
    assert (ratio > 0.85).all(), ratio
    assert (ratio < 1.18).all(), ratio


@pytest.mark.slow
@pytest.mark.parametrize("model", [WHITE, CORRELATED, TWO_RANGES], ids=["white", "one", "two"])
def test_standard_error_from_one_estimated_variogram(model):
    """The whole chain: variogram of one field, its model, the standard error; median of 3 fields."""
    truth = mean_changes(raster(np.zeros(SHAPE)), AREAS, model)
    found = []
    for seed in range(3):
        fitted = VariogramModel.fit(Variogram.of(raster(fields(model, (420, 420), seed)[0])))
        found.append(
            [c.standard_error for c in mean_changes(raster(np.zeros(SHAPE)), AREAS, fitted)]
        )
    ratio = np.median(found, axis=0) / [c.standard_error for c in truth]
    assert (ratio > 0.8).all(), ratio
    assert (ratio < 1.25).all(), ratio


def test_sigma_of_each_cell_counts():
    """Errors that differ from cell to cell: the scatter again, and Hugonnet's approximation."""
    rng = np.random.default_rng(0)
    sigma = rng.uniform(0.5, 2.5, SHAPE)
    model = CORRELATED.standardised()
    error = raster(sigma)
    predicted = mean_changes(raster(np.zeros(SHAPE)), AREAS, model, error=error)
    scatter = scatter_of(model, 200, sigma)
    ratio = np.array([c.standard_error for c in predicted]) / scatter
    assert (ratio > 0.8).all(), ratio
    assert (ratio < 1.25).all(), ratio
    plain = mean_changes(raster(np.zeros(SHAPE)), AREAS, model)
    for one, two in zip(predicted[1:], plain[1:], strict=True):
        assert one.standard_error == pytest.approx(1.5 * two.standard_error, rel=0.05)


def test_white_noise_has_as_many_samples_as_cells():
    for found in mean_changes(raster(np.ones(SHAPE)), AREAS, WHITE):
        assert found.effective_samples == pytest.approx(found.cells)
        assert found.standard_error == pytest.approx(2.0 / math.sqrt(found.cells))
        assert found.sigma == pytest.approx(2.0)
        assert found.mean == 1.0


def test_holes_are_told_by_coverage():
    dh = np.full(SHAPE, 3.0)
    dh[:, : SHAPE[1] // 2] = np.nan
    small, large, *_ = mean_changes(raster(dh), AREAS, CORRELATED)
    assert large.coverage == pytest.approx(0.5, abs=0.02)
    assert large.mean == 3.0
    assert large.cells == pytest.approx(large.area / PIXEL**2 / 2, rel=0.02)
    whole = mean_changes(raster(np.full(SHAPE, 3.0)), AREAS, CORRELATED)[1]
    assert whole.coverage == pytest.approx(1.0, abs=0.01)
    assert large.standard_error > whole.standard_error
    assert small.cells < whole.cells


def test_areas_without_data():
    far = gpd.GeoDataFrame({"id": [7]}, geometry=[Point(0, 0).buffer(100)], crs=GRID.crs)
    (found,) = mean_changes(raster(np.zeros(SHAPE)), far, CORRELATED)
    assert found.name == "7"
    assert (found.cells, found.coverage) == (0, 0.0)
    assert math.isnan(found.mean)
    assert math.isnan(found.standard_error)
    half = gpd.GeoDataFrame(
        geometry=[box(EAST - 200, SOUTH, EAST + 200, SOUTH + 100)], crs=GRID.crs
    )
    (found,) = mean_changes(raster(np.zeros(SHAPE)), half, CORRELATED)
    assert found.coverage == pytest.approx(0.5)


def test_cells_without_error_have_that_of_the_others():
    error = np.full(SHAPE, 2.0)
    error[::3] = np.nan
    filled, plain = (
        mean_changes(raster(np.zeros(SHAPE)), AREAS, CORRELATED, error=raster(e))[1]
        for e in (error, np.full(SHAPE, 2.0))
    )
    assert filled.standard_error == pytest.approx(plain.standard_error, rel=1e-9)
    unknown = mean_changes(raster(np.zeros(SHAPE)), AREAS, CORRELATED, error=raster(error * np.nan))
    assert math.isnan(unknown[1].standard_error)
    assert unknown[1].mean == 0.0


def test_large_areas_are_read_in_pieces(monkeypatch):
    rng = np.random.default_rng(0)
    dh, error = raster(rng.normal(size=SHAPE)), raster(rng.uniform(1, 2, SHAPE))
    whole = mean_changes(dh, AREAS, TWO_RANGES, error=error)
    from trueground import uncertainty

    monkeypatch.setattr(uncertainty, "_HELD", 0)
    monkeypatch.setattr(uncertainty, "_PIECE", 33)
    monkeypatch.setattr(covariance_sum, "_READ", 21)
    for one, two in zip(whole, mean_changes(dh, AREAS, TWO_RANGES, error=error), strict=True):
        assert one.mean == pytest.approx(two.mean, rel=1e-9)
        assert one.standard_error == pytest.approx(two.standard_error, rel=1e-9)


def test_degrees_and_metres_agree():
    """The same disk on a geographic grid at 60 degrees north."""
    step = PIXEL / 111_412.0
    geographic = Grid(
        crs=CRS(4326), transform=Affine(2 * step, 0, 12.0, 0, -step, 60.02), shape=(200, 300)
    )
    middle = gpd.GeoSeries([Point(*geographic.xy(100, 150))], crs=4326)
    metric = middle.estimate_utm_crs()
    areas = gpd.GeoDataFrame(geometry=middle.to_crs(metric).buffer(400), crs=metric)
    dh = ArrayRaster(array=np.zeros((200, 300), np.float32), grid=geographic)
    (found,) = mean_changes(dh, areas, CORRELATED)
    (expected,) = mean_changes(
        raster(np.zeros(SHAPE)),
        gpd.GeoDataFrame(geometry=[CENTRE.buffer(400)], crs=GRID.crs),
        CORRELATED,
    )
    assert found.area == pytest.approx(math.pi * 400**2, rel=0.01)
    assert found.coverage == pytest.approx(1.0, abs=0.01)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.01)


def test_metric_of_a_turned_grid():
    turned = Grid(crs=None, transform=Affine(8, 3, 0, 4, -9, 0), shape=(10, 10))
    metric = cell_metric(turned, turned.window)
    (x0, x1), (y0, y1) = turned.xy([0, 3], [0, 5])
    assert np.array([3, 5]) @ metric @ [3, 5] == pytest.approx((x1 - x0) ** 2 + (y1 - y0) ** 2)


def test_names():
    assert area_names(AREAS) == ["small", "large", "star", "strip"]
    frame = AREAS.rename(columns={"name": "RGIId"}).assign(other=[1, 2, 3, 4])
    assert area_names(frame)[0] == "small"
    assert area_names(frame, "other") == ["1", "2", "3", "4"]
    assert area_names(frame[["geometry"]]) == ["1", "2", "3", "4"]
    assert area_names(frame.assign(name=["a", None, "c", "d"])) == ["a", "2", "c", "d"]
    with pytest.raises(InputError, match="no column nonsense: they have RGIId, other"):
        area_names(frame, "nonsense")


def test_area_on_the_ground():
    """A degree of latitude by a degree of longitude at 60 degrees north, whatever the CRS."""
    cell = gpd.GeoDataFrame(geometry=[box(12, 60, 13, 61)], crs=4326)
    assert ground_area(cell) == pytest.approx(6123e6, rel=0.005)
    mercator = cell.to_crs(3857)
    assert ground_area(mercator) == pytest.approx(ground_area(cell), rel=1e-3)
    assert ground_area(gpd.GeoDataFrame(geometry=[box(0, 0, 10, 10)])) == 100.0


def test_errors():
    dh = raster(np.zeros(SHAPE))
    lines = gpd.GeoDataFrame(geometry=[LineString([(WEST, SOUTH), (EAST, NORTH)])], crs=GRID.crs)
    with pytest.raises(InputError, match="areas hold LineString"):
        mean_changes(dh, lines, WHITE)
    with pytest.raises(InputError, match="areas hold nothing"):
        mean_changes(dh, lines.iloc[:0], WHITE)
    with pytest.raises(InputError, match=r"warp\.on_grid"):
        mean_changes(dh, AREAS, WHITE, error=raster(np.ones((10, 10))))
