"""Regularizers out of Keras's JSON, as Keras's own loader would understand them.

Nothing is imported: a name is looked up in the table of the four built-in classes, and whatever is
not there is opaque.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from msgspec.structs import replace

from regaudit.keras_semantics.dialect import Dialect
from regaudit.model import Regularizer, Status

DEFAULT_STRENGTH = 0.01
"""What Keras takes for `L1()`, `L2()`, `"l1"`, `"l2"` and `OrthogonalRegularizer()`."""

_CLASSES = {
    "l1": "L1",
    "l2": "L2",
    "l1l2": "L1L2",
    "l1_l2": "L1L2",
    "orthogonalregularizer": "OrthogonalRegularizer",
    "orthogonal_regularizer": "OrthogonalRegularizer",
}

_KERAS_1 = {"L1L2Regularizer", "WeightRegularizer", "ActivityRegularizer"}
"""Names under which Keras 1 kept two strengths next to each other, not in a configuration."""


def parse_regularizer(value: Any, dialect: Dialect) -> Regularizer | None:
    """Read one `*_regularizer` entry of a layer's configuration.

    Args:
        value: None, a name such as `"l2"`, or a serialized object.
        dialect: of the Keras that saved the file.

    Returns:
        None for None; otherwise a regularizer whose status says how far it was understood:
        in force, inert (strength zero), opaque (custom) or unknown (Keras would refuse it).
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _named(value, dialect)
    if not isinstance(value, Mapping):
        return _refused("", {}, "not a regularizer: Keras refuses to load it")
    if dialect.keras_1 and str(value.get("name")) in _KERAS_1:
        return _built_in("L1L2", value, dialect)
    registered = value.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        if dialect.ignores_registered_packages and value.get("class_name") in _CLASSES.values():
            return _mistaken(registered, {**value, "registered_name": None}, dialect)
        return _opaque(registered, value.get("config"))
    name = value.get("class_name", value.get("name"))
    module = value.get("module")
    if not isinstance(name, str) or name in {"function", "__lambda__"}:
        target = value.get("config")
        return _opaque(target if isinstance(target, str) else str(name), None)
    class_name = _CLASSES.get(name.lower())
    config = value.get("config")
    config = config if isinstance(config, Mapping) else {}
    if class_name is None:
        if name == "Regularizer" and str(module).startswith("keras"):
            return Regularizer(name, 0.0, 0.0, config, Status.INERT, "the base class adds nothing")
        return _opaque(name, config)
    return _built_in(class_name, config, dialect)


def is_refused(regularizer: Regularizer) -> bool:
    """Whether Keras would not load it; other unknown ones are on weights that are not known."""
    return regularizer.status is Status.UNKNOWN and regularizer.why.endswith(_REFUSES)


_REFUSES = "refuses to load it"


def _named(name: str, dialect: Dialect) -> Regularizer:
    class_name = _CLASSES.get(name.lower())
    if class_name is None:
        return _opaque(name, None)
    if class_name == "L1L2" and dialect.before_keras_3:
        default = {"l1": DEFAULT_STRENGTH, "l2": DEFAULT_STRENGTH}
        return _built_in(class_name, default, dialect)
    if class_name == "L1L2":
        why = f'the string "{name}" means strengths of zero in Keras 3'
        return Regularizer("L1L2", 0.0, 0.0, {}, Status.INERT, why)
    return _built_in(class_name, {}, dialect)


def _built_in(class_name: str, config: Mapping[str, Any], dialect: Dialect) -> Regularizer:
    if class_name == "OrthogonalRegularizer":
        factor = _strength(config.get("factor", DEFAULT_STRENGTH), dialect)
        if factor is None:
            return _refused(class_name, config)
        stored = {"factor": factor, "mode": config.get("mode", "rows")}
        if stored["mode"] not in ("rows", "columns"):
            why = "its mode is neither rows nor columns: Keras refuses to load it"
            return _refused(class_name, config, why)
        if not factor:
            why = "its factor is zero"
            return Regularizer(class_name, None, None, stored, Status.INERT, why)
        return Regularizer(class_name, None, None, stored, Status.IN_FORCE)
    strengths: dict[str, float] = {"l1": 0.0, "l2": 0.0}
    for key in {"L1": ("l1",), "L2": ("l2",), "L1L2": ("l1", "l2")}[class_name]:
        value = config.get(key)
        if value is None:
            value = 0.0 if class_name == "L1L2" else DEFAULT_STRENGTH
        strength = _strength(value, dialect)
        if strength is None:
            return _refused(class_name, config)
        strengths[key] = strength
    if not any(strengths.values()):
        why = "its strength is zero"
        return Regularizer(class_name, 0.0, 0.0, config, Status.INERT, why)
    return Regularizer(class_name, strengths["l1"], strengths["l2"], config, Status.IN_FORCE)


def _strength(value: Any, dialect: Dialect) -> float | None:
    """Return the strength as a number; None for what Keras refuses."""
    if not isinstance(value, int | float) or abs(value) > 1e300:
        return None
    strength = float(value)
    negative = strength < 0 and not dialect.accepts_negative
    return None if negative or not isfinite(strength) else strength


def _opaque(name: str, config: Any) -> Regularizer:
    why = "custom: its strength cannot be read without running it"
    if ">" in name and name.rpartition(">")[2].lower() in _CLASSES:
        why = f"custom class {name}, only named like Keras's: {why.removeprefix('custom: ')}"
    stored = config if isinstance(config, Mapping) else {}
    return Regularizer(name, None, None, stored, Status.OPAQUE, why)


def _mistaken(registered: str, value: Mapping[str, Any], dialect: Dialect) -> Regularizer | None:
    """Return the regularizer of Keras that a load puts in the place of a custom one."""
    found = parse_regularizer(value, dialect)
    if found is None or found.config.keys() - {"l1", "l2", "factor", "mode"}:
        return _opaque(registered, value.get("config"))
    why = f"saved as the custom class {registered}, but Keras 2 loads its own {found.class_name}"
    return replace(found, why=". ".join(filter(None, (why, found.why))))


def _refused(class_name: str, config: Mapping[str, Any], why: str = "") -> Regularizer:
    why = why or "its strength is not a finite number >= 0: Keras 3 refuses to load it"
    return Regularizer(class_name, None, None, config, Status.UNKNOWN, why)
