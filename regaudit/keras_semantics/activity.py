"""Where a regularizer of a layer's output acts, as `fixtures/activity.py` found by running Keras.

That depends on the layer and on what runs it: of the layers around it, those whose code calls it in
an unusual way. A layer that only holds others, such as a model, changes nothing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from regaudit.keras_semantics.dialect import Dialect
from regaudit.model import Status


class Runner(StrEnum):
    """How the layers around it run a layer."""

    CALLED = ""
    """As any layer is: once for each call of the model."""
    STEPS = "called for each time step"
    BYPASSED = "run without its own `__call__`, where Keras regularizes outputs"
    LOOP = "in a loop of TensorFlow's graph"
    UNROLLED = "in an unrolled loop: for each time step"
    REBUILT = "made again from its configuration"
    NOT_CALLED = "not called at all"
    DROPPED = "inside of what is made again from its configuration"


_STAYS = {Runner.STEPS, Runner.LOOP, Runner.UNROLLED, Runner.NOT_CALLED, Runner.DROPPED}
"""Hold for all that is further inside."""


def runner_inside(
    class_name: str,
    config: Mapping[str, Any],
    around: Runner,
    dialect: Dialect,
    *,
    custom: bool = False,
) -> Runner:
    """Return what runs the layers that stand directly in a layer.

    Args:
        class_name: of the layer that holds them.
        config: of that layer.
        around: what runs it itself.
        dialect: of the Keras that saved the file.
        custom: whether its class is not Keras's own.
    """
    keras_2 = dialect.before_keras_3
    if custom:
        inside = Runner.CALLED
    elif class_name == "TimeDistributed" and not keras_2:
        return Runner.BYPASSED
    elif class_name == "Wrapper":
        return Runner.NOT_CALLED
    elif class_name == "Bidirectional" and keras_2:
        inside = Runner.REBUILT
    elif class_name == "RNN" and around is Runner.REBUILT:
        return Runner.DROPPED
    elif class_name == "RNN" and around is not Runner.LOOP:
        return Runner.UNROLLED if config.get("unroll") else Runner.LOOP
    elif class_name == "StackedRNNCells" and around not in _STAYS:
        inside = Runner.LOOP
    else:
        inside = Runner.STEPS if around is Runner.BYPASSED else Runner.CALLED
    return around if around in _STAYS else inside


def fate(
    class_name: str, runner: Runner, dialect: Dialect, *, custom: bool = False
) -> tuple[Status, str]:
    """Say what becomes of an activity regularizer, and why.

    Args:
        class_name: of the layer that has it.
        runner: what runs that layer.
        dialect: of the Keras that saved the file.
        custom: whether its class is not Keras's own.
    """
    if not custom and class_name == ("EinsumDense" if dialect.before_keras_3 else "SimpleRNN"):
        return Status.INERT, f"{class_name} accepts it and never applies it"
    if runner is Runner.BYPASSED:
        return Status.INERT, _BYPASSED
    if runner is Runner.NOT_CALLED:
        return Status.INERT, "a bare Wrapper does not call the layer in it"
    if runner is Runner.DROPPED or (runner is Runner.REBUILT and class_name == "RNN"):
        return (Status.INERT, _REBUILT) if not custom else (Status.UNKNOWN, IN_A_LOOP)
    if runner is Runner.LOOP:
        return Status.UNKNOWN, IN_A_LOOP
    steps = " and time step" if runner in {Runner.STEPS, Runner.UNROLLED} else ""
    divided = "divided" if dialect.divides_activity else "not divided"
    return (
        Status.IN_FORCE,
        f"on each call{steps}; {divided} by the batch size in the Keras that saved the file",
    )


_BYPASSED = (
    "TimeDistributed of Keras 3 runs the layer's call by itself: the regularizer sees nothing"
)
_REBUILT = (
    "Bidirectional of Keras 2 makes the layer again from its configuration, which leaves it out"
)
IN_A_LOOP = (
    "Keras on TensorFlow can neither train nor evaluate a model with one on a cell of an RNN "
    "that is not unrolled"
)
