"""The plugin: it adds the provider, and takes it away."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsApplication

from .provider import Provider


class Plugin:
    """What QGIS loads."""

    def __init__(self, _iface: Any) -> None:
        self._provider: Provider | None = None

    def initProcessing(self) -> None:
        """Add the provider; `qgis_process` calls this alone."""
        self._provider = Provider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:
        """Add the provider."""
        self.initProcessing()

    def unload(self) -> None:
        """Take the provider away."""
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None
