"""An audit held against a model that Keras has loaded: where the two differ."""

from collections.abc import Iterator, Mapping, Sequence
from math import isclose, isfinite, isnan
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from regaudit.live.variables import Pair, Variable, matched
from regaudit.model import Layer, Regularizer, Status, Weight
from regaudit.report.report import Report
from regaudit.report.spelling import count, number, regularizer, shape

EXACT = 1e-6
"""How far sums in float64 and strengths may be apart, relatively."""

ROUNDED = {"float64": 1e-6, "float32": 1e-5, "float16": 1e-2, "bfloat16": 1e-1}
"""How far Keras's own sums, which it takes in the dtype of the variable, may be off."""


class Difference(NamedTuple):
    """One thing that the audit and Keras do not agree on."""

    path: str
    """Of the weight or layer; `(model)` for the whole."""
    what: str
    audit: str
    keras: str


class Loaded(Struct, frozen=True):
    """What Keras made of the file."""

    keras: str
    """Version of the Keras that loaded it."""
    variables: Sequence[Variable]
    losses: float | None
    """`sum(model.losses)` without a call; None if Keras fails to compute it."""
    activity_regularizers: Mapping[str, Regularizer]
    """By path of the layer."""
    outputs: Sequence[Mapping[str, Any]] = ()
    """What the layers put out on data, as `measure_activity` returns it; empty if not run."""


def differences(report: Report, loaded: Loaded) -> tuple[list[Difference], list[str]]:
    """Compare every weight, every activity regularizer and the total.

    Returns:
        The differences, and remarks on what Keras knows and the file does not say.
    """
    if report.model is None:
        return [], []
    complete, losses = report.penalty_complete, loaded.losses

    def same_values(weight: Weight, variable: Variable) -> bool:
        return not list(_numbers(report, weight, variable))

    pairs, left = matched(report.model, loaded.variables, same_values)
    found = [difference for pair in pairs for difference in _weight(report, pair)]
    for variable in left:
        name = next(iter(variable.names), "?")
        found.append(Difference(name, "weight", "none", shape(variable.shape)))
    found += _activity(report, loaded)
    found += _paid(report, loaded)
    found += _total(report, loaded)
    remarks = [remark for pair in pairs for remark in _known_to_keras(report, pair)]
    remarks += _misplaced(report)
    remarks += [
        f"{path or 'the sum'}: its dtype has no place for the penalty, as REG211 says"
        for path in sorted(_out_of_range(report))
    ]
    remarks += _paid_eagerly(report, loaded)
    quantized = sum(_is_quantized(pair.variable) for pair in pairs)
    if quantized:
        weights = count(quantized, "quantized weight")
        remarks.append(
            f"norms of {weights} not compared: Keras keeps integer codes, "
            "the audit dequantizes them"
        )
    if not complete and losses is not None and not (isnan(losses) or report.penalty == losses):
        part, real = number(report.penalty, 6), number(losses, 6)
        remarks.append(
            f"the file accounts for {part} of sum(model.losses), which is {real} in Keras"
        )
    return found, remarks


def _weight(report: Report, pair: Pair) -> Iterator[Difference]:
    layer, weight, variable = pair
    if variable is None:
        if layer.claims(weight):
            yield Difference(weight.path, "weight", shape(weight.shape), "none")
        return
    states = {True: "trainable", False: "frozen"}
    if layer.known and weight.trainable_known and weight.trainable != variable.trainable:
        audit, keras = states[weight.trainable], states[variable.trainable]
        yield Difference(weight.path, "trainability", audit, keras)
    if _is_in_file(pair) and not _same_regularizer(weight.regularizer, variable.regularizer):
        audit, keras = _described(weight.regularizer), _described(variable.regularizer)
        yield Difference(weight.path, "regularizer", audit, keras)
    yield from _numbers(report, weight, variable)
    ours, theirs = report.penalties.get(weight.stored_path), variable.penalty
    tolerance = ROUNDED.get(variable.dtype, EXACT)
    if not _is_in_file(pair) or weight.shared_with is not None or ours is None or theirs is None:
        return
    foreseen = weight.path in _out_of_range(report) and (not theirs or not isfinite(theirs))
    if weight.loads_from is None and not foreseen and not _near(ours, theirs, tolerance):
        yield Difference(weight.path, "penalty", _exact(ours), _exact(theirs))


