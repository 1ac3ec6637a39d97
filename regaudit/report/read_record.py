"""A report out of its record, by the schema "regaudit/1"; one that no audit has made is refused."""

from math import inf, prod
from typing import Any

import msgspec
from msgspec import UNSET

from regaudit.keras_semantics.build import activity_unknown
from regaudit.keras_semantics.dialect import Dialect
from regaudit.measures.moments import Moments
from regaudit.measures.spectrum import Spectrum
from regaudit.model import Layer, Model, Optimizer, Part, Regularizer, Skip, Status, Weight
from regaudit.report import schema
from regaudit.report.contradictions import MOST, check_report
from regaudit.report.ignore import Ignore
from regaudit.report.proposal import Edit, Proposal, StrengthChange, Suggestion
from regaudit.report.report import (
    NO_VALUES,
    UNREAD,
    Failure,
    Finding,
    NotRun,
    Occurrence,
    PlugIn,
    Report,
    Suppressed,
)
from regaudit.report.severity import Severity
from regaudit.storage.location import redacted_name

RANK = 64
"""Most dimensions of a shape."""

_OF_VALUES = [
    name
    for name in schema.Weight.__struct_fields__
    if name in Moments.__struct_fields__ or name == "sparsity"
]


def report_of(record: Any) -> Report:
    """Return the report that a record was made from, as far as it is in the record.

    Raises:
        ValueError: something is missing or of a wrong type; the message says what.
    """
    try:
        read = msgspec.convert(record, schema.Report)
        found = _report(read)
        check_report(found, read)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    except (TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise ValueError("its structure is another one") from error
    return found


def _report(read: schema.Report) -> Report:
    if len(read.layers) != read.coverage.layers:
        raise ValueError("it has only some of the layers: write it without --layer")
    weights = {_stored_path(one): one for layer in read.layers for one in layer.weights}
    spectra = {path: one.spectrum for path, one in weights.items() if one.spectrum is not UNSET}
    skipped = tuple(Skip(one.path, one.reason) for one in read.coverage.skipped)
    return Report(
        redacted_name(read.file),  # what wrote it may have shown more of a URL
        read.format,
        read.size,
        _model(read, read.model) if read.model else None,
        {path: _moments(one) for path, one in weights.items() if one.zeros is not None},
        {path: one.penalty for path, one in weights.items()},
        tuple(map(_finding, read.findings)),
        tuple(map(_not_run, read.not_run)),
        tuple(map(_suppressed, read.suppressed)),
        skipped,
        _failure(read.failure) if read.failure else None,
        {path: _spectrum(one) for path, one in spectra.items() if one} if spectra else None,
        measured=not {UNREAD, NO_VALUES} & set(skipped),
        proposal=_proposal(read.proposal) if read.proposal else None,
        plugins=tuple(
            PlugIn(one.name, one.version, tuple(one.rules), tuple(one.formats))
            for one in _told(read.plugins, ())
        ),
    )


def _proposal(found: schema.Proposal) -> Proposal:
    return Proposal(
        found.decision,
        found.aim,
        found.purpose,
        found.verdict,
        tuple(map(_change, found.changes)),
        tuple(found.remarks),
        found.train_loss,
        found.val_loss,
        _number(found.penalty_before),
        found.weight_decay,
        found.not_writable,
        found.left,
    )


def _change(one: schema.StrengthChange) -> StrengthChange:
    return StrengthChange(
        one.layer,
        one.key,
        tuple(one.weights),
        one.l1,
        one.l2,
        _number(one.penalty_before),
        _number(one.penalty_after),
        one.basis,
        one.reason,
        _edit(one.edit),
        one.code,
    )


def _edit(one: schema.Edit) -> Edit:
    return Edit(one.layer, one.key, one.value)


def _number(value: float | None) -> float:
    """Return what JSON has as null: an infinity."""
    return inf if value is None else value


def _told(value: Any, otherwise: Any) -> Any:
    """Return a value, or what results of before mean that do not have it."""
    return otherwise if value is UNSET else value


def _model(read: schema.Report, model: schema.Model) -> Model:
    penalties = [one.penalty for layer in read.layers for one in layer.weights]
    certain = read.penalty.complete or None in penalties
    dialect = Dialect.of(read.keras_version)
    return Model(
        model.name,
        model.class_name,
        tuple(_layer(layer, certain, dialect) for layer in read.layers),
        read.keras_version,
        read.saved_at,
        optimizer=_optimizer(model.optimizer),
        compiled=_compiled(model),
        optimizer_known=_told(model.optimizer_known, True),
        loads_with=_told(model.loads_with, None),
        parts=tuple(map(_part, _told(model.optimizer_parts, ()))),
        inner_optimizers={
            path: _optimizer(one) for path, one in _told(model.inner_optimizers, {}).items()
        },
        loss=model.loss,
        stored=NO_VALUES.reason not in {one.reason for one in read.coverage.skipped},
    )


def _compiled(model: schema.Model) -> bool | None:
    """Return whether a model was compiled; results of before say it by the optimizer."""
    if model.compiled is UNSET:
        return model.optimizer is not None or None
    return model.compiled if model.compiled_known else None


def _part(part: schema.OptimizerPart) -> Part:
    optimizer = _optimizer(part.optimizer)
    if optimizer is None:
        raise ValueError("a part of an optimizer is none")
    return Part(tuple(part.patterns), optimizer, part.names)


def _optimizer(settings: dict[str, Any] | None) -> Optimizer | None:
    if settings is None:
        return None
    own = msgspec.convert(settings, schema.Optimizer)
    config = {key: settings[key] for key in settings if key not in own.__struct_fields__}
    return Optimizer(
        own.class_name,
        config,
        own.iterations,
        tuple(_told(own.around, ())),
        _told(own.scales_decay, True),
        _told(own.weight_decay_known, True),
    )


def _layer(layer: schema.Layer, certain: bool, dialect: Dialect) -> Layer:
    serialized = {"class_name": layer.class_name}
    told = bool(layer.class_name) and not activity_unknown(serialized, dialect)
    unplaced = {key: _regularizer(one) for key, one in layer.unplaced_regularizers.items()}
    return Layer(
        layer.path,
        layer.name,
        layer.class_name,
        {},
        layer.trainable,
        # All that hangs on it in a record is whether the penalty is complete.
        known=certain,
        weights=tuple(_weight(layer, weight) for weight in layer.weights),
        activity_regularizer=_regularizer(layer.activity_regularizer),
        activity_known=_told(layer.activity_regularizer_known, told),
        unplaced={key: one for key, one in unplaced.items() if one},
        unshaped=tuple(_told(layer.unshaped_weights, [])),
        custom_class=_told(layer.custom_class, ""),
        placed_as=_told(layer.placed_as, ""),
    )


def _regularizer(found: schema.Regularizer | None) -> Regularizer | None:
    if found is None:
        return None
    return Regularizer(
        found.class_name, found.l1, found.l2, found.config, Status(found.status), found.why
    )


def _weight(layer: schema.Layer, weight: schema.Weight) -> Weight:
    if len(weight.shape) > RANK or max(weight.shape, default=0) > MOST:
        raise ValueError("a weight has a shape that none can have")
    values = [_told(getattr(weight, key), None) for key in _OF_VALUES]
    if weight.zeros is None and any(value is not None for value in values):
        raise ValueError("a weight is measured only in part")
    told = weight.regularizer is not None or (
        bool(layer.class_name)
        and ">" not in layer.class_name  # a custom one
        and not weight.role.startswith("variable_")
    )
    return Weight(
        weight.path,
        _stored_path(weight),
        weight.role,
        tuple(weight.shape),
        weight.dtype,
        weight.trainable,
        _regularizer(weight.regularizer),
        _told(weight.regularizer_known, told),
        constraint=weight.constraint,
        dequantized_from=weight.dequantized_from,
        shared_with=weight.shared_with,
        trainable_known=_told(weight.trainable_known, True),
        placed_by=_told(weight.placed_by, ""),
    )


def _stored_path(weight: schema.Weight) -> str:
    """Return where the values lie; a model in memory has no stored paths."""
    return weight.stored_path or weight.path


def _moments(weight: schema.Weight) -> Moments:
    measured = {key: _told(getattr(weight, key), None) for key in _OF_VALUES if key != "sparsity"}
    # Only an audit compares with the threshold; a record holds what came of it.
    return Moments(size=_size(weight), threshold=0.0, **measured)


def _size(weight: schema.Weight) -> int:
    """Return how many values were measured: those of the shape, unless they lie packed."""
    packed = weight.dequantized_from is not None and weight.sparsity
    return round((weight.zeros or 0) / packed) if packed else prod(weight.shape)


def _spectrum(found: schema.Spectrum) -> Spectrum:
    told = {name: getattr(found, name) for name in found.__struct_fields__}
    return msgspec.convert(
        {name: value for name, value in told.items() if value is not UNSET}, Spectrum
    )


def _finding(finding: schema.Finding) -> Finding:
    return Finding(finding.code, finding.name, tuple(map(_place, finding.items)))


def _place(found: schema.Place | schema.Suppressed) -> Occurrence:
    return Occurrence(
        found.path,
        Severity[found.severity.upper()],
        found.message,
        found.observed,
        tuple(found.evidence),
        _suggestion(found.suggestion) if found.suggestion else None,
        _told(found.no_suggestion, ""),
    )


def _suggestion(found: schema.Suggestion) -> Suggestion:
    edits = tuple(map(_edit, found.edits))
    basis = _told(found.basis, None)
    return Suggestion(found.weight, found.code, edits, _number(found.penalty), found.reason, basis)


def _not_run(rule: schema.NotRun) -> NotRun:
    layers = tuple(_told(rule.layers, ()))
    failure = _failure(rule.failure) if rule.failure else None
    return NotRun(rule.code, rule.name, rule.needs, rule.partly, layers, failure)


def _failure(found: schema.Failure) -> Failure:
    return Failure(found.kind, found.message)


def _suppressed(one: schema.Suppressed) -> Suppressed:
    ignore = Ignore(one.code, one.reason) if one.by == "ignore" else None
    return Suppressed(one.code, one.name, _place(one), one.reason, ignore)
