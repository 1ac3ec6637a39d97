"""CSV, for spreadsheets: one row a weight, with the codes of what was found there.

What was found elsewhere, in a layer or the model as a whole, and a file that could not be read
have rows of their own.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import IO, Any, ClassVar

from msgspec import to_builtins

from regaudit.model import Layer, Weight
from regaudit.renderers.interface import StreamingRenderer
from regaudit.report import escape, schema, spelling
from regaudit.report.document import weight as described
from regaudit.report.report import Report
from regaudit.report.streams import Joined, as_bytes
from regaudit.report.view import View
from regaudit.rules.interface import About

_NOT_SHOWN = {"stored_path", "dequantized_from", "constraint", "shared_with"} | schema.added_later(
    schema.Weight
)
_OF_WEIGHT = [name for name in schema.Weight.__struct_fields__ if name not in _NOT_SHOWN]
_AFTER = _OF_WEIGHT.index("regularizer") + 1

COLUMNS = (
    *("file", "layer", "class_name"),
    *(*_OF_WEIGHT[:_AFTER], "status", "l1", "l2", *_OF_WEIGHT[_AFTER:]),
    *("findings", "failure"),
    *("trainable_known", "regularizer_known", "redirected"),
    *("effective_units", "small_values", "small_share"),
    *("placed_by", "penalty_if_applied"),
)
"""The fields of a weight, its regularizer in one word more, between those of its file."""

FIGURES = tuple(name for name in schema.Spectrum.__struct_fields__ if name != "shape")
"""Columns that are there only with --spectral."""


class Csv(StreamingRenderer):
    name: ClassVar[str] = "csv"

    def part(self, report: Report, rules: Sequence[About], view: View) -> bytes:
        text, writer = _writer(view)
        for row in _rows(report, view):
            row["redirected"] = report.redirected or None
            writer.writerow({key: _cell(value) for key, value in row.items()})
        return as_bytes(text.getvalue())

    def stream(self, file: IO[bytes], rules: Sequence[About], view: View) -> Joined:
        text, writer = _writer(view)
        writer.writeheader()
        return Joined(file, as_bytes(text.getvalue()))


def _writer(view: View) -> tuple[io.StringIO, "csv.DictWriter[str]"]:
    text = io.StringIO()
    columns = (*COLUMNS, *FIGURES) if view.spectral else COLUMNS
    return text, csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")


def _rows(report: Report, view: View) -> Iterator[dict[str, Any]]:
    codes: dict[str, list[str]] = {}
    for finding in report.findings:
        for item in finding.items:
            codes.setdefault(item.path, []).append(finding.code)
    if report.failure:
        yield {"file": report.file, "failure": report.failure.message}
    for layer, weight in view.weights(report):
        yield {**_weight(report, layer, weight), "findings": " ".join(codes.pop(weight.path, ()))}
    for path, found in codes.items():
        if view.shows(path):
            yield {"file": report.file, "path": path, "findings": " ".join(found)}


def _weight(report: Report, layer: Layer, weight: Weight) -> dict[str, Any]:
    regularizer = weight.regularizer
    found: dict[str, Any] = to_builtins(described(weight, report))
    return {
        **found,
        **(found.get("spectrum") or {}),
        "file": report.file,
        "layer": layer.path,
        "class_name": layer.class_name,
        "shape": json.dumps(weight.shape),
        "trainable": found["trainable"] if weight.trainable_known else None,
        "regularizer": spelling.regularizer(regularizer) if regularizer else None,
        "status": str(regularizer.status) if regularizer else None,
        "l1": regularizer.l1 if regularizer else None,
        "l2": regularizer.l2 if regularizer else None,
    }


def _cell(value: Any) -> Any:
    """Keep text from being read as a formula by a spreadsheet."""
    if not isinstance(value, str):
        return value
    text: str = escape.visible(value)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@"} else text
