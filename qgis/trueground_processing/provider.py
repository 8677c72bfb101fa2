"""The provider: the algorithms, and the setting that says where the program is."""

from __future__ import annotations

from pathlib import Path

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithm import Algorithm
from .commands import COMMANDS

PROGRAM_SETTING = "TRUEGROUND_PROGRAM"
_ICON = Path(__file__).with_name("icon.svg")


class Provider(QgsProcessingProvider):
    """What the toolbox shows as trueground."""

    def id(self) -> str:
        """Return the name in scripts."""
        return "trueground"

    def name(self) -> str:
        """Return the name in the toolbox."""
        return "trueground"

    def longName(self) -> str:
        """Return the name with what it is."""
        return "trueground: elevation models and images in their true place"

    def icon(self) -> QIcon:
        """Return the picture in the toolbox."""
        return QIcon(str(_ICON))

    def svgIconPath(self) -> str:
        """Return where the picture is."""
        return str(_ICON)

    def load(self) -> bool:
        """Add the setting and the algorithms."""
        ProcessingConfig.settingIcons[self.name()] = self.icon()
        setting = Setting(
            self.name(), PROGRAM_SETTING, "Program; as found on the search path where it is empty", "",
            valuetype=Setting.FILE,
        )  # fmt: skip
        ProcessingConfig.addSetting(setting)
        ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        """Take the setting away."""
        ProcessingConfig.removeSetting(PROGRAM_SETTING)

    def loadAlgorithms(self) -> None:
        """Add one algorithm for each command."""
        for command in COMMANDS:
            self.addAlgorithm(
                Algorithm(command, lambda: ProcessingConfig.getSetting(PROGRAM_SETTING) or "")
            )
