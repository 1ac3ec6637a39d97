"""CSV, for spreadsheets: one row a weight, with the codes of what was found there.

What was found elsewhere, in a layer or the model as a whole, and a file that could not be read
have rows of their own.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from regaudit.model import Layer, Weight
from regaudit.renderers.interface import Renderer
from regaudit.report import escape, spelling
from regaudit.report.document import SPECTRUM, spectrum_record, weight_record
from regaudit.report.escape import Escaped
from regaudit.report.report import Report
from regaudit.report.view import View
from regaudit.rules.interface import About

COLUMNS = (
    "file",
    "layer",
    "class_name",
    "path",
    "role",
    "shape",
    "dtype",
    "trainable",
    "regularizer",
    "status",
    "l1",
    "l2",
    "penalty",
    "penalty_share",
    "l1_norm",
    "l2_norm",
    "max_abs",
    "mean",
    "std",
    "nonfinite",
    "zeros",
    "sparsity",
    "near_zeros",
    "units",
    "dead_units",
    "findings",
    "failure",
    "trainable_known",
    "regularizer_known",
    "redirected",
)

FIGURES = tuple(name for name in SPECTRUM if name != "shape")
"""Columns that are there only with --spectral."""


class Csv(Renderer):
    name: ClassVar[str] = "csv"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> Escaped:
        text = io.StringIO()
        spectral = any(report.spectra is not None for report in reports)
        columns = (*COLUMNS, *FIGURES) if spectral else COLUMNS
        writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for report in reports:
            for row in _rows(report, view):
                row["redirected"] = report.redirected or None
                writer.writerow({key: _cell(value) for key, value in row.items()})
        return escape.by_format(text.getvalue())


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
    return {
        **weight_record(weight, report),
        **(spectrum_record(weight, report) or {}),
        "file": report.file,
        "layer": layer.path,
        "class_name": layer.class_name,
        "shape": json.dumps(weight.shape),
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
