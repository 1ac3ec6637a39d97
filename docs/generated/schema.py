"""The page of the JSON Schema, for people, and the schema itself, for programs."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from generated.pages import write_all
from regaudit.report.schema import json_schema

FILE = "regaudit-1.schema.json"

PAGE = """# JSON

{about}

The schema is `regaudit/1`. `regaudit schema` prints it, and {{download}}`{file} <{file}>` is the same. Below it stands for people:
first the document, then each object in it. A key that is not *always* there is left out where it says nothing.

## Document

{document}

{objects}
"""


def write(folder: Path) -> None:
    """Write `json.md`, and the schema beside it."""
    schema = json_schema()
    objects = (
        f"(json-{name.lower()})=\n## {name}\n\n{one.get('description', '')}\n\n{_table(one)}\n"
        for name, one in schema["$defs"].items()
    )
    page = PAGE.format(
        about=schema["description"],
        file=FILE,
        document=_table(schema),
        objects="\n".join(objects),
    )
    write_all(folder, "json.md", {"json.md": page})
    write_all(folder, FILE, {FILE: f"{json.dumps(schema, indent=2)}\n"})


def _table(schema: Mapping[str, Any]) -> str:
    needed = set(schema.get("required", ()))
    rows = (
        f"| `{name}` | {_type(one)} | {'yes' if name in needed else ''} | {_words(one)} |"
        for name, one in schema["properties"].items()
    )
    return "\n".join(("| key | type | always | meaning |", "|---|---|---|---|", *rows))


def _words(schema: Mapping[str, Any]) -> str:
    text = str(schema.get("description", "")).replace("|", "\\|").replace("*", "\\*")
    return text[:1].upper() + text[1:]


def _type(schema: Mapping[str, Any]) -> str:
    return " or ".join(dict.fromkeys(_types(schema)))


def _types(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a value may be, in words."""
    if "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _types(one)
    elif "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield f"[{name}](#json-{name.lower()})"
    elif "enum" in schema:
        yield ", ".join(f"`{json.dumps(one)}`" for one in schema["enum"])
    elif schema.get("type") == "array":
        yield f"list of {_type(schema['items'])}"
    elif schema.get("type") == "object" and "additionalProperties" in schema:
        yield f"object: name to {_type(schema['additionalProperties'] or {})}"
    else:
        yield str(schema.get("type", "any"))
