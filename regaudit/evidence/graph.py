"""Questions to the graph of a model: what feeds a layer, what follows it, what makes its outputs.

Every call of a layer is a node, so a shared layer is followed by whatever follows any of its
calls. Walks cross the borders of nested models and stop at layers that have kernels of their own.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from regaudit.evidence.layer_classes import ONE_BY_ONE, WITH_KERNELS
from regaudit.keras_semantics.layer_table import (
    NORMALIZATIONS,
    WRAPPED_OF_KERAS_2,
    is_built_in,
)
from regaudit.keras_semantics.weightless_layers import AUGMENTATIONS, RANDOM_REGULARIZERS
from regaudit.model import Layer, Model, Node


class Graph:
    """The calls of a model's layers, and the layers at each."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.nodes: Mapping[str, Node] = {node.path: node for node in model.nodes}

    @cached_property
    def _after(self) -> Mapping[str, tuple[Node, ...]]:
        result: dict[str, list[Node]] = {path: [] for path in self.nodes}
        for node in self.nodes.values():
            for path in node.inputs:
                if path in result:
                    result[path].append(node)
        return {path: tuple(nodes) for path, nodes in result.items()}

    @cached_property
    def _layers(self) -> Mapping[str, tuple[Layer, ...]]:
        """Layers by the path of their node: one, or a wrapper with what is inside."""
        own = {node.layer for node in self.nodes.values()}
        result: dict[str, list[Layer]] = {}
        for layer in self.model.layers:
            at = layer.path if layer.path in own else layer.node
            result.setdefault(at, []).append(layer)
        return {path: tuple(layers) for path, layers in result.items()}

    @cached_property
    def _calls(self) -> Mapping[str, tuple[Node, ...]]:
        result: dict[str, list[Node]] = {}
        for node in self.nodes.values():
            result.setdefault(node.layer, []).append(node)
        return {path: tuple(nodes) for path, nodes in result.items()}

    def calls(self, layer: Layer) -> tuple[Node, ...]:
        """Return the calls of a layer; those of its wrapper for a layer inside one."""
        return self._calls.get(layer.path) or self._calls.get(layer.node, ())

    def layers(self, node: Node) -> tuple[Layer, ...]:
        """Return the layers at a node, wrapper first; none for an operation or an input."""
        return self._layers.get(node.layer, ())

    def classes(self, node: Node) -> frozenset[str]:
        """Return the classes at a node: of what a wrapper wraps, not of the wrapper."""
        inside = {layer.class_name for layer in self.layers(node)} - WRAPPED_OF_KERAS_2.keys()
        return frozenset(inside or {node.class_name})

    def has_kernels(self, node: Node) -> bool:
        """Whether a node transforms by weights: kernels, or a custom layer's unknown ones.

        A layer that shares its kernel with another may have none stored: its class says so.
        """
        return any(
            layer.class_name in WITH_KERNELS or (layer.weights and not layer.known)
            for layer in self.layers(node)
        )

    def is_noise(self, node: Node) -> bool:
        """Whether a node is dropout or noise."""
        return bool(self.classes(node) & RANDOM_REGULARIZERS)

    def is_normalization(self, node: Node) -> bool:
        """Whether a node undoes a rescaling of what feeds it."""
        return bool(self.classes(node) & NORMALIZATIONS)

    def is_custom(self, node: Node) -> bool:
        """Whether only code that is not Keras's tells what a node does."""
        return any(
            not layer.known or not is_built_in(layer.class_name) for layer in self.layers(node)
        )

    def feeding(self, node: Node) -> tuple[Node, ...]:
        """Return the nodes that feed a node."""
        return tuple(self.nodes[path] for path in node.inputs if path in self.nodes)

    def fed(self, node: Node) -> tuple[Node, ...]:
        """Return the nodes that a node feeds."""
        return self._after.get(node.path, ())

    def upstream(self, layer: Layer) -> Iterator[Node]:
        """Yield what lies before a layer, nearest first, up to and with other kernels."""
        yield from self._walk(self.calls(layer), self.feeding)

    def downstream(self, layer: Layer) -> Iterator[Node]:
        """Yield what lies after a layer, nearest first, up to and with other kernels."""
        yield from self._walk(self.calls(layer), self.fed)

    def previous_kernels(self, layer: Layer) -> tuple[Layer, ...]:
        """Return the nearest layers with kernels whose outputs reach this one."""
        return self._with_kernels(self.upstream(layer))

    def next_kernels(self, layer: Layer) -> tuple[Layer, ...]:
        """Return the nearest layers with kernels that this one's outputs reach."""
        return self._with_kernels(self.downstream(layer))

    def noise_before(self, layer: Layer) -> tuple[Layer, ...]:
        """Return the dropout and noise layers that act on a layer's input."""
        return self._noise(self.upstream(layer))

    def noise_after(self, layer: Layer) -> tuple[Layer, ...]:
        """Return the dropout and noise layers that act on a layer's output."""
        return self._noise(self.downstream(layer))

    def next_normalization(self, layer: Layer) -> str | None:
        """Class of the normalization that every way out of a layer meets before other weights.

        Ways go through activations, pooling, reshaping, dropout and concatenation; not through an
        Add, beyond which the layer's share of the sum still depends on its scale.
        """
        found = [self._normalization(node) for node in self.calls(layer)]
        return found[0] if found and all(found) else None

    def may_be_normalized(self, layer: Layer) -> bool:
        """Whether every way out meets a normalization, or a custom layer that may be one."""
        found = [self._normalization(node, custom=True) for node in self.calls(layer)]
        return bool(found) and all(found)

    def custom_around(self, layer: Layer) -> tuple[str, ...]:
        """Return the classes of custom layers that may act on a layer's input, or on its output.

        Those around it and next to it, and those without weights anywhere: any may vary the data.
        """
        near = (*self.calls(layer), *self.upstream(layer), *self.downstream(layer))
        found = [node for node in near if self.is_custom(node)] if self._customs else []
        anywhere = [node for node in self._customs if not self.has_kernels(node)]
        return tuple(dict.fromkeys(node.class_name for node in (*found, *anywhere)))

    @cached_property
    def _customs(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes.values() if self.is_custom(node))

    def output_layers(self, path: str) -> tuple[Layer, ...]:
        """Return the layers whose kernels make the output at a node, the nearest on each way."""
        node = self.nodes.get(path)
        if node is None:
            return ()
        if self.has_kernels(node):
            return self._with_kernels(iter([node]))
        return self._with_kernels(self._walk((node,), self.feeding))

    def heads_of(self, layer: Layer) -> tuple[int, ...]:
        """Return the numbers of the model's outputs that a layer's kernel makes."""
        return self._heads.get(layer.path, ())

    @cached_property
    def _heads(self) -> Mapping[str, tuple[int, ...]]:
        result: dict[str, tuple[int, ...]] = {}
        for number, output in enumerate(self.model.outputs):
            for layer in self.output_layers(output.path):
                result[layer.path] = (*result.get(layer.path, ()), number)
        return result

    @cached_property
    def augmentations(self) -> tuple[str, ...]:
        """Classes of the data augmentation inside the model."""
        classes = (node.class_name for node in self.nodes.values())
        return tuple(dict.fromkeys(name for name in classes if name in AUGMENTATIONS))

    def _walk(
        self, start: tuple[Node, ...], step: Callable[[Node], tuple[Node, ...]]
    ) -> Iterator[Node]:
        """Yield every node that steps lead to, breadth first, not beyond kernels."""
        seen = {node.path for node in start}
        waiting = [following for node in start for following in step(node)]
        while waiting:
            later: list[Node] = []
            for node in waiting:
                if node.path not in seen:
                    seen.add(node.path)
                    yield node
                    if not self.has_kernels(node):
                        later.extend(step(node))
            waiting = later

    def _with_kernels(self, nodes: Iterator[Node]) -> tuple[Layer, ...]:
        found = {
            layer.path: layer
            for node in nodes
            if self.has_kernels(node)
            for layer in self.layers(node)
            if layer.class_name in WITH_KERNELS or (layer.weights and not layer.known)
        }
        return tuple(found.values())

    def _noise(self, nodes: Iterator[Node]) -> tuple[Layer, ...]:
        found = {
            layer.path: layer
            for node in nodes
            for layer in self.layers(node)
            if layer.class_name in RANDOM_REGULARIZERS
        }
        return tuple(found.values())

    def _normalization(self, node: Node, *, custom: bool = False) -> str | None:
        """Class of the normalization on every way out of a node, custom layers perhaps included."""
        todo, ways, seen = [node], [], set()
        while todo:
            here = todo.pop()
            if here.path in seen:
                continue
            seen.add(here.path)
            following = self.fed(here)
            if not following or here.path in self._made_outputs:
                return None
            for after in following:
                classes = self.classes(after)
                if classes & NORMALIZATIONS:
                    ways.append(min(classes & NORMALIZATIONS))
                elif custom and self.is_custom(after):
                    ways.append(after.class_name)
                elif not self.has_kernels(after) and classes <= ONE_BY_ONE | {"Concatenate"}:
                    todo.append(after)
                else:
                    return None
        return ways[0] if ways else None

    @cached_property
    def _made_outputs(self) -> frozenset[str]:
        return frozenset(output.path for output in self.model.outputs)


def rate(layer: Layer, *keys: str) -> float | None:
    """Return the rate of a dropout layer, or the stddev of a noise layer; None where it has none.

    Args:
        layer: any.
        keys: where it may stand in the configuration, when not as in these layers.
    """
    given = (layer.config.get(key) for key in keys or ("rate", "stddev", "p"))
    value: Any = next((value for value in given if value is not None), None)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
    return float(value) if usable else None
