"""A disk that is full, or a limit that is reached, while anything is written: an error, and what was there before."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from affine import Affine
from pyproj import CRS

from faults import largest_file, mounted
from trueground.cli.align_blocks import write_table
from trueground.engine import Serial
from trueground.errors import WriteError
from trueground.grid import Grid
from trueground.pointfiles import write_points
from trueground.raster import ArrayRaster, open_raster
from trueground.tiles import TileStore
from trueground.writer import write, write_text

LIMIT = 256 << 10  # bytes
GRID = Grid(crs=CRS.from_epsg(32631), transform=Affine(2.0, 0, 5e5, 0, -2.0, 5e6), shape=(500, 500))
NOISE = (
    np.random.default_rng(0).normal(size=(500, 500)).astype(np.float32)
)  # 1 MB; does not compress
ROWS = 20_000


class Blocks:
    """What `align --blocks` makes tables of, as far as they need it."""

    def to_geodataframe(self) -> gpd.GeoDataFrame:
        values = np.random.default_rng(0).normal(size=(ROWS, 3))
        points = gpd.points_from_xy(5e5 + values[:, 0], 5e6 + values[:, 1], crs=32631)
        return gpd.GeoDataFrame({"z": values[:, 2]}, geometry=points)


def _raster(place: Path, **options: object) -> None:
    write(ArrayRaster(array=NOISE, grid=GRID), place, engine=Serial(), block_size=128, **options)


def _tiles(place: Path) -> None:
    TileStore(folder=place, size=128).write(ArrayRaster(array=NOISE, grid=GRID), engine=Serial())


def _points(place: Path, source: Path) -> None:
    write_points(source, place, lambda x, y, z: (x + 1.0, y, z), crs="EPSG:32631")


WRITERS: dict[str, Callable[[Path, Path], None]] = {
    "o.tif": lambda place, _: _raster(place),
    "cog.tif": lambda place, _: _raster(place, driver="COG"),
    "o.zarr": lambda place, _: _raster(place),
    "o.json": lambda place, _: write_text(place, "0123456789" * 60_000),
    "blocks.gpkg": lambda place, _: write_table(Blocks(), place),
    "blocks.csv": lambda place, _: write_table(Blocks(), place),
    "blocks.geojson": lambda place, _: write_table(Blocks(), place),
    "points.csv": _points,
    "points.gpkg": _points,
    "points.geojson": _points,
    "points.fgb": _points,
    "points.parquet": _points,
    "points.shp": _points,
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of points, each of more than the disk holds."""
    folder = tmp_path_factory.mktemp("sources")
    frame = Blocks().to_geodataframe()
    x, y = frame.geometry.x, frame.geometry.y
    pd.DataFrame({"x": x, "y": y, "z": frame["z"]}).to_csv(folder / "points.csv", index=False)
    solid = frame.set_geometry(gpd.points_from_xy(x, y, frame["z"], crs=32631))
    for suffix in ("gpkg", "geojson", "fgb", "shp"):
        solid.to_file(folder / f"points.{suffix}")
    solid.to_parquet(folder / "points.parquet")
    return folder


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of GDAL, which warns before it fails
@pytest.mark.parametrize("kind", ["disk", "limit"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk(name: str, kind: str, tmp_path: Path, sources: Path) -> None:
    with contextlib.ExitStack() as stack:
        folder = tmp_path / "out"
        if kind == "disk":
            stack.enter_context(mounted(folder, f"size={LIMIT}"))
        else:
            folder.mkdir()
        if name == "o.zarr" and kind == "limit":
            pytest.skip("no chunk of a store is as large as the limit")
        place = folder / name
        before = b"old" if name != "o.zarr" else None
        if before is not None:
            place.write_bytes(before)
        else:
            write(ArrayRaster(array=NOISE[:9, :9], grid=_small()), place)
        with contextlib.ExitStack() as limited:
            if kind == "limit":
                limited.enter_context(largest_file(LIMIT))
            with pytest.raises(WriteError, match=f"{name} could not be written") as caught:
                WRITERS[name](place, sources / name)
        assert ".part" not in str(caught.value)
        assert "\n" not in str(caught.value)
        assert [p.name for p in folder.iterdir()] == [name]
        if before is not None:
            assert place.read_bytes() == before
        else:
            assert open_raster(_array_of(place)).grid.shape == (9, 9)


def _small() -> Grid:
    return Grid(crs=GRID.crs, transform=GRID.transform, shape=(9, 9))


def _array_of(place: Path):
    import xarray as xr

    with xr.open_zarr(place) as store:
        return store["raster"].load()


def test_a_full_disk_among_tiles(tmp_path: Path) -> None:
    """What was finished stays, and is gone on with once there is room."""
    with mounted(tmp_path / "disk", "size=600k") as disk:
        (disk / "ballast").write_bytes(b"x" * (200 << 10))
        place = disk / "t"
        with pytest.raises(WriteError, match="could not be written"):
            _tiles(place)
        assert not (place / "t.vrt").exists()
        finished = {p.name: p.stat().st_mtime_ns for p in (place / "tiles").iterdir()}
        assert finished
        assert all(name.startswith("r") for name in finished)
        (disk / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        store = TileStore(folder=place, size=128)
        store.write(ArrayRaster(array=NOISE, grid=GRID), engine=Serial(), resume=True)
        after = {p.name: p.stat().st_mtime_ns for p in (place / "tiles").iterdir()}
        assert finished.items() <= after.items()
        np.testing.assert_array_equal(open_raster(store.vrt).read(GRID.window)[0], NOISE)
