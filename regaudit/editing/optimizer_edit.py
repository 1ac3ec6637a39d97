"""The optimizer in Keras's JSON: its weight decay set, Adam made into AdamW."""

from collections.abc import Mapping
from copy import deepcopy
from math import isclose
from typing import Any

from regaudit.errors import RefusedEditError, UsageError
from regaudit.keras_semantics.build import is_custom
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.model import Model, Status
from regaudit.report.proposal import OPTIMIZER, Edit

_ADAMW = "AdamW"


def to_adamw(model: Model) -> tuple[Edit, ...]:
    """Return the edits that take L2 off all kernels and give the optimizer as much weight decay.

    An l2 of s pulls with 2s w, so the decay is 2s. That is exact for SGD only: Adam divides the
    gradient of a penalty by its usual size, and AdamW's decay is not divided. Several strengths
    become their mean, weighted by the parameters.

    Returns:
        None of them where no kernel has a pure L2 and the optimizer is AdamW already.

    Raises:
        RefusedEditError: no kernel has only an L2 in force, from which the decay follows.
    """
    found: dict[Edit, float] = {}
    total = size = 0.0
    for layer, weight in model.weights():
        regularizer, key = weight.regularizer, weight.regularizer_key
        if weight.role not in KERNEL_ROLES or regularizer is None or key is None:
            continue
        if not weight.size or weight.rewarded:
            continue  # nothing decays
        if regularizer.status is Status.IN_FORCE and regularizer.l2 and not regularizer.l1:
            found[Edit(layer.path, key, None)] = regularizer.l2
            total += regularizer.l2 * weight.size
            size += weight.size
    optimizer = model.optimizer
    if not found and optimizer and optimizer.class_name == _ADAMW and optimizer.weight_decay:
        return ()
    if not found:
        raise RefusedEditError(
            "no kernel has an L2 regularizer in force that could become weight decay"
        )
    decay = 2 * total / size
    return (*found, Edit("", OPTIMIZER, {"class_name": _ADAMW, "weight_decay": decay}))


def decays_so(model: Model, value: Mapping[str, Any] | None) -> bool:
    """Whether the optimizer is already what an edit would make of it.

    Raises:
        UsageError: the value of the edit is something else.
    """
    decay, optimizer = _decay(value or {}), model.optimizer
    present = optimizer.weight_decay if optimizer and optimizer.class_name == _ADAMW else None
    return bool(present) and isclose(present or 0.0, decay, rel_tol=2.0**-24)


def with_decay(
    documents: Mapping[str, Serialized], value: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the JSON of a model whose Adam has become AdamW.

    Raises:
        UsageError: the value of the edit is something else.
        RefusedEditError: the model is not compiled, or its optimizer has no weight decay to set.
    """
    decay = _decay(value or {})
    new = deepcopy(dict(documents))
    compiled: Any = new.get("training_config") or next(iter(new.values())).get("compile_config")
    compiled = compiled if isinstance(compiled, dict) else {}
    optimizer = compiled.get("optimizer_config") or compiled.get("optimizer")
    if isinstance(optimizer, str):
        raise RefusedEditError(
            f"the model was saved without its optimizer's settings, by name only ({optimizer}), "
            "so there are none to edit"
        )
    if not isinstance(optimizer, dict) or not isinstance(optimizer.get("config"), dict):
        raise RefusedEditError(
            "the model was saved without its optimizer, so there is none to edit"
        )
    inner = optimizer["config"].get("inner_optimizer")
    optimizer = inner if isinstance(inner, dict) else optimizer
    name, config = str(optimizer.get("class_name")), optimizer["config"]
    if name.removeprefix("Custom>") not in {"Adam", "AdamW"} or is_custom(optimizer):
        raise RefusedEditError(
            f"its optimizer is {name}: only Adam can be replaced, by AdamW, which uses its state"
        )
    if "weight_decay" not in config:
        raise RefusedEditError(f"the {name} of the Keras that saved the file has no weight decay")
    if config.get("weight_decay"):
        raise RefusedEditError(
            f"its optimizer already has a weight decay: {config['weight_decay']:g}"
        )
    optimizer["class_name"] = name.replace("AdamW", "Adam").replace("Adam", "AdamW")
    if "registered_name" in optimizer:
        optimizer["registered_name"] = optimizer["class_name"]
    config["weight_decay"] = decay
    return new


def _decay(value: Mapping[str, Any]) -> float:
    if value.get("class_name") != "AdamW" or value.keys() - {"class_name", "weight_decay"}:
        raise UsageError("an edit of the optimizer names the class AdamW and its weight_decay")
    decay = value.get("weight_decay")
    if isinstance(decay, bool) or not isinstance(decay, int | float) or not 0 < decay <= 100:
        raise UsageError(f"a weight decay is a number above 0 and up to 100, not {decay!r}")
    return float(decay)
