"""How a model was compiled, as far as its file tells: not told is not the same as not compiled."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from regaudit.keras_semantics.build import is_custom
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.read_optimizer import read_optimizer, read_parts
from regaudit.keras_semantics.training_state import iterations, learning_rate
from regaudit.model import Optimizer, Part
from regaudit.tensors.tensor import TensorGroup

_DEFAULT = "RMSprop"
"""With which `compile` works where it is given no optimizer, in all versions of Keras."""

_USUAL = {"optimizer", "metrics"}


class CompileState(NamedTuple):
    """What a model is told of its compilation; the fields are those of `Model`."""

    compiled: bool | None = None
    optimizer: Optimizer | None = None
    optimizer_known: bool = True
    loads_with: str | None = None
    parts: tuple[Part, ...] = ()
    inner_optimizers: Mapping[str, Optimizer | None] = {}
    loss: Any = None
    loss_weights: Any = None


def compiled_by(
    stored: Any,
    key: str,
    version: str | None,
    *,
    steps: int | None = None,
    rate: float | None = None,
    has_state: bool = False,
) -> CompileState:
    """Return what a file says of the compilation of its model.

    Args:
        stored: its `training_config` or `compile_config`.
        key: under which the optimizer stands in it.
        version: of the Keras that saved the file.
        steps: that the optimizer has counted.
        rate: that its state keeps.
        has_state: whether the file has the variables of an optimizer.
    """
    if not isinstance(stored, Mapping) or not stored:
        return CompileState(compiled=has_state, optimizer_known=not has_state)
    dialect = Dialect.of(version) if version else None
    value = stored.get(key)
    optimizer = read_optimizer(value, dialect, steps, rate=rate)
    return CompileState(
        compiled=True,
        optimizer=optimizer,
        optimizer_known=optimizer is not None or (value is None and key in stored),
        parts=read_parts(value, dialect, steps),
        loss=stored.get("loss"),
        loss_weights=stored.get("loss_weights"),
    )


def compiled_in(
    config: Serialized,
    version: str | None,
    training: Mapping[str, TensorGroup],
    nested: Mapping[str, tuple[str, Serialized]],
) -> CompileState:
    """Return the same of a model whose configuration holds its `compile_config`, as Keras 3 does.

    Args:
        config: the root of the configuration.
        version: of the Keras that saved the file.
        training: groups of optimizers and metrics in the weights file, by path.
        nested: by the path of each nested model, that of its group, and its configuration.
    """
    found = _one(config, version, training.get("optimizer"))
    stored = config.get("compile_config")
    if isinstance(stored, Mapping) and stored and "optimizer" not in stored:
        found = found._replace(loads_with=_DEFAULT)
    others = [path for path in training if path.rpartition("/")[2] not in _USUAL]
    if others:  # its own training steps may use them
        found = found._replace(compiled=True, optimizer_known=False)
    elif not found.compiled and is_custom(config):  # it may have been, in a way of its own
        found = found._replace(compiled=None)
    inner = {
        path: one.optimizer
        for path, (group, serialized) in nested.items()
        if (one := _one(serialized, version, training.get(f"{group}/optimizer"))).compiled
        and (one.optimizer or not one.optimizer_known)
    }
    return found._replace(inner_optimizers=inner)


def _one(serialized: Serialized, version: str | None, state: TensorGroup | None) -> CompileState:
    return compiled_by(
        serialized.get("compile_config"),
        "optimizer",
        version,
        steps=iterations(state),
        rate=learning_rate(state),
        has_state=state is not None,
    )
