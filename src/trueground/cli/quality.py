"""The quality report of an orthoimage that was made: `--report`, and what it is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

from trueground.cli.console import console
from trueground.cli.options import File, outputs_differ_from, usage

if TYPE_CHECKING:
    from trueground.engine import Engine
    from trueground.ortho import Orthoimage
    from trueground.raster import Raster
    from trueground.rpc.gcps import Gcps


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Quality:
    """How good the orthoimage is."""

    report: Path | None = None
    """Write a report page (HTML): quick look, incidence, hidden ground, heights, the RPC's domain; and its numbers as
    JSON beside it."""
    gcps: File | None = None
    """Ground control points to hold the orthoimage against, as for `refine`."""
    gcp_crs: str | None = None
    """CRS of their coordinates. Default: WGS 84 for lon,lat; for a vector file its own."""
    gcp_heights: str | None = None
    """What their heights are above. Default: as their CRS says; a column height is above the ellipsoid."""
    reference: File | None = None
    """Orthoimage that is trusted, to hold the orthoimage against."""

    def __post_init__(self) -> None:
        for name, value in (("--gcps", self.gcps), ("--reference", self.reference)):
            if value is not None and self.report is None:
                msg = f"{name} {value} is for the report: give --report too."
                raise usage(msg)
        if self.gcps is None and (self.gcp_crs, self.gcp_heights) != (None, None):
            msg = "--gcp-crs and --gcp-heights say how --gcps is read: give it too."
            raise usage(msg)
        if self.report is not None and self.report.suffix.lower() not in (".html", ".htm"):
            msg = f"--report {self.report} is a page: give a name that ends in .html."
            raise usage(msg)

    @property
    def inputs(self) -> list[str | None]:
        """Files that are read."""
        return [self.gcps, self.reference]

    def check(self, *, images: int, mosaic: bool) -> None:
        """Raise where more than one orthoimage would be reported on."""
        if self.report is None:
            return
        if mosaic:
            msg = "--report is of one image, not of a mosaic: leave out one of both."
            raise usage(msg)
        if images > 1:
            msg = f"--report is of one image, and {images} are given: take one at a time."
            raise usage(msg)

    def open(self, inputs: Sequence[str | None], targets: Sequence[Path]) -> Evidence | None:
        """Check the outputs and read what is needed, before any work; None where no report is asked for."""
        if self.report is None:
            return None
        beside = self.report.with_suffix(".json")
        outputs_differ_from(
            [*inputs, *targets], {"--report": self.report, "the JSON of --report": beside}
        )
        return Evidence(
            quality=self, page=self.report, gcps=self._points(), reference=self._image()
        )

    def _points(self) -> Gcps | None:
        from trueground.errors import InputError
        from trueground.rpc.gcps import read_gcps

        if self.gcps is None:
            return None
        try:
            return read_gcps(self.gcps, crs=self.gcp_crs, heights=self.gcp_heights)
        except InputError as error:
            text = str(error).replace("--crs", "--gcp-crs").replace("--heights", "--gcp-heights")
            raise type(error)(text) from error

    def _image(self) -> Raster | None:
        from trueground.errors import InputError
        from trueground.raster import open_raster

        if self.reference is None:
            return None
        image = open_raster(self.reference)
        if image.grid.crs is None:
            msg = f"{self.reference} has no CRS, so its place is unknown; assign one with gdal_edit.py -a_srs"
            raise InputError(msg)
        return image


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What an orthoimage is held against, opened."""

    quality: Quality
    page: Path
    """Name of the report."""
    gcps: Gcps | None
    reference: Raster | None

    def write_report(
        self,
        ortho: Orthoimage,
        *,
        written: Path,
        hidden_share: float | None,
        inputs: Mapping[str, Any],
        engine: Engine,
    ) -> None:
        """Find out how good an orthoimage is; write the page, and the numbers as JSON beside it.

        Parameters
        ----------
        ortho
            The orthoimage.
        written
            The same as a file, which is faster to read than to compute again.
        hidden_share
            Share of hidden ground of all of its pixels; None where they were not counted.
        inputs
            What went in, name to value; `image` and `dem` name the files.
        engine
            Where blocks are computed.
        """
        from trueground.errors import InputError
        from trueground.quality import assess, reference_residuals
        from trueground.raster import open_raster
        from trueground.report import write_ortho_report
        from trueground.writer import write_text

        image = open_raster(written)
        vectors, warnings = [], []
        if self.reference is not None:
            name = Path(self.quality.reference or "").name
            try:
                with console.timed("reference"):
                    vectors.append(
                        reference_residuals(image, self.reference, name=name, engine=engine)
                    )
            except (
                InputError
            ) as error:  # the orthoimage is there already: what is known of it is said
                console.warn(str(error))
                warnings.append(f"It was not held against {name}: {error}.")
        with console.progress("quality") as step, console.timed("quality"):
            found = assess(
                ortho,
                gcps=self.gcps,
                vectors=tuple(vectors),
                hidden_share=hidden_share,
                engine=engine,
                progress=step,
            )
        with console.timed("report"):
            write_ortho_report(
                self.page,
                quality=found,
                image=image,
                dem=ortho.dem,
                inputs={
                    **inputs,
                    "ground control": self.quality.gcps,
                    "reference": self.quality.reference,
                },
                warnings=warnings,
                command=console.command,
            )
        numbers = self.page.with_suffix(".json")
        write_text(numbers, found.to_json())
        for held in found.vectors:
            if held.known.any():
                count = int(held.known.sum())
                print(f"against {held.against}: CE90 {held.ce90:.3f} m at {count} places")
        console.note(f"wrote {self.page}, {numbers}")
