"""The optimizer in Keras's JSON: which class it is, what it is wrapped in, what decay it has."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, TypeGuard

from msgspec.structs import replace

from regaudit.keras_semantics.build import is_custom
from regaudit.keras_semantics.config_graph import Serialized, config_of
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.optimizer_classes import (
    AVERAGES,
    LOSS_SCALES,
    PENALTIES,
    RATES,
    REBUILDERS,
    UNSCALED,
    WITHOUT_DECAY,
    defaults,
    named,
)
from regaudit.model import Optimizer, Part

_INNER = ("inner_optimizer", "optimizer", "base_optimizer")
"""Keys under which one optimizer holds another."""
_DECAY = "weight_decay"
_EXCLUDED = "exclude_from_weight_decay"
"""What classes of TensorFlow Addons and those built on them have, and none of Keras's."""
_DEEPEST, _MOST_PARTS = 8, 64
"""Optimizers inside each other, and beside each other: more are not looked into."""


def read_optimizer(
    value: Any,
    dialect: Dialect | None,
    iterations: int | None = None,
    *,
    rate: float | None = None,
) -> Optimizer | None:
    """Return the optimizer that trains, as a file keeps it; None for none.

    Args:
        value: as serialized, or the name that it was given by.
        dialect: of the Keras that saved the file; None where that is not known.
        iterations: steps that it has counted.
        rate: that its state keeps; used where the configuration has none.
    """
    around: list[str] = []
    serialized = _serialized(value)
    while serialized is not None and (inner := _inside(serialized)) is not None:
        around.append(_name_of(serialized))
        serialized = inner if len(around) < _DEEPEST else None
    if serialized is None:
        return Optimizer(around[0], {}, iterations, (), None, False) if around else None
    found = _plain(serialized, dialect, iterations, rate)
    for name in reversed(around):
        found = _wrapped(name, found)
    return found


def read_parts(value: Any, dialect: Dialect | None, iterations: int | None) -> tuple[Part, ...]:
    """Return the optimizers that train some of the weights each, the one for the rest last.

    Empty for an optimizer that trains them all, and where there are too many.
    """
    serialized = _serialized(value)
    for _ in range(_DEEPEST):
        serialized = (serialized and _inside(serialized)) or serialized
    config = config_of(serialized) if serialized else {}
    found = tuple(islice(_parts(config, dialect, iterations), _MOST_PARTS + 1))
    return found if len(found) <= _MOST_PARTS else ()


def _serialized(value: Any) -> Serialized | None:
    """Return an optimizer as it is serialized, also one that was given by name."""
    if isinstance(value, str) and value:
        return {"class_name": named(value), "config": {}}
    return value if _is_optimizer(value) else None


def _inside(serialized: Serialized) -> Serialized | None:
    """Return the optimizer that another one holds."""
    config = config_of(serialized)
    return next((config[key] for key in _INNER if _is_optimizer(config.get(key))), None)


def _plain(
    serialized: Serialized, dialect: Dialect | None, iterations: int | None, rate: float | None
) -> Optimizer:
    """Return an optimizer that holds no other."""
    name, config = _name_of(serialized), config_of(serialized)
    if "lr" in config and "learning_rate" not in config:  # as Keras 1 and 2 abbreviated it
        config = {**config, "learning_rate": config["lr"]}
    if name not in RATES:
        return _foreign(Optimizer(name, config, iterations))
    if not config or (dialect is not None and not dialect.before_keras_3):
        kept = {} if rate is None else {"learning_rate": rate}
        others = {**defaults(name, dialect), **kept}  # `compile` may be given a part
        config = {**config, **{key: others[key] for key in others if key not in config}}
    every = config.get("gradient_accumulation_steps")
    if iterations is not None and type(every) is int and every > 1:  # the counter counts batches
        iterations //= every
    scales = None if name in REBUILDERS else True
    known = _DECAY in config or ("learning_rate" in config and _is_older(name, dialect))
    return Optimizer(name, config, iterations, (), scales, known and _knows_decay(config))


