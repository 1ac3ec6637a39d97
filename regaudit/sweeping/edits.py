"""Edits of a candidate in words: `L2(0.004)`, whatever a document says they are."""

from collections.abc import Mapping
from typing import Any

from regaudit.report import spelling
from regaudit.report.proposal import OPTIMIZER, Edit


def spelled(edit: Edit) -> str:
    """Return what is put there: `L2(l2=0.004)`, `none`."""
    value = edit.value
    if value is None:
        return "none"
    config = value if edit.key == OPTIMIZER else value.get("config")
    settings = config if isinstance(config, Mapping) else {}
    inside = [f"{name}={_value(given)}" for name, given in settings.items() if name != "class_name"]
    return f"{value.get('class_name', '?')}({', '.join(inside)})"


def _value(given: Any) -> str:
    return spelling.strength(given) if isinstance(given, float) else str(given)


def place(edit: Edit) -> str:
    """Return where it is put: a layer, or the optimizer."""
    return edit.layer or OPTIMIZER
