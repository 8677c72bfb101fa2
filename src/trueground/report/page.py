"""The page: its parts as values, and the template that lays them out."""

from __future__ import annotations

import base64
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import ClassVar

from trueground import __version__
from trueground.report.saved_table import table_csv, without_formulas

_LIBRARIES = ("numpy", "numba", "rasterio", "pyproj", "matplotlib")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image inside the page."""

    src: str
    """Data URI."""
    alt: str
    """What is to be seen, for those who cannot see it."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    caption: str = ""
    dark: str = ""
    """Data URI for a dark page, where there is another."""
    bar_width: str = ""
    """Width of the scale bar in percent of the picture, such as `25%`; empty without one."""
    bar_label: str = ""
    """Length of the scale bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A number that matters, in large type."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """The colour scale of maps, drawn by the page itself."""

    gradient: str
    """Value of CSS `background`."""
    nodata: str
    """Colour of no data."""
    low: str
    middle: str
    high: str
    low_note: str
    high_note: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file inside the page, for a link that saves it."""

    name: str
    """Of the file that is saved."""
    label: str
    """Of the link."""
    text: str
    """What the file holds: CSV."""

    @property
    def href(self) -> str:
        """Data URI."""
        content = base64.b64encode(without_formulas(self.text).encode()).decode("ascii")
        return f"data:text/csv;charset=utf-8;base64,{content}"


def saved(anchor: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Download:
    """Return the table of a section as a file to save."""
    return Download(name=f"{anchor}.csv", label="Save as CSV", text=table_csv(columns, rows))


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page with a heading; each kind has its template."""

    template: ClassVar[str]

    anchor: str
    """Its id in the page."""
    heading: str
    text: str = ""
    """A sentence or two below the heading."""
    half: bool = False
    """Stands beside its neighbour where the page is wide."""


@dataclass(frozen=True, kw_only=True)
class TableSection(Section):
    """Rows of text; the first cell of each is its heading."""

    template: ClassVar[str] = "section_table.html.j2"

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: bool = True
    """Cells are numbers, to be set flush right."""
    note: str = ""
    """Below the table."""
    download: Download | None = None
    """All of it, with all digits; where there is none, what the page shows can be saved."""


@dataclass(frozen=True, kw_only=True)
class PicturesSection(Section):
    """Pictures side by side, with the legend that they share."""

    template: ClassVar[str] = "section_pictures.html.j2"

    pictures: tuple[Picture, ...]
    legend: Legend | None = None
    plain: bool = False
    """Figures with text of their own rather than maps: no frame, and not wider than readable."""


@dataclass(frozen=True, kw_only=True)
class SwipeSection(Section):
    """Two pictures of the same ground on top of each other, with a divider to move."""

    template: ClassVar[str] = "section_swipe.html.j2"

    first: Picture
    second: Picture
    first_name: str
    second_name: str
    pictures: tuple[Picture, ...] = ()
    """The same, smaller and side by side."""
    legend: Legend | None = None


@dataclass(frozen=True, kw_only=True)
class CommandSection(Section):
    """How to make the result again."""

    template: ClassVar[str] = "section_command.html.j2"

    command: str
    versions: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything that the page shows, ready to be laid out."""

    title: str
    lead: str
    """What was done, in one sentence."""
    facts: tuple[Fact, ...]
    warnings: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    version: str = field(default=__version__)

    def render(self) -> str:
        """Return the page as HTML, complete in itself."""
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("trueground.report"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals["saved"] = saved
        return environment.get_template("page.html.j2").render(page=self)


def versions() -> str:
    """Return the versions of the software that makes the page."""
    parts = [f"trueground {__version__}", f"Python {platform.python_version()}"]
    parts += [f"{name} {metadata.version(name)}" for name in _LIBRARIES]
    return " · ".join(parts)
