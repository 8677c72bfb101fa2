"""Orthorectify the two Pleiades chips over Mont Ventoux: against GDAL's transformer, and against each other.

Usage: python benchmarks/ventoux.py [--data FOLDER] [--egm96 egm96_15.gtx] [--figure overlay.png]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pyproj
import rasterio
from rasterio.rpc import RPC
from rasterio.transform import RPCTransformer

from trueground import Dem, Grid, Orthoimage, Rpc, open_raster, ortho_grid, rpc_for_image
from trueground.matching import patch_offsets
from trueground.projection import parse_crs

UTM31 = parse_crs("EPSG:32631")
RESOLUTION = 0.5  # m


def gdal_rpc(rpc: Rpc) -> RPC:
    """Return rasterio's form of an RPC."""
    names = [
        f"{n}_{k}" for n in ("line", "samp", "lat", "long", "height") for k in ("off", "scale")
    ]
    terms = {
        f"{n}_coeff": list(getattr(rpc, n))
        for n in ("line_num", "line_den", "samp_num", "samp_den")
    }
    return RPC(**{n: getattr(rpc, n) for n in names}, **terms, err_bias=None, err_rand=None)


def ellipsoidal(path: Path, geoid: Path, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return heights by a bilinear of our own over the SRTM tile and PROJ's vgridshift."""
    with rasterio.open(path) as dataset:
        heights, t = dataset.read(1).astype(np.float64), dataset.transform
    col, row = (lon - t.c) / t.a - 0.5, (lat - t.f) / t.e - 0.5
    i, j = np.floor(row).astype(int), np.floor(col).astype(int)
    u, v = row - i, col - j
    own = (heights[i, j] * (1 - v) + heights[i, j + 1] * v) * (1 - u) + (
        heights[i + 1, j] * (1 - v) + heights[i + 1, j + 1] * v
    ) * u
    steps = (
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad "
        f"+step +inv +proj=vgridshift +grids={geoid} +step +proj=unitconvert +xy_in=rad +xy_out=deg"
    )
    return np.asarray(pyproj.Transformer.from_pipeline(steps).transform(lon, lat, own)[2])


def against_gdal(ortho: Orthoimage, dem: Path, geoid: Path) -> None:
    """Compare image positions at 10,000 pixels."""
    rng = np.random.default_rng(0)
    grid = ortho.grid
    i, j = rng.integers(0, grid.shape[0], 10_000), rng.integers(0, grid.shape[1], 10_000)
    row, col = (a[i, j] for a in ortho.geometry.at(grid.window)[:2])
    x, y = grid.xy(i + 0.5, j + 0.5)
    lon, lat = pyproj.Transformer.from_crs(32631, 4326, always_xy=True).transform(x, y)
    with RPCTransformer(gdal_rpc(ortho.rpc)) as transformer:
        theirs = transformer.rowcol(lon, lat, zs=ellipsoidal(dem, geoid, lon, lat), op=lambda v: v)
    apart = np.hypot(row - np.asarray(theirs[0]), col - np.asarray(theirs[1]))
    print(
        f"against GDAL's RPC transformer, 10,000 pixels: median {np.median(apart):.2g} px, max {apart.max():.2g} px"
    )


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=os.environ.get("TRUEGROUND_DATA", "../shared/data"))
    parser.add_argument("--egm96")
    parser.add_argument("--figure")
    options = parser.parse_args()
    folder = Path(options.data) / "ventoux"
    geoid = Path(options.egm96 or Path(options.data) / "geoid" / "egm96_15.gtx").resolve()
    path = folder / "N44E005.hgt"
    dem = Dem.open(path, heights="egm96")
    images = [open_raster(folder / f"{side}_image.tif") for side in ("left", "right")]
    rpcs = [rpc_for_image(image) for image in images]
    grids = [
        ortho_grid(i, r, dem, crs=UTM31, resolution=RESOLUTION)
        for i, r in zip(images, rpcs, strict=True)
    ]
    orthos = [
        Orthoimage(image=i, rpc=r, dem=dem, grid=g)
        for i, r, g in zip(images, rpcs, grids, strict=True)
    ]
    for ortho in orthos:
        against_gdal(ortho, path, geoid)
    one, two = (g.bounds for g in grids)
    common = Grid.covering(
        (max(one[0], two[0]), max(one[1], two[1]), min(one[2], two[2]), min(one[3], two[3])),
        RESOLUTION,
        crs=UTM31,
    )
    values = []
    for image, rpc in zip(images, rpcs, strict=True):
        ortho = Orthoimage(image=image, rpc=rpc, dem=dem, grid=common)
        picture = ortho.read(common.window)[0].astype(np.float64)
        values.append(np.where(picture == ortho.nodata, np.nan, picture))
    found = patch_offsets(values[0], values[1])
    good = found.quality > 0.05
    east, south = found.d_col[good] * RESOLUTION, found.d_row[good] * RESOLUTION
    print(
        f"right against left, {good.sum()} patches of 64 px: east {np.median(east):+.2f} m "
        f"(spread {np.std(east):.2f}), north {-np.median(south):+.2f} m (spread {np.std(south):.2f})"
    )
    lon, lat = (
        np.array(v)
        for v in pyproj.Transformer.from_crs(32631, 4326, always_xy=True).transform(
            *common.xy(common.shape[0] / 2, common.shape[1] / 2)
        )
    )
    lean = []
    for rpc in rpcs:
        at = rpc.localize(*rpc.project(lon, lat, 600.0), 601.0)
        x, y = pyproj.Transformer.from_crs(4326, 32631, always_xy=True).transform(at.lon, at.lat)
        x0, y0 = common.xy(common.shape[0] / 2, common.shape[1] / 2)
        lean.append((float(x - x0), float(y - y0)))
    (lx, ly), (rx, ry) = lean
    print(
        f"a DEM too high by 1 m moves the right orthoimage against the left by "
        f"east {rx - lx:+.3f} m, north {ry - ly:+.3f} m"
    )
    if options.figure:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt

        figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
        scale = np.nanpercentile(values[0], 98)
        axes.imshow(np.nan_to_num(np.dstack([values[0], values[1], values[1]]) / scale).clip(0, 1))
        axes.quiver(
            found.col[good],
            found.row[good],
            found.d_col[good],
            found.d_row[good],
            angles="xy",
            scale_units="xy",
            scale=0.5,
            color="yellow",
        )
        axes.set_title("left (red) and right (cyan), arrows: displacement x 2")
        figure.savefig(options.figure)


if __name__ == "__main__":
    main()
