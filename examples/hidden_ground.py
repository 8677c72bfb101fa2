"""Orthorectify an image, and tell the ground that its sensor could not see.

    python examples/hidden_ground.py
    python examples/hidden_ground.py scene.tif --dem dsm.tif --heights egm96 --resolution 0.5

Without paths it runs on trueground's sample world, whose truth says which ground is hidden: the result is held
against it. The orthoimage and a figure are written into --output.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from trueground import Dem, Orthoimage, Window, open_raster, ortho_grid, rpc_for_image, write
from trueground.plot import figure, figure_png, plot_image
from trueground.raster import ArrayRaster, Raster
from trueground.samples import world

HIDDEN = 1  # in `Orthoimage.hidden`


def orthorectify(
    image: Path, dem: Path, *, heights: str | None, resolution: float | None, output: Path
) -> Orthoimage:
    """Write the orthoimage without its hidden ground, draw both, and return it."""
    # 1. Image, model, heights: the datum of the heights is said, or declared in the file.
    scene = open_raster(image)
    rpc, ground = rpc_for_image(scene), Dem.open(dem, heights=heights)
    grid = ortho_grid(scene, rpc, ground, crs=ground.crs, resolution=resolution)

    # 2. Hidden ground is no data by default; the classic orthoimage fills it with what hides it.
    ortho = Orthoimage(image=scene, rpc=rpc, dem=ground, grid=grid)
    classic = Orthoimage(image=scene, rpc=rpc, dem=ground, grid=grid, occlusion="ignore")
    write(ortho, output / "ortho.tif")
    print(f"{100.0 * (ortho.hidden_share() or 0.0):.2f} % of the ground is hidden")

    # 3. Look at both where most is hidden.
    near = closest(ortho.hidden)
    fig = figure(11.0, 6.0)
    for ax, (raster, title) in zip(
        fig.subplots(1, 2),
        ((classic, "classic: filled with what hides it"), (ortho, "hidden ground left out")),
        strict=True,
    ):
        plot_image(cut(raster, near), ax, title=title)
        ax.set_facecolor("#c51b1b")
    (output / "hidden_ground.png").write_bytes(figure_png(fig))
    return ortho


def closest(hidden: Raster, size: int = 240) -> Window:
    """Return the square with the most hidden ground."""
    mask = hidden.read(hidden.grid.window)[0] == HIDDEN
    size = min(size, *mask.shape)
    sums = np.pad(mask, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    inside = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    row, col = np.unravel_index(int(inside.argmax()), inside.shape)
    return Window(int(row), int(col), size, size)


def cut(raster: Raster, window: Window) -> ArrayRaster:
    """Return a window of a raster."""
    grid = raster.grid.crop(window)
    return ArrayRaster(array=raster.read(window), grid=grid, nodata=raster.nodata)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", nargs="?", type=Path, help="image with RPC")
    parser.add_argument("--dem", type=Path, help="elevation model")
    parser.add_argument("--heights", help="ellipsoid, egm96, egm2008 or a grid; default: the CRS's")
    parser.add_argument("--resolution", type=float, help="pixel of the orthoimage [m]")
    parser.add_argument("--output", type=Path, default=Path("hidden_ground"), help="folder")
    asked = parser.parse_args(arguments)
    if (asked.image is None) != (asked.dem is None):
        parser.error("give both an image and --dem, or none for the sample world")
    asked.output.mkdir(parents=True, exist_ok=True)
    if asked.image is not None:
        orthorectify(
            asked.image,
            asked.dem,
            heights=asked.heights,
            resolution=asked.resolution,
            output=asked.output,
        )
        return
    made = world()
    ortho = orthorectify(
        made.images[0],
        made.reference,
        heights="ellipsoid",
        resolution=2.0,
        output=asked.output,
    )
    found = ortho.hidden.read(ortho.grid.window)[0]
    truth = world_truth(open_raster(made.visible[0]), ortho)
    both = (truth <= 1) & (found <= 1)  # 255: unknown
    wrong = int((found == truth)[both].sum())  # the truth says 1 where ground is seen
    print(f"of {int(both.sum())} pixels, {wrong} are judged unlike the sensor's own rays")


def world_truth(visible: Raster, ortho: Orthoimage) -> np.ndarray:
    """Return the truth (1 seen, 0 hidden, 255 unknown) on the grid of the orthoimage, whose pixels are the same."""
    row, col = visible.grid.rowcol(*ortho.grid.xy(0.5, 0.5))
    window = Window(math.floor(row), math.floor(col), *ortho.grid.shape)
    return visible.read(window)[0]


if __name__ == "__main__":
    main()
