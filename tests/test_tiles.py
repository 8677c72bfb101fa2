"""Tiles: each whole or not there; what was begun is gone on with, or refused by name."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS

from trueground.cluster import Dask
from trueground.engine import Serial, Threads
from trueground.errors import BlockError, InputError, WriteError
from trueground.fingerprint import sha256
from trueground.grid import Grid, Window
from trueground.metadata import BandMetadata, Metadata
from trueground.raster import ArrayRaster, Raster, open_raster
from trueground.tile import Part
from trueground.tiles import TileStore

GRID = Grid(crs=CRS.from_epsg(32631), transform=Affine(2.0, 0, 5e5, 0, -2.0, 5e6), shape=(300, 420))
VALUES = np.random.default_rng(0).integers(1, 60, (2, 300, 420), dtype=np.uint8)
WHOLE = ArrayRaster(array=VALUES, grid=GRID, nodata=0)


class Stops:
    """A raster that breaks at some row, and counts what is read."""

    def __init__(self, row: int, error: BaseException | None = None) -> None:
        self.grid, self.count, self.dtype, self.nodata = GRID, 2, np.dtype("u1"), 0.0
        self.row, self.error, self.reads = row, error or ValueError("oh"), 0

    def read(self, window: Window) -> np.ndarray:
        self.reads += 1
        if window.row + window.height > self.row:
            raise self.error
        return WHOLE.read(window)


def test_a_part_is_a_raster_of_its_own():
    part = Part(source=WHOLE, window=Window(10, 20, 30, 40))
    assert isinstance(part, Raster)
    np.testing.assert_array_equal(part.read(part.grid.window), VALUES[:, 10:40, 20:60])
    assert part.grid.xy(0, 0) == GRID.xy(10, 20)


@pytest.mark.parametrize("size", [64, 100, 1000])
def test_the_mosaic_of_the_tiles_is_the_raster(tmp_path, size):
    calls = []
    store = TileStore(folder=tmp_path / "out", size=size)
    vrt = store.write(WHOLE, block_size=48, progress=lambda *step: calls.append(step))
    back = open_raster(vrt)
    assert back.grid == GRID
    np.testing.assert_array_equal(back.read(GRID.window), VALUES)
    total = calls[-1][1]
    assert calls == [(k, total) for k in range(1, total + 1)]
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert len(manifest["tiles"]) == -(-300 // size) * -(-420 // size)
    for name, tile in manifest["tiles"].items():
        assert tile == {"sha256": sha256(tmp_path / "out" / name)}
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {"manifest.json", "out.vrt", "tiles"}


def test_the_mosaic_says_what_the_tiles_say(tmp_path):
    palette = {k: (k, 0, 0, 255) for k in range(256)}
    bands = BandMetadata(
        description="class & <colour>",
        interpretation="palette",
        scale=2.0,
        offset=1.0,
        unit="m",
        tags={"a": "b"},
    )
    said = Metadata(
        bands=(bands,), tags={"X": "1"}, domains={"IMAGERY": {"CLOUDCOVER": "3"}}, palette=palette
    )
    raster = ArrayRaster(array=VALUES[0], grid=GRID, nodata=0)
    store = TileStore(folder=tmp_path / "o", size=200)
    with rasterio.open(store.write(raster, metadata=said, history={"dem": "d.tif"})) as vrt:
        assert vrt.colormap(1)[7] == (7, 0, 0, 255)
        assert (vrt.descriptions, vrt.units) == (("class & <colour>",), ("m",))
        assert (vrt.scales, vrt.offsets, vrt.nodata) == ((2.0,), (1.0,), 0.0)
        assert vrt.tags(ns="IMAGERY") == {"CLOUDCOVER": "3"}
        assert (vrt.tags()["X"], vrt.tags()["TRUEGROUND_DEM"], vrt.tags(1)["a"]) == (
            "1",
            "d.tif",
            "b",
        )


@pytest.mark.parametrize("engine", [Serial(), Threads(2)])
@pytest.mark.parametrize("error", [ValueError("oh"), KeyboardInterrupt()])
def test_work_that_was_cut_short_goes_on(tmp_path, engine, error):
    store = TileStore(folder=tmp_path / "out", size=100)
    kind = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else BlockError
    with pytest.raises(kind):
        store.write(Stops(200, error), engine=engine)
    assert not store.vrt.exists()
    whole = {p.name for p in (tmp_path / "out/tiles").iterdir()}
    assert whole == {f"r000{r}_c000{c}.tif" for r in (0, 1) for c in range(5)}
    with pytest.raises(InputError, match="--resume"):
        store.write(WHOLE)
    calls = []
    rest = Stops(1000)
    store.write(rest, engine=engine, resume=True, progress=lambda *step: calls.append(step))
    assert rest.reads == 5
    assert (calls[0], calls[-1]) == ((10, 15), (15, 15))
    np.testing.assert_array_equal(open_raster(store.vrt).read(GRID.window), VALUES)


def test_tiles_that_are_damaged_or_gone_are_made_again(tmp_path):
    store = TileStore(folder=tmp_path / "out", size=100)
    store.write(WHOLE)
    tiles = sorted((tmp_path / "out/tiles").iterdir())
    tiles[3].write_bytes(tiles[3].read_bytes()[:-7])
    tiles[5].unlink()
    tiles[6].write_bytes(tiles[7].read_bytes())
    again = Stops(1000)
    store.write(again, resume=True)
    assert again.reads == 3
    np.testing.assert_array_equal(open_raster(store.vrt).read(GRID.window), VALUES)


def test_the_manifest_names_no_file_but_tiles(tmp_path):
    store = TileStore(folder=tmp_path / "out", size=100)
    store.write(WHOLE)
    (tmp_path / "outside").write_bytes(b"x")
    manifest = tmp_path / "out/manifest.json"
    said = json.loads(manifest.read_text())
    tiles = dict(said["tiles"])
    said["tiles"] |= {
        "../outside": {"sha256": sha256(tmp_path / "outside")},
        "tiles/r0099_c0099.tif": {"sha256": "0"},
    }
    manifest.write_text(json.dumps(said))
    store.write(WHOLE, resume=True)
    assert json.loads(manifest.read_text())["tiles"] == tiles


def test_what_differs_is_named(tmp_path):
    store = TileStore(
        folder=tmp_path / "out",
        size=100,
        parameters={"resampling": "cubic"},
        inputs={"dem": "sha256 1"},
    )
    store.write(WHOLE)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    other = ArrayRaster(array=VALUES[:, :200], grid=GRID.crop(Window(0, 0, 200, 420)), nodata=0)
    for changed, raster, options, words in (
        (replace(store, size=128), WHOLE, {}, "tile_size was 100, now it is 128"),
        (replace(store, parameters={"resampling": "nearest"}), WHOLE, {}, "resampling was cubic, now it is nearest"),
        (replace(store, parameters={}), WHOLE, {}, "parameters.resampling was cubic, now it is null"),
        (replace(store, inputs={"dem": "sha256 2"}), WHOLE, {}, "inputs.dem was sha256 1, now it is sha256 2"),
        (store, other, {}, r"grid.shape was \[300, 420\], now it is \[200, 420\]"),
        (store, WHOLE, {"compress": "lzw"}, "pixels.compression was zstd, now it is lzw"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words) as caught:
            changed.write(raster, resume=True, **options)
        assert "\n" not in str(caught.value)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_folders_that_cannot_take_tiles(tmp_path):
    with pytest.raises(WriteError, match="does not exist"):
        TileStore(folder=tmp_path / "none/out").write(WHOLE)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="64"):
        TileStore(folder=tmp_path / "out", size=5)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    store = TileStore(folder=folder, size=300)
    store.write(WHOLE)
    assert (folder / "mine.txt").read_text() == "mine"
    older = '{"format": "trueground tiles 1", "tiles": {"tiles/r0000_c0000.tif": "12ab"}}'
    odd = '{"format": "trueground tiles 3", "tiles": {"tiles/r0000_c0000.tif": 1}}'
    for text in ("", "{}", '{"format": "x", "tiles": {}}', "[1]", older, odd):
        (folder / "manifest.json").write_text(text)
        with pytest.raises(InputError, match="no manifest of trueground's"):
            store.write(WHOLE, resume=True)
    with pytest.raises((InputError, WriteError), match="file"):
        TileStore(folder=tmp_path / "file").write(WHOLE)


def test_what_was_counted_is_kept_with_the_tiles(tmp_path):
    """Numbers of those that are there count once, whoever wrote them; those of tiles made again are counted anew."""
    store = TileStore(folder=tmp_path / "out", size=100)
    assert store.counts() == {}

    def counted(window: Window) -> dict[str, int]:
        block = VALUES[0][window.slices_in(GRID.window)]
        return {"dark": int((block < 20).sum()), "all": block.size}

    with pytest.raises(BlockError):
        store.write(Stops(200), engine=Serial(), block_size=48, counted=counted)
    assert store.counts() == {"dark": int((VALUES[0][:200] < 20).sum()), "all": 200 * 420}
    (tmp_path / "out/tiles/r0001_c0002.tif").unlink()
    windows = []

    def noted(window: Window) -> dict[str, int]:
        windows.append(window)
        return counted(window)

    store.write(WHOLE, resume=True, block_size=48, counted=noted)
    assert store.counts() == {"dark": int((VALUES[0] < 20).sum()), "all": 300 * 420}
    assert sum(w.size for w in windows) == 100 * 420 + 100 * 100


def test_one_run_at_a_time_writes_in_a_folder(tmp_path):
    folder = tmp_path / "out"
    store = TileStore(folder=folder, size=100)

    class Meanwhile(Stops):
        def read(self, window: Window) -> np.ndarray:
            if not self.reads:
                for resume in (False, True):
                    with pytest.raises(
                        WriteError, match=rf"process {os.getpid()} on .* stop it"
                    ) as caught:
                        store.check(resume=resume)
                    assert "\n" not in str(caught.value)
                    with pytest.raises(WriteError, match=r"delete .*lock"):
                        store.write(WHOLE, resume=resume)
            return super().read(window)

    store.write(Meanwhile(1000), engine=Serial())
    np.testing.assert_array_equal(open_raster(store.vrt).read(GRID.window), VALUES)
    assert {p.name for p in folder.iterdir()} == {"manifest.json", "out.vrt", "tiles"}


class _Elsewhere(Dask):
    """Workers that write to a folder of the same name on another computer."""

    def __init__(self):
        pass

    def map(self, function, windows):
        for window in windows:
            yield window, {"sha256": "0"}


def test_a_folder_that_workers_do_not_share(tmp_path, monkeypatch):
    """Also where a damaged tile of that name is here: it is none of theirs."""
    monkeypatch.setattr("trueground.tiles._SEEN_WITHIN", 0.0)
    store = TileStore(folder=tmp_path / "out", size=100)
    with pytest.raises(WriteError, match=r"r0000_c0000.tif, and it is not in .*must share"):
        store.write(WHOLE, engine=_Elsewhere())
    assert store.write(WHOLE, resume=True) == store.vrt
    tile = tmp_path / "out/tiles/r0001_c0002.tif"
    tile.write_bytes(tile.read_bytes()[:-7])
    with pytest.raises(WriteError, match=r"r0001_c0002.tif, and it is not in"):
        store.write(WHOLE, engine=_Elsewhere(), resume=True)


def test_a_shared_file_system_may_show_tiles_late(tmp_path, monkeypatch):
    monkeypatch.setattr("trueground.tiles._LOOK_EVERY", 0.01)

    class Late(_Elsewhere):
        def map(self, function, windows):
            for window in windows:
                writing = threading.Timer(0.05, function, (window,))
                writing.start()
                yield window, {"sha256": "0"}
                writing.join()

    store = TileStore(folder=tmp_path / "out", size=100)
    store.write(WHOLE, engine=Late())
    np.testing.assert_array_equal(open_raster(store.vrt).read(GRID.window), VALUES)


def test_what_workers_are_sent_does_not_grow_with_the_number_of_tiles(tmp_path):
    from trueground.cluster.shipped import packed

    sent = []

    class Sees(_Elsewhere):
        def map(self, function, windows):
            sent.append(packed(function).nbytes)
            yield from ((w, function(w)) for w in windows)

    flat = Grid(crs=None, transform=Affine.identity(), shape=(640, 640))
    raster = ArrayRaster(array=np.broadcast_to(np.uint8(1), flat.shape), grid=flat)
    for size in (640, 64):
        TileStore(folder=tmp_path / f"{size}", size=size).write(raster, engine=Sees())
    assert abs(sent[0] - sent[1]) < 20