def _out_of_range(report: Report) -> set[str]:
    """Return the weights whose penalty has no place in their dtype, as the audit says (REG211)."""
    return {
        item.path
        for finding in report.findings
        if finding.code == "REG211"
        for item in finding.items
    }


def _is_in_file(pair: Pair) -> bool:
    """Whether the file says what regularizes the weight."""
    layer = pair.layer
    return layer.known or (pair.weight.regularizer is not None and not layer.placed_as)


def _known_to_keras(report: Report, pair: Pair) -> Iterator[str]:
    """Say what Keras knows of a weight and the file does not."""
    layer, weight, variable = pair
    if variable is None and not layer.claims(weight):
        yield f"{weight.path}: stored, but no layer claims it, and Keras does not load it"
    if variable is None or variable.regularizer is None or not variable.penalty:
        return
    if isnan(variable.penalty):
        yield f"{weight.path}: its penalty is nan in Keras; the audit leaves it out of the sum"
    elif not _is_in_file(pair) or report.penalties.get(weight.stored_path, 0.0) is None:
        adds = f"adds {number(variable.penalty, 6)}"
        yield f"{weight.path}: {_described(variable.regularizer)} {adds}; the file does not say so"


def _misplaced(report: Report) -> Iterator[str]:
    """Say that a load by order gives weights the values, and so the penalties, of others."""
    weights = [weight for _, weight in report.model.weights()] if report.model else []
    misplaced = sum(weight.loads_from is not None for weight in weights)
    if misplaced:
        these = count(misplaced, "weight")
        yield f"Keras gives {these} the values of others (REG905): penalties not compared"


def _same_regularizer(audit: Regularizer | None, keras: Regularizer | None) -> bool:
    if audit is not None and audit.status is Status.INERT:
        return keras is None or _is_zero(keras)
    if audit is None or keras is None:
        return audit is keras
    if keras.status is Status.OPAQUE:
        return audit.l1 is audit.l2 is None
    if audit.class_name != keras.class_name:
        return False
    keys = ("factor", "l1", "l2")
    ours = [getattr(audit, key, None) or audit.config.get(key, 0.0) for key in keys]
    theirs = [getattr(keras, key, None) or keras.config.get(key, 0.0) for key in keys]
    if audit.config.get("mode") != keras.config.get("mode"):
        return False
    return all(_near(left, right, EXACT) for left, right in zip(ours, theirs, strict=True))


def _numbers(report: Report, weight: Weight, variable: Variable) -> Iterator[Difference]:
    """Compare the values of a weight by their sums."""
    moments, real = report.moments.get(weight.loads_from or weight.stored_path), variable.numbers
    if moments is None or real is None or _is_quantized(variable):
        return
    for name, theirs in real.items():
        ours = getattr(moments, name)
        unknown = ours is None and bool(moments.nonfinite)  # then Keras's is a NaN or an infinity
        if unknown or (moments.nonfinite and name == "max_abs"):
            continue
        if ours is None or not _near(float(ours), theirs, EXACT):
            yield Difference(weight.path, name, _exact(ours), _exact(theirs))