def _is_older(name: str, dialect: Dialect | None) -> bool:
    """Whether a class may be of the age before all optimizers could decay: Keras 2 has both."""
    if dialect is None or not dialect.before_keras_3:
        return False
    return not defaults(name, dialect).get(_DECAY)


def _name_of(serialized: Serialized) -> str:
    """Return the class, with its package where it is not Keras's own."""
    name = str(serialized.get("class_name", ""))
    module, registered = serialized.get("module"), serialized.get("registered_name")
    if isinstance(module, str) and module.split(".")[0] == "tensorflow_addons":
        return f"Addons>{name.rpartition('>')[2]}"
    nowhere = registered is not None and module is None and "module" in serialized
    if is_custom(serialized) or nowhere:  # `nowhere`: in the program that was run
        known = registered if isinstance(registered, str) and ">" in registered else None
        return known or (f"{module or 'custom'}>{name}" if name in RATES else name)
    # Keras 2 registers its own as Custom, but not the old ones that classes of others build on.
    own, config = name.removeprefix("Custom>"), config_of(serialized)
    if own in RATES and (_EXCLUDED in config or (own != name and "decay" in config)):
        return f"Custom>{own}"
    return own if ">" in own else named(own)


def _is_optimizer(value: Any) -> TypeGuard[Serialized]:
    return isinstance(value, Mapping) and isinstance(value.get("class_name"), str)


def _wrapped(name: str, inner: Optimizer) -> Optimizer:
    """Return the optimizer that another one holds, with what that changes."""
    if name in LOSS_SCALES:
        return inner
    around = (name, *inner.around)
    if name in AVERAGES:
        return replace(inner, around=around)
    if name == "Addons>Lookahead":  # it goes only part of the way, and back
        return replace(inner, around=around, scales_decay=None)
    return replace(inner, around=around, scales_decay=None, decay_known=bool(inner.weight_decay))


def _parts(config: Serialized, dialect: Dialect | None, iterations: int | None) -> Iterator[Part]:
    by_path = config.get("optimizer_map")
    by_path = config_of(by_path) if _is_optimizer(by_path) else {}
    listed = by_path.get("optimizer_map")
    for pattern, value in listed.items() if isinstance(listed, Mapping) else ():
        found = read_optimizer(value, dialect, iterations)
        if found is not None:
            yield Part((str(pattern),), found)
    rest = read_optimizer(by_path.get("default_optimizer"), dialect, iterations)
    if rest is not None:
        yield Part((), rest)
    specs = config.get("optimizer_specs")
    for spec in specs if isinstance(specs, list) else ():
        names = spec.get("weights") if isinstance(spec, Mapping) else None
        found = read_optimizer(spec.get("optimizer"), dialect, iterations) if names else None
        if found is not None and isinstance(names, list):
            yield Part(tuple(str(one).removesuffix(":0") for one in names), found, names=True)


def _foreign(optimizer: Optimizer) -> Optimizer:
    """Judge an optimizer that is not Keras's: whether its decay is known, and by what rule."""
    config, name = optimizer.config, optimizer.class_name
    known = (name in WITHOUT_DECAY or _DECAY in config) and _knows_decay(config)
    if name in WITHOUT_DECAY and known:
        return optimizer
    if name not in UNSCALED:
        return replace(optimizer, scales_decay=None, decay_known=known)
    return replace(optimizer, scales_decay=False, decay_known=known)


def _knows_decay(config: Serialized) -> bool:
    """Whether `weight_decay` is a number or none, and nothing else shrinks the weights."""
    decay = config.get(_DECAY)
    plain = decay is None or isinstance(decay, int | float)
    other = any(config.get(key) for key in PENALTIES)
    return plain and not other and config.get("adam_weight_decay", decay) == decay
