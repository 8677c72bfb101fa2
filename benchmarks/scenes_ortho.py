"""Images under RPCs: textured, coordinate-coded, and of any size by a tile that repeats.

python benchmarks/scenes_ortho.py texture FOLDER DATA SIZE
python benchmarks/scenes_ortho.py coded FOLDER DATA SIZE
python benchmarks/scenes_ortho.py repeated FOLDER SIZE ...
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

from trueground import Dem, Grid, Rpc, open_raster, ortho_grid, read_rpc
from trueground.projection import parse_crs
from trueground.raster import ArrayRaster
from trueground.rpc.writers import exact_tags
from trueground.writer import write

TILE = 2000  # px
GSD = 0.5 / 111_000.0  # degrees
LON, LAT = 9.0, 45.0  # of `affine_rpc`
METRES = 0.5  # of a pixel
DEGREES = METRES / 111_132.0  # of it along a meridian
TARGETS = {"UTM": "EPSG:32631", "lonlat": "EPSG:4326"}

VRT = """<VRTDataset rasterXSize="{size}" rasterYSize="{size}">
{georeference}
<VRTRasterBand dataType="{dtype}" band="1">{nodata}
{sources}
</VRTRasterBand>
</VRTDataset>
"""
SOURCE = """<SimpleSource><SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>1</SourceBand>
<SourceProperties RasterXSize="{tile}" RasterYSize="{tile}" DataType="{dtype}" BlockXSize="512" BlockYSize="512"/>
<SrcRect xOff="0" yOff="0" xSize="{width}" ySize="{height}"/>
<DstRect xOff="{x}" yOff="{y}" xSize="{width}" ySize="{height}"/></SimpleSource>"""


# Any size ---------------------------------------------------------------------------------------


def affine_rpc(size: int, gsd_degrees: float) -> Rpc:
    """Return an RPC of an oblique, almost affine view: 15 degrees off the vertical."""
    zeros = [0.0] * 20
    lean = 0.27 * 500.0 / 0.5 / (size / 2)  # px a normalised unit of height
    line = [0.0, 0.0, -1.0, lean, 1e-4, 1e-5, 1e-5, *zeros[7:]]
    samp = [0.0, 1.0, 0.0, 0.3 * lean, 1e-4, 1e-5, 1e-5, *zeros[7:]]
    one = [1.0, 1e-5, 1e-5, 1e-5, *zeros[4:]]
    return Rpc(
        line_off=size / 2, samp_off=size / 2, lat_off=45.0, long_off=9.0, height_off=800.0,
        line_scale=size / 2, samp_scale=size / 2,
        lat_scale=gsd_degrees * size / 2, long_scale=1.4 * gsd_degrees * size / 2,
        height_scale=500.0, line_num=line, line_den=one, samp_num=samp, samp_den=one,
    )  # fmt: skip


def tiles(folder: Path) -> None:
    """Write one tile of image and DEM each; both continue smoothly over their edges."""
    r, c = np.mgrid[0:TILE, 0:TILE].astype(np.float32) * np.float32(2.0 * np.pi)
    grain = np.random.default_rng(0).integers(0, 16, (TILE, TILE))
    picture = 900.0 + 400.0 * np.sin(r / 200.0) * np.cos(c / 250.0) + grain
    hills = 800.0 + np.rint(40.0 * np.sin(r / 500.0) * np.cos(c / 400.0)) + 8.0 * np.sin(c / 50.0)
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    options = {"driver": "GTiff", "width": TILE, "height": TILE, "count": 1, "tiled": True,
               "blockxsize": 512, "blockysize": 512, "compress": "zstd", "zstd_level": 1}  # fmt: skip
    for name, values, dtype, predictor in (
        ("image_tile.tif", picture, "uint16", 2),
        ("dem_tile.tif", hills, "float32", 3),
    ):
        with rasterio.open(
            folder / name, "w", dtype=dtype, predictor=predictor, **options
        ) as target:
            target.write(values.astype(dtype), 1)


def repeated(
    path: Path, name: str, size: int, *, dtype: str, georeference: str, nodata: str = ""
) -> Path:
    """Write a VRT that repeats a tile."""
    sources = [
        SOURCE.format(name=name, tile=TILE, dtype=dtype, x=x, y=y,
                      width=min(TILE, size - x), height=min(TILE, size - y))
        for y in range(0, size, TILE)
        for x in range(0, size, TILE)
    ]  # fmt: skip
    hole = f"<NoDataValue>{nodata}</NoDataValue>" if nodata else ""
    path.write_text(VRT.format(size=size, georeference=georeference, dtype=dtype, nodata=hole,
                               sources="\n".join(sources)))  # fmt: skip
    return path


def make_scene(folder: Path, size: int) -> tuple[Path, Path]:
    """Write an image of `size` px under an oblique RPC, and a DEM of half as many cells that covers it."""
    tags = affine_rpc(size, GSD).to_tags()
    items = "".join(f'<MDI key="{k}">{v}</MDI>' for k, v in tags.items())
    image = repeated(folder / f"image_{size}.vrt", "image_tile.tif", size, dtype="UInt16",
                     georeference=f'<Metadata domain="RPC">{items}</Metadata>')  # fmt: skip
    half, cells = GSD * size * 0.53, size // 2
    t = Affine(2.8 * half / cells, 0.0, LON - 1.4 * half, 0.0, -2.0 * half / cells, LAT + half)
    where = ", ".join(repr(v) for v in (t.c, t.a, t.b, t.f, t.d, t.e))
    dem = repeated(folder / f"dem_{size}.vrt", "dem_tile.tif", cells, dtype="Float32",
                   georeference=f"<SRS>EPSG:4326</SRS><GeoTransform>{where}</GeoTransform>")  # fmt: skip
    return image, dem


# Over Mont Ventoux ------------------------------------------------------------------------------


def texture(size: int) -> np.ndarray:
    """Return an image of fields and grain that compresses about as real ones do (to two thirds)."""
    from scipy.ndimage import zoom

    rng = np.random.default_rng(0)
    image = np.full((size, size), 700.0, dtype=np.float32)
    for factor, strength in ((4, 60.0), (16, 80.0), (80, 120.0)):
        coarse = rng.standard_normal((size // factor + 2,) * 2).astype(np.float32)
        image += strength * zoom(coarse, factor, order=1)[:size, :size]
    image += 15.0 * rng.standard_normal(image.shape).astype(np.float32)
    return image.clip(1, 4095).astype(np.uint16)


def make_texture(folder: Path, data: Path, size: int) -> None:
    """Write a uint16 image, compressed and not, the DEM with ellipsoidal heights, and the outputs' grids."""
    rpc = read_rpc(data / "ventoux" / "left_image.geom").cropped(8000, 8000)
    grid = Grid(crs=None, transform=Affine.identity(), shape=(size, size))
    picture = ArrayRaster(array=texture(size), grid=grid)
    write(picture, folder / "zstd.tif", rpc_tags=exact_tags(rpc))
    write(picture, folder / "none.tif", rpc_tags=exact_tags(rpc), compress="none")
    write(Dem.open(data / "ventoux" / "N44E005.hgt", heights="egm96").surface, folder / "dem.tif")
    dem, image = Dem.open(folder / "dem.tif", heights="ellipsoid"), open_raster(folder / "zstd.tif")
    square = DEGREES / math.sqrt(math.cos(math.radians(rpc.lat_off)))
    save_grids(folder, {
        name: ortho_grid(image, rpc, dem, crs=parse_crs(crs), resolution=METRES if name == "UTM" else square)
        for name, crs in TARGETS.items()
    })  # fmt: skip


