"""Options that several commands share, and the checks that come before any work."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.exceptions import CycloptsError

from trueground.errors import InputError

Output = Annotated[Path, Parameter(name=["--output", "-o"])]
OptionalOutput = Annotated[Path | None, Parameter(name=["--output", "-o"])]
Repeated = Annotated[list[str] | None, Parameter(negative=(), consume_multiple=False)]
Bounds = Annotated[
    tuple[float, float, float, float] | None, Parameter(negative=(), allow_leading_hyphen=True)
]
Flag = Annotated[bool, Parameter(negative=())]
DemResampling = Literal["nearest", "bilinear", "cubic"]
ImageResampling = Literal["nearest", "bilinear"]
RpcOrigin = Literal[0, 1] | None


def usage(text: str) -> CycloptsError:
    """Return the error for arguments that do not go together."""
    return CycloptsError(msg=text)


def outputs_differ_from(inputs: list[str | Path | None], outputs: list[Path | None]) -> None:
    """Raise, before any work, where an output would replace an input or could not be written.

    Raises
    ------
    InputError
        Where an output is one of the inputs, or two outputs are one file.
    """
    from trueground.writer import check_output

    taken = {Path(os.path.realpath(p)): str(p) for p in inputs if p is not None}
    for output in outputs:
        if output is None:
            continue
        place = Path(os.path.realpath(output))
        if place in taken:
            msg = f"the output {output} is the same file as {taken[place]}; give it another name"
            raise InputError(msg)
        taken[place] = str(output)
        check_output(output)
