"""The page of settings, made from the structs that settings are read into."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields
from sphinx.pycode import ModuleAnalyzer

from generated.pages import write_all
from regaudit.evidence.training_facts import Facts
from regaudit.report.ignore import Ignore
from regaudit.settings.config import read_config
from regaudit.settings.given import Given, Override
from regaudit.settings.presets import PRESETS
from regaudit.settings.to_toml import toml

EXAMPLES = {
    "models": 'models = ["models/", "exports/*.keras"]',
    "select": 'select = ["REG1", "dead-units"]',
    "min-confidence": 'min-confidence = "medium"',
    "fail-on": 'fail-on = "warning"',
    "unknown": 'unknown = "fail"',
    "preset": 'preset = "strict"',
    "plugins": "plugins = false",
    "baseline": 'baseline = ".regaudit-baseline.json"',
    "docs-url": 'docs-url = "https://docs.example/regaudit/"',
    "train-loss": "train-loss = 0.003",
    "val-loss": "val-loss = 0.51",
    "train-accuracy": "train-accuracy = 1.0",
    "val-accuracy": "val-accuracy = 0.865",
    "train-size": "train-size = 300",
    "val-size": "val-size = 400",
    "batch-size": "batch-size = 32",
    "target-variance": "target-variance = 12.5",
    "rules": '[rules.REG101]\nmin_parameters = 50_000\nseverity = "warning"',
    "limits": "[limits]\nwall_seconds = 120",
    "layers": '[layers]\nMyDense = "Dense"\nMyBlock = ["kernel", "bias", "scale?"]',
    "ignore": '[[ignore]]\ncode = "REG101"\nlayer = "encoder/*"\nreason = "trained on 10 million '
    'samples"\nexpires = 2030-12-31',
    "override": '[[override]]\nmodel = "models/teacher*"\ntrain-loss = 0.2\n'
    'rules.REG101.severity = "note"',
}
"""One for each setting, as in regaudit.toml; all of them are read when the page is made."""

PAGE = """# Settings

Settings lie in a file of their own, `regaudit.toml`, or in `pyproject.toml` below `[tool.regaudit]`. The nearest one is used,
from the current folder upward; {{option}}`--config <regaudit check --config>` names another, and
{{option}}`--isolated <regaudit check --isolated>` ignores all of them. Options of a command win over settings.
`regaudit config init` writes a file with the common settings explained, and `regaudit check --show-settings` prints all that are
in force.

[Fit the rules to your project](../how-to/settings.md) shows how they work together. The examples below are for `regaudit.toml`. In `pyproject.toml` the same keys stand below `[tool.regaudit]`, and a table such as
`[rules.REG101]` is called `[tool.regaudit.rules.REG101]`. Keys may be written with dashes or underscores.

| setting | type | default |
|---|---|---|
{rows}

## Keys

{keys}

## Facts about the training

No file tells how well a model does. With these numbers more rules run, and strengths are suggested from them. The options of the
same names win over them.

{facts}

## Tables

{tables}

## Presets

A preset chooses rules, severities and thresholds; your own settings lie over it.

{presets}
"""

TABLES = ("rules", "limits", "layers", "ignore", "override")
HOMES = ("regaudit.settings.given", "regaudit.evidence.training_facts", "regaudit.report.ignore")


def write(folder: Path) -> None:
    """Write `settings.md`."""
    given = [(Given, one) for one in fields(Given)]
    facts = {one.name for one in fields(Facts)}
    keys = [pair for pair in given if pair[1].name not in facts and pair[1].name not in TABLES]
    told = [pair for pair in given if pair[1].name in facts]
    tables = [pair for pair in given if pair[1].name in TABLES]
    content = PAGE.format(
        rows="\n".join(_row(one) for _, one in (*keys, *told, *tables)),
        keys=_sections(keys),
        facts=_sections(told),
        tables=_sections(tables),
        presets="\n".join(f"`{name}`\n: {one.title}\n" for name, one in PRESETS.items()),
    )
    write_all(folder, "settings.md", {"settings.md": content})


def _row(one: FieldInfo) -> str:
    name = one.encode_name
    return f"| [`{name}`](#setting-{name}) | {_type(one.type)} | {_default(one)} |"


def _sections(pairs: Iterable[tuple[type[Struct], FieldInfo]]) -> str:
    return "\n".join(text for kind, one in pairs for text in _section(kind, one))


def _section(kind: type[Struct], one: FieldInfo) -> Iterator[str]:
    name = one.encode_name
    example = EXAMPLES[name]
    decoded = tomllib.loads(example)
    read_config(None, **{key.replace("-", "_"): value for key, value in decoded.items()})
    yield f"(setting-{name})=\n### `{name}`\n"
    yield f"{_docs(kind, one.name)}\n"
    yield f"Type: {_type(one.type)}. Default: {_default(one)}.\n"
    yield f"```toml\n{example}\n```\n"
    inner = {"ignore": Ignore, "override": Override}.get(name)
    if inner is not None:
        own = [field for field in fields(inner) if field.name not in Facts.__struct_fields__]
        yield "| key | type | default | meaning |\n|---|---|---|---|"
        for field in own:
            default = "needed" if field.required else _default(field)
            docs = _docs(inner, field.name)
            yield f"| `{field.encode_name}` | {_type(field.type)} | {default} | {docs} |"
        yield ""


def _docs(kind: type[Struct], name: str) -> str:
    """Return the docstring of a field, of this struct or of one below it.

    Raises:
        LookupError: it has none.
    """
    for one in kind.__mro__:
        if found := _attribute_docs().get((one.__name__, name)):
            return found
    raise LookupError(f"{kind.__name__}.{name} has no docstring")


@cache
def _attribute_docs() -> dict[tuple[str, str], str]:
    found = {}
    for module in HOMES:
        analyzer = ModuleAnalyzer.for_module(module)
        for key, lines in analyzer.find_attr_docs().items():
            found[key] = " ".join(lines).strip()
    return found


def _type(kind: Any) -> str:
    """Say what a value may be, in the words that errors use."""
    if get_origin(kind) is Literal:
        return ", ".join(f"`{one}`" for one in get_args(kind))
    if meta := getattr(kind, "__metadata__", None):
        return re.sub(r"(\[.*\])", r"`\1`", str(meta[0].description))
    if get_origin(kind) is tuple:
        item = _type(get_args(kind)[0])
        return "a list of tables" if item == "a table" else f"a list; each item is {item}"
    if isinstance(kind, type) and issubclass(kind, Struct):
        return "a table"
    (first, *_) = (one for one in get_args(kind) if one is not NoneType)
    return _type(first)


def _default(one: FieldInfo) -> str:
    value = one.default if one.default is not NODEFAULT else one.default_factory()
    if value is None:
        return "none"
    if value in ((), {}) or isinstance(value, Struct):
        return "empty" if value in ((), {}) else "[the limits](limits.md)"
    return f"`{toml(value)}`"
