"""The settings in force as TOML, which gives the same settings when read back."""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from regaudit.keras_semantics.declared_roles import Declared
from regaudit.report.escape import Escaped, json_text, page, visible
from regaudit.rules.interface import Rule
from regaudit.settings.config import FAIL_ON, Config
from regaudit.settings.given import UNKNOWN
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
    yield f"plugins = {toml(_plugins(config))}"
    for name, version in config.plugin_versions.items():
        yield visible(f"# with {name} {version}")
    if config.baseline_file:
        yield f"baseline = {toml(str(config.baseline_file.absolute()))}"
    if config.docs_url:
        yield f"docs-url = {toml(config.docs_url)}"
    yield from _set(config.facts)
    yield from declared_lines(config.roles)
    yield "\n[limits]"
    yield from _set(config.limits)
    for rule in config.rules:
        yield from _rule(rule, config)
    for ignore in config.ignores:
        yield "\n[[ignore]]"
        yield from _set(ignore)
    for override in config.overrides:
        yield "\n[[override]]"
        yield from _set(override)


def _plugins(config: Config) -> bool | list[str]:
    """Return the distributions whose plug-ins are used, or whether any are."""
    if config.plugins is None:
        return list(config.plugin_versions) or True
    return list(config.plugins) or False


def _set(table: Struct) -> Iterator[str]:
    """Yield the keys of a table that are set."""
    for one in fields(table):
        value = getattr(table, one.name)
        if value not in (None, {}):
            yield f"{one.encode_name} = {toml(value)}"


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
