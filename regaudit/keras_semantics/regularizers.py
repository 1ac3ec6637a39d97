"""Regularizers out of Keras's JSON, as Keras's own loader would understand them.

Nothing is imported: a name is looked up in tables of the built-in classes, and whatever is not
there is opaque. `fixtures/identifiers.json` has what each version accepts and makes of it.
"""

from collections.abc import Mapping
from math import isfinite
from reprlib import repr as shortened
from sys import float_info
from typing import Any

import numpy as np
from msgspec.structs import replace

from regaudit.keras_semantics.dialect import Dialect
from regaudit.model import Regularizer, Status

DEFAULT_STRENGTH = 0.01
"""What Keras takes for `L1()`, `L2()`, `"l1"`, `"l2"` and `OrthogonalRegularizer()`."""

_NAMES = {
    "l1": "L1",
    "L1": "L1",
    "l2": "L2",
    "L2": "L2",
    "L1L2": "L1L2",
    "orthogonal_regularizer": "OrthogonalRegularizer",
    "OrthogonalRegularizer": "OrthogonalRegularizer",
    "Regularizer": "Regularizer",
}
"""Under which every version finds its classes, as strings and as class names."""
_NAMES_KERAS_1 = {**_NAMES, "l1l2": "L1L2"}
_NAMES_KERAS_2 = {**_NAMES, "l1_l2": "L1L2"}
_NAMES_KERAS_3 = {**_NAMES, "l1l2": "L1L2", "regularizer": "Regularizer"}
_OF_BOTH = {"l1l2", "l1_l2"}
"""Functions of Keras 1 and 2, with the default strength where none is given; the class has 0."""

_KEYS = {
    "L1": ("l1",),
    "L2": ("l2",),
    "L1L2": ("l1", "l2"),
    "OrthogonalRegularizer": ("factor", "mode"),
    "Regularizer": (),
}
"""What each class takes."""

_KERAS_1 = {"L1L2Regularizer", "WeightRegularizer", "ActivityRegularizer"}
"""Names under which Keras 1 kept two strengths next to each other, not in a configuration."""

_REFUSES = "refuses to load it"
_FAILS = "Keras fails to compute it"


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
        return _refused("", {}, f"not a regularizer: Keras {_REFUSES}")
    if dialect.keras_1 and str(value.get("name")) in _KERAS_1:
        return _built_in("L1L2", value, dialect)
    return _object(value, dialect)


def is_refused(regularizer: Regularizer) -> bool:
    """Whether Keras would not load it; other unknown ones are on weights that are not known."""
    return regularizer.status is Status.UNKNOWN and regularizer.why.endswith((_REFUSES, _FAILS))


def _named(name: str, dialect: Dialect) -> Regularizer:
    class_name = _names(dialect).get(name)
    if class_name is None and dialect.before_keras_3:
        return _opaque(name, None)
    if class_name is None:
        return _refused(name, {}, f"not the name of a regularizer: Keras 3 {_REFUSES}")
    found = _built_in(class_name, _defaults(name, dialect), dialect)
    if class_name == "L1L2" and found.status is Status.INERT:
        return replace(found, why=f'the string "{name}" means strengths of zero')
    return found


def _names(dialect: Dialect) -> Mapping[str, str]:
    if dialect.keras_1:
        return _NAMES_KERAS_1
    return _NAMES_KERAS_2 if dialect.before_keras_3 else _NAMES_KERAS_3


def _defaults(name: str, dialect: Dialect) -> dict[str, float]:
    if name in _OF_BOTH and dialect.before_keras_3:
        return {"l1": DEFAULT_STRENGTH, "l2": DEFAULT_STRENGTH}
    return {}


def _object(value: Mapping[str, Any], dialect: Dialect) -> Regularizer:
    """Read a serialized object."""
    name, config = value.get("class_name"), value.get("config")
    if dialect.keras_1:
        name = value.get("class_name", value.get("name"))
    if not isinstance(name, str):
        return _refused("", {}, f"it names no class: Keras {_REFUSES}")
    if name in {"function", "__lambda__"}:
        return _opaque(config if isinstance(config, str) else name, None)
    # Keras 2 has two ways to read an object, and takes the newer one if it says its module.
    newer = dialect.reads_modules and ("module" in value or not dialect.before_keras_3)
    class_name = _names(dialect).get(name)
    if newer and dialect.before_keras_3 and name in _OF_BOTH:
        class_name = None  # a function is no class there
    registered = value.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        if newer or class_name is None:
            return _opaque(registered, config)
        return _mistaken(registered, class_name, config, dialect)
    if class_name is None:
        return _other(name, value, newer, dialect)
    return _of_keras(class_name, value, newer, dialect)


def _other(name: str, value: Mapping[str, Any], newer: bool, dialect: Dialect) -> Regularizer:
    """Read an object of a class that is not Keras's: a user's, unless it says otherwise."""
    package = str(value.get("module") or "keras").split(".")[0]
    unregistered = "registered_name" in value and value["registered_name"] is None
    dropped = not dialect.before_keras_3 and name in _NAMES_KERAS_2
    if dropped or (newer and unregistered and package in _PACKAGES):
        return _refused(name, {}, f"not a regularizer of Keras's: Keras {_REFUSES}")
    return _opaque(name, value.get("config"))


