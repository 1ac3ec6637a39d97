"""The layers that a load of a configuration makes, with the weights each of them waits for.

A load of a legacy file knows weights by the names of layers alone, so for every layer the plan says
which names may stand before the role: Keras 2 leaves out those of wrapped layers.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from regaudit.keras_semantics import keras1
from regaudit.keras_semantics.activity import Surroundings
from regaudit.keras_semantics.build import inside_of, is_custom, own_flag
from regaudit.keras_semantics.config_graph import (
    Serialized,
    config_of,
    layers_of,
    members,
    name_of,
)
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.held_layers import held_layers
from regaudit.keras_semantics.layer_table import (
    MODELS,
    THAWED_BY_LOADING,
    WRAPPED_OF_KERAS_2,
    Slot,
    all_slots,
)
from regaudit.limits import enforce_limit
from regaudit.model import Weight

Chains = tuple[tuple[str, ...], ...]


class Planned(Struct):
    """A layer of the configuration that waits for its weights."""

    serialized: Serialized
    path: str
    node: str
    chains: Chains = ()
    """Names of layers that may stand before the role in the names of its weights."""
    slots: tuple[Slot, ...] = ()
    trainable: bool = True
    known: bool = True
    certain: bool = True
    """Whether a load is sure to make this layer; not what a custom one holds."""
    forgotten: str = ""
    """Why Keras does not add up its penalties; empty where it does."""
    inside: tuple[Serialized, ...] = ()
    """Layers in its configuration that have plans of their own."""
    around: Surroundings = Surroundings()
    """What the layers around it do with it."""
    mode: str = ""
    """How it was quantized: `int8`, `int4`; empty if it was not."""
    weights: list[Weight] = []
    missing: set[int] = set()
    """Indices of the slots that nothing stored has filled."""


class Position(Struct, frozen=True):
    """Where in the model a layer stands."""

    prefix: str = ""
    """Path of the layer around it, with a slash; empty below the model."""
    chains: Chains = ((),)
    node: str = ""
    """The graph node the layer belongs to, if that is not the layer itself."""
    trainable: bool = True
    """Whether every layer around it is; models do not get their flag back from a load."""
    certain: bool = True
    depth: int = 0
    forgotten: str = ""
    """Why Keras does not add up the penalties of what stands here; empty where it does."""
    around: Surroundings = Surroundings()
    """What the layers around it do with it."""

    def below(self, name: str, serialized: Serialized, *, model: bool, certain: bool) -> "Position":
        """Return the place of what is inside a layer."""
        path = self.prefix + name
        inside = tuple((*chain, *name.split("/")) for chain in self.chains)
        dropped = self.chains if self.node and not model else ()  # as Keras 2 does in wrappers
        return Position(
            f"{path}/",
            tuple(dict.fromkeys((*inside, *dropped))),
            self.node or ("" if model else path),
            self.trainable and (model or own_flag(serialized)),
            self.certain and certain,
            self.depth + 1,
            self.forgotten,
            self.around,
        )


class Planner(Struct, frozen=True):
    """Makes plans by the rules of one Keras."""

    dialect: Dialect
    root_frozen: bool = False

    def plan(self, serialized: Serialized, place: Position) -> Iterator[Planned]:
        """Yield a layer and all layers inside it.

        Raises:
            UnsafeFileError: they are nested too deeply.
        """
        planned, below = self.one(serialized, place)
        yield planned
        class_name = str(planned.serialized.get("class_name"))
        one_way = class_name == "Bidirectional" and not self.dialect.penalizes_backward_layer
        for number, inner in enumerate(planned.inside):
            forgotten = _BACKWARD if one_way and number > 0 else below.forgotten
            yield from self.plan(inner, replace(below, forgotten=forgotten))

    def one(self, serialized: Serialized, place: Position) -> tuple[Planned, Position]:
        """Return a layer without those inside it, and their place.

        Raises:
            UnsafeFileError: it is nested too deeply.
        """
        enforce_limit("layer_depth", place.depth, "layers are nested deeper than {limit} levels")
        if self.dialect.keras_1:
            serialized = keras1.modernized(serialized)
        class_name, name = str(serialized.get("class_name")), name_of(serialized)
        custom = is_custom(serialized)
        nested = bool(layers_of(serialized)) or (class_name in MODELS and not custom)
        wrapper = class_name in WRAPPED_OF_KERAS_2 and not custom
        slots = (
            None if custom else all_slots(class_name, before_keras_3=self.dialect.before_keras_3)
        )
        known = slots is not None or wrapper or (nested and not custom)
        below = place.below(name, serialized, model=nested, certain=known or nested)
        below = replace(below, around=inside_of(serialized, place.around, self.dialect))
        held = members(serialized) if nested else list(self._held(serialized, known))
        planned = Planned(
            serialized,
            place.prefix + name,
            place.node or place.prefix + name,
            below.chains,
            self._slots(class_name, slots or (), config_of(serialized)),
            self._trainable(serialized, below),
            known,
            place.certain,
            place.forgotten,
            inside=tuple(held),
            around=place.around,
        )
        return planned, below

    def _slots(
        self, class_name: str, slots: tuple[Slot, ...], config: Mapping[str, Any]
    ) -> tuple[Slot, ...]:
        """Return the slots that the layer's options call for."""
        if class_name == "SpectralNormalization":  # the kernel is stored with the layer inside
            return (Slot("vector_u", trainable=False),)
        kept = tuple(slot for slot in slots if slot.when(config))
        if config.get("lora_rank") and not self.dialect.before_keras_3:
            kept = (*kept, *_adapters(kept))
        if self.dialect.swaps_gates and class_name in {"LSTM", "GRU"}:
            kept = keras1.with_slip(kept, config)
        if self.dialect.keras_1 and config.get("dim_ordering") == "th":
            return tuple(
                keras1.outputs_first(slot) if slot.role == "kernel" else slot for slot in kept
            )
        return kept

    def _trainable(self, serialized: Serialized, below: Position) -> bool:
        """Whether a load leaves the weights of a layer trainable."""
        if self.root_frozen:
            return False
        if self.dialect.before_keras_3:
            return below.trainable  # every layer on the path must be
        thawed = str(serialized.get("class_name")) in THAWED_BY_LOADING
        return own_flag(serialized) or thawed or not self.dialect.restores_trainable

    def _held(self, serialized: Serialized, known: bool) -> Iterator[Serialized]:
        """Yield the layers that a wrapper holds; of a custom layer's, those that have weights."""
        found: set[int] = set()
        for held in held_layers(serialized, before_keras_3=self.dialect.before_keras_3):
            for layer in held.renamed():
                if known or (self._owns_weights(layer) and id(config_of(layer)) not in found):
                    found.add(id(config_of(layer)))
                    yield layer

    def _owns_weights(self, layer: Serialized) -> bool:
        class_name = str(layer.get("class_name"))
        slots = all_slots(class_name, before_keras_3=self.dialect.before_keras_3)
        return bool(slots) or class_name in {*WRAPPED_OF_KERAS_2, *MODELS}


_BACKWARD = "Keras before 2.2 leaves out the penalty of a Bidirectional's backward layer"


def _adapters(slots: tuple[Slot, ...]) -> Iterator[Slot]:
    """Yield the slots of LoRA's factors, which no other kind of file keeps apart."""
    for slot in slots:
        if slot.role in {"kernel", "embeddings"}:
            for factor in "ab":
                yield replace(slot, role=f"lora_{slot.role}_{factor}", units=lambda _s, _c: None)