def _activity(report: Report, loaded: Loaded) -> Iterator[Difference]:
    for layer in report.model.layers if report.model else ():
        audit = layer.activity_regularizer
        if audit is None:
            continue
        keras = loaded.activity_regularizers.get(layer.path)
        below = [  # MultiHeadAttention hands its regularizer on to its sublayers
            regularizer
            for path, regularizer in loaded.activity_regularizers.items()
            if path.startswith(f"{layer.path}/")
        ]
        keras = keras or next(iter(below), None)
        if audit.status is Status.INERT and keras is not None:
            audit = replace(audit, status=Status.IN_FORCE)  # Keras keeps it and never applies it
        if not _same_regularizer(audit, keras):
            yield Difference(
                layer.path, "activity regularizer", _described(audit), _described(keras)
            )


def _paid(report: Report, loaded: Loaded) -> Iterator[Difference]:
    """Compare whether each regularizer of an output acts with what its layer added on data."""
    for layer, penalty, quiet in _measured(report, loaded):
        audit = layer.activity_regularizer
        told = layer.known and layer.activity_known
        status = audit.status if audit else Status.INERT if told else Status.UNKNOWN
        if status is Status.INERT and penalty:
            said = "none" if audit is None else f"{_described(audit)}, {status}"
            yield Difference(layer.path, "activity penalty", said, number(penalty, 6))
        elif audit and status is Status.IN_FORCE and not (penalty or quiet or _is_zero(audit)):
            yield Difference(
                layer.path, "activity penalty", f"{_described(audit)}, {status}", "none"
            )


def _paid_eagerly(report: Report, loaded: Loaded) -> Iterator[str]:
    """Say what was added on data by regularizers that no training can use."""
    for layer, penalty, _ in _measured(report, loaded):
        audit = layer.activity_regularizer
        if audit and audit.status is Status.UNKNOWN and audit.why and penalty:
            yield f"{layer.path}: added {number(penalty, 6)} here, run eagerly; {audit.why}"


def _measured(report: Report, loaded: Loaded) -> Iterator[tuple[Layer, float, bool]]:
    """Yield each layer that was run, its mean penalty, and whether it put out zeros alone."""
    audited = {layer.path for layer in report.model.layers} if report.model else set()
    for layer in report.model.layers if report.model else ():
        own = [one for one in loaded.outputs if one["path"] == layer.path]
        parts = [  # MultiHeadAttention hands its regularizer on to its sublayers
            one
            for one in loaded.outputs
            if one["path"].startswith(f"{layer.path}/") and one["path"] not in audited
        ]
        penalty = sum(one["penalty"] or 0.0 for one in (*own, *parts))
        seen = any(one["sparsity"] is not None for one in own)
        if seen and not isnan(penalty):
            yield layer, penalty, all(one["sparsity"] == 1 for one in own)


def _is_zero(found: Regularizer) -> bool:
    return not (found.l1 or found.l2 or found.config.get("factor"))


def _total(report: Report, loaded: Loaded) -> Iterator[Difference]:
    if loaded.losses is None or not report.penalty_complete or list(_misplaced(report)):
        return
    dtypes = {variable.dtype for variable in loaded.variables if variable.regularizer}
    tolerance = max((ROUNDED.get(dtype, EXACT) for dtype in dtypes), default=EXACT)
    if _out_of_range(report) and not isfinite(loaded.losses):
        return
    if not _near(report.penalty, loaded.losses, tolerance):
        ours, theirs = _exact(report.penalty), _exact(loaded.losses)
        yield Difference("(model)", "sum(model.losses)", ours, theirs)


def _is_quantized(variable: Variable | None) -> bool:
    """Whether the values are codes of 4 or 8 bits, which its scale turns into weights."""
    return variable is not None and variable.dtype in {"int8", "uint8"}


def _near(ours: float, theirs: float, tolerance: float) -> bool:
    if isnan(ours) or isnan(theirs):
        return isnan(ours) and isnan(theirs)
    return isclose(ours, theirs, rel_tol=tolerance, abs_tol=1e-9)


def _described(value: Regularizer | None) -> str:
    return regularizer(value) if value else "no regularizer"


def _exact(value: Any) -> str:
    return number(value, 10)
