"""What metrics keep in weights files, wherever they are held: counts, no weights.

Keras 2 stores those that a subclassed layer or model holds under its attributes, or by names
without a layer; Keras 3 stores none.
"""

import re
from collections.abc import Iterator, Mapping

from regaudit.keras_semantics.group_names import variables_of
from regaudit.tensors.tensor import Tensor, TensorGroup

_CONTAINERS = {"layers", "_layer_checkpoint_dependencies", "vars"}
"""Groups whose members are named for their classes: a custom layer may be called anything."""
_SURE = re.compile(r"(.*_)?(trackers?|metrics?|auc|precision|recall)(_\d+)?")
"""What metrics and the attributes that hold them are called."""
_PROBABLE = re.compile(r"(.*_)?(mean|sum|loss|acc|accuracy|error)(_\d+)?")
"""What a metric may be called that has no more than a total and a count."""
MEAN = ("total", "count")
CONFUSION = {
    "true_positives",
    "true_negatives",
    "false_positives",
    "false_negatives",
    "total_confusion_matrix",
}
"""Names of the variables of the metrics of Keras 2."""


def metric_groups(stored: TensorGroup, path: str = "") -> Iterator[str]:
    """Yield the paths of groups under attributes that are metrics."""
    contained = path.rpartition("/")[2] in _CONTAINERS
    for key, group in stored.groups.items():
        below = f"{path}/{key}" if path else key
        if not contained and _is_metric(key, group):
            yield below
        elif key != "vars":
            yield from metric_groups(group, below)


def _is_metric(key: str, group: TensorGroup) -> bool:
    tensors = [tensor for _, tensor in variables_of(group)]
    if not tensors or len(group.groups) > 1 or any(t.dtype.kind != "f" for t in tensors):
        return False
    shapes = [tensor.shape for tensor in tensors]
    fits = (
        all(len(shape) <= 1 for shape in shapes)
        if _SURE.fullmatch(key)
        else (_PROBABLE.fullmatch(key) is not None and shapes == [(), ()])
    )
    return fits and _counts(tensors[-1])


def _counts(tensor: Tensor) -> bool:
    """Whether all values are what a count may be."""
    return all(bool(((block >= 0) & (block == block.round())).all()) for block in tensor.blocks())


def metrics_among(tensors: Mapping[str, Tensor]) -> set[str]:
    """Return the names in one group of a legacy file that are variables of metrics.

    Args:
        tensors: of one group, by name; a metric's has no layer before it.
    """
    roles = {name: re.sub(r":\d+$", "", name) for name in tensors}
    found = {name for name, role in roles.items() if role in CONFUSION}
    means = {role: name for name, role in roles.items() if role in MEAN}
    if len(means) == len(MEAN) and all(tensors[name].shape == () for name in means.values()):
        found.update(means.values())
    return found
