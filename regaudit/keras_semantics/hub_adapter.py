"""LoRA weights of a KerasHub backbone, as `backbone.save_lora_weights` writes them.

A pair of factors for each adapted layer, by its number among the backbone's layers with weights:
only KerasHub's code counts them, so the file does not tell which layer it is.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from regaudit.keras_semantics.build import make_weight
from regaudit.keras_semantics.describe import Description
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.group_names import number_first, variables_of
from regaudit.keras_semantics.layer_table import Slot
from regaudit.keras_semantics.told import marked
from regaudit.model import Layer, Model, Skip, Weight
from regaudit.tensors.tensor import Tensor, TensorGroup

ROOT = "lora"
_FACTORS = ("lora_kernel_a", "lora_kernel_b")
_RANK = "rank"
_WHAT = (
    "LoRA weights of a KerasHub backbone: each pair of factors is measured by the number of its "
    "layer; what they are added to is in the backbone's own preset"
)


def describe_adapter(stored: TensorGroup) -> Description | None:
    """Describe the factors; None where there are none.

    Args:
        stored: the root of the file.
    """
    layers: list[Layer] = []
    tensors: dict[str, Tensor] = {}
    skipped: list[Skip] = []
    for path, group, factors in _adapted(stored):
        own = {f"{path}/{key}": tensor for key, tensor in factors.items()}
        weights = tuple(_factor(tensor, group, at) for at, tensor in own.items())
        tensors |= own
        layers.append(Layer(group, group, "", {}, trainable=True, known=False, weights=weights))
    for path, below in stored.walk():
        skipped += [Skip(f"{path}/{key}", why) for key, why in below.unreadable.items()]
        left = [f"{path}/{key}" for key in below.tensors if key != _RANK]
        skipped += [Skip(at, _NO_FACTOR) for at in left if at not in tensors]
    if not layers:
        return None
    model = Model(name="", class_name="", layers=marked(layers, _DIALECT), optimizer_known=False)
    return Description(model, tensors, (Skip("(model)", _WHAT), *skipped))


_DIALECT = Dialect.of(None)
_NO_FACTOR = "is not one of a pair of factors, and is not measured"


def _adapted(stored: TensorGroup) -> Iterator[tuple[str, str, dict[str, Tensor]]]:
    """Yield where the factors of each layer lie, the name of the layer, and the factors."""
    root = stored.groups.get(ROOT, TensorGroup())
    for key in sorted(root.groups, key=number_first):
        group = root.groups[key]
        inner = dict(variables_of(group)) or dict(group.tensors)
        path = f"{ROOT}/{key}/vars" if variables_of(group) else f"{ROOT}/{key}"
        if set(_FACTORS) <= set(inner):
            yield path, f"{ROOT}/{key}", {name: inner[name] for name in _FACTORS}


def _factor(tensor: Tensor, layer: str, path: str) -> Weight:
    """Make the weight of one factor; nothing tells whether it goes on being trained."""
    slot = Slot(path.rpartition("/")[2])
    made = make_weight(slot, tensor, layer, path, {}, trainable=False, dialect=_DIALECT)
    return replace(made, trainable_known=False)
