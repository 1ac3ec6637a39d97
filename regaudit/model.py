"""What a file says about its model: layers, weights and regularizers, as data."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from msgspec import Struct


class UnitView(NamedTuple):
    """A weight seen as (rows, units, inner) in C order; a unit is one output of the layer."""

    rows: int
    """Length of the axes before that of the units, multiplied."""
    units: int
    """Outputs of the layer."""
    inner: int
    """Length of the axes behind it, multiplied."""
    inputs: int = 0
    """What the layer reads, on an axis of its own; 0 where that is not known."""
    each: int = 0
    """Values next to each other that the same input is multiplied by."""


class Status(StrEnum):
    """Whether a regularizer does anything once Keras has loaded the file."""

    IN_FORCE = "in force"
    """Keras adds its penalty to the loss, and training changes the weight."""
    FROZEN = "frozen"
    """Training does not change the weight."""
    INERT = "inert"
    """Keras never applies it, or its strength is zero."""
    OPAQUE = "opaque"
    """Custom code decides what it does, and it acts."""
    UNKNOWN = "unknown"
    """The file does not tell whether it acts."""


class Regularizer(Struct, frozen=True):
    """One regularizer as the file names it."""

    class_name: str
    """Keras's class (`L1`, `L2`, `L1L2`, `OrthogonalRegularizer`), or the custom one's own name."""
    l1: float | None
    """Factor of sum(abs(w)); None when it cannot be read off the file."""
    l2: float | None
    """Factor of sum(w^2), without 1/2; None when it cannot be read off the file."""
    config: Mapping[str, Any]
    """The stored configuration."""
    status: Status
    """Whether it acts."""
    why: str = ""
    """One sentence on the status; empty when it is in force and nothing needs saying."""

    @property
    def negative(self) -> bool:
        """Whether a strength is below zero: then it rewards what it should penalize."""
        strengths: list[Any] = [self.l1, self.l2]
        if self.class_name == "OrthogonalRegularizer" and self.status is not Status.OPAQUE:
            strengths.append(self.config.get("factor"))
        return any(isinstance(value, int | float) and value < 0 for value in strengths)


class Skip(NamedTuple):
    """Something that is in the file, or should be, and was not or not wholly examined."""

    path: str
    """Of a weight or a layer, or `(weights)` or `(file)` for all of it."""
    reason: str
    """Why, in one sentence."""


class Weight(Struct, frozen=True):
    """One stored variable of a layer."""

    path: str
    """Keras's own path below the model: `encoder/dense/kernel`."""
    stored_path: str
    """Where the values lie inside the weights file: `layers/dense/vars/0`."""
    role: str
    """`kernel`, `bias`, `gamma`, ...; `variable_0`, ... where the layer is not known."""
    shape: tuple[int, ...]
    """As Keras has it: `(inputs, units)` of a dense kernel."""
    dtype: str
    """As stored: `float32`."""
    trainable: bool
    """After loading, by the rules of the Keras that saved the file; see `trainable_known`."""
    regularizer: Regularizer | None = None
    """None for none, if `regularizer_known`."""
    regularizer_known: bool = True
    """Whether the file tells it; if not, that there is none here says nothing."""
    regularizer_key: str | None = None
    """The key of the layer's configuration that regularizes this weight; None when none does."""
    constraint: str | None = None
    """Class name of the constraint."""
    units: UnitView | None = None
    """How to see the layer's outputs in the weight; None for vectors and unknown roles."""
    dequantized_from: str | None = None
    """Mode in which Keras quantized it (`int8`, `int4`, ...) if its numbers are those of the weight
    that the stored codes stand for; None if they are those of the stored values."""
    shared_with: str | None = None
    """Path of the weight that is the same variable and carries its penalty."""
    trainable_known: bool = True
    """Whether the file tells that; else `trainable` is what Keras makes of most such weights, and
    False in weights alone, where each may be a statistic."""
    loads_from: str | None = None
    """Stored path of the values that a load by order puts here instead of its own."""
    placed_by: str = ""
    """How the regularizer of a custom layer's weight was found: by its `name`, by its `shape` or by
    its `order`. Whether it acts is for the layer's code to decide."""
    named_for: str | None = None
    """Path of the weight whose name its values have in the file, where a load goes by order."""

    @property
    def size(self) -> int:
        """Number of values."""
        size = 1
        for dimension in self.shape:
            size *= dimension
        return size

    @property
    def role_known(self) -> bool:
        """Whether it is known what the layer uses it for."""
        return not self.role.startswith("variable_")

    @property
    def regularized(self) -> bool | None:
        """Whether a regularizer is in force, of Keras or of custom code; None if not told."""
        if self.regularizer is None:
            return False if self.regularizer_known else None
        status = self.regularizer.status
        return None if status is Status.UNKNOWN else status in {Status.IN_FORCE, Status.OPAQUE}

    @property
    def rewarded(self) -> bool:
        """Whether its regularizer has a negative strength: that is not a regularization."""
        return self.regularizer is not None and self.regularizer.negative

    @property
    def bare(self) -> bool:
        """Whether the file tells that nothing acts on it, nor would once it is thawed."""
        if self.regularizer is None:
            return self.regularizer_known
        return self.regularizer.status is Status.INERT


