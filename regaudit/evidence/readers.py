"""Which kernels read the units of a layer: followed through the graph while they stay apart."""

from msgspec import Struct
from msgspec.structs import replace

from regaudit.evidence.graph import Graph
from regaudit.keras_semantics.weightless_layers import ACTIVATIONS, POOLING, RANDOM_REGULARIZERS
from regaudit.model import Layer, Node, Weight

_CHANNELWISE = (ACTIVATIONS | POOLING | RANDOM_REGULARIZERS) - {"Softmax"}
"""Layers that keep the units apart and in their order."""
_READERS = {
    "Dense": 0,
    "Conv1D": -2,
    "Conv2D": -2,
    "Conv3D": -2,
    "Conv1DTranspose": -1,
    "Conv2DTranspose": -1,
    "Conv3DTranspose": -1,
    "LSTM": 0,
    "GRU": 0,
    "SimpleRNN": 0,
}
"""The axis of the kernel that reads the units, by class."""
_SCALES = {"BatchNormalization", "DepthwiseConv1D", "DepthwiseConv2D"}
"""Layers with parameters for each unit that keep the units apart."""

_STEPS = 1_000
"""Nodes looked at for one layer: a graph may be anybody's, with circles and doubling ways."""


class _At(Struct, frozen=True):
    """A place on the way of some units."""

    node: Node
    flat: bool = False
    """Whether each unit has become several values, one for each position."""
    joined: bool = False
    """Whether they are concatenated with other units."""

    @property
    def shifted(self) -> bool:
        """Whether the units no longer stand where they stood."""
        return self.flat or self.joined


class Way(Struct):
    """What follows a layer until other kernels have read all its units."""

    scales: list[Layer]
    """Layers with parameters for each unit: normalizations, depthwise convolutions."""
    read: int = 0
    """Values of later kernels that read one unit."""
    kernels: list[Weight] = []
    """The kernels that read them."""
    kept: str = ""
    """Why regaudit does not know all that read them; empty if it does."""
    joined: bool = False
    """Whether some are read among others: which rows of the kernel are theirs is not known."""
    forks: bool = False
    """Whether they go several ways."""


def follow(graph: Graph, layer: Layer, weight: Weight, units: int) -> Way:
    """Follow the units of a layer to the kernels that read them."""
    way = Way([])
    calls = graph.calls(layer)
    wrapped = layer.node != layer.path and not (calls and calls[0].class_name == "TimeDistributed")
    if not layer.known or not calls or wrapped or weight.role == "depthwise_kernel":
        way.kept = "the layers that read them are not known"
        return way
    if len(calls) > 1:
        way.kept = "the layer is called several times"
        return way
    outputs = dict.fromkeys((o.path for o in graph.model.outputs), "they are outputs of the model")
    todo, steps = [_At(calls[0])], 0
    while todo and not way.kept:
        here, steps = todo.pop(), steps + 1
        way.kept = outputs.get(
            here.node.path, "too many layers read them" if steps > _STEPS else ""
        )
        fed = graph.fed(here.node)
        way.forks = way.forks or len(fed) > 1
        todo += filter(None, (_after(graph, way, units, here, after) for after in fed))
    return way


def _after(graph: Graph, way: Way, units: int, here: _At, after: Node) -> _At | None:
    """Take in what follows, and return where the units come out of it; None if they do not."""
    inside = graph.layers(after)
    name = inside[-1].class_name if inside else after.class_name
    if inside and len(graph.calls(inside[-1])) > 1:
        way.kept = f"they feed {name}, which is called several times"
    elif inside and name in _READERS:
        for reader in inside:  # both directions of a Bidirectional
            if reader.class_name in _READERS:
                _read(way, reader, units, here)
    elif name in _CHANNELWISE or name in _SCALES:
        _scale(way, inside, units, here)
        return replace(here, node=after)
    elif name == "Flatten":
        return replace(here, node=after, flat=True)
    elif name == "Concatenate" and not here.flat and _by_units(inside):
        return replace(here, node=after, joined=True)
    else:
        way.kept = f"they feed {name}"
    return None


def _read(way: Way, reader: Layer, units: int, here: _At) -> None:
    """Take in the kernel that reads the units."""
    stored = (one for one in reader.weights if one.role == "kernel" and len(one.shape) > 1)
    kernel = next(stored, None)
    inputs = kernel.shape[_READERS[reader.class_name]] if kernel else 0
    rows = inputs // units if here.flat else 1  # through Flatten, a row for each position
    fits = inputs > units and not here.flat if here.joined else inputs == rows * units
    if kernel is None or not inputs or not fits or reader.config.get("groups", 1) != 1:
        way.kept = f"they feed {reader.class_name} in a way that regaudit does not follow"
    else:
        way.read += kernel.size // inputs * rows
        way.kernels.append(kernel)
        way.joined = way.joined or here.joined


def _scale(way: Way, inside: tuple[Layer, ...], units: int, here: _At) -> None:
    """Take in a layer with parameters for each unit, if they line up with the units."""
    for layer in inside:
        shapes = [
            weight.shape[:-1] if _is_depthwise(layer, weight) else weight.shape
            for weight in layer.weights
        ]
        if any(shape[-1:] != (units,) for shape in shapes) or (shapes and here.shifted):
            way.kept = f"they feed {layer.class_name}, which has other units"
        elif shapes:
            way.scales.append(layer)


def _is_depthwise(layer: Layer, weight: Weight) -> bool:
    return layer.class_name.startswith("DepthwiseConv") and weight.shape[-1:] == (1,)


def _by_units(inside: tuple[Layer, ...]) -> bool:
    """Whether a Concatenate joins units, not positions."""
    return bool(inside) and inside[-1].config.get("axis", -1) == -1
