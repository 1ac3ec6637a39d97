"""A report out of its record, by the schema "regaudit/1"; one that no audit has made is refused."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from regaudit.keras_semantics.build import activity_unknown
from regaudit.keras_semantics.dialect import Dialect
from regaudit.report.contradictions import MOST, check_report
from regaudit.report.report import UNREAD, Report
from regaudit.report.typed_json import made
from regaudit.storage.location import redacted_name

RANK = 64
"""Most dimensions of a shape."""

_MEASURED = (
    "nonfinite",
    "zeros",
    "near_zeros",
    "l1_norm",
    "l2_norm",
    "max_abs",
    "mean",
    "std",
    "units",
    "dead_units",
)


def report_of(record: Any) -> Report:
    """Return the report that a record was made from, as far as it is in the record.

    Raises:
        ValueError: something is missing or of a wrong type; the message says what.
    """
    try:
        found = made(Report, _report(record))
        check_report(found, record)
    except KeyError as error:
        raise ValueError(f"{error.args[0]!r} is missing") from error
    except (TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise ValueError("its structure is another one") from error
    return found


def _report(record: Mapping[str, Any]) -> dict[str, Any]:
    """Arrange a record as `made` takes a report."""
    layers = record["layers"]
    if len(layers) != record["coverage"]["layers"]:
        raise ValueError("it has only some of the layers: write it without --layer")
    weights = [weight for layer in layers for weight in layer["weights"]]
    penalties = {_stored_path(weight): weight["penalty"] for weight in weights}
    certain = record["penalty"]["complete"] or None in penalties.values()
    skipped = [[one["path"], one["reason"]] for one in record["coverage"]["skipped"]]
    dialect = Dialect.of(_version(record["keras_version"]))
    spectral = any("spectrum" in weight for weight in weights)
    spectra = {_stored_path(w): w["spectrum"] for w in weights if w.get("spectrum")}
    return {
        # What wrote it may have shown more of a URL.
        "file": redacted_name(_text(record["file"])),
        **{key: record[key] for key in ("format", "size", "not_run", "failure")},
        "model": _model(record, [_layer(layer, certain, dialect) for layer in layers]),
        "moments": {_stored_path(w): _moments(w) for w in weights if w["zeros"] is not None},
        "penalties": penalties,
        "spectra": spectra if spectral else None,
        "measured": list(UNREAD) not in skipped,
        "findings": [_finding(one) for one in record["findings"]],
        "suppressed": [_suppressed(one) for one in record["suppressed"]],
        "skipped": skipped,
    }


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _model(record: Mapping[str, Any], layers: Sequence[Any]) -> dict[str, Any] | None:
    model = record["model"]
    if model is None:
        return None
    return {
        **{key: model[key] for key in ("name", "class_name", "loss")},
        **{key: record[key] for key in ("keras_version", "saved_at")},
        "layers": layers,
        "optimizer": _optimizer(model["optimizer"]),
        "compiled": _compiled(model),
        "optimizer_known": model.get("optimizer_known", True),
        "loads_with": model.get("loads_with"),
        "parts": [
            [part["patterns"], _optimizer(part["optimizer"]), part["names"]]
            for part in model.get("optimizer_parts", ())
        ],
        "inner_optimizers": {
            path: _optimizer(one) for path, one in model.get("inner_optimizers", {}).items()
        },
    }


def _compiled(model: Mapping[str, Any]) -> bool | None:
    """Return whether a model was compiled; results of before say it by the optimizer."""
    if "compiled" not in model:
        return model["optimizer"] is not None or None
    return model["compiled"] if model["compiled_known"] else None


def _optimizer(optimizer: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if optimizer is None:
        return None
    own = ("class_name", "iterations")
    added = ("around", "scales_decay", "weight_decay_known", "learning_rate_known")
    config = {key: value for key, value in optimizer.items() if key not in own + added}
    return {
        **{key: optimizer[key] for key in own},
        "config": config,
        "around": optimizer.get("around", []),
        "scales_decay": optimizer.get("scales_decay", True),
        "decay_known": optimizer.get("weight_decay_known", True),
    }


def _version(value: Any) -> str | None:
    return None if value is None else _text(value)


def _layer(layer: Mapping[str, Any], certain: bool, dialect: Dialect) -> dict[str, Any]:
    serialized = {"class_name": layer["class_name"]}
    told = bool(layer["class_name"]) and not activity_unknown(serialized, dialect)
    return {
        **{key: layer[key] for key in ("path", "name", "class_name", "trainable")},
        "config": {},
        # All that hangs on it in a record is whether the penalty is complete.
        "known": certain,
        "weights": [_weight(layer, weight) for weight in layer["weights"]],
        "activity_regularizer": layer["activity_regularizer"],
        # Earlier results do not say so themselves.
        "activity_known": layer.get("activity_regularizer_known", told),
        "unplaced": layer["unplaced_regularizers"],
    }


def _weight(layer: Mapping[str, Any], weight: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("path", "role", "shape", "dtype", "trainable", "regularizer")
    more = ("constraint", "dequantized_from", "shared_with")
    kept = {key: weight[key] for key in (*keys, *more)}
    shape = kept["shape"]
    if len(shape) > RANK or not all(type(n) is int and 0 <= n <= MOST for n in shape):
        raise ValueError("a weight has a shape that none can have")
    if weight["zeros"] is None and any(weight[key] is not None for key in (*_MEASURED, "sparsity")):
        raise ValueError("a weight is measured only in part")
    # Earlier results do not say what is known.
    told = weight["regularizer"] is not None or (
        bool(layer["class_name"]) and not _text(weight["role"]).startswith("variable_")
    )
    return {
        **kept,
        "trainable_known": weight.get("trainable_known", True),
        "regularizer_known": weight.get("regularizer_known", told),
        "stored_path": _stored_path(weight),
    }


def _stored_path(weight: Mapping[str, Any]) -> Any:
    """Return where the values lie; a model in memory has no stored paths."""
    return weight["stored_path"] or weight["path"]


def _moments(weight: Mapping[str, Any]) -> dict[str, Any]:
    measured = {key: weight[key] for key in _MEASURED}
    # Only an audit compares with the threshold; a record holds what came of it.
    return {"size": _size(weight), "threshold": 0.0, **measured}


def _size(weight: Mapping[str, Any]) -> int:
    """Return how many values were measured: those of the shape, unless they lie packed."""
    packed = weight["dequantized_from"] is not None and weight["sparsity"]
    size: int = round(weight["zeros"] / packed) if packed else prod(weight["shape"])
    return size


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    items = finding["items"]
    if not items:
        raise ValueError("a finding has no items")
    return {**{key: finding[key] for key in ("code", "name")}, "items": items}


def _suppressed(one: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("severity", "path", "message", "observed", "evidence", "suggestion")
    named = {key: one[key] for key in ("code", "reason")}
    return {
        **named,
        "name": one["name"],
        "item": {key: one[key] for key in keys},
        "ignore": named if one["by"] == "ignore" else None,
    }
