"""The difference before and after, and the sections of a page that show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from trueground.grid import Grid
from trueground.plot import Histogram, histogram_of, overview
from trueground.plot.style import MINUS
from trueground.projection import horizontal
from trueground.raster import Raster
from trueground.report.page import PicturesSection, Section, SwipeSection
from trueground.report.pictures import MAP_PIXELS, dh_legend, histogram_picture, map_picture
from trueground.report.text import quantity
from trueground.stats import nmad
from trueground.vectors import OutlineMask
from trueground.warp import on_grid

if TYPE_CHECKING:
    import geopandas as gpd

    from trueground.engine import Engine

    Outlines: TypeAlias = gpd.GeoSeries | gpd.GeoDataFrame

_BINS = 160


@dataclass(frozen=True, kw_only=True)
class Differences:
    """The difference before and after, and what is drawn around it."""

    before: Raster
    """reference - moving, metres."""
    after: Raster
    """reference - aligned, metres."""
    reference: Raster | None
    """DEM under the maps."""
    outlines: Outlines | None
    """Polygons to draw; left out of the histograms where there is no mask."""
    valid: Raster | None = None
    """Mask of the histograms, not zero where the statistics were counted."""
    engine: Engine | None = None
    """What reads them; threads of this process by default."""

    @property
    def where(self) -> str:
        """Which pixels the statistics are of."""
        if self.valid is not None:
            return "on stable terrain"
        return "outside the outlines" if self.outlines is not None else "of all valid pixels"

    @property
    def lines(self) -> str:
        """What the outlines on the maps mean."""
        if self.outlines is None:
            return ""
        if self.valid is not None:
            return "Outlined: the polygons that stable terrain was told by."
        return "Outlined: left out of fit and statistics."

    def mask_on(self, grid: Grid) -> Raster | None:
        """Return the mask of the histograms on a grid."""
        if self.valid is not None:
            return on_grid(self.valid, grid, resampling="nearest")
        if self.outlines is None:
            return None
        shapes = self.outlines.geometry
        shapes = shapes[shapes.notna() & ~shapes.is_empty]
        if grid.crs is not None and shapes.crs is not None:
            shapes = shapes.to_crs(horizontal(grid.crs))
        return OutlineMask(outlines=shapes, grid=grid, invert=True)


def scale_of(statistics: Mapping[str, float | None], maps: Differences) -> tuple[float, float]:
    """Return median and NMAD for the scales; from the picture of the map where none were saved."""
    median, spread = statistics["median"], statistics["nmad"]
    if median is not None and spread is not None:
        return median, spread
    values = overview(maps.before, engine=maps.engine).array[0]
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    return float(np.median(values)), nmad(values)


def maps_section(maps: Differences, limit: float) -> Section:
    """Return the two maps on one colour scale from `-limit` to `limit` metres."""
    # Read once, not once a map.
    ground = (
        None
        if maps.reference is None
        else overview(maps.reference, max_pixels=MAP_PIXELS, engine=maps.engine)
    )
    drawn = [
        map_picture(
            dh,
            limit=limit,
            alt=f"Map of the height difference {when} the alignment, north up, "
            f"colours from {quantity(-limit)} to {quantity(limit)}",
            caption=f"{when.capitalize()} the alignment",
            hillshade=ground,
            outlines=maps.outlines,
            engine=maps.engine,
        )
        for dh, when in ((maps.before, "before"), (maps.after, "after"))
    ]
    (before, after), little = zip(*drawn, strict=True)
    legend = dh_legend(
        limit,
        title=f"dh = reference {MINUS} moving",
        low_note="reference is lower",
        high_note="reference is higher",
    )
    text = f"Both maps have one colour scale. {maps.lines}".strip()
    anchor, heading = "maps", "Where they differ"
    if (before.width, before.height) != (after.width, after.height):
        return PicturesSection(
            anchor=anchor, heading=heading, text=text, pictures=(before, after), legend=legend
        )
    return SwipeSection(
        anchor=anchor, heading=heading, text=text, first=before, second=after, first_name="before",
        second_name="after", pictures=little, legend=legend,
    )  # fmt: skip


def histogram_section(
    maps: Differences,
    before: Mapping[str, float | None],
    after: Mapping[str, float | None],
    *,
    reach: float,
) -> PicturesSection:
    """Return the two histograms from `-reach` to `reach` metres; statistics are those saved."""
    edges = np.linspace(-reach, reach, _BINS + 1)
    drawn: list[Histogram] = []
    for dh, statistics in ((maps.before, before), (maps.after, after)):
        drawn.append(
            histogram_of(
                dh,
                edges,
                valid=maps.mask_on(dh.grid),
                median=statistics["median"],
                nmad=statistics["nmad"],
                engine=maps.engine,
            )
        )
    alt = "Histograms of the height difference before and after the alignment"
    for name, statistics in (("before", before), ("after", after)):
        alt += f"; {name}: median {quantity(statistics['median'])}"
        alt += f", NMAD {quantity(statistics['nmad'])}"
    dashed = " Dashed: medians." if before["median"] is not None else ""
    return PicturesSection(
        anchor="histogram",
        half=True,
        heading="How much they differ",
        text=f"Height differences {maps.where}.{dashed}",
        pictures=(histogram_picture(drawn[0], drawn[1], alt=alt, caption=""),),
        plain=True,
    )
