"""The JSON Schema of reports, as it is shipped and made stricter."""

import json

from command_line import run

SCHEMA = json.loads(run("schema").output)


def closed(schema):
    """Return the schema with no key allowed that it does not name."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: closed(part) for key, part in schema.items()}
    if "properties" in schema and "iterations" not in schema["properties"]:
        strict.setdefault("additionalProperties", False)
    return strict
