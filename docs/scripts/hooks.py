"""What mkdocs calls while it builds: pages and pictures that are made and not written by hand."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import commands  # noqa: E402
import gallery  # noqa: E402
import pictures  # noqa: E402
import references  # noqa: E402


def on_files(files: Files, *, config: Any) -> Files:
    """Add the generated pages and pictures."""
    made: dict[str, str | bytes] = {"changelog.md": changelog()}
    made |= commands.pages()
    made |= references.pages()
    made |= pictures.pictures()
    made |= gallery.pages(
        ROOT / "examples",
        work=Path(os.environ.get("TRUEGROUND_DOCS_WORK", ROOT / "build" / "docs")),
    )
    for place, content in made.items():
        files.append(File.generated(config, place, content=content))
    return files


def changelog() -> str:
    """Return the changelog, whose mentions of pages are links here."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.sub(r"`?\bdocs/([a-z-]+)\.md`?", r"[\1](\1.md)", text)