def _of_keras(
    class_name: str, value: Mapping[str, Any], newer: bool, dialect: Dialect
) -> Regularizer:
    """Read an object of a class of Keras's."""
    module, config = value.get("module", "keras"), value.get("config")
    if newer and module is None:
        return _refused(class_name, {}, f"it names no module: Keras {_REFUSES}")
    if isinstance(module, str) and module and module.split(".")[0] not in _PACKAGES:
        return _mistaken(f"{module}.{value['class_name']}", class_name, config, dialect)
    if config is None and newer:
        config = {}
    if not isinstance(config, Mapping):
        return _refused(class_name, {}, f"its configuration is not an object: Keras {_REFUSES}")
    defaults = _defaults(str(value.get("class_name")), dialect)
    return _built_in(class_name, {**defaults, **config}, dialect)


_PACKAGES = frozenset({"keras", "keras_core", "tf_keras", "tensorflow", "builtins"})
"""In which Keras's own regularizers live."""


def _built_in(class_name: str, config: Mapping[str, Any], dialect: Dialect) -> Regularizer:
    keys = _KEYS[class_name]
    if dialect.before_keras_3 and len(keys) == 1 and "l" in config:  # its name in Keras 1
        config = {
            **{key: value for key, value in config.items() if key != "l"},
            keys[0]: config["l"],
        }
    surplus = [key for key in config if key not in keys]
    if surplus and not dialect.keras_1:
        why = f"{class_name} takes no {shortened(surplus[0])}: Keras {_REFUSES}"
        return _refused(class_name, config, why)
    if class_name == "Regularizer":
        return Regularizer(
            class_name, 0.0, 0.0, config, Status.INERT, "the base class adds nothing"
        )
    if class_name == "OrthogonalRegularizer":
        return _orthogonal(config, dialect)
    strengths = {"l1": 0.0, "l2": 0.0}
    for key in keys:
        value = config.get(key)
        if value is None:
            value = 0.0 if class_name == "L1L2" else DEFAULT_STRENGTH
        problem = _problem(value, class_name, dialect)
        if problem:
            return _refused(class_name, config, problem)
        strengths[key] = _kept(value, class_name, dialect)
    if not any(strengths.values()):
        why = "its strength is zero"
        return Regularizer(class_name, 0.0, 0.0, config, Status.INERT, why)
    return Regularizer(class_name, strengths["l1"], strengths["l2"], config, Status.IN_FORCE)


def _orthogonal(config: Mapping[str, Any], dialect: Dialect) -> Regularizer:
    class_name = "OrthogonalRegularizer"
    factor, mode = config.get("factor", DEFAULT_STRENGTH), config.get("mode", "rows")
    problem = _problem(factor, class_name, dialect)
    if mode not in ("rows", "columns"):
        problem = f"its mode is neither rows nor columns: Keras {_REFUSES}"
    if problem:
        return _refused(class_name, config, problem)
    stored = {"factor": _kept(factor, class_name, dialect), "mode": mode}
    if not stored["factor"]:
        return Regularizer(class_name, None, None, stored, Status.INERT, "its factor is zero")
    return Regularizer(class_name, None, None, stored, Status.IN_FORCE)


def _problem(value: Any, class_name: str, dialect: Dialect) -> str:
    """Say what is wrong with a strength; nothing for one that Keras accepts."""
    number = isinstance(value, int | float) and abs(value) <= float_info.max
    if not number or not isfinite(value):
        return f"its strength is not a finite number: Keras {_REFUSES}"
    if value < 0 and not dialect.accepts_negative:
        return f"its strength is negative: Keras 3 {_REFUSES}"
    if not _is_tensor(class_name, dialect):
        return ""
    if _in_float32(value) == float("inf"):
        return f"its strength is beyond float32: Keras 3 {_REFUSES}"
    casts = class_name == "L1" and (dialect.casts_strengths or isinstance(value, bool))
    if isinstance(value, int) and not casts:
        return (
            f"its strength is an integer, which TensorFlow does not multiply with weights: {_FAILS}"
        )
    return ""


def _is_tensor(class_name: str, dialect: Dialect) -> bool:
    """Whether Keras 3 makes a tensor of the strength when it loads it."""
    return not dialect.before_keras_3 and class_name in {"L1", "OrthogonalRegularizer"}


def _kept(value: float, class_name: str, dialect: Dialect) -> float:
    """Return the strength that Keras keeps: it rounds some to float32, and tiny ones to zero."""
    rounds = dialect.before_keras_3 or _is_tensor(class_name, dialect)
    return 0.0 if rounds and not _in_float32(value) else float(value)


def _in_float32(value: float) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(float(value)))


def _opaque(name: str, config: Any) -> Regularizer:
    why = "custom: its strength cannot be read without running it"
    if ">" in name and name.rpartition(">")[2] in _NAMES_KERAS_3:
        why = f"custom class {name}, only named like Keras's: {why.removeprefix('custom: ')}"
    stored = config if isinstance(config, Mapping) else {}
    return Regularizer(name, None, None, stored, Status.OPAQUE, why)


def _mistaken(custom: str, class_name: str, config: Any, dialect: Dialect) -> Regularizer:
    """Return the regularizer of Keras that a load puts in the place of a custom one."""
    config = config if isinstance(config, Mapping) else {}
    found = _built_in(class_name, config, dialect)
    if is_refused(found):
        return _opaque(custom, config)
    keras = "Keras 2" if dialect.before_keras_3 else "Keras 3"
    why = f"saved as the custom class {custom}, but {keras} loads its own {class_name}"
    return replace(found, why=". ".join(filter(None, (why, found.why))))


def _refused(class_name: str, config: Mapping[str, Any], why: str) -> Regularizer:
    return Regularizer(class_name, None, None, config, Status.UNKNOWN, why)
