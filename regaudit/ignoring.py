"""What a user accepts: an ignore, with its reason."""

from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Ignore:
    """Findings that were looked at and accepted."""

    code: str
    """Code or name of the rule."""
    reason: str
    model: str = "*"
    """Glob on the file as reports name it."""
    layer: str = "*"
    """Glob on the path of the weight or layer."""
    expires: date | None = None
    """Last day on which it holds."""

    def covers(self, code: str, name: str, path: str, file: str, today: date) -> bool:
        """Whether what a rule found in one place is accepted today."""
        return (
            self.code in {code, name}
            and fnmatchcase(file, self.model)
            and (fnmatchcase(path, self.layer) or fnmatchcase(path, f"{self.layer}/*"))
            and not self.expired(today)
        )

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.expires is not None and today > self.expires
