"""A report as plain data, by the schema "regaudit/1"."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from math import isfinite
from typing import Any

from regaudit.measures.spectrum import Spectrum
from regaudit.model import Layer, Model, Optimizer, Regularizer, Weight
from regaudit.report.report import Finding, Occurrence, Report, Suggestion
from regaudit.version import VERSION

SCHEMA = "regaudit/1"
"""Changes inside it only add keys."""

LONGEST_INT = 1000
"""Bits of a whole number; readers take longer ones for an infinity, or cannot read them."""

SPECTRUM = tuple(field.name for field in fields(Spectrum))
"""What a report says about a spectrum: the shape of the matrix, then figures."""


def document(reports: Sequence[Report]) -> dict[str, Any]:
    """Return all reports of a run."""
    return {"schema": SCHEMA, "regaudit": VERSION, "reports": [record(r) for r in reports]}


def record(report: Report) -> dict[str, Any]:
    """Return one report."""
    model, coverage = report.model, report.coverage
    return {
        "file": _unicode(report.file),
        "format": report.format,
        "size": report.size,
        "keras_version": model.keras_version if model else None,
        "saved_at": model.saved_at if model else None,
        "model": _model(model) if model else None,
        "coverage": {
            "layers": coverage.layers,
            "weights": coverage.weights,
            "measured": coverage.measured,
            "regularized": coverage.regularized.yes,
            "not_regularized": coverage.regularized.no,
            "regularizer_unknown": coverage.regularized.unknown,
            "skipped": [{"path": skip.path, "reason": skip.reason} for skip in coverage.skipped],
            "unplaced_regularizers": coverage.unplaced_regularizers,
        },
        "penalty": {"total": finite(report.known_penalty), "complete": report.penalty_complete},
        "layers": [_layer(layer, report) for layer in model.layers] if model else [],
        "findings": [_finding(finding) for finding in report.findings],
        "not_run": [
            {
                "code": rule.code,
                "name": rule.name,
                "needs": rule.needs,
                "partly": rule.partly,
                "layers": list(rule.layers),
            }
            for rule in report.not_run
        ],
        "suppressed": [
            {
                "code": one.code,
                "name": one.name,
                **item_record(one.item),
                "reason": one.reason,
                "by": "ignore" if one.ignore else "baseline",
            }
            for one in report.suppressed
        ],
        "suggestions": [_suggestion(suggestion) for suggestion in report.suggestions],
        "failure": {"kind": report.failure.kind, "message": _unicode(report.failure.message)}
        if report.failure
        else None,
    }


def _model(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "class_name": model.class_name,
        "parameters": model.parameters,
        "trainable_parameters": model.trainable_parameters,
        "trainable_parameters_known": not model.unknown_parameters,
        "unknown_parameters": model.unknown_parameters,
        "compiled": bool(model.compiled),
        "compiled_known": model.compiled is not None,
        "optimizer": optimizer_record(model.optimizer),
        "optimizer_known": model.optimizer_known,
        "loads_with": model.loads_with,
        "optimizer_parts": [
            {
                "patterns": list(part.patterns),
                "optimizer": optimizer_record(part.optimizer),
                "names": part.names,
            }
            for part in model.parts
        ],
        "inner_optimizers": {
            path: optimizer_record(one) for path, one in model.inner_optimizers.items()
        },
        "loss": _json(model.loss),
    }


def weight_record(weight: Weight, report: Report) -> dict[str, Any]:
    """Return one weight of a report."""
    moments = report.moments.get(weight.stored_path)

    def measured(name: str) -> Any:
        return _json(getattr(moments, name)) if moments else None

    return {
        "path": weight.path,
        "stored_path": None if report.format == "live" else weight.stored_path,
        "role": weight.role,
        "shape": list(weight.shape),
        "dtype": weight.dtype,
        "dequantized_from": weight.dequantized_from,
        "trainable": weight.trainable,
        "trainable_known": weight.trainable_known,
        "regularizer": regularizer_record(weight.regularizer),
        "regularizer_known": weight.regularizer_known,
        "constraint": weight.constraint,
        "shared_with": weight.shared_with,
        "penalty": _json(report.penalties.get(weight.stored_path)),
        "penalty_share": _json(report.share(weight)),
        **{
            name: measured(name)
            for name in (
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
            )
        },
        **({} if report.spectra is None else {"spectrum": spectrum_record(weight, report)}),
    }


def spectrum_record(weight: Weight, report: Report) -> dict[str, Any] | None:
    """Return the spectrum of one weight; None where it has none or it was not taken."""
    found = (report.spectra or {}).get(weight.stored_path)
    return {name: _json(getattr(found, name)) for name in SPECTRUM} if found else None


def _layer(layer: Layer, report: Report) -> dict[str, Any]:
    return {
        "path": layer.path,
        "name": layer.name,
        "class_name": layer.class_name,
        "trainable": layer.trainable,
        "activity_regularizer": regularizer_record(layer.activity_regularizer),
        "activity_regularizer_known": layer.activity_known,
        "unplaced_regularizers": {key: regularizer_record(r) for key, r in layer.unplaced.items()},
        "weights": [weight_record(weight, report) for weight in layer.weights],
    }


def regularizer_record(regularizer: Regularizer | None) -> dict[str, Any] | None:
    """Return one regularizer; None for none."""
    if regularizer is None:
        return None
    return {
        "class_name": regularizer.class_name,
        "l1": finite(regularizer.l1),
        "l2": finite(regularizer.l2),
        "config": _json(regularizer.config),
        "status": str(regularizer.status),
        "why": regularizer.why,
    }


def optimizer_record(optimizer: Optimizer | None) -> dict[str, Any] | None:
    """Return an optimizer with its settings; None where the file keeps none."""
    if optimizer is None:
        return None
    return {
        **_json(optimizer.config),
        "class_name": optimizer.class_name,
        "iterations": optimizer.iterations,
        "around": list(optimizer.around),
        "scales_decay": optimizer.scales_decay,
        "weight_decay_known": optimizer.decay_known,
        "learning_rate_known": optimizer.learning_rate is not None or optimizer.scheduled,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    """Return a finding: the fault, its worst place, and all places."""
    return {
        "code": finding.code,
        "name": finding.name,
        **item_record(finding.items[0]),
        "count": len(finding.items),
        "items": [item_record(item) for item in finding.items],
    }


def item_record(item: Occurrence) -> dict[str, Any]:
    """Return one place of a fault."""
    return {
        "severity": str(item.severity),
        "path": item.path,
        "message": item.message,
        "observed": _json(item.observed),
        "evidence": list(item.evidence),
        "suggestion": _suggestion(item.suggestion) if item.suggestion else None,
    }


def _suggestion(suggestion: Suggestion) -> dict[str, Any]:
    return {
        "weight": suggestion.weight,
        "code": suggestion.code,
        "edits": [
            {"layer": edit.layer, "key": edit.key, "value": _json(edit.value)}
            for edit in suggestion.edits
        ],
        "penalty": finite(suggestion.penalty),
        "reason": suggestion.reason,
    }


def _unicode(text: str) -> str:
    """Escape what stands for bytes that are no UTF-8: the name of a file may be any bytes."""
    return text.encode("utf-8", "backslashreplace").decode()


def finite(value: float | None) -> float | None:
    """Return a number that JSON has; None for an infinity and a NaN."""
    return value if value is not None and isfinite(value) else None


def _json(value: Any) -> Any:
    """Return what JSON can hold: a NaN or an infinity becomes null, anything odd its text."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, int) and value.bit_length() > LONGEST_INT:
        return None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    return str(value)
