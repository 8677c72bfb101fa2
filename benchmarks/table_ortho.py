"""Table 2: orthorectification, whole commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peers
from measure import OURS, Command, Contender, Failed
from plan import NO_DATA, Asked, Plan, Row, compared, judged, missing, said

TITLE = "Orthorectification"
INTRO = (
    "Whole commands: a uint16 image under the Pleiades RPC of Mont Ventoux over SRTM of plain ellipsoidal "
    "heights, bilinear, two threads, `--occlusion ignore` (GDAL knows no hidden ground), to pixels of "
    "half a metre. gdalwarp: `-multi -wo NUM_THREADS=2`, 1 GB of cache, XSCALE and YSCALE of 1, which "
    "keep its fast kernel. The projection alone is approximated to 1 mm by "
    "REPROJECTION_APPROX_ERROR_IN_..._SRS_UNIT, and then in one thread, since with two gdalwarp 3.6.2 "
    "leaves half of the output empty, with a message and exit code 0. Each command makes a small orthoimage "
    "before each run that counts: others have run for a minute, in which the system lets go of its files. "
    "Errors: of a coordinate-coded image made with the same options, the worst pixel against the exact "
    "chain [px of the image]."
)
SIZE = 8000  # px
SMALL = 500  # px of the image of each command's first run, which does not count
THREADS = 2
CREATION = ("TILED=YES", "BLOCKXSIZE=512", "BLOCKYSIZE=512", f"NUM_THREADS={THREADS}")
ZSTD = ("COMPRESS=ZSTD", "ZSTD_LEVEL=1", "PREDICTOR=2")
METRE = 1.0 / 111_000.0  # degrees
ASKED = {
    ("UTM", "gdalwarp"): [Asked(of="wall", wanted=10, floor=6)],
    ("UTM", "gdalwarp -et 0.125"): [Asked(of="wall", wanted=1, floor=1)],
    ("lonlat", "gdalwarp"): [Asked(of="wall", wanted=3, floor=2)],
}


def creation(compress: str) -> list[str]:
    """Return GDAL's creation options."""
    pairs = (*CREATION, *(ZSTD if compress == "zstd" else ()))
    return [word for pair in pairs for word in ("-co", pair)]


def ours(folder: Path, grid: dict[str, Any], compress: str, *more: str) -> list[str]:
    """Return the words of trueground's command."""
    return [
        OURS, "-m", "trueground", "ortho", f"{folder}/{compress}.tif", "--dem", f"{folder}/dem.tif",
        "--heights", "ellipsoid", "-o", f"{folder}/trueground.tif", "--crs", grid["crs"],
        "--resolution", repr(grid["resolution"]), "--bounds", *map(repr, grid["bounds"]),
        "--threads", str(THREADS), "--compress", compress, "--occlusion", "ignore", "--quiet", *more,
    ]  # fmt: skip


def gdalwarp(
    folder: Path, grid: dict[str, Any], compress: str, *options: str, threads: int = THREADS
) -> list[str]:
    """Return the words of gdalwarp's."""
    rows, cols = grid["shape"]
    return [
        "gdalwarp", "-q", "-overwrite", "--config", "GDAL_CACHEMAX", "1024", "-multi", "-wo", f"NUM_THREADS={threads}",
        "-wo", "XSCALE=1", "-wo", "YSCALE=1", "-wm", "512", "-t_srs", grid["crs"],
        "-te", *map(repr, grid["bounds"]), "-ts", str(cols), str(rows), "-r", "bilinear", "-dstnodata", "0",
        "-to", f"RPC_DEM={folder}/dem.tif", *options, *creation(compress), f"{folder}/{compress}.tif",
        f"{folder}/gdalwarp.tif",
    ]  # fmt: skip


def orthority(folder: Path, grid: dict[str, Any], compress: str) -> list[str]:
    """Return the words of orthority's, whose extent is its own."""
    return [
        str(peers.program("oty", "orthority")), "rpc", "-d", f"{folder}/dem.tif", "-c", grid["crs"],
        "-r", repr(grid["resolution"]), "-i", "bilinear", "-di", "bilinear", "-nbo", "-nwm", "-o",
        "-od", str(folder), *creation(compress), f"{folder}/{compress}.tif",
    ]  # fmt: skip


