"""What single settings may say: rules, thresholds, severities, limits, ignores."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from msgspec.structs import fields, replace

from regaudit.errors import UsageError, did_you_mean, shown
from regaudit.evidence.training_facts import is_number
from regaudit.limits import Limits
from regaudit.report.ignore import Ignore
from regaudit.report.severity import Severity
from regaudit.rules.interface import Rule, rules
from regaudit.settings.presets import Preset

MOST, MOST_SECONDS = 1 << 50, 1_000_000
"""What a limit may be: beyond, systems refuse to be told, and it is none."""

GLOB, PATH, NAME = 1024, 4096, 255
"""Characters of a glob, of a path, and of a name in a path."""


def checked_severities(settings: Mapping[str, Any]) -> Iterator[tuple[str, Severity]]:
    """Yield the severities that are set for rules, by code."""
    levels = {str(level): level for level in Severity}
    for code, thresholds in settings.items():
        if "severity" in thresholds:
            level = thresholds["severity"]
            if not isinstance(level, str) or level not in levels:
                wanted = f"one of {', '.join(levels)}, not {shown(level)}"
                raise UsageError(f"rules.{code}.severity must be {wanted}")
            yield code, levels[level]


def rules_of(settings: Mapping[str, Any], preset: Preset) -> tuple[Rule, ...]:
    """Make every rule, with the thresholds that are set for it over those of the preset."""
    known = {rule.about.code: rule for rule in rules()}
    for code in settings:
        if code not in known:
            raise UsageError(f"unknown rule {shown(code)}{did_you_mean(code, known)}")
    made = []
    for code, rule in known.items():
        thresholds = settings.get(code, {})
        if not isinstance(thresholds, Mapping):
            raise UsageError(f"rules.{code} must be a table of thresholds")
        own = _thresholds(code, rule, thresholds)
        made.append(rule(**{**preset.thresholds.get(code, {}), **own}))
    return tuple(made)


def _thresholds(code: str, rule: type[Rule], given: Mapping[str, Any]) -> dict[str, Any]:
    own = rule.thresholds()
    result = {}
    for key, value in given.items():
        name = key.replace("-", "_")
        if name == "severity":
            continue
        if name not in own:
            raise UsageError(f"{code} has no threshold {shown(key)}{did_you_mean(name, own)}")
        if not is_number(value) or value < 0:
            wanted = "a number" if not is_number(value) else "at least 0"
            raise UsageError(f"rules.{code}.{key} must be {wanted}, not {shown(value)}")
        result[name] = value
    return result


def checked_limits(given: Any, limits: Limits) -> Limits:
    """Return the limits with those given by name, as numbers or as text, in their places."""
    if not isinstance(given, Mapping):
        raise UsageError("limits must be a table: [tool.regaudit.limits]")
    known = [field.name for field in fields(Limits)]
    changes = {}
    for key, value in given.items():
        name = key.replace("-", "_").lower()
        if name not in known:
            raise UsageError(f"unknown limit {shown(key)}{did_you_mean(name, known)}")
        number = value if isinstance(value, int) and not isinstance(value, bool) else None
        if isinstance(value, str) and re.fullmatch(r"[0-9][0-9_]{0,30}", value):
            number = int(value.replace("_", ""))
        most = MOST_SECONDS if name.endswith("_seconds") else MOST
        if number is None or not 0 < number <= most:
            wanted = f"a whole number above 0, at most {most:,}"
            raise UsageError(f"limit {key} must be {wanted}, not {shown(value)}")
        changes[name] = number
    return replace(limits, **changes)


def checked_ignores(entries: Any) -> Iterable[Ignore]:
    """Read `[[tool.regaudit.ignore]]`.

    Raises:
        UsageError: an unknown key or rule, or a value of the wrong type.
    """
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise UsageError("ignore must be a list of tables: [[tool.regaudit.ignore]]")
    known = [field.name for field in fields(Ignore)]
    for entry in entries:
        for key in entry:
            if key not in known:
                raise UsageError(f"unknown key {shown(key)} in ignore{did_you_mean(key, known)}")
        for key in ("code", "reason"):
            if not isinstance(entry.get(key), str) or not entry[key].strip():
                raise UsageError(f"an ignore needs a {key}")
        names = [name for rule in rules() for name in (rule.about.code, rule.about.name)]
        if entry["code"] not in names:
            hint = did_you_mean(entry["code"], names)
            raise UsageError(f"unknown rule {shown(entry['code'])} in ignore{hint}")
        for key in ("model", "layer"):
            checked_glob(entry.get(key, "*"), f"{key} of an ignore")
        if "expires" in entry and type(entry["expires"]) is not date:
            raise UsageError("expires must be a date: expires = 2027-01-31")
        yield Ignore(**entry)


def codes_of(choices: Iterable[str], among: Iterable[Rule]) -> set[str]:
    """Return the codes that any of the choices matches: a code, a name, or a prefix of a code."""
    abouts = [rule.about for rule in among]
    every = [name for rule in rules() for name in (rule.about.code, rule.about.name)]
    found: set[str] = set()
    for choice in choices:
        hits = {a.code for a in abouts if a.code.startswith(choice.upper()) or a.name == choice}
        if not choice or (not hits and not any(name.startswith(choice) for name in every)):
            raise UsageError(f"no rule is called {shown(choice)}{did_you_mean(choice, every)}")
        found |= hits
    return found


def checked_glob(value: Any, key: str) -> str:
    """Return a glob.

    Raises:
        UsageError: it is something else, or longer than any path.
    """
    if not isinstance(value, str):
        raise UsageError(f"{key} must be a glob, not {shown(value)}")
    if len(value) > GLOB:
        raise UsageError(f"{key} must be a glob of at most {GLOB:,} characters: {shown(value)}")
    return value


def checked_path(value: Any, key: str) -> str:
    """Return the path of a file, or a pattern for paths.

    Raises:
        UsageError: it is something else, or no file can have that name.
    """
    if not isinstance(value, str):
        raise UsageError(f"{key} must be the path of a file, not {shown(value)}")
    if not value:
        raise UsageError(f"{key} must be the path of a file, not empty")
    if "\0" in value:
        raise UsageError(f"{key}: no path has a zero byte: {shown(value)}")
    parts = value.replace("\\", "/").split("/")
    if len(value) > PATH or max(map(len, parts)) > NAME:
        raise UsageError(f"{key}: too long for a path: {shown(value)}")
    return value


def checked_strings(value: Any, key: str) -> list[str]:
    """Return a list of strings.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{key} must be a list of strings")
    return value
