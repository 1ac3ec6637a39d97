"""What training keeps in a weights file of Keras 3's layout: optimizers and metrics, no weights.

A nested model that was compiled keeps its own; a subclassed model may have optimizers under any
attribute. An optimizer counts its steps in its first variable.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

from regaudit.keras_semantics.group_names import noted_name, snake_case, variables_of
from regaudit.keras_semantics.optimizer_classes import RATES
from regaudit.tensors.tensor import Tensor, TensorGroup

_CONTAINERS = {"layers", "_layer_checkpoint_dependencies"}
"""Groups whose members are named for their classes: a custom layer may be called anything."""
_OPTIMIZER = re.compile(
    rf"(.*_)?({'|'.join(map(snake_case, RATES))}|optim\w*|opt)(_?\d+)?", re.IGNORECASE
)
"""What optimizers and the attributes that hold them are called."""
_FEWEST_SLOTS = 2
"""Variables of the shapes of weights that tell an optimizer that is called something else."""


_Shapes = Callable[[], Counter[tuple[int, ...]]]
"""Of all variables of the file: counted only where they are needed."""


def training_groups(stored: TensorGroup) -> dict[str, TensorGroup]:
    """Return the groups of optimizers and metrics, by path, without those inside of others."""

    @cache
    def shapes() -> Counter[tuple[int, ...]]:
        return Counter(
            tensor.shape for _, group in stored.walk() for tensor in group.tensors.values()
        )

    return dict(_found(stored, "", shapes))


def _found(parent: TensorGroup, path: str, shapes: _Shapes) -> Iterator[tuple[str, TensorGroup]]:
    contained = path.rpartition("/")[2] in _CONTAINERS
    for key, group in parent.groups.items():
        below = f"{path}/{key}" if path else key
        if not contained and (key in {"optimizer", "metrics"} or _is_optimizer(key, group, shapes)):
            yield below, group
        elif key != "vars":
            yield from _found(group, below, shapes)


def _is_optimizer(key: str, group: TensorGroup, shapes: _Shapes) -> bool:
    """Whether a group under an attribute of any name is an optimizer's."""
    tensors = [tensor for _, tensor in variables_of(group)]
    if not tensors or not _counts(tensors[0]):
        return False
    if _OPTIMIZER.fullmatch(key) or _OPTIMIZER.fullmatch(noted_name(group) or ""):
        return True
    slots = Counter(tensor.shape for tensor in tensors if tensor.shape)
    return slots.total() >= _FEWEST_SLOTS and all(
        shapes()[shape] > count for shape, count in slots.items()
    )


def _counts(tensor: Tensor) -> bool:
    return tensor.shape == () and tensor.dtype.kind in "iu"


def iterations(group: TensorGroup | None) -> int | None:
    """Return the steps that an optimizer has counted; that inside a LossScaleOptimizer counts."""
    group = group.groups.get("inner_optimizer", group) if group else None
    counter = dict(variables_of(group)).get("0")
    return int(next(counter.blocks())[0]) if counter is not None and _counts(counter) else None


def learning_rate(group: TensorGroup | None) -> float | None:
    """Return the rate that Keras 3 keeps beside the counter; None if it is not there."""
    group = group.groups.get("inner_optimizer", group) if group else None
    rate = dict(variables_of(group)).get("1")
    if rate is None or rate.shape != () or rate.dtype.kind != "f":
        return None
    return float(next(rate.blocks())[0])
