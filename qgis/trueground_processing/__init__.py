"""trueground in the processing toolbox of QGIS. What is calculated is calculated by the command `trueground`."""

from __future__ import annotations

from typing import Any


def classFactory(iface: Any) -> Any:
    """Return the plugin; QGIS asks for it by this name."""
    from .plugin import Plugin

    return Plugin(iface)