class Tally(NamedTuple):
    """How much of something is so, is not so, and is not told by the file."""

    yes: int
    """How much is so."""
    no: int
    """How much is not so."""
    unknown: int
    """How much the file does not tell."""

    @classmethod
    def of(cls, values: Iterable[tuple[bool | None, int]]) -> "Tally":
        """Add up what is so, is not and is not told, each with how much it counts."""
        totals: dict[bool | None, int] = {True: 0, False: 0, None: 0}
        for value, size in values:
            totals[value] += size
        return cls(totals[True], totals[False], totals[None])


class Layer(Struct, frozen=True):
    """One layer, nested and wrapped ones included."""

    path: str
    """Names of the layers from below the model down to this one, joined by `/`."""
    name: str
    """As Keras knows it."""
    class_name: str
    """Keras's class, or the custom one's name."""
    config: Mapping[str, Any]
    """The stored configuration."""
    trainable: bool
    """The layer's own flag; see `Weight.trainable` for what it comes to."""
    known: bool = True
    """Whether it is a built-in layer, so that the roles of its weights are certain."""
    weights: tuple[Weight, ...] = ()
    """In the order of the file."""
    activity_regularizer: Regularizer | None = None
    """Of the outputs; None for none, if `activity_known`."""
    activity_known: bool = True
    """Whether the file tells it; if not, that there is none here says nothing."""
    unplaced: Mapping[str, Regularizer] = {}
    """Regularizers of the configuration that cannot be tied to a stored weight, by key."""
    unshaped: tuple[str, ...] = ()
    """Paths of weights that a load makes, of a shape that the configuration alone does not tell;
    of a custom layer its own path, where nothing but the configuration is there."""
    node: str = ""
    """Path of the graph node that calls this layer: itself, or the outermost wrapper around it."""
    custom_class: str = ""
    """The class that the file names, where `class_name` is what the user declares that it is."""
    placed_as: str = ""
    """The class of Keras as whose the weights of a custom layer are placed: its code decides."""

    @property
    def python_class(self) -> str:
        """The name of the class in a program: without the package it is registered in."""
        return (self.custom_class or self.class_name).rpartition(">")[2]

    @property
    def tells_penalties(self) -> bool:
        """Whether the file says what regularizes the layer; custom code may do as it likes."""
        lost = any(found.status is Status.UNKNOWN for found in self.unplaced.values())
        return self.known or not (self.weights or lost)

    def claims(self, weight: Weight) -> bool:
        """Whether the configuration has a place for a stored weight of this layer."""
        return bool(self.class_name) and (weight.role_known or not self.known)


class Node(NamedTuple):
    """One call site of the model's graph: a layer, or an operation such as `keras.ops.add`."""

    path: str
    """Of the layer; its second call is `path@2`."""
    class_name: str
    inputs: tuple[str, ...]
    """Paths of the nodes that feed it, across the borders of nested models."""
    called: str = ""
    """Path of the layer where it differs from the node's: second calls, and all inside them."""
    built_for: tuple[int, ...] = ()
    """Shape of the input of its first call, without the batch, 0 where open; empty if not told."""

    @property
    def layer(self) -> str:
        """Path of the layer that is called; layers name it as their `node`."""
        return self.called or self.path


class Output(NamedTuple):
    """One output of a model."""

    name: str
    """By which `compile` knows it: the name of its layer, or its key."""
    path: str
    """Path of the node that makes it."""


class Optimizer(Struct, frozen=True):
    """What the file keeps of the optimizer: of the one that trains, where one is inside another."""

    class_name: str
    """Keras's, or with its package: `Addons>AdamW`."""
    config: Mapping[str, Any]
    iterations: int | None = None
    """Training steps taken, from the stored counter."""
    around: tuple[str, ...] = ()
    """Classes of the optimizers that it is inside of, the outermost first."""
    scales_decay: bool | None = True
    """Whether a step takes off rate x decay, as Keras does, or the whole decay; None if unknown."""
    decay_known: bool = True
    """Whether the file says what decay there is, also if it is none."""

    @property
    def weight_decay(self) -> float | None:
        """Decoupled weight decay; None when there is none, or none is known."""
        return _number(self.config.get("weight_decay"))

    @property
    def learning_rate(self) -> float | None:
        """The stored constant; None when it is a schedule, or not known."""
        return _number(self.config.get("learning_rate"))

    @property
    def scheduled(self) -> bool:
        """Whether the rate follows a schedule."""
        return isinstance(self.config.get("learning_rate"), Mapping)


