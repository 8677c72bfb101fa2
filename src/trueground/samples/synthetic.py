"""Make the synthetic world as files, keep it between runs, and tell the truth about it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import tempfile
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trueground.engine import Engine, Threads
from trueground.errors import InputError, WriteError
from trueground.projection import WGS84, project
from trueground.raster import ArrayRaster, open_raster
from trueground.rpc.fit import RpcFit, fit_rpc
from trueground.rpc.writers import exact_tags
from trueground.samples.moving import MEAN_SHIFT_M, Distortion, make_moving
from trueground.samples.sensor import (
    ORBIT_HEIGHT_M,
    SEMI_MAJOR_M,
    Angle,
    PushbroomSensor,
    aimed,
)
from trueground.samples.terrain import Terrain, make_terrain
from trueground.samples.texture import ZOOM, make_texture, texture_grid
from trueground.samples.view import Rendering, View, tile_maxima
from trueground.writer import write, write_text

Float = NDArray[np.float64]
Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")

_SMALLEST = 200  # cells: a glacier and a town still fit
_GROUND_SPEED_M_S = 6780.0  # of the point below the satellite
_PIXEL_M = 2.0
_SLANT_M = 745_000.0  # at which columns are a pixel's size apart
_HEADING_RAD = math.radians(190.0)  # descending, sun-synchronous
_RPC_NODES = 25  # rows and columns of the lattice that an RPC is fitted to
_RPC_LEVELS = 9
_RPC_HEADROOM_M = 100.0

# Left looks ahead and to the east of its track (left of a flight to the south), right looks back.
_ATTITUDE = {
    "left": (
        Angle(constant=-0.15, rate=1.0e-4, amplitude=2.0e-5, period=4.0, phase=0.3),
        Angle(constant=0.33, rate=-1.2e-4, amplitude=1.5e-5, period=3.0, phase=1.0),
        Angle(constant=0.02, rate=2.0e-5),
    ),
    "right": (
        Angle(constant=0.08, rate=-0.8e-4, amplitude=1.8e-5, period=3.5, phase=2.0),
        Angle(constant=-0.29, rate=0.9e-4, amplitude=2.2e-5, period=4.5, phase=0.0),
        Angle(constant=-0.015),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Files of a synthetic world, and its truth. Open one with `World.open` or `world`."""

    folder: Path
    """Where all files are."""
    reference: Path
    """GeoTIFF, float32: heights above the WGS 84 ellipsoid [m], cells of 2 m, UTM."""
    moving: Path
    """GeoTIFF, float32, -9999 in the holes: the DEM to align, cells of 4 m, UTM."""
    images: tuple[Path, Path]
    """Left and right image: GeoTIFF, uint16, 0 where there is none, with RPC tags and no CRS."""
    outlines: Path
    """GeoJSON: outline of the glacier, longitude and latitude."""
    texture: Path
    """GeoTIFF, uint16: brightness of the ground, cells of 1 m: what an orthoimage should show."""
    visible: tuple[Path, Path]
    """GeoTIFF, uint8, left and right: 1 seen, 0 hidden, 255 outside the image; cells of 2 m."""
    truth: Path
    """JSON: everything that was drawn by chance, and the sensors."""
    seed: int
    """That made it."""
    mean_shift: tuple[float, float, float]
    """What has to be added to the moving DEM, mean over stable valid cells: east, north, up [m]."""
    distortion: Distortion
    """The shift at each place."""
    sensors: tuple[PushbroomSensor, PushbroomSensor]
    """Left and right: the rigorous models."""
    rpc_max: tuple[float, float]
    """Left and right: largest distance of the RPC from its sensor where it was fitted [px]."""

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> World:
        """Open a world that was made earlier.

        Raises
        ------
        InputError
            Where the folder holds none.
        """
        place = Path(folder)
        try:
            values = json.loads((place / "truth.json").read_text(encoding="utf-8"))
        except OSError as error:
            msg = f"{place} holds no synthetic world; make one with trueground.samples.make_world"
            raise InputError(msg) from error
        sensors = [PushbroomSensor.from_json(values["sensors"][side]) for side in SIDES]
        east, north, up = values["mean_shift"]
        return cls(
            folder=place,
            reference=place / "reference_dem.tif",
            moving=place / "moving_dem.tif",
            images=(place / "left.tif", place / "right.tif"),
            outlines=place / "glacier.geojson",
            texture=place / "texture.tif",
            visible=(place / "visible_left.tif", place / "visible_right.tif"),
            truth=place / "truth.json",
            seed=values["seed"],
            mean_shift=(east, north, up),
            distortion=Distortion.from_json(values["distortion"]),
            sensors=(sensors[0], sensors[1]),
            rpc_max=(values["rpc"]["left"]["max"], values["rpc"]["right"]["max"]),
        )

    def shift_at(self, x: ArrayLike, y: ArrayLike) -> tuple[Float, Float, Float]:
        """Return the shift to add to the moving DEM at places in it: east, north, up [m]."""
        return self.distortion.at(x, y)

    def view(self, side: Side) -> View:
        """Return the sensor above the reference, to trace rays: the truth of any image position."""
        raster = open_raster(self.reference)
        surface = raster.read(raster.grid.window)[0]
        return View.of(self.sensors[SIDES.index(side)], raster.grid, surface)


