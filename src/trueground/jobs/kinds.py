"""The commands that can be steps: which of their parameters are files, and what a scene's keys are to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

REPORT = "report"
"""The step that is no command: pages of the others."""
MAIN = "output"
"""The parameter that names the main output of a command."""
HEIGHTS = "heights"
"""Ending of parameters that name a vertical datum, or a file with one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a job knows of a command."""

    inputs: frozenset[str]
    """Parameters that name files to read."""
    outputs: frozenset[str]
    """Parameters that name files to write."""
    main: str
    """Name of its main output, where the job gives none."""
    raster: bool = True
    """Whether that is a raster; what else is made has the size of no raster."""
    scene: Mapping[str, str] = field(default_factory=dict)
    """Keys of a scene, by the parameters that they fill."""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Parameters that a job cannot give, and why."""


KINDS: Mapping[str, Kind] = {
    "align": Kind(
        inputs=frozenset(
            {"reference", "moving", "exclude", "include", "mask", "weights", "initial"}
        ),
        outputs=frozenset({MAIN, "transform", "tiles-table", "field-raster", REPORT}),
        main="aligned.tif",
        scene={"reference": "reference", "moving": "moving", "exclude": "outlines"},
    ),
    "apply": Kind(
        inputs=frozenset({"transform", "dem", "like", "variable"}),
        outputs=frozenset({MAIN}),
        main="moved.tif",
        scene={"dem": "moving"},
    ),
    "refine": Kind(
        inputs=frozenset({"image", "gcps", "reference", "dem", "rpc"}),
        outputs=frozenset({MAIN, "residuals", REPORT}),
        main="refined.RPB",
        raster=False,
        scene={"image": "images", "gcps": "gcps", "rpc": "rpc", "dem": "dem"},
    ),
    "ortho": Kind(
        inputs=frozenset({"images", "dem", "rpc", "like", "gcps", "reference"}),
        outputs=frozenset({MAIN, REPORT}),
        main="ortho.tif",
        scene={"images": "images", "dem": "dem", "rpc": "rpc"},
        withheld={
            "dry-run": "'trueground run --dry-run' plans the whole job",
            "resume": "a job goes on where it stopped by itself",
        },
    ),
    "diff": Kind(
        inputs=frozenset({"a", "b", "exclude"}),
        outputs=frozenset({MAIN}),
        main="difference.tif",
        scene={"a": "reference", "b": "moving", "exclude": "outlines"},
    ),
    "uncertainty": Kind(
        inputs=frozenset({"difference", "areas", "exclude", "include", "mask", "slope-from"}),
        outputs=frozenset({MAIN, REPORT}),
        main="changes.csv",
        raster=False,
    ),
}
SCENE_KEYS = ("reference", "moving", "dem", "images", "rpc", "gcps", "outlines")
"""Inputs of a scene; `image` may be said for `images`."""
ENGINE_KEYS = ("engine", "workers", "threads")
"""Parameters that all steps take from the job, and on which no result depends."""
