"""A job file with its inputs, which are bytes and no rasters: its steps are pretended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pretend_commands import JOB

Edit = Callable[..., Path]


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    """Write the job, with replacements, beside its inputs; return its name."""
    for name in ("reference", "moving", "other", "image"):
        (tmp_path / f"{name}.tif").write_bytes(name.encode())

    def write(*changes: tuple[str, str], text: str = JOB) -> Path:
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "job.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