def make_world(
    folder: str | os.PathLike[str], *, seed: int = 0, size: int = 1500, engine: Engine | None = None
) -> World:
    """Make a synthetic world in an existing folder.

    Parameters
    ----------
    folder
        Where the files go.
    seed
        Decides all chance: the same seed makes the same pixels.
    size
        Rows and columns of the terrain (cells of 2 m) and of the images. Valleys scale with it.
    engine
        Where shadows and images are traced; threads by default.

    Returns
    -------
    World
        The files and their truth.

    Raises
    ------
    InputError
        Where the size is below 200 cells: a glacier and a town need as much.
    """
    if size < _SMALLEST:
        msg = f"a world of {size} cells: needs at least {_SMALLEST} for a glacier and a town"
        raise InputError(msg)
    place, engine = Path(folder), engine or Threads()
    chances = [np.random.default_rng([seed, part]) for part in range(3)]
    terrain = make_terrain(chances[0], size)
    texture = make_texture(chances[1], terrain, tops=tile_maxima(terrain.surface), engine=engine)
    moving, distortion = make_moving(chances[2], terrain)
    write(ArrayRaster(array=terrain.surface, grid=terrain.grid), place / "reference_dem.tif")
    write(ArrayRaster(array=texture, grid=texture_grid(terrain.grid)), place / "texture.tif")
    write(moving, place / "moving_dem.tif")
    write_text(place / "glacier.geojson", terrain.outline.to_crs(WGS84).to_json())
    truth: dict[str, Any] = {
        "seed": seed,
        "size": size,
        "mean_shift": MEAN_SHIFT_M,
        "distortion": asdict(distortion),
        "sensors": {},
        "rpc": {},
    }
    for side in SIDES:
        sensor = _sensor(side, terrain)
        fit = fit_to_sensor(sensor, terrain.surface)
        truth["sensors"][side] = asdict(sensor)
        truth["rpc"][side] = {"rms": fit.rms, "max": fit.max}
        view = View.of(sensor, terrain.grid, terrain.surface)
        image = Rendering(view=view, texture=texture, zoom=ZOOM)
        target = place / f"{side}.tif"
        write(image, target, engine=engine, block_size=256, rpc_tags=exact_tags(fit.rpc))
        seen = ArrayRaster(array=view.visible(engine), grid=terrain.grid, nodata=255)
        write(seen, place / f"visible_{side}.tif")
    write_text(place / "truth.json", json.dumps(truth, indent=1))
    return World.open(place)


def _sensor(side: Side, terrain: Terrain) -> PushbroomSensor:
    """Aim a sensor at the middle of the terrain."""
    roll, pitch, yaw = _ATTITUDE[side]
    size = terrain.grid.shape[0]
    sensor = PushbroomSensor(
        shape=terrain.grid.shape,
        radial=(1.0, 0.0, 0.0),
        forward=(0.0, 0.0, 1.0),
        radius=SEMI_MAJOR_M + ORBIT_HEIGHT_M,
        line_period=_PIXEL_M / _GROUND_SPEED_M_S,
        column_angle=-_PIXEL_M / _SLANT_M,
        distortion=2.0,
        roll=roll,
        pitch=pitch,
        yaw=yaw,
    )
    x, y = terrain.grid.xy(size / 2.0, size / 2.0)
    lon, lat = project(terrain.grid.crs, WGS84, x, y)
    height = float(np.median(terrain.surface))
    return aimed(sensor, float(lon), float(lat), height=height, heading=_HEADING_RAD)


def fit_to_sensor(sensor: PushbroomSensor, surface: NDArray[np.float32]) -> RpcFit:
    """Fit an RPC to a sensor over its image and over the heights of a surface, with some more."""
    rows, cols = (np.linspace(0.0, n, _RPC_NODES) for n in sensor.shape)
    low = float(surface.min()) - _RPC_HEADROOM_M
    high = float(surface.max()) + _RPC_HEADROOM_M
    levels = np.linspace(low, high, _RPC_LEVELS)
    height, row, col = np.meshgrid(levels, rows, cols, indexing="ij")
    lon, lat = sensor.locate(row, col, height)
    return fit_rpc(row, col, lon, lat, height, origin="fitted to the synthetic sensor")


def world(cache: str | os.PathLike[str] | None = None, *, seed: int = 0, size: int = 1500) -> World:
    """Return the synthetic world, made once and kept until the code that makes it changes.

    Parameters
    ----------
    cache
        Folder to keep it in; by default `$XDG_CACHE_HOME/trueground` or `~/.cache/trueground`, or
        the temporary folder where those cannot be written.
    seed, size
        As in `make_world`.

    Raises
    ------
    WriteError
        Where the folder cannot be written.
    """
    base = _cache_folder() if cache is None else Path(cache)
    final = base / f"samples-{_version()}-{seed}-{size}"
    if (final / "truth.json").is_file():
        return World.open(final)
    try:
        base.mkdir(parents=True, exist_ok=True)
        temporary = base / f".{final.name}.{uuid.uuid4().hex[:8]}.part"
        temporary.mkdir()
    except OSError as error:
        msg = f"the folder {base} cannot be written ({error.strerror}); give another as cache"
        raise WriteError(msg) from error
    try:
        make_world(temporary, seed=seed, size=size)
        # Another process may have been faster: a folder that holds files is not replaced.
        with contextlib.suppress(OSError):
            temporary.rename(final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return World.open(final)


def _version() -> str:
    """Return a hash of the code that makes the world."""
    here = Path(__file__).parent
    kernels = here.parent / "kernels"
    sources = [*sorted(here.glob("*.py")), kernels / "render.py", kernels / "erosion.py"]
    names = ("fit.py", "rational_fit.py", "model.py", "terms.py")
    sources += [here.parent / "rpc" / name for name in names]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    for base in (
        Path(home) if home else Path("~/.cache").expanduser(),
        Path(tempfile.gettempdir()),
    ):
        folder = base / "trueground"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="trueground-"))
