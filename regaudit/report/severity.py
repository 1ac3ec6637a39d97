"""How bad a finding is."""

from enum import IntEnum
from typing import Literal

Level = Literal["note", "warning", "error"]
"""A severity as users and results write it."""


class Severity(IntEnum):
    """How bad a finding is; ordered, so that thresholds compare."""

    NOTE = 1
    WARNING = 2
    ERROR = 3

    def __str__(self) -> str:
        return self.name.lower()
