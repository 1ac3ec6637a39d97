"""Settings as people wrote them, for those who read a report."""

from collections.abc import Iterator
from dataclasses import fields

from regaudit.config import FAIL_ON, Config


def spelled(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what was asked for, as a file of settings spells it."""
    yield "settings file", str(config.file) if config.file else "none"
    yield "preset", config.preset
    yield "fail-on", next(name for name, level in FAIL_ON.items() if level == config.fail_on)
    for fact in fields(config.facts):
        value = getattr(config.facts, fact.name)
        if value is not None:
            yield fact.name.replace("_", "-"), f"{value:,}"
    for number, one in enumerate(config.ignores, 1):
        until = f", until {one.expires}" if one.expires else ""
        where = f"{one.code} in layer {one.layer} of model {one.model}"
        yield f"ignore {number}", f"{where}{until}: {one.reason}"
    for rule in config.rules:
        for threshold in fields(rule):
            value = getattr(rule, threshold.name)
            yield f"rules.{rule.about.code}.{threshold.name}", f"{value:,}"
