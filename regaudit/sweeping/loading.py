"""A model loaded by Keras such that it can be trained: compiled, with an optimizer that works."""

from contextlib import suppress
from typing import Any

from regaudit.errors import UnreadableModelError
from regaudit.live.data_file import DataError
from regaudit.live.in_memory import one_line
from regaudit.sweeping.task import BEST, LAST, Opening

_OURS = (LAST, BEST)
"""Files that a task wrote, compiled as it was."""


def loaded(keras: Any, file: str, opening: Opening) -> Any:
    """Load a model.

    Args:
        keras: the package.
        file: the model, or a file that a task wrote.
        opening: with the loss and the optimizer of a model that is not compiled.

    Raises:
        DataError: it is not compiled, and neither says how.
        UnreadableModelError: Keras cannot load it.
    """
    ours = file.endswith(_OURS)
    compiled = ours or (opening.loss is None and opening.optimizer is None)
    try:
        model = keras.models.load_model(file, compile=compiled)
    except Exception as error:
        if compiled and _loads_bare(keras, file):
            raise DataError(
                f"Keras cannot compile the model as the file says ({one_line(error)}): give "
                "--loss and --optimizer"
            ) from error
        raise UnreadableModelError(f"Keras cannot load it: {one_line(error)}") from error
    if getattr(model, "optimizer", None) is None or not compiled:
        _compile(model, opening)
    _mend_optimizer(model)
    return model


def with_new_weights(model: Any, opening: Opening) -> Any:
    """Return the same model with new weights where training makes them, compiled as it was.

    What was adapted to data beforehand, and what is frozen, stays as it is: no training would.
    """
    compiled = model.get_compile_config() if hasattr(model, "get_compile_config") else None
    new = type(model).from_config(model.get_config())
    if not new.built and hasattr(model, "get_build_config"):
        new.build_from_config(model.get_build_config())
    for old, one in zip(_layers(model), _layers(new), strict=True):
        if old.weights and not old.trainable_weights:
            one.set_weights(old.get_weights())
    if opening.loss or not compiled:
        optimizer = model.optimizer
        new.compile(
            optimizer=opening.optimizer or type(optimizer).from_config(optimizer.get_config()),
            loss=opening.loss or model.loss,
        )
    else:
        new.compile_from_config(compiled)
    return new


def _layers(model: Any) -> list[Any]:
    return list(model._flatten_layers(include_self=False))  # noqa: SLF001 - of nested models, too


def steps_of(model: Any) -> int:
    """Return how many steps the optimizer has done; 0 where it does not say."""
    iterations = getattr(model.optimizer, "iterations", 0)
    with suppress(Exception):
        return int(iterations.numpy() if hasattr(iterations, "numpy") else iterations)
    return 0


def _loads_bare(keras: Any, file: str) -> bool:
    with suppress(Exception):
        return keras.models.load_model(file, compile=False) is not None
    return False


def _compile(model: Any, opening: Opening) -> None:
    loss = opening.loss or getattr(model, "loss", None)
    named = (("--loss", loss), ("--optimizer", opening.optimizer))
    missing = [name for name, value in named if value is None]
    if missing:
        raise DataError(
            f"the model is not compiled, so nothing says how to train it: give "
            f"{' and '.join(missing)}"
        )
    try:
        model.compile(optimizer=opening.optimizer, loss=loss)
    except Exception as error:
        raise DataError(
            f"Keras does not take --loss {opening.loss} and --optimizer {opening.optimizer}: "
            f"{one_line(error)}"
        ) from error


def _mend_optimizer(model: Any) -> None:
    """Give a model an optimizer that can train it.

    That of an HDF5 file is one for no variables in some versions of Keras: training raises.
    """
    optimizer = model.optimizer
    if getattr(optimizer, "built", False) and not getattr(optimizer, "_trainable_variables", True):
        steps = steps_of(model)
        model.compile_from_config(model.get_compile_config())
        model.optimizer.build(model.trainable_variables)
        model.optimizer.iterations.assign(steps)
