"""Writers that are killed at each of their steps in turn: a process of its own, which tells in JSON what was left.

A step is a block that is read, or what Python does with a file of the output: it is opened, renamed, removed.
At step n the process is killed as by `kill -9`; n counts up until the writer comes to its end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array  # noqa: F401 (here, and not in each copy of this process once more)
import geopandas as gpd
import numpy as np
import xarray as xr
import xarray.backends.zarr
import zarr.codecs  # noqa: F401
from affine import Affine
from pyproj import CRS

from trueground.engine import Serial
from trueground.grid import Grid, Window
from trueground.raster import ArrayRaster, open_raster
from trueground.tiles import TileStore
from trueground.writer import atomic, write, write_text

GRID = Grid(crs=CRS.from_epsg(32631), transform=Affine(2.0, 0, 5e5, 0, -2.0, 5e6), shape=(200, 200))
TEXT = "0123456789abcdef\n" * 20_000
_EVENTS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree")


class Steps:
    """Counts steps, and kills this process at one of them."""

    def __init__(self, folder: Path, *, within: bool) -> None:
        self._folder, self._within, self._left = str(folder), within, -1

    def kill_at(self, number: int) -> None:
        self._left = number
        sys.addaudithook(self._heard)

    def step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS:
            return
        parent = str(Path(str(arguments[0])).parent)
        beside = parent == self._folder and event != "os.mkdir"
        if beside or (self._within and parent.startswith(self._folder)):
            self.step()


class Source(ArrayRaster):
    """A raster all of whose blocks are steps."""

    steps: Steps

    def read(self, window: Window) -> np.ndarray:
        Source.steps.step()
        return super().read(window)


def raster(value: float) -> Source:
    array = np.arange(40_000, dtype=np.float32).reshape(200, 200) + np.float32(value)
    return Source(array=array, grid=GRID)


def geotiff(place: Path, value: float) -> None:
    write(raster(value), place, engine=Serial(), block_size=128)


def cog(place: Path, value: float) -> None:
    write(raster(value), place, engine=Serial(), block_size=128, driver="COG")


def tiles(place: Path, value: float) -> None:
    """With parameters that the value is one of, as those of a command are."""
    store = TileStore(folder=place, size=128, parameters={"value": str(value)})
    store.write(raster(value), engine=Serial(), resume=True)


def text(place: Path, value: float) -> None:
    write_text(place, TEXT + str(value))


def table(place: Path, value: float) -> None:
    with atomic(place) as temporary:
        points = gpd.points_from_xy([value, 2.0], [1.0, 2.0], crs=32631)
        gpd.GeoDataFrame({"a": [1, 2]}, geometry=points).to_file(
            temporary, driver="GPKG", layer="points"
        )


def value_of_raster(place: Path) -> float:
    found = open_raster(place)
    values = found.read(found.grid.window)[0]
    base = raster(0.0).array[0]
    assert (values - base == values[0, 0]).all()
    return float(values[0, 0])


def value_of_store(place: Path) -> float:
    with xr.open_zarr(place) as store:
        values = store["raster"].to_numpy()[0]
    assert (values - raster(0.0).array[0] == values[0, 0]).all()
    return float(values[0, 0])


def value_of_tiles(place: Path) -> float:
    return value_of_raster(place / f"{place.name}.vrt")


def value_of_text(place: Path) -> float:
    found = place.read_text()
    assert found.startswith(TEXT)
    return float(found.removeprefix(TEXT))


def value_of_table(place: Path) -> float:
    frame = gpd.read_file(place)
    assert len(frame) == 2
    return float(frame.geometry.x[0])


KINDS: dict[str, tuple[str, Callable[[Path, float], None], Callable[[Path], float]]] = {
    "GeoTIFF": ("o.tif", geotiff, value_of_raster),
    "COG": ("o.tif", cog, value_of_raster),
    "Zarr store": ("o.zarr", geotiff, value_of_store),
    "folder of tiles": ("o", tiles, value_of_tiles),
    "text": ("shift.json", text, value_of_text),
    "table": ("o.gpkg", table, value_of_table),
}
FIRST, SECOND, THIRD = (
    1.0,
    2.0,
    3.0,
)  # values of what was there, of who is killed, and of the next run


def in_child(job: Callable[[], Any]) -> tuple[bool, Any]:
    """Do it in a copy of this process; tell whether it came to its end, and with what."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            answer = json.dumps(job())
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False, None
    assert os.WEXITSTATUS(status) == 0
    return True, json.loads(said)


def found_in(place: Path, read: Callable[[Path], float]) -> float | str | None:
    """Return what is there under the final name: a value, None for nothing, or what is wrong with it."""
    final = place if read is not value_of_tiles else place / f"{place.name}.vrt"
    if not os.path.lexists(final):
        return None
    try:
        return read(place)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def one(kind: str, place: Path, number: int, *, is_new: bool) -> dict[str, Any]:
    """Kill a writer at a step, run it again, and tell what was there in between and in the end."""
    name, make, read = KINDS[kind]
    third = (
        SECOND if kind == "folder of tiles" else THIRD
    )  # goes on; another value would be refused
    Source.steps = Steps(place.parent, within=kind != "Zarr store")  # which has very many files
    if not is_new:
        in_child(lambda: make(place, FIRST))

    def killed() -> None:
        Source.steps.kill_at(number)
        make(place, SECOND)

    ended, _ = in_child(killed)
    told = {"ended": ended, "found": in_child(lambda: found_in(place, read))[1]}
    told["left"] = sorted(p.name for p in place.parent.iterdir() if p.name != name)
    in_child(lambda: make(place, third))
    told["again"] = in_child(lambda: found_in(place, read))[1] == third
    hidden = (p.name for p in place.parent.rglob(".*") if not p.name.startswith(".z"))
    return {**told, "rest": sorted(hidden)}


def main(kind: str, folder: Path, *, is_new: bool) -> None:
    for number in range(1, 500, 4 if kind == "folder of tiles" else 1):
        place = folder / str(number) / KINDS[kind][0]
        place.parent.mkdir()
        told = one(kind, place, number, is_new=is_new)
        print(json.dumps(told), flush=True)
        if told["ended"]:
            return


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), is_new=sys.argv[3] == "new")
