"""Parquet, for pandas, DuckDB and Spark: one row a weight, with what is known of its model.

A model without weights and a file that could not be audited have one row, with nulls.
"""

import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import UNSET
from msgspec.structs import asdict

from regaudit.model import Layer, Weight
from regaudit.renderers.interface import Renderer
from regaudit.report import schema, spelling
from regaudit.report.document import weight as described
from regaudit.report.report import Report
from regaudit.report.severity import Severity
from regaudit.report.view import View
from regaudit.rules.interface import About

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 20_000
"""Rows of a row group."""

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

`findings` are the codes of what was found at the weight, `model_findings` those of the whole model.
"""


class Parquet(Renderer):
    name: ClassVar[str] = "parquet"
    binary: ClassVar[bool] = True

    def missing(self) -> str:
        try:
            import pyarrow.parquet  # noqa: F401, PLC0415 - an extra
        except ImportError:
            return "Parquet needs pyarrow, which is not installed: pip install 'regaudit[parquet]'"
        return ""

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> bytes:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet as pq  # noqa: PLC0415 - the same

        schema = _schema()
        rows = (row for report in reports for row in _rows(report, view))
        content = io.BytesIO()
        with pq.ParquetWriter(content, schema, compression="zstd") as writer:
            while batch := list(islice(rows, BATCH)):
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))
        return content.getvalue()


def _schema() -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415 - an extra

    types = {
        str: pa.string(),
        int: pa.int64(),
        float: pa.float64(),
        bool: pa.bool_(),
        datetime: pa.timestamp("us"),
        list[str]: pa.list_(pa.string()),
        list[int]: pa.list_(pa.int64()),
    }
    return pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])


def _rows(report: Report, view: View) -> Iterator[dict[str, Any]]:
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
