"""Where a regularizer of a layer's output acts, as `fixtures/activity.py` found by running Keras.

That depends on the layer and on the layers around it, of which some run what they hold in an
unusual way. One that only calls what it holds, such as a model, changes nothing.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.layer_table import OPTIMIZATION_WRAPPERS, is_built_in
from regaudit.model import Status


class Runner(StrEnum):
    """How the layers around it run a layer."""

    CALLED = "once for each call of the model"
    STEPS = "once for each time step"
    LOOP = "in a loop of TensorFlow's graph"
    LOOP_AT_TIMES = "in such a loop, if batches have a fixed size"
    TIME_DISTRIBUTED = "without its `__call__`, which would regularize the output"
    OPTIMIZED = "likewise, by a wrapper of the optimization toolkit"
    NEVER = "not at all"


class Surroundings(NamedTuple):
    """What the layers around a layer do with it."""

    runner: Runner = Runner.CALLED
    rebuilt: bool = False
    """Whether they make it anew from what its own code writes down of it."""


_STAYS = {Runner.STEPS, Runner.LOOP, Runner.LOOP_AT_TIMES, Runner.NEVER}
"""Hold for all that is further inside."""

_WRITTEN_BY_KERAS_2 = re.compile(
    r"Conv|^(Dense|(CuDNN)?(LSTM|GRU)|SimpleRNN|Embedding|MultiHeadAttention|LocallyConnected[12]D)$"
)
"""Those of cuDNN run on a GPU only; what they write down was asked for without."""
_WRITTEN_BY_KERAS_3_0 = re.compile(
    r"Conv|^(LSTM|GRU|Embedding|EinsumDense|MultiHeadAttention|GroupQueryAttention)$"
)


def writes_down(class_name: str, dialect: Dialect) -> bool:
    """Whether a class of Keras's own has its activity regularizer in its configuration."""
    if class_name == "ActivityRegularization":
        return True
    if dialect.before_keras_3:
        return bool(_WRITTEN_BY_KERAS_2.search(class_name))
    return dialect.stores_activity or bool(_WRITTEN_BY_KERAS_3_0.search(class_name))


def inside(
    class_name: str,
    config: Mapping[str, Any],
    around: Surroundings,
    dialect: Dialect,
    *,
    custom: bool = False,
) -> Surroundings:
    """Return the surroundings of the layers that stand directly in a layer.

    Args:
        class_name: of the layer that holds them.
        config: of that layer.
        around: what is around it itself.
        dialect: of the Keras that saved the file.
        custom: whether its class is not Keras's own.
    """
    if dialect.before_keras_3 and class_name in OPTIMIZATION_WRAPPERS:
        return Surroundings(Runner.OPTIMIZED, around.rebuilt)
    rebuilt = around.rebuilt or (class_name == "Bidirectional" and not custom)
    if custom:
        runner = Runner.CALLED
    elif class_name == "TimeDistributed" and not dialect.before_keras_3:
        return Surroundings(Runner.TIME_DISTRIBUTED, rebuilt)
    else:
        runner = _runner(class_name, config, around, dialect)
    stays = around.runner in _STAYS and runner is not Runner.LOOP
    return Surroundings(around.runner if stays else runner, rebuilt)


def _runner(
    class_name: str, config: Mapping[str, Any], around: Surroundings, dialect: Dialect
) -> Runner:
    """Say how a layer of Keras's own runs what stands directly in it."""
    if class_name == "Wrapper":
        return Runner.NEVER
    if class_name == "RNN":
        return Runner.STEPS if config.get("unroll") else Runner.LOOP
    if class_name == "StackedRNNCells" and around.runner not in _STAYS:
        return Runner.LOOP  # the code that runs it is not known
    if class_name == "TimeDistributed" and _goes_step_by_step(config.get("layer")):
        return Runner.LOOP_AT_TIMES
    steps = around.runner is Runner.TIME_DISTRIBUTED and not dialect.before_keras_3
    return Runner.STEPS if steps else Runner.CALLED


def _goes_step_by_step(layer: Any) -> bool:
    """Whether TimeDistributed of Keras 2 does not take all steps of a layer at once."""
    if not isinstance(layer, Mapping):
        return False
    config = layer.get("config")
    stateful = isinstance(config, Mapping) and bool(config.get("stateful"))
    return stateful or not is_built_in(str(layer.get("class_name")))


def _deaf(dialect: Dialect) -> set[str]:
    """Return the classes of Keras's own that never apply their activity regularizer."""
    if dialect.before_keras_3:
        return {"EinsumDense"}
    return {"SimpleRNN", *(["MultiHeadAttention"] if dialect.version[:2] == (3, 7) else [])}


def fate(
    class_name: str, around: Surroundings, dialect: Dialect, *, custom: bool = False
) -> tuple[Status, str]:
    """Say what becomes of an activity regularizer, and why.

    Args:
        class_name: of the layer that has it.
        around: what is around that layer.
        dialect: of the Keras that saved the file.
        custom: whether its class is not Keras's own.
    """
    if not custom and class_name in _deaf(dialect):
        return Status.INERT, f"{class_name} accepts it and never applies it"
    if not custom and around.rebuilt and not writes_down(class_name, dialect):
        return Status.INERT, _REBUILT
    if around.runner in _WHY:
        return _WHY[around.runner]
    steps = " and time step" if around.runner is Runner.STEPS else ""
    divided = "divided" if dialect.divides_activity else "not divided"
    return (
        Status.IN_FORCE,
        f"on each call{steps}; {divided} by the batch size in the Keras that saved the file",
    )


_REBUILT = (
    "Bidirectional makes the layer again from its configuration, which in this Keras lacks it"
)
_BYPASSED = "runs the layer's call by itself: the regularizer sees nothing"

IN_A_LOOP = (
    "it stands in a loop of TensorFlow's graph, the steps of an RNN that is not unrolled: with it, "
    "Keras can neither train nor evaluate the model"
)
IN_A_LOOP_AT_TIMES = (
    "TimeDistributed of Keras 2 runs a custom or stateful layer in a loop if batches have a fixed "
    "size: with it, Keras can then neither train nor evaluate the model"
)
_WHY = {
    Runner.LOOP: (Status.UNKNOWN, IN_A_LOOP),
    Runner.LOOP_AT_TIMES: (Status.UNKNOWN, IN_A_LOOP_AT_TIMES),
    Runner.TIME_DISTRIBUTED: (Status.INERT, f"TimeDistributed of Keras 3 {_BYPASSED}"),
    Runner.OPTIMIZED: (Status.INERT, f"the wrapper of the optimization toolkit {_BYPASSED}"),
    Runner.NEVER: (Status.INERT, "a bare Wrapper does not call the layer in it"),
}
