"""What a user accepts: an ignore, with its reason."""

from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated

from msgspec import Meta, Struct

Glob = Annotated[str, Meta(max_length=1024, description="a glob of at most 1,024 characters")]
Code = Annotated[str, Meta(description="the code or name of a rule")]
Reason = Annotated[str, Meta(pattern=r"\S", description="a reason, in words")]
Day = Annotated[date, Meta(description="a date: 2027-01-31")]


class Ignore(Struct, frozen=True):
    """Findings that were looked at and accepted."""

    code: Code
    """Code or name of the rule."""
    reason: Reason
    """Why it is accepted; reports repeat it."""
    model: Glob = "*"
    """Glob on the file as reports name it."""
    layer: Glob = "*"
    """Glob on the path of the weight or layer."""
    expires: Day | None = None
    """Last day on which it holds."""

    def covers(self, code: str, name: str, path: str, file: str, today: date) -> bool:
        """Whether what a rule found in one place is accepted today."""
        return (
            self.is_about(code, name, file)
            and matches_layer(path, self.layer)
            and not self.expired(today)
        )

    def is_about(self, code: str, name: str, file: str) -> bool:
        """Whether it is about a rule and a model."""
        return self.code in {code, name} and fnmatchcase(file, self.model)

    @property
    def spelled(self) -> str:
        """What it accepts, in words: `REG101 at encoder/* in models/*`."""
        where = f" at {self.layer}" if self.layer != "*" else ""
        return f"{self.code}{where}" + (f" in {self.model}" if self.model != "*" else "")

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.expires is not None and today > self.expires


def matches_layer(path: str, layer: str) -> bool:
    """Whether the path of a weight or layer matches the glob of a layer, or lies below it."""
    return fnmatchcase(path, layer) or fnmatchcase(path, f"{layer}/*")
