"""What notebooks show of our objects."""

from __future__ import annotations

from importlib import import_module
from typing import cast


class Shown:
    """An object that shows itself in a notebook, as `trueground.notebook` has it."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        # By its name: what shows things stands above all that is shown.
        return cast("str", import_module("trueground.notebook").html_of(self))
