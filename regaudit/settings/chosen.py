"""Rules as settings name them: chosen by code or name, with their thresholds and severities."""

from collections.abc import Iterable, Mapping
from typing import Any

from regaudit.errors import UsageError, shown
from regaudit.report.severity import Level, Severity
from regaudit.rules.interface import Rule, hint, may_be_left_out, rules
from regaudit.settings.decode import decoded_fields, decoded_value
from regaudit.settings.presets import Preset


def rules_of(
    given: Mapping[str, Mapping[str, Any]], preset: Preset, key: str = "rules"
) -> tuple[tuple[Rule, ...], dict[str, Severity]]:
    """Make every rule, with the thresholds that are set for it over those of the preset.

    Args:
        given: thresholds and severity, by code.
        preset: what lies below.
        key: where they stand, for messages.

    Returns:
        The rules, and the severities by code.

    Raises:
        UsageError: a rule or threshold that does not exist, or a value that it cannot be.
    """
    known = {rule.about.code: rule for rule in rules()}
    severities = dict(preset.severities)
    own = {}
    for code, table in given.items():
        if code not in known and may_be_left_out(code):
            continue
        if code not in known:
            raise UsageError(f"unknown rule {shown(code)}{hint(code, known)}")
        thresholds = {name: value for name, value in table.items() if name != "severity"}
        if not known[code].failure:  # else what it would understand is not known
            own[code] = decoded_fields(known[code], thresholds, f"{key}.{code}")
        if "severity" in table:
            level = decoded_value(Level, table["severity"], f"{key}.{code}.severity")
            severities[code] = Severity[level.upper()]
    made = (
        rule(**{**preset.thresholds.get(code, {}), **own.get(code, {})})
        for code, rule in known.items()
    )
    return tuple(made), severities


def codes_of(choices: Iterable[str], among: Iterable[Rule]) -> set[str]:
    """Return the codes that any of the choices matches: a code, a name, or a prefix of a code.

    Raises:
        UsageError: a code, name or prefix that no rule has.
    """
    abouts = [rule.about for rule in among]
    every = names()
    found: set[str] = set()
    for choice in choices:
        hits = {a.code for a in abouts if a.code.startswith(choice.upper()) or a.name == choice}
        if not choice or (not hits and not any(name.startswith(choice) for name in every)):
            raise UsageError(f"no rule is called {shown(choice)}{hint(choice, every)}")
        found |= hits
    return found


def names() -> list[str]:
    """Return the codes and names of all rules."""
    return [name for rule in rules() for name in (rule.about.code, rule.about.name)]
