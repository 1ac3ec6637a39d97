"""Settings: `[tool.regaudit]` of pyproject.toml, or regaudit.toml, as one checked value."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from regaudit.errors import RegauditError, UsageError
from regaudit.finding import Finding, Severity
from regaudit.keras_config import parse_architecture
from regaudit.keras_graph import Serialized
from regaudit.limits import Limits
from regaudit.registry import rules
from regaudit.rule import Rule

NEVER = Severity.ERROR + 1
"""A `fail_on` that nothing reaches."""

FAIL_ON: Mapping[str, int] = {**{str(level): int(level) for level in Severity}, "never": NEVER}
"""Thresholds by the names that users give."""


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

    def covers(self, finding: Finding, file: str, today: date) -> bool:
        """Whether the finding is accepted today."""
        return (
            self.code in {finding.code, finding.name}
            and fnmatchcase(file, self.model)
            and (
                fnmatchcase(finding.path, self.layer)
                or fnmatchcase(finding.path, f"{self.layer}/*")
            )
            and (self.expires is None or today <= self.expires)
        )


@dataclass(frozen=True, slots=True)
class Config:
    """What to check and how strictly."""

    rules: tuple[Rule, ...]
    """The selected rules with their thresholds set."""
    fail_on: int = Severity.ERROR
    """Findings of this severity or a higher one fail a check."""
    models: tuple[str, ...] = ()
    """What to audit when no model is named."""
    ignores: tuple[Ignore, ...] = ()
    architecture: Serialized | None = None
    """Configuration of the model, for files that hold weights alone."""
    limits: Limits = field(default_factory=Limits)
    """What one file may cost."""
    file: Path | None = None
    """Where the settings come from."""

    @classmethod
    def default(cls) -> "Config":
        """All rules with their own thresholds."""
        return cls(tuple(rule() for rule in rules()))

    def allowing(self, settings: Iterable[str]) -> "Config":
        """Return these settings with limits such as `json_bytes=50_000_000` laid over them.

        Raises:
            UsageError: a limit that does not exist, or a value that is no whole number.
        """
        pairs = (setting.partition("=")[::2] for setting in settings)
        return replace(self, limits=_limits(dict(pairs), self.limits))

    def narrowed(
        self, select: Iterable[str] = (), ignore: Iterable[str] = (), fail_on: str | None = None
    ) -> "Config":
        """Return these settings with command-line choices laid over them.

        Raises:
            UsageError: a code, name or prefix that no rule has.
        """
        chosen = _matching(select, self.rules, default=True) - _matching(ignore, self.rules)
        kept = tuple(rule for rule in self.rules if rule.about.code in chosen)
        return replace(self, rules=kept, fail_on=FAIL_ON[fail_on] if fail_on else self.fail_on)


def find_config(start: Path) -> Path | None:
    """Return the nearest regaudit.toml, or pyproject.toml with `[tool.regaudit]`, upward."""
    for folder in (start, *start.parents):
        own = folder / "regaudit.toml"
        if own.is_file():
            return own
        project = folder / "pyproject.toml"
        if project.is_file() and "regaudit" in _load(project).get("tool", {}):
            return project
    return None


def read_config(file: Path) -> Config:
    """Read settings from a file.

    Raises:
        UsageError: it is not TOML, or has an unknown key or a value of the wrong kind.
    """
    content = _load(file)
    if file.name == "pyproject.toml":
        content = content.get("tool", {}).get("regaudit", {})
    try:
        return replace(_checked(content), file=file)
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from error


def read_architecture(file: Path) -> Serialized:
    """Read the configuration of a model: what `model.to_json()` returns.

    Raises:
        UsageError: it cannot be read, or is no such thing.
    """
    try:
        return parse_architecture(file.read_bytes(), str(file))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})") from error
    except RegauditError as error:
        raise UsageError(str(error)) from error


def _load(file: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - most runs have no settings

    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UsageError(f"{file}: not valid TOML ({error})") from error


def _checked(content: Mapping[str, Any]) -> Config:
    known = ("models", "select", "fail-on", "ignore", "limits", "rules")
    for key in content:
        if key.replace("_", "-") not in known:
            raise UsageError(f"unknown setting {key!r}{did_you_mean(key, known)}")
    content = {key.replace("_", "-"): value for key, value in content.items()}
    fail_on = content.get("fail-on", str(Severity.ERROR))
    if fail_on not in FAIL_ON:
        raise UsageError(f"fail-on is one of {', '.join(FAIL_ON)}, not {fail_on!r}")
    settings = content.get("rules", {})
    if not isinstance(settings, Mapping):
        raise UsageError("rules is a table of tables: [tool.regaudit.rules.REG101]")
    config = Config(
        rules=_with_thresholds(settings),
        limits=_limits(content.get("limits", {}), Limits()),
        fail_on=FAIL_ON[fail_on],
        models=tuple(_strings(content.get("models", []), "models")),
        ignores=tuple(_ignores(content.get("ignore", []))),
    )
    return config.narrowed(select=_strings(content.get("select", []), "select"))


def _with_thresholds(settings: Mapping[str, Any]) -> tuple[Rule, ...]:
    """Make every rule, with the thresholds that are set for it."""
    known = {rule.about.code: rule for rule in rules()}
    for code in settings:
        if code not in known:
            raise UsageError(f"unknown rule {code!r}{did_you_mean(code, known)}")
    made = []
    for code, rule in known.items():
        thresholds = settings.get(code, {})
        if not isinstance(thresholds, Mapping):
            raise UsageError(f"rules.{code} is a table of thresholds")
        made.append(rule(**_thresholds(code, rule, thresholds)))
    return tuple(made)


def _thresholds(code: str, rule: type[Rule], given: Mapping[str, Any]) -> dict[str, Any]:
    own = {field.name: field.default for field in fields(rule)}
    result = {}
    for key, value in given.items():
        name = key.replace("-", "_")
        if name not in own:
            raise UsageError(f"{code} has no threshold {key!r}{did_you_mean(name, own)}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"rules.{code}.{key} is a number, not {value!r}")
        result[name] = value
    return result


def _limits(given: Any, limits: Limits) -> Limits:
    """Return the limits with those given by name, as numbers or as text, in their places."""
    if not isinstance(given, Mapping):
        raise UsageError("limits is a table: [tool.regaudit.limits]")
    known = [field.name for field in fields(Limits)]
    changes = {}
    for key, value in given.items():
        name = key.replace("-", "_").lower()
        if name not in known:
            raise UsageError(f"unknown limit {key!r}{did_you_mean(name, known)}")
        number = value if isinstance(value, int) and not isinstance(value, bool) else None
        if isinstance(value, str) and re.fullmatch(r"[0-9][0-9_]{0,30}", value):
            number = int(value.replace("_", ""))
        if number is None or not 0 < number < 1 << 62:
            raise UsageError(f"limit {key} is a whole number above 0, not {value!r}")
        changes[name] = number
    return replace(limits, **changes)


def _ignores(entries: Any) -> Iterable[Ignore]:
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise UsageError("ignore is a list of tables: [[tool.regaudit.ignore]]")
    known = [field.name for field in fields(Ignore)]
    for entry in entries:
        for key in entry:
            if key not in known:
                raise UsageError(f"unknown key {key!r} in ignore{did_you_mean(key, known)}")
        for key in ("code", "reason"):
            if not isinstance(entry.get(key), str) or not entry[key].strip():
                raise UsageError(f"an ignore needs a {key}")
        names = [name for rule in rules() for name in (rule.about.code, rule.about.name)]
        if entry["code"] not in names:
            hint = did_you_mean(entry["code"], names)
            raise UsageError(f"unknown rule {entry['code']!r} in ignore{hint}")
        if "expires" in entry and type(entry["expires"]) is not date:
            raise UsageError("expires is a date: expires = 2027-01-31")
        yield Ignore(**entry)


def _matching(choices: Iterable[str], among: Iterable[Rule], *, default: bool = False) -> set[str]:
    """Return the codes that any of the choices matches: a code, a name, or a prefix of a code."""
    abouts = [rule.about for rule in among]
    found: set[str] = set()
    for choice in choices:
        hits = {a.code for a in abouts if a.code.startswith(choice.upper()) or a.name == choice}
        every = [name for rule in rules() for name in (rule.about.code, rule.about.name)]
        if not hits and not any(name.startswith(choice) for name in every):
            raise UsageError(f"no rule is called {choice!r}{did_you_mean(choice, every)}")
        found |= hits
    if default and not tuple(choices):
        return {about.code for about in abouts}
    return found


def _strings(value: Any, key: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{key} is a list of strings")
    return value


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint at the closest known word; empty if none is close."""
    from difflib import get_close_matches  # noqa: PLC0415 - only mistakes need it

    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