class Part(NamedTuple):
    """One of the optimizers among which another divides the weights."""

    patterns: tuple[str, ...]
    """Of the paths of its weights; empty for that of all the rest."""
    optimizer: Optimizer
    names: bool = False
    """Whether the patterns are names of weights, not regular expressions."""


class Model(Struct, frozen=True):
    """A whole saved model."""

    name: str
    """As Keras knows it."""
    class_name: str
    """`Sequential`, `Functional` or a custom one; empty for a file of weights alone."""
    layers: tuple[Layer, ...]
    """Depth first, in the order of the file; a nested model comes before its layers."""
    keras_version: str | None = None
    """By which it was saved; None where the file does not tell."""
    saved_at: str | None = None
    """As stored; None where the file does not tell."""
    optimizer: Optimizer | None = None
    """What trains it; see `optimizer_known`."""
    compiled: bool | None = None
    """Whether it was compiled; None where the file does not tell."""
    optimizer_known: bool = True
    """Whether `optimizer` is what trains, or None that nothing does."""
    loads_with: str | None = None
    """Class of the optimizer that a load puts in place of the lost one."""
    parts: tuple[Part, ...] = ()
    """The optimizers among which `optimizer` divides the weights."""
    inner_optimizers: Mapping[str, Optimizer | None] = {}
    """Of nested models that were compiled themselves, by path; None where it is not told."""
    loss: Any = None
    """As stored: a name, a serialized object, or several of these; None if not compiled."""
    loss_weights: Any = None
    """As stored: a list, or a mapping by output; None where all weigh one."""
    nodes: tuple[Node, ...] = ()
    """Of the graph, in the order of the file."""
    outputs: tuple[Output, ...] = ()
    """In the model's order."""
    stored: bool = True
    """Whether its weights are stored: not of a configuration alone."""

    def __repr__(self) -> str:
        """Name the model: its layers are thousands of lines."""
        kind = self.class_name or "weights alone"
        return f"<Model {self.name!r}: {kind}, {len(self.layers):,} layers>"

    def weights(self) -> Iterator[tuple[Layer, Weight]]:
        """Yield every stored weight with its layer."""
        for layer in self.layers:
            for weight in layer.weights:
                yield layer, weight

    @property
    def counted(self) -> bool:
        """Whether all weights are here, so that `parameters` is the number of them all."""
        return not any(layer.unshaped for layer in self.layers)

    @property
    def regularized(self) -> Tally:
        """Count the weights with a regularizer in force, without one, and untold; shared once.

        Those of unknown shape are among the untold.
        """
        own = (weight for _, weight in self.weights() if weight.shared_with is None)
        unshaped = ((None, len(layer.unshaped)) for layer in self.layers)
        return Tally.of((*((weight.regularized, 1) for weight in own), *unshaped))

    @property
    def parameters(self) -> int:
        """Values in all weights, shared ones once."""
        return sum(weight.size for _, weight in self.weights() if weight.shared_with is None)

    @property
    def trainable_parameters(self) -> int:
        """Values that training is known to change, shared ones once."""
        return sum(
            weight.size
            for _, weight in self.weights()
            if weight.trainable and weight.trainable_known and weight.shared_with is None
        )

    @property
    def unknown_parameters(self) -> int:
        """Values of which the file does not tell whether training changes them."""
        return sum(
            weight.size
            for _, weight in self.weights()
            if not weight.trainable_known and weight.shared_with is None
        )


def names(model: Model) -> Iterator[str]:
    """Yield all names in a model that reports and messages show."""
    yield from filter(None, (model.name, model.class_name, model.keras_version, model.saved_at))
    optimizer, loss = model.optimizer, model.loss
    yield from (text for text in (optimizer and optimizer.class_name, loss) if type(text) is str)
    for layer in model.layers:
        yield from (layer.path, layer.name, layer.class_name, layer.custom_class, *layer.unplaced)
        held = [layer.activity_regularizer, *layer.unplaced.values()]
        for weight in layer.weights:
            yield from (weight.path, weight.stored_path, weight.constraint or "")
            held.append(weight.regularizer)
        yield from (regularizer.class_name for regularizer in held if regularizer)


def _number(value: Any) -> float | None:
    try:
        return (
            float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        )
    except OverflowError:  # an integer of hundreds of digits
        return None
