"""The settings in force as TOML, which gives the same settings when read back."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import fields

from regaudit.keras_semantics.declared_roles import Declared
from regaudit.report.escape import Escaped, json_text, page, visible
from regaudit.rules.interface import Rule
from regaudit.settings.config import FAIL_ON, UNKNOWN, Config
from regaudit.storage.location import redacted_name, without_secrets


def settings_page(config: Config) -> Escaped:
    """Return regaudit.toml with every setting and every threshold in force."""
    return page(line for text in _lines(config) for line in text.split("\n"))


def _lines(config: Config) -> Iterator[str]:
    yield visible(f"# from {config.file}") if config.file else "# no settings file"
    yield f"models = {toml([redacted_name(name) for name in config.models])}"
    yield f"select = {toml([rule.about.code for rule in config.rules])}"
    names = {value: name for name, value in FAIL_ON.items()}
    yield f"fail-on = {toml(names[config.fail_on])}"
    yield f"unknown = {toml(UNKNOWN[config.fail_on_unknown])}"
    yield f"preset = {toml(config.preset)}"
    if config.baseline_file:
        yield f"baseline = {toml(str(config.baseline_file.absolute()))}"
    for one in fields(config.facts):
        value = getattr(config.facts, one.name)
        if value is not None:
            yield f"{one.name.replace('_', '-')} = {toml(value)}"
    yield from declared_lines(config.roles)
    yield "\n[limits]"
    yield from (f"{one.name} = {getattr(config.limits, one.name)}" for one in fields(config.limits))
    for rule in config.rules:
        yield from _rule(rule, config)
    for ignore in config.ignores:
        yield "\n[[ignore]]"
        for one in fields(ignore):
            if getattr(ignore, one.name) is not None:
                yield f"{one.name} = {toml(getattr(ignore, one.name))}"
    for override in config.overrides:
        layer = {} if override.layer is None else {"layer": override.layer}
        content = {"model": override.model, **layer, **override.content}
        yield "\n[[override]]"
        yield from (f"{key} = {toml(value)}" for key, value in content.items())


def declared_lines(roles: Iterable[Declared], table: str = "layers") -> Iterator[Escaped]:
    """Yield the table of what is declared of custom classes; nothing for none."""
    for number, one in enumerate(roles):
        if not number:
            yield from (visible(""), visible(f"[{table}]"))
        yield visible(f"{toml(one.name)} = {toml(one.value)}")


def _rule(rule: Rule, config: Config) -> Iterator[str]:
    code = rule.about.code
    yield f"\n[rules.{code}] # {rule.about.name}"
    yield f"severity = {toml(str(config.severities.get(code, rule.about.severity)))}"
    for name in rule.thresholds():
        yield f"{name} = {toml(getattr(rule, name))}"


def toml(value: Any) -> str:
    """Format a value; JSON and TOML agree on strings, numbers and lists, but not on tables."""
    if isinstance(value, dict):
        pairs = ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items())
        return f"{{{pairs}}}"
    if isinstance(value, str):
        return json_text(without_secrets(value))
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, bool):
        return json_text(value)
    return str(value)
