"""How bad a finding is."""

from enum import IntEnum


class Severity(IntEnum):
    """How bad a finding is; ordered, so that thresholds compare."""

    NOTE = 1
    WARNING = 2
    ERROR = 3

    def __str__(self) -> str:
        return self.name.lower()
