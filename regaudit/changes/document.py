"""Changes between two audits as plain data, by the schema "regaudit-diff/1"."""

from typing import Any

from msgspec import to_builtins

from regaudit.changes.compare import Changes, Shift
from regaudit.report.document import finite, optimizer_settings, place, regularizer, weight
from regaudit.version import VERSION

SCHEMA = "regaudit-diff/1"
"""Changes inside it only add keys."""


def changes_document(changes: Changes) -> dict[str, Any]:
    """Return everything that differs, and every weight with its numbers before and after."""
    content = {
        "schema": SCHEMA,
        "regaudit": VERSION,
        "old": changes.old.file,
        "new": changes.new.file,
        "redirected": {
            "old": changes.old.redirected or None,
            "new": changes.new.redirected or None,
        },
        "same": changes.same,
        "penalty": _shift(Shift(changes.old.told_penalty, changes.new.told_penalty)),
        "regularizers_unknown": changes.untold,
        "optimizer": {
            side: optimizer_settings(report.model.optimizer if report.model else None)
            for side, report in (("old", changes.old), ("new", changes.new))
        },
        "regularizers": [
            {
                "path": one.path,
                "key": one.key,
                "kind": one.kind,
                "old": regularizer(one.old),
                "new": regularizer(one.new),
            }
            for one in changes.regularizers
        ],
        "weights": [
            {
                "path": one.path,
                "kind": one.kind,
                "old": weight(one.old, changes.old) if one.old else None,
                "new": weight(one.new, changes.new) if one.new else None,
                "numbers": {name: _shift(shift) for name, shift in one.numbers.items()},
            }
            for one in changes.weights
        ],
        "findings": [
            {"kind": one.kind, "code": one.code, "name": one.name, **place(one.item)}
            for one in changes.findings
        ],
    }
    found: dict[str, Any] = to_builtins(content)
    return found


def _shift(shift: Shift) -> dict[str, float | None]:
    return {"old": finite(shift.old), "new": finite(shift.new), "relative": finite(shift.relative)}
