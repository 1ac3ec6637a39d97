"""A report as plain data, by the schema "regaudit/1"."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from msgspec import UNSET, UnsetType, to_builtins

from regaudit.measures.moments import Moments
from regaudit.model import Layer, Model, Optimizer, Regularizer, Weight
from regaudit.report import schema
from regaudit.report.proposal import Edit, Proposal, StrengthChange, Suggestion
from regaudit.report.report import Failure, Finding, Occurrence, Report
from regaudit.report.schema import SCHEMA
from regaudit.version import VERSION

LONGEST_INT = 1000
"""Bits of a whole number; readers take longer ones for an infinity, or cannot read them."""


def document(reports: Sequence[Report]) -> dict[str, Any]:
    """Return all reports of a run."""
    return {"schema": SCHEMA, "regaudit": VERSION, "reports": [record(r) for r in reports]}


def record(report: Report) -> dict[str, Any]:
    """Return one report."""
    found: dict[str, Any] = to_builtins(described(report))
    return found


def described(report: Report) -> schema.Report:
    """Return one report as the schema has it."""
    model = report.model
    return schema.Report(
        file=_unicode(report.file),
        format=report.format,
        size=report.size,
        keras_version=model.keras_version if model else None,
        saved_at=model.saved_at if model else None,
        model=_model(model) if model else None,
        coverage=_coverage(report),
        penalty=schema.Penalty(
            total=finite(report.known_penalty),
            complete=report.penalty_complete,
            if_applied=UNSET
            if report.total_if_applied is None
            else finite(report.total_if_applied),
        ),
        layers=[_layer(layer, report) for layer in model.layers] if model else [],
        findings=[_finding(finding) for finding in report.findings],
        not_run=[
            schema.NotRun(
                code=rule.code,
                name=rule.name,
                needs=rule.needs,
                partly=rule.partly,
                layers=list(rule.layers),
                failure=_failure(rule.failure) if rule.failure else UNSET,
            )
            for rule in report.not_run
        ],
        suppressed=[
            schema.Suppressed(
                code=one.code,
                name=one.name,
                reason=one.reason,
                by="ignore" if one.ignore else "baseline",
                **place(one.item),
            )
            for one in report.suppressed
        ],
        suggestions=[_suggestion(suggestion) for suggestion in report.suggestions],
        failure=_failure(report.failure) if report.failure else None,
        proposal=proposal_record(report.proposal) if report.proposal else UNSET,
        plugins=[
            schema.PlugIn(
                name=one.name,
                version=one.version,
                rules=list(one.rules),
                formats=list(one.formats),
            )
            for one in report.plugins
        ]
        or UNSET,
    )


def _failure(found: Failure) -> schema.Failure:
    return schema.Failure(kind=found.kind, message=_unicode(found.message))


def proposal_record(found: Proposal) -> schema.Proposal:
    """Return a proposal as the schema has it."""
    return schema.Proposal(
        decision=found.decision,
        aim=found.aim,
        purpose=found.purpose,
        verdict=found.verdict,
        basis=found.basis,
        changes=[_change(one) for one in found.changes],
        remarks=list(found.remarks),
        train_loss=found.train_loss,
        val_loss=found.val_loss,
        penalty_before=finite(found.before),
        penalty_after=finite(found.after),
        weight_decay=found.decay,
        not_writable=found.why_not,
        left=dict(found.left),
    )


def _change(one: StrengthChange) -> schema.StrengthChange:
    return schema.StrengthChange(
        layer=one.layer,
        key=one.key,
        weights=list(one.weights),
        l1=one.l1,
        l2=one.l2,
        penalty_before=finite(one.before),
        penalty_after=finite(one.after),
        basis=one.basis,
        confidence=one.confidence,
        reason=one.reason,
        edit=_edit(one.edit),
        code=one.code,
    )


def _edit(edit: Edit) -> schema.Edit:
    return schema.Edit(layer=edit.layer, key=edit.key, value=_json(edit.value))


def _coverage(report: Report) -> schema.Coverage:
    coverage = report.coverage
    return schema.Coverage(
        layers=coverage.layers,
        weights=coverage.weights,
        measured=coverage.measured,
        regularized=coverage.regularized.yes,
        not_regularized=coverage.regularized.no,
        regularizer_unknown=coverage.regularized.unknown,
        skipped=[schema.Skipped(path=skip.path, reason=skip.reason) for skip in coverage.skipped],
        unplaced_regularizers=coverage.unplaced_regularizers,
    )


def _model(model: Model) -> schema.Model:
    return schema.Model(
        name=model.name,
        class_name=model.class_name,
        parameters=model.parameters,
        parameters_known=UNSET if model.counted else False,
        trainable_parameters=model.trainable_parameters,
        trainable_parameters_known=not model.unknown_parameters,
        unknown_parameters=model.unknown_parameters,
        compiled=bool(model.compiled),
        compiled_known=model.compiled is not None,
        optimizer=optimizer_settings(model.optimizer),
        optimizer_known=model.optimizer_known,
        loads_with=model.loads_with,
        optimizer_parts=[
            schema.OptimizerPart(
                patterns=list(part.patterns),
                optimizer=_settings(part.optimizer),
                names=part.names,
            )
            for part in model.parts
        ],
        inner_optimizers={
            path: optimizer_settings(one) for path, one in model.inner_optimizers.items()
        },
        loss=_json(model.loss),
    )


def weight(stored: Weight, report: Report) -> schema.Weight:
    """Return one weight of a report."""
    moments = report.moments.get(stored.stored_path)
    return schema.Weight(
        path=stored.path,
        stored_path=stored.stored_path if _is_stored(report) else None,
        role=stored.role,
        shape=list(stored.shape),
        dtype=stored.dtype,
        dequantized_from=stored.dequantized_from,
        trainable=stored.trainable,
        trainable_known=stored.trainable_known,
        regularizer=regularizer(stored.regularizer),
        regularizer_known=stored.regularizer_known,
        placed_by=stored.placed_by or UNSET,  # type: ignore[arg-type]
        constraint=stored.constraint,
        shared_with=stored.shared_with,
        penalty=finite(report.penalties.get(stored.stored_path)),
        penalty_if_applied=finite(report.penalty_if_applied(stored)) if stored.placed_by else UNSET,
        penalty_share=finite(report.share(stored)),
        spectrum=_spectrum(stored, report),
        **{name: _measured(moments, name) for name in _MEASURED},
    )


def _is_stored(report: Report) -> bool:
    """Whether the weights lie in a file."""
    return report.format != "live" and report.model is not None and report.model.stored


_MEASURED = [
    name for name in schema.Weight.__struct_fields__ if hasattr(Moments, name) and name != "size"
]
"""What a weight says of its values."""

_ADDED_LATER = schema.added_later(schema.Weight)


def _measured(moments: Moments | None, name: str) -> Any:
    value = _json(getattr(moments, name)) if moments else None
    return UNSET if value is None and name in _ADDED_LATER else value


def _spectrum(stored: Weight, report: Report) -> schema.Spectrum | UnsetType | None:
    if report.spectra is None:
        return UNSET
    found = report.spectra.get(stored.stored_path)
    if found is None:
        return None
    told = {name: _json(getattr(found, name)) for name in schema.Spectrum.__struct_fields__}
    return schema.Spectrum(**{name: value for name, value in told.items() if value != []})


def _layer(layer: Layer, report: Report) -> schema.Layer:
    unplaced = {key: regularizer(one) for key, one in layer.unplaced.items()}
    return schema.Layer(
        path=layer.path,
        name=layer.name,
        class_name=layer.class_name,
        custom_class=layer.custom_class or UNSET,
        placed_as=layer.placed_as or UNSET,
        trainable=layer.trainable,
        activity_regularizer=regularizer(layer.activity_regularizer),
        activity_regularizer_known=layer.activity_known,
        unshaped_weights=list(layer.unshaped) or UNSET,
        unplaced_regularizers={key: one for key, one in unplaced.items() if one},
        weights=[weight(stored, report) for stored in layer.weights],
    )


def regularizer(found: Regularizer | None) -> schema.Regularizer | None:
    """Return one regularizer; None for none."""
    if found is None:
        return None
    return schema.Regularizer(
        class_name=found.class_name,
        l1=finite(found.l1),
        l2=finite(found.l2),
        config=_json(found.config),
        status=found.status.value,
        why=found.why,
    )


def optimizer_settings(optimizer: Optimizer | None) -> dict[str, Any] | None:
    """Return an optimizer with its settings; None where the file keeps none."""
    return None if optimizer is None else _settings(optimizer)


def _settings(optimizer: Optimizer) -> dict[str, Any]:
    own = schema.Optimizer(
        class_name=optimizer.class_name,
        iterations=optimizer.iterations,
        around=list(optimizer.around),
        scales_decay=optimizer.scales_decay,
        weight_decay_known=optimizer.decay_known,
        learning_rate_known=optimizer.learning_rate is not None or optimizer.scheduled,
    )
    return {**_json(optimizer.config), **to_builtins(own)}


def _finding(finding: Finding) -> schema.Finding:
    """Return a finding: the fault, its worst place, and all places."""
    return schema.Finding(
        code=finding.code,
        name=finding.name,
        count=len(finding.items),
        items=[schema.Place(**place(item)) for item in finding.items],
        **place(finding.items[0]),
    )


def place(item: Occurrence) -> dict[str, Any]:
    """Return the fields of one place of a fault."""
    return {
        "severity": str(item.severity),
        "path": item.path,
        "message": item.message,
        "observed": _json(item.observed),
        "evidence": list(item.evidence),
        "suggestion": _suggestion(item.suggestion) if item.suggestion else None,
        **({"no_suggestion": item.no_suggestion} if item.no_suggestion else {}),
    }


def _suggestion(suggestion: Suggestion) -> schema.Suggestion:
    return schema.Suggestion(
        weight=suggestion.weight,
        code=suggestion.code,
        edits=[_edit(edit) for edit in suggestion.edits],
        penalty=finite(suggestion.penalty),
        reason=suggestion.reason,
        basis=suggestion.basis or UNSET,
    )


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
