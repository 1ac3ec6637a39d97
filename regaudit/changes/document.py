"""Changes between two audits as plain data, by the schema "regaudit-diff/1"."""

from typing import Any

from regaudit.changes.compare import Changes, Shift
from regaudit.report.document import (
    finite,
    item_record,
    optimizer_record,
    regularizer_record,
    weight_record,
)
from regaudit.version import VERSION

SCHEMA = "regaudit-diff/1"
"""Changes inside it only add keys."""


def changes_document(changes: Changes) -> dict[str, Any]:
    """Return everything that differs, and every weight with its numbers before and after."""
    return {
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
            side: optimizer_record(report.model.optimizer if report.model else None)
            for side, report in (("old", changes.old), ("new", changes.new))
        },
        "regularizers": [
            {
                "path": one.path,
                "key": one.key,
                "kind": one.kind,
                "old": regularizer_record(one.old),
                "new": regularizer_record(one.new),
            }
            for one in changes.regularizers
        ],
        "weights": [
            {
                "path": one.path,
                "kind": one.kind,
                "old": weight_record(one.old, changes.old) if one.old else None,
                "new": weight_record(one.new, changes.new) if one.new else None,
                "numbers": {name: _shift(shift) for name, shift in one.numbers.items()},
            }
            for one in changes.weights
        ],
        "findings": [
            {"kind": one.kind, "code": one.code, "name": one.name, **item_record(one.item)}
            for one in changes.findings
        ],
    }


def _shift(shift: Shift) -> dict[str, float | None]:
    return {"old": finite(shift.old), "new": finite(shift.new), "relative": finite(shift.relative)}