def approximated(grid: dict[str, Any]) -> list[str]:
    """Let gdalwarp approximate the map projection alone, to a millimetre."""
    metre = METRE if grid["crs"] == "EPSG:4326" else 1.0
    pairs = {"SRC": 0.001 * METRE, "DST": 0.001 * metre}
    return [
        text
        for side, value in pairs.items()
        for text in ("-to", f"REPROJECTION_APPROX_ERROR_IN_{side}_SRS_UNIT={value:.12f}")
    ]


def commands(folder: Path, grid: dict[str, Any], compress: str) -> dict[str, list[str]]:
    """Return the words of all contenders."""
    return {
        "trueground": ours(folder, grid, compress),
        "gdalwarp": gdalwarp(folder, grid, compress),
        "gdalwarp -et 0.125": gdalwarp(folder, grid, compress, "-et", "0.125"),
        "gdalwarp, projection to 1 mm, one thread": gdalwarp(
            folder, grid, compress, *approximated(grid), threads=1
        ),
        "orthority": orthority(folder, grid, compress),
    }


def accuracies(plan: Plan, size: int) -> dict[tuple[str, str], dict[str, Any]]:
    """Return errors of each contender on a coordinate-coded image, by target."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    with plan.folder("coded") as folder:
        plan.scene("scenes_ortho.py", "coded", folder, plan.data, size)
        for target, grid in json.loads((folder / "grids.json").read_text()).items():
            for name, words in commands(folder, grid, "zstd").items():
                # Kernels stretched against aliasing keep no ramp, gdalwarp's neither: no error of the geometry.
                more = ["--no-antialias"] if name == "trueground" else []
                path = folder / f"{name.split()[0].strip(',')}.tif"
                if name == "orthority":
                    path = folder / "zstd_ORTHO.tif"
                try:
                    Command(name=name, words=[*words, *more], warm=False).once()
                    found[target, name] = judged("ortho", path, plan.data, size)
                except Failed as error:
                    found[target, name] = {"not judged": str(error)}
                path.unlink(missing_ok=True)
    return found


def left_out(name: str, target: str, compress: str) -> bool:
    """Tell whether a contender is slow, or the same as another, and not run for this output."""
    if name == "orthority":
        return target != "UTM" or compress != "zstd"
    return name.startswith("gdalwarp, projection") and target == "lonlat"


def run(plan: Plan) -> list[Row]:
    """Return a row for each target, compression and peer."""
    if plan.data is None:
        return [missing(t, p, NO_DATA, a) for (t, p), a in ASKED.items()]
    rows: list[Row] = []
    size = plan.pick(SIZE, 3000)
    with plan.folder("ortho") as folder, said(rows, "scene", "all"):
        errors = accuracies(plan, plan.pick(1200, 600))
        plan.scene("scenes_ortho.py", "texture", folder, plan.data, size)
        grids = json.loads((folder / "grids.json").read_text())
        small = folder / "small"
        small.mkdir()
        plan.scene("scenes_ortho.py", "texture", small, plan.data, SMALL)
        small_grids = json.loads((small / "grids.json").read_text())
        for target, compress in (("UTM", "zstd"), ("lonlat", "zstd"), ("UTM", "none"), ("lonlat", "none")):  # fmt: skip
            if plan.quick and compress == "none":
                continue
            warm_up = commands(small, small_grids[target], compress)
            contenders: list[Contender] = [
                Command(
                    name=name, words=words, small=warm_up[name], judged=lambda k=(target, name): errors.get(k, {})
                )
                for name, words in commands(folder, grids[target], compress).items()
                if not left_out(name, target, compress)
            ]  # fmt: skip
            asked = {n: a for (t, n), a in ASKED.items() if t == target}
            shown = "lon/lat" if target == "lonlat" else target
            packed = "zstd" if compress == "zstd" else "uncompressed"
            title = f"{shown}, {size} x {size} px, {packed}"
            rows += compared(title, contenders, plan.pairs, asked=asked)
    return rows