def make_coded(folder: Path, data: Path, size: int) -> None:
    """Write an image whose values are its own rows and columns, its DEM, and the outputs' grids."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from ortho_reference import native_grid, ventoux_cases

    case = ventoux_cases(data, size)[0]
    write(case.image, folder / "zstd.tif", rpc_tags=exact_tags(case.rpc))
    write(case.dem.raster, folder / "dem.tif")
    save_grids(folder, {name: native_grid(case, int(crs[5:])) for name, crs in TARGETS.items()})


def save_grids(folder: Path, grids: dict[str, Grid]) -> None:
    """Write what commands are told of the outputs."""
    told = {
        name: {
            "crs": TARGETS[name],
            "bounds": list(g.bounds),
            "resolution": g.resolution[0],
            "shape": list(g.shape),
        }
        for name, g in grids.items()
    }
    (folder / "grids.json").write_text(json.dumps(told))


def main() -> None:
    """Make what is asked for."""
    kind, folder, *rest = sys.argv[1:]
    if kind == "repeated":
        if not (Path(folder) / "image_tile.tif").exists():
            tiles(Path(folder))
        for size in rest:
            make_scene(Path(folder), int(size))
    else:
        make = {"texture": make_texture, "coded": make_coded}[kind]
        make(Path(folder), Path(rest[0]), int(rest[1]))


if __name__ == "__main__":
    main()
