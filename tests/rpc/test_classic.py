"""The classic solvers: against GDAL itself, scalar twins, planes whose answer is known, and their theory."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
import rasterio
from rasterio.rpc import RPC
from rasterio.transform import RPCTransformer

from classic_reference import gdal as gdal_twin
from classic_reference import substitution as substitution_twin
from classic_scenes import (
    LONLAT,
    UTM31,
    camera,
    dem_of,
    pixels,
    rough,
    slope_along,
    town,
)
from trueground.dem import Dem
from trueground.errors import InputError
from trueground.rpc.classic import Gdal, HeightSubstitution, named
from trueground.rpc.model import Rpc
from trueground.rpc.readers import read_rpc
from trueground.status import Status
from trueground.writer import write


def by_gdal(rpc: Rpc, dem_path, row, col):
    """What GDAL itself answers: longitude and latitude, infinite where it fails."""
    rpcs = RPC(
        height_off=rpc.height_off, height_scale=rpc.height_scale, lat_off=rpc.lat_off, lat_scale=rpc.lat_scale,
        line_den_coeff=list(rpc.line_den), line_num_coeff=list(rpc.line_num), line_off=rpc.line_off,
        line_scale=rpc.line_scale, long_off=rpc.long_off, long_scale=rpc.long_scale,
        samp_den_coeff=list(rpc.samp_den), samp_num_coeff=list(rpc.samp_num), samp_off=rpc.samp_off,
        samp_scale=rpc.samp_scale,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.TransformWarning)
        with RPCTransformer(rpcs, RPC_DEM=str(dem_path)) as transformer:
            x, y = transformer.xy(list(row), list(col), offset="ul")
    return np.array(x), np.array(y)


@pytest.mark.parametrize(
    ("height", "tilt"),
    [(rough(20.0), (0.3, -0.6)), (rough(150.0), (0.3, -0.6)), (rough(60.0), (1.2, 0.9)), (town, (0.3, -0.4))],
)  # fmt: skip
@pytest.mark.parametrize("crs", [UTM31, LONLAT])
def test_gdal_is_gdal(tmp_path, height, tilt, crs):
    """The same points arrive at the same place, the others fail: walls, relief, oscillation, boost."""
    rpc, dem = camera(tilt), dem_of(height, crs=crs)
    write(dem.raster, tmp_path / "dem.tif")
    row, col = pixels(5000)
    lon, lat = by_gdal(rpc, tmp_path / "dem.tif", row, col)
    found = Gdal().locate(rpc, dem, row, col)
    arrived, ours = np.isfinite(lon), found.status == Status.OK
    # Round-off decides at thresholds, and at walls it is amplified: a handful of 5000.
    assert (arrived != ours).mean() <= 0.002
    both = arrived & ours
    apart = np.hypot((lon - found.lon)[both] * 78_800.0, (lat - found.lat)[both] * 111_100.0)
    assert np.mean(apart < 1e-6) >= 0.998  # m; GDAL's 0.1 px are 0.1 m
    assert (found.residual[ours] < 0.1).all()
    assert both.mean() > 0.5


@pytest.mark.data
def test_gdal_is_gdal_on_real_data(data_folder):
    folder = data_folder / "ventoux"
    rpc, path = read_rpc(folder / "left_image.geom"), folder / "N44E005_UTM.tif"
    dem = Dem.open(str(path), heights="ellipsoid")
    reach = np.random.default_rng(0).uniform(-0.9, 0.9, (2, 2000))
    row, col = rpc.line_off + reach[0] * rpc.line_scale, rpc.samp_off + reach[1] * rpc.samp_scale
    lon, lat = by_gdal(rpc, path, row, col)
    found = Gdal().locate(rpc, dem, row, col)
    np.testing.assert_array_equal(np.isfinite(lon), found.status == Status.OK)
    good = np.isfinite(lon)
    assert good.any()
    np.testing.assert_allclose(found.lon[good], lon[good], atol=1e-10)
    np.testing.assert_allclose(found.lat[good], lat[good], atol=1e-10)


@pytest.mark.parametrize("height", [rough(120.0), town])
def test_scalar_twins(height):
    rpc, dem = camera((0.9, -0.7)), dem_of(height, crs=LONLAT)
    row, col = pixels(150, low=-1500.0, high=3500.0)
    methods = [
        (Gdal(), lambda r, c: gdal_twin(rpc, dem, r, c)),
        (HeightSubstitution(), lambda r, c: substitution_twin(rpc, dem, r, c, 500.0)),
        (
            HeightSubstitution(start_height=620.0, damping=0.6, tolerance=1e-3, max_iterations=35),
            lambda r, c: substitution_twin(
                rpc, dem, r, c, 620.0, damping=0.6, tolerance=1e-3, iterations=35
            ),
        ),
    ]
    for solver, twin in methods:
        found = solver.locate(rpc, dem, row, col)
        expected = np.array([twin(r, c) for r, c in zip(row, col, strict=True)])
        np.testing.assert_array_equal(found.status == Status.OK, expected[:, 5] == 1.0)
        np.testing.assert_array_equal(found.iterations, expected[:, 3])
        for values, column, atol in (
            (found.lon, 0, 1e-10), (found.lat, 1, 1e-10), (found.height, 2, 1e-5), (found.residual, 4, 1e-4),
        ):  # fmt: skip
            np.testing.assert_allclose(values, expected[:, column], atol=atol)
        assert 0.05 < (found.status == Status.OK).mean() < 1.0  # the case has both


@pytest.mark.parametrize("plane", [(0.0, 0.0), (0.4, -0.2), (-0.5, 0.5)])
def test_on_a_plane_both_come_to_the_only_point(plane):
    rpc, dem = camera(), dem_of(lambda e, n: 500.0 + plane[0] * e + plane[1] * n)
    row, col = pixels(500, low=600.0, high=1400.0)
    truth = rpc.localize_on(dem, row, col)
    assert (truth.status == Status.OK).all()
    for solver in (
        Gdal(tolerance=1e-7, max_iterations=80),
        HeightSubstitution(tolerance=1e-7, max_iterations=80),
    ):
        found = solver.locate(rpc, dem, row, col)
        assert (found.status == Status.OK).all()
        np.testing.assert_allclose(found.height, truth.height, atol=1e-5)
        np.testing.assert_allclose(found.lon, truth.lon, atol=1e-10)


TILT = (0.6, -0.8)  # 1 px a metre over pixels of 1 m: 45 degrees off the vertical


@pytest.mark.parametrize("wanted", [-1.4, -0.95, -0.5, -0.1, 0.1, 0.5, 0.9, 1.2])
def test_contraction_is_tan_incidence_times_slope_along_the_view(wanted):
    """Errors shrink by that factor a step, alternate where it is negative, and grow beyond 1."""
    rpc = camera(TILT, bend=0.0)
    row, col = np.array([1000.0]), np.array([1000.0])
    tangent, _ = slope_along(rpc, row, col, (1.0, 0.0))
    assert tangent == pytest.approx(1.0, rel=0.02)
    # A plane that rises towards the sensor, and a little across, which must not matter.
    along = np.array([slope_along(rpc, row, col, axis)[1] for axis in ((1.0, 0.0), (0.0, 1.0))])
    plane = along * wanted / tangent + 0.3 * np.array([-along[1], along[0]])
    expected = np.prod(slope_along(rpc, row, col, plane))
    assert expected == pytest.approx(wanted, abs=1e-6)
    dem = dem_of(lambda e, n: 500.0 + plane[0] * e + plane[1] * n)
    truth = rpc.localize_on(dem, row, col)
    fixed = 500.0 if truth.status[0] != Status.OK else float(truth.height[0])
    if (
        truth.status[0] != Status.OK
    ):  # a plane steeper than the view is seen from below: no first point
        assert wanted > 1.0
        probes = np.array([480.0, 520.0])
        at = rpc.localize(row, col, probes)
        off = dem.heights(at.lon, at.lat) - probes
        fixed = float(480.0 - off[0] * 40.0 / (off[1] - off[0]))
    solver = HeightSubstitution(start_height=fixed + 8.0, tolerance=1e-9, max_iterations=6)
    heights = np.array([step.height[0] for step in solver.steps(rpc, dem, row, col)])
    errors = np.concatenate([[8.0], heights - fixed])
    np.testing.assert_allclose(errors[1:5] / errors[:4], wanted, atol=2e-3)


@pytest.mark.parametrize(
    ("factor", "damping", "converges"),
    [(-0.9, 1.0, True), (-1.1, 1.0, False), (-1.1, 0.9, True), (-2.5, 0.55, True), (-2.5, 0.6, False),
     (0.9, 1.0, True), (1.1, 0.5, False)],
)  # fmt: skip
def test_bounds_of_convergence_with_damping(factor, damping, converges):
    """1 - 2 / damping < factor < 1."""
    assert converges == (1.0 - 2.0 / damping < factor < 1.0)
    rpc = camera(TILT, bend=0.0)
    row, col = np.array([1000.0]), np.array([1000.0])
    tangent, _ = slope_along(rpc, row, col, (1.0, 0.0))
    along = np.array([slope_along(rpc, row, col, axis)[1] for axis in ((1.0, 0.0), (0.0, 1.0))])
    plane = along * factor / tangent
    dem = dem_of(lambda e, n: 500.0 + plane[0] * e + plane[1] * n)
    found = HeightSubstitution(start_height=530.0, damping=damping, max_iterations=300).locate(
        rpc, dem, row, col
    )
    assert (found.status[0] == Status.OK) == converges
    assert found.iterations[0] > 1


def test_gdals_mean_saves_what_substitution_loses():
    """On a plane of factor -2 the mean of two places is the answer itself, but for the rest of the linear map."""
    rpc = camera(TILT)
    row, col = pixels(300, low=900.0, high=1100.0)
    tangent, _ = slope_along(rpc, row[0], col[0], (1.0, 0.0))
    along = np.array([slope_along(rpc, row[0], col[0], a)[1] for a in ((1.0, 0.0), (0.0, 1.0))])
    plane = along * -2.0 / tangent
    dem = dem_of(lambda e, n: 500.0 + plane[0] * e + plane[1] * n)
    lost = HeightSubstitution(start_height=510.0).locate(rpc, dem, row, col).status != Status.OK
    assert lost.mean() > 0.98  # a start may be the answer by chance
    found = Gdal().locate(rpc, dem, row, col)
    assert (found.status == Status.OK).all()
    assert np.median(found.iterations) < 8


def test_gdals_mean_needs_a_lean_in_rows_and_in_columns():
    """Where the view leans along the rows alone, columns have no error: their sign never turns with that of rows."""
    both, one = camera(TILT, bend=0.0), camera((1.0, 0.0), bend=0.0)
    row, col = pixels(200, low=900.0, high=1100.0)
    arrived = []
    for rpc in (both, one):
        tangent, _ = slope_along(rpc, row[0], col[0], (1.0, 0.0))
        along = np.array([slope_along(rpc, row[0], col[0], a)[1] for a in ((1.0, 0.0), (0.0, 1.0))])
        plane = along * -1.3 / tangent
        dem = dem_of(lambda e, n, p=plane: 500.0 + p[0] * e + p[1] * n)
        arrived.append((Gdal().locate(rpc, dem, row, col).status == Status.OK).mean())
    assert arrived[0] == 1.0
    assert arrived[1] < 0.6  # what arrives does so by the signs of round-off


def test_the_start_height_decides_which_point_is_found():
    """Where one line of sight meets the surface twice, the start decides; a ridge that hides nothing is met once."""
    rpc = camera((0.0, -1.0))  # higher is further east: there stands the sensor

    def ridge(east, north):
        return 400.0 + np.clip(300.0 - 0.6 * np.abs(east), 0.0, None)

    dem, cols = dem_of(ridge), np.arange(300.0, 1700.0, 10.0)
    truth = rpc.localize_on(dem, 1000.0, cols)
    found = [
        HeightSubstitution(start_height=start, max_iterations=200).locate(rpc, dem, 1000.0, cols)
        for start in (390.0, 720.0)
    ]
    # A slope of 0.6 seen at 45 degrees hides nothing: one point on each line, whatever the start.
    for one in found:
        np.testing.assert_array_equal(one.status == Status.OK, truth.status == Status.OK)
        np.testing.assert_allclose(one.height, truth.height, atol=0.3)  # 0.1 px by 1 / (1 - 0.6)

    def wall(east, north):
        return np.where(east > 0.0, 600.0, 400.0)  # the drop is on the side away from the sensor

    dem = dem_of(wall)
    truth = rpc.localize_on(dem, 1000.0, cols)
    low, high = (
        HeightSubstitution(start_height=s).locate(rpc, dem, 1000.0, cols) for s in (380.0, 620.0)
    )
    seen_top = (truth.status == Status.OK) & (truth.height > 590.0)
    hidden = seen_top & (low.status == Status.OK) & (low.height < 410.0)
    assert hidden.any()
    assert (high.height[hidden] > 590.0).all()
    assert (low.residual[hidden] < 0.1).all()  # nothing in the answer tells


def test_gdal_takes_a_first_place_beside_the_dem_at_its_word(tmp_path):
    """The height of the border is as good as one of the DEM to it, if the place happens to be seen in the pixel."""
    rpc = camera()
    dem = dem_of(
        lambda e, n: np.full_like(e, 500.0), size=100
    )  # 1 km of 2 km, at the reference height
    write(dem.raster, tmp_path / "dem.tif")
    row, col = np.full(50, 1000.0), np.linspace(1600.0, 1700.0, 50)
    found = Gdal(tolerance=20.0).locate(rpc, dem, row, col)
    assert (found.status == Status.OK).all()
    assert (found.iterations == 1).all()
    assert np.isnan(dem.heights(found.lon, found.lat)).all()
    assert (rpc.localize_on(dem, row, col).status == Status.OUTSIDE_DEM).all()


def test_statuses():
    rpc = camera()
    full = dem_of(lambda e, n: np.full_like(e, 500.0))
    holes = np.array(full.raster.array)
    holes[0, 150:250, 150:250] = np.nan
    holed = Dem.open(dataclasses.replace(full.raster, array=holes), heights="ellipsoid")
    row = np.array([[1000.0, np.nan], [1000.0, 90_000.0]])
    col = np.array([[1000.0, 5.0], [np.inf, 1000.0]])
    for solver in (Gdal(), HeightSubstitution(start_height=800.0)):
        found = solver.locate(rpc, holed, row, col)
        assert found.status.shape == found.iterations.shape == found.residual.shape == (2, 2)
        assert found.status[0, 1] == found.status[1, 0] == Status.BAD_INPUT
        assert found.iterations[0, 1] == 0
        assert np.isnan(found.residual[0, 1])
        assert np.isnan(list(found[:3])).all()
    assert (
        HeightSubstitution(start_height=500.0).locate(rpc, holed, 1000.0, 1000.0).status
        == Status.NO_DATA
    )
    away = Gdal().locate(rpc, full, 90_000.0, 1000.0)
    assert away.status in (Status.OUTSIDE_DEM, Status.DIVERGED)
    assert np.isfinite(away.residual)  # the first place was tried with a height from the border
    assert away.iterations >= 1
    assert HeightSubstitution().locate(rpc, full, 50_000.0, 0.0).status != Status.OK
    swinging = HeightSubstitution().locate(camera((1.0, -1.0)), dem_of(town), *pixels(500))
    late = swinging.status == Status.DIVERGED
    assert late.any()
    assert (swinging.iterations[late] == 20).all()
    assert (swinging.residual[late] >= 0.1).all()


@pytest.mark.parametrize("solver", [Gdal(), HeightSubstitution()])
def test_shapes_and_empty_input(solver):
    rpc, dem = camera(), dem_of(rough(10.0))
    scalar = solver.locate(rpc, dem, 1000, 1000)
    assert scalar.lon.shape == ()
    assert scalar.status == Status.OK
    grid = solver.locate(
        rpc, dem, np.arange(900, 1000, 20)[:, None], np.arange(900.0, 1000.0, 25.0)
    )
    assert grid.height.shape == grid.iterations.shape == (5, 4)
    one = solver.locate(rpc, dem, 940, 950.0)
    np.testing.assert_array_equal(grid.height[2, 2], one.height)
    assert solver.locate(rpc, dem, [], []).iterations.shape == (0,)


def test_a_model_that_cannot_be_inverted_diverges():
    rpc = dataclasses.replace(camera(), line_num=camera().samp_num, line_den=camera().samp_den)
    dem = dem_of(rough(10.0))
    for solver in (Gdal(), HeightSubstitution()):
        found = solver.locate(rpc, dem, 1000.0, 900.0)
        assert found.status != Status.OK
        assert np.isnan(found.lon)


def test_names_and_settings():
    rpc, dem = camera(), dem_of(rough(10.0))
    assert named("gdal") == Gdal(tolerance=0.1, max_iterations=20)
    assert named("height-substitution") == HeightSubstitution()
    row, col = pixels(50)
    for name in ("gdal", "height-substitution"):
        by_name, direct = (
            rpc.localize_on(dem, row, col, solver=name),
            named(name).locate(rpc, dem, row, col),
        )
        np.testing.assert_array_equal(by_name.lon, direct.lon)
        np.testing.assert_array_equal(by_name.iterations, direct.iterations)
    with pytest.raises(InputError, match="must be 'certified', 'gdal'"):
        named("newton")
    for bad, words in (
        ({"tolerance": 0.0}, "above 0"), ({"tolerance": np.nan}, "above 0"), ({"max_iterations": 0}, "at least 1"),
    ):  # fmt: skip
        for kind in (Gdal, HeightSubstitution):
            with pytest.raises(InputError, match=words):
                kind(**bad)
    with pytest.raises(InputError, match="damping"):
        HeightSubstitution(damping=0.0)
    with pytest.raises(InputError, match="start height"):
        HeightSubstitution(start_height=np.inf)
