"""What `trueground align` does: open, fit, write, say."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from trueground.cli.align_inputs import AlignInputs, Datums, PointOptions, column, described
from trueground.cli.console import console
from trueground.cli.endings import PAGES, check_ending
from trueground.cli.options import (
    DemResampling,
    outputs_differ_from,
    usage,
    warn_of_outlines_elsewhere,
)
from trueground.errors import FitError, InputError
from trueground.secret import without_secrets

if TYPE_CHECKING:
    from trueground.cli.align_sample import SampleOptions
    from trueground.cli.engine_options import EngineOptions
    from trueground.cli.storage import Storage
    from trueground.coreg import Alignment, Result
    from trueground.engine import Engine
    from trueground.pointcloud import PointCloud
    from trueground.raster import Raster

FieldKind = Literal["auto", "constant", "plane", "quadratic", "separable", "smooth"]
_TABLES = (".gpkg", ".geojson", ".csv")


@dataclass(frozen=True, kw_only=True)
class BlockOptions:
    """How a DEM is aligned block by block."""

    size: float
    unit: Literal["px", "m"]
    overlap: int | None
    field: FieldKind | None
    passes: int | None
    min_valid: float | None
    table: Path | None
    raster: Path | None

    @property
    def given(self) -> dict[str, Any]:
        """What was chosen, by the names of `Blockwise`, whose own choice is what was not."""
        chosen = {k: getattr(self, k) for k in ("overlap", "field", "passes", "min_valid")}
        return {k: v for k, v in chosen.items() if v is not None}

    @classmethod
    def of(cls, text: str, **others: Any) -> BlockOptions:
        """Read the side of a block.

        Raises
        ------
        CycloptsError
            Where it is no number of pixels or metres.
        """
        found = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*(px|m)?", text.strip())
        if found is None:
            msg = f"--blocks {text}: must be a number of pixels such as 500, or of metres such as 5000m."
            raise usage(msg)
        table = others["table"]
        if table is not None and table.suffix.lower() not in _TABLES:
            msg = f"--tiles-table {table}: its name must end in {', '.join(_TABLES)}."
            raise usage(msg)
        unit = cast("Literal['px', 'm']", found[2] or "px")
        return cls(size=float(found[1]), unit=unit, **others)


@dataclass(frozen=True, kw_only=True)
class AlignJob:
    """One run of the command; see `align` for what each is."""

    reference: str
    moving: str
    output: Path
    method: str
    sample: SampleOptions
    blocks: BlockOptions | None
    points: PointOptions
    exclude: list[str]
    include: list[str]
    mask: str | None
    weights: str | None
    initial: Path | None
    transform: Path | None
    report: Path | None
    resampling: DemResampling
    grid: Literal["moving", "reference"]
    reference_heights: str | None
    moving_heights: str | None
    where: EngineOptions
    storage: Storage
    as_json: bool

    def run(self) -> None:
        """Do it."""
        of_points = self._check()
        method = self._method()
        heard: list[str] = []
        with console.heard(heard), self.where.opened() as engine:
            self._run(of_points, method, engine, heard=heard)

    def _run(
        self, of_points: tuple[bool, bool], method: Any, engine: Engine, *, heard: list[str]
    ) -> None:
        from trueground.raster import open_raster
        from trueground.vectors import stable_terrain

        fixed, loose, datums = AlignInputs(
            reference=self.reference, moving=self.moving, points=self.points,
            reference_heights=self.reference_heights, moving_heights=self.moving_heights,
        ).open(of_points, apart=self.initial is not None)  # fmt: skip
        ground = cast("Raster", loose if of_points[0] else fixed)
        valid = stable_terrain(
            ground.grid, exclude=self.exclude, include=self.include, mask=self.mask
        )
        warn_of_outlines_elsewhere(ground.grid, [*self.exclude, *self.include])
        settings: dict[str, Any] = {
            "valid": valid,
            "weights": None if self.weights is None else open_raster(self.weights),
            "engine": engine,
        }
        if self.initial is not None:
            settings["initial"] = self._initial()
        with console.progress("fit") as step, console.timed("fit"):
            found = method.fit(fixed, loose, progress=step, **settings)
        if not found.converged and not found.nmad_after < found.nmad_before:
            msg = (
                f"{found.method} did not converge and the NMAD did not fall ({found.nmad_before:.3f} m before, "
                f"{found.nmad_after:.3f} m after): the DEMs do not show the same terrain; nothing was written"
            )
            raise FitError(msg)
        self._write_transform(found, datums)
        written: list[Path | None]
        if of_points[1]:
            written = [self._write_points(found, cast("PointCloud", loose))]
        else:
            found, written = self._write_raster(
                found, fixed, cast("Raster", loose), valid, engine, heard=heard
            )
        if not found.converged:
            count = len(getattr(found, "iterations", ()))
            console.warn(
                f"the fit did not converge{f' in {count} iterations' if count else ''}; look at the differences"
            )
        for warning in found.warnings:
            console.warn(warning)
        self._write_transform(found, datums)  # again: a report has added figures
        if self.as_json:
            print(without_secrets(self._json(found, datums)))
        else:
            _say(found)
        console.note(
            f"wrote {', '.join(str(p) for p in (*written, self.transform, self.report) if p is not None)}"
        )

    def _write_transform(self, found: Result, datums: Datums) -> None:
        from trueground.writer import write_text

        if self.transform is not None:
            write_text(self.transform, self._json(found, datums) + "\n")

    def _json(self, found: Result, datums: Datums) -> str:
        """Return what was found, and what it takes to do it again."""
        from trueground import __version__

        given = {
            "reference": self.reference, "moving": self.moving, "method": self.method, **self.sample.given,
            "exclude": self.exclude, "include": self.include, "mask": self.mask, "weights": self.weights,
            "initial": None if self.initial is None else str(self.initial),
        }  # fmt: skip
        items = json.loads(found.to_json())
        items |= {
            "version": __version__, "command": console.command, "inputs": given,
            "heights": dict(zip(("reference", "moving"), datums, strict=True)),
            "fingerprints": self._fingerprints,
        }  # fmt: skip
        return json.dumps(items, indent=2)

    def _check(self) -> tuple[bool, bool]:
        """Look at the arguments before any work; tell whether reference and moving are points."""
        from trueground.pointfiles import is_point_file

        self.where.check()
        of_points = is_point_file(self.reference), is_point_file(self.moving)
        for name, points in zip((self.reference, self.moving), of_points, strict=True):
            if points and not Path(name).exists():
                msg = f"{name} does not exist; check the path of the points"
                raise InputError(msg)
        if all(of_points):
            msg = "reference and what is to move are both points: one of them must be a raster."
            raise usage(msg)
        if self.points.given and not any(of_points):
            msg = "--points-... is given, and neither file is one of points."
            raise usage(msg)
        if any(of_points):
            for name, value in (("--blocks", self.blocks), ("--report", self.report)):
                if value is not None:
                    msg = f"{name} needs two rasters; leave it out."
                    raise usage(msg)
        if self.blocks is not None and self.initial is not None:
            msg = "--initial is for one motion of the whole: blocks look for the common shift themselves."
            raise usage(msg)
        if of_points[0] and self.grid == "reference":
            msg = "--grid reference: points have no grid; leave it out."
            raise usage(msg)
        if of_points[1] and self.output.suffix.lower() != Path(self.moving).suffix.lower():
            ending = Path(self.moving).suffix
            msg = f"{self.output}: points are written as they came; give a name that ends in {ending}."
            raise usage(msg)
        inputs: list[str | Path | None] = [
            self.reference, self.moving, self.mask, self.weights, self.initial, *self.exclude, *self.include,
        ]  # fmt: skip
        check_ending(self.report, PAGES, "the report is a page, written")
        outputs = {"--output": self.output, "--transform": self.transform, "--report": self.report}
        if self.blocks is not None:
            outputs |= {"--tiles-table": self.blocks.table, "--field-raster": self.blocks.raster}
        check = outputs_differ_from if of_points[1] else self.storage.check
        check(inputs, outputs)
        return of_points

    def _method(self) -> Any:
        from trueground.coreg import Blockwise, method_named

        try:
            steps = self.sample.of(method_named(self.method))
            if self.blocks is None:
                return steps
            return Blockwise(
                steps, block_size=self.blocks.size, unit=self.blocks.unit, **self.blocks.given
            )
        except InputError as error:
            raise usage(f"{error}.") from error

    def _initial(self) -> Alignment:
        from trueground.coreg import Alignment, Chain, Correction, read_result

        try:
            found = read_result(cast("Path", self.initial).read_text(encoding="utf-8"))
        except (InputError, UnicodeDecodeError) as error:
            msg = f"{self.initial}: {error}"
            raise InputError(msg) from error
        if isinstance(found, Chain):
            console.note(
                f"{self.initial}: its motion is the beginning; its corrections are not taken"
            )
            return found.alignment
        if isinstance(found, Alignment):
            return found
        what = (
            "corrections of heights" if isinstance(found, Correction) else "shifts block by block"
        )
        msg = (
            f"{self.initial} holds {found.method}, {what}: --initial takes one motion of the whole, as align writes it "
            "without --blocks"
        )
        raise InputError(msg)

    def _write_points(self, found: Result, cloud: PointCloud) -> Path:
        from trueground.pointfiles import write_points

        columns = {k: column(getattr(self.points, k)) for k in ("x", "y", "z")}
        done = write_points(
            self.moving,
            self.output,
            partial(found.transform, crs=cloud.crs),
            crs=self.points.crs,
            **columns,
        )
        console.note(str(done))
        return self.output

    def _write_raster(  # noqa: PLR0917 (what is written, and what it is made of)
        self,
        found: Result,
        fixed: Raster | PointCloud,
        loose: Raster,
        valid: Any,
        engine: Engine,
        *,
        heard: list[str],
    ) -> tuple[Result, list[Path | None]]:
        """Write the moved DEM and what else is asked for; return the result with its statistics."""
        from trueground.datum_shift import datum_name
        from trueground.fingerprint import text_fingerprint
        from trueground.pointcloud import PointCloud

        onto = (
            fixed.grid if self.grid == "reference" and not isinstance(fixed, PointCloud) else None
        )
        aligned = found.apply(loose, grid=onto, resampling=self.resampling)
        history = {
            "reference": self.reference, "moving": self.moving, "method": self.method,
            **{name: str(value) for name, value in self.sample.given.items()},
            "blocks": "" if self.blocks is None else f"{self.blocks.size:g} {self.blocks.unit}",
            "transform": "" if self.blocks is not None else found.to_json(),
            "resampling": self.resampling, "exclude": ", ".join(self.exclude),
            "include": ", ".join(self.include), "mask": self.mask or "",
            "reference_heights": "" if isinstance(fixed, PointCloud) else datum_name(fixed, self.reference_heights),
            "moving_heights": datum_name(loose, self.moving_heights),
        }  # fmt: skip
        self.storage.save(
            aligned, self.output, engine, title="write", history=history,
            parameters={**history, "result": text_fingerprint(found.to_json())}, inputs=lambda: self._fingerprints,
        )  # fmt: skip
        written: list[Path | None] = [self.storage.written(self.output)]
        if self.blocks is not None:
            from trueground.cli.align_blocks import write_blocks

            written += write_blocks(found, self.blocks, aligned.grid, engine)
        if self.report is not None and not isinstance(fixed, PointCloud):
            found = self._report(found, fixed, (loose, aligned), valid, engine, heard=heard)
        return found, written

    @cached_property
    def _fingerprints(self) -> dict[str, str]:
        """Return what tells the inputs from others of the same names."""
        from trueground.fingerprint import fingerprint, raster_fingerprint
        from trueground.pointfiles import is_point_file

        names = {
            "reference": self.reference,
            "moving": self.moving,
            "mask": self.mask,
            "weights": self.weights,
        }
        outlines = {
            f"outlines {n}": p for n, p in enumerate((*self.exclude, *self.include), start=1)
        }
        return {
            name: (fingerprint if name in outlines or is_point_file(path) else raster_fingerprint)(path)
            for name, path in (names | outlines).items() if path is not None
        }  # fmt: skip

    def _report(  # noqa: PLR0917
        self,
        found: Result,
        fixed: Raster,
        moving: tuple[Raster, Raster],
        valid: Any,
        engine: Engine,
        *,
        heard: list[str],
    ) -> Result:
        from trueground.difference import Difference
        from trueground.report import write_alignment_report
        from trueground.stats import statistics

        before, after = (Difference(first=fixed, second=m) for m in moving)
        with console.timed("statistics"):
            found = cast("Any", found).with_statistics(
                before=statistics(before, valid=valid, engine=engine).to_dict(),
                after=statistics(after, valid=valid, engine=engine).to_dict(),
            )
        write_alignment_report(
            cast("Path", self.report), result=found.to_dict(), before=before, after=after, reference=fixed,
            outlines=None if valid is None else valid.outlines, valid=valid,
            inputs={
                "reference": self.reference, "reference grid": described(fixed, self.reference_heights),
                "moving": self.moving, "moving grid": described(moving[0], self.moving_heights),
                "exclude": self.exclude, "include": self.include,
            },
            warnings=[
                *([] if found.converged else ["The fit did not converge."]),
                *(f"{w[:1].upper()}{w[1:]}." for w in (*heard, *found.warnings)),
            ],
            command=console.command, engine=engine,
        )  # fmt: skip
        return found


def _say(found: Result) -> None:
    """Print what was found."""
    from trueground.coreg import BlockwiseAlignment, Chain, Correction

    if isinstance(found, BlockwiseAlignment):
        from trueground.cli.align_blocks import say_blocks

        say_blocks(found)
        return
    if isinstance(found, Correction):
        print(f"{found.method}: {found.shape.describe()}")
    else:
        known = found.alignment if isinstance(found, Chain) else found
        told = [
            f"{axis} {shift:+.3f}" + (f" ± {error:.3f}" if error > 0.0 else "") + " m"
            for axis, shift, error in zip(
                "xyz", (known.shift_x, known.shift_y, known.shift_z), known.errors[:3], strict=True
            )
        ]
        corrections = found.corrections if isinstance(found, Chain) else ()
        if not corrections or any(known.matrix[k][3] for k in range(3)):
            print(f"shift {', '.join(told)}")
        if any(known.rotations):
            turned = ", ".join(f"{a} {v:+.5f}" for a, v in zip("xyz", known.rotations, strict=True))
            print(f"rotation {turned} degrees")
        for correction in corrections:
            print(f"{correction.method}: {correction.shape.describe()}")
    print(
        f"NMAD on {found.samples} sampled cells: {found.nmad_before:.3f} m before, {found.nmad_after:.3f} m after"
    )
