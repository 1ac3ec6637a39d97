"""Settings for some models or some layers only: which they are for, and how they lie on others."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from regaudit.errors import UsageError, shown
from regaudit.settings.values import checked_glob

KEYS = ("model", "layer", "rules")
"""Keys of `[[tool.regaudit.override]]`; one without a layer may have the facts as well."""


class Override(Struct, frozen=True):
    """One entry of `[[tool.regaudit.override]]`."""

    content: Mapping[str, Any]
    """The settings that it changes: `rules`, and facts."""
    model: str = "*"
    """Glob on the file as reports name it."""
    layer: str | None = None
    """Glob on the path of the weight or layer; None for the whole model."""

    def is_about(self, file: str) -> bool:
        """Whether it is for a model."""
        return fnmatchcase(file, self.model)


def read_overrides(entries: Any, facts: Iterable[str]) -> tuple[Override, ...]:
    """Read `[[tool.regaudit.override]]`; what lies in `rules` is checked where rules are made.

    Args:
        entries: as TOML gives them.
        facts: keys of what the user knows of the training.

    Raises:
        UsageError: an unknown key, or a value of the wrong kind.
    """
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise UsageError("override must be a list of tables: [[tool.regaudit.override]]")
    return tuple(_override(entry, tuple(facts)) for entry in entries)


def _override(entry: Mapping[str, Any], facts: tuple[str, ...]) -> Override:
    known = KEYS if "layer" in entry else (*KEYS, *facts)
    content = {}
    for key, value in entry.items():
        name = key.replace("_", "-")
        if name not in known:
            raise UsageError(f"override has no key {shown(key)}; it has {', '.join(known)}")
        if name in {"model", "layer"}:
            checked_glob(value, f"{name} of an override")
        else:
            content[name] = value
    if "model" not in entry and "layer" not in entry:
        raise UsageError("an override needs a model or a layer")
    return Override(content, entry.get("model", "*"), entry.get("layer"))


def laid_over(content: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with others over them; tables are merged, all else is replaced."""
    merged = dict(content)
    for key, value in above.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = laid_over(below, value) if both else value  # type: ignore[arg-type] # a table
    return merged
