"""Reports as rows of a table, for pandas and Parquet: one row a weight, with what its model is.

A model without weights and a file that could not be audited have one row, with nulls.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from msgspec import UNSET
from msgspec.structs import asdict

from regaudit.model import Layer, Weight
from regaudit.report import schema, spelling
from regaudit.report.document import weight as described
from regaudit.report.report import Report
from regaudit.report.severity import Severity
from regaudit.report.view import View

_OF_MODEL = {
    "file": str,
    "format": str,
    "size": int,
    "keras_version": str,
    "saved_at": datetime,
    "model": str,
    "model_class": str,
    "model_parameters": int,
    "model_trainable_parameters": int,
    "model_unknown_parameters": int,
    "model_regularized": int,
    "model_not_regularized": int,
    "model_regularizer_unknown": int,
    "model_penalty": float,
    "model_penalty_complete": bool,
    "model_worst": str,
    "model_errors": int,
    "model_warnings": int,
    "model_notes": int,
    "model_findings": list[str],
    "failure": str,
    "redirected": str,
}
_OF_WEIGHT = {
    "layer": str,
    "class_name": str,
    **schema.columns(schema.Weight),
    "shape": list[int],
    "parameters": int,
    "regularizer": str,
    "status": str,
    "l1": float,
    "l2": float,
    "findings": list[str],
}

COLUMNS = {**_OF_MODEL, **_OF_WEIGHT}
"""Types by column: those of the model first, the same in all its rows, then those of the weight.

What is not known is null, and so is what is not there: of a `regularizer`, `regularizer_known`
tells the two apart. `findings` are the codes of what was found at the weight, `model_findings`
those of the whole model.
"""


def rows_of(report: Report, view: View) -> Iterator[dict[str, Any]]:
    """Yield the rows of one report, with a value for each column that is known."""
    model = _model(report)
    codes: dict[str, list[str]] = {}
    for finding in report.findings:
        for item in finding.items:
            codes.setdefault(item.path, []).append(finding.code)
    empty = True
    for layer, weight in view.weights(report):
        empty = False
        yield _clean({**model, **_weight(report, layer, weight, codes.get(weight.path, []))})
    if empty:
        yield _clean(model)


def _model(report: Report) -> dict[str, Any]:
    """Return the columns of a model."""
    counts = [sum(one.severity is level for one in report.findings) for level in Severity]
    model = report.model
    tally = model.regularized if model else None
    return {
        "file": report.file,
        "format": report.format,
        "size": report.size,
        "keras_version": model.keras_version if model else None,
        "saved_at": _time(model.saved_at) if model else None,
        "model": model.name if model else None,
        "model_class": model.class_name if model else None,
        "model_parameters": model.parameters if model else None,
        "model_trainable_parameters": model.trainable_parameters if model else None,
        "model_unknown_parameters": model.unknown_parameters if model else None,
        "model_regularized": tally.yes if tally else None,
        "model_not_regularized": tally.no if tally else None,
        "model_regularizer_unknown": tally.unknown if tally else None,
        "model_penalty": report.penalty if model else None,
        "model_penalty_complete": report.penalty_complete if model else None,
        "model_worst": str(Severity(report.worst)) if report.worst else None,
        **dict(zip(("model_notes", "model_warnings", "model_errors"), counts, strict=True)),
        "model_findings": [finding.code for finding in report.findings],
        "failure": report.failure.message if report.failure else None,
        "redirected": report.redirected or None,
    }


def _weight(report: Report, layer: Layer, weight: Weight, codes: list[str]) -> dict[str, Any]:
    """Return the columns of a weight."""
    regularizer = weight.regularizer
    found = asdict(described(weight, report))
    return {
        **{key: found[key] for key in COLUMNS if found.get(key, UNSET) is not UNSET},
        "layer": layer.path,
        "class_name": layer.class_name,
        "parameters": weight.size,
        "trainable": weight.trainable if weight.trainable_known else None,
        "regularizer": spelling.regularizer(regularizer) if regularizer else None,
        "status": str(regularizer.status) if regularizer else None,
        "l1": regularizer.l1 if regularizer else None,
        "l2": regularizer.l2 if regularizer else None,
        "findings": codes,
    }


def _time(text: str | None) -> datetime | None:
    """Read the time as Keras writes it, 2026-01-02@03:04:05; None if it is anything else."""
    try:
        return datetime.strptime(text or "", "%Y-%m-%d@%H:%M:%S")  # noqa: DTZ007 - of no zone
    except ValueError:
        return None


def _clean(row: dict[str, Any]) -> dict[str, Any]:
    """Escape what is no UTF-8, and leave out whole numbers that no column can hold."""
    return {key: _fitting(value) for key, value in row.items()}


def _fitting(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return None
    return value
