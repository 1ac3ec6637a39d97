"""A model whose variables are stored under the paths that Keras gives them: `encoder/dense/kernel`.

A nested model that was built before it was called leaves its own name out.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from regaudit.errors import UnreadableModelError
from regaudit.keras_semantics.compile_state import CompileState, compiled_by
from regaudit.keras_semantics.config_graph import Serialized, layers_of, members, name_of
from regaudit.keras_semantics.describe import (
    NO_CONFIGURATION,
    Description,
    freezes_all,
    make_model,
)
from regaudit.keras_semantics.dialect import Dialect
from regaudit.keras_semantics.match_by_name import LegacyJoin
from regaudit.keras_semantics.told import marked
from regaudit.keras_semantics.whole_configuration import check_configuration
from regaudit.limits import allowed
from regaudit.model import Layer, Model, Skip, Weight
from regaudit.tensors.tensor import Stored, Tensor

_KERAS_3 = Dialect.of(None)


def describe_by_path(
    config: Serialized | None,
    stored: Mapping[str, tuple[str, Tensor]],
    trained: AbstractSet[str],
    scalars: Mapping[str, Tensor],
) -> Description:
    """Describe a model of Keras 3; without its configuration no layer is known.

    Args:
        config: of the model.
        stored: its variables by path: where they lie, and their values.
        trained: stored paths of those that are trained.
        scalars: what its optimizer keeps, `iteration` and `learning_rate`; empty without one.

    Raises:
        UnreadableModelError: the configuration is not that of a model.
    """
    join = LegacyJoin(_KERAS_3)
    if config is None:
        for name, group in _groups(stored, {}).items():
            join.unattributed(name, group, NO_CONFIGURATION)
        layers = [_trained(layer, trained, known=True) for layer in join.layers]
        model = Model(
            "",
            "",
            marked(layers, _KERAS_3),
            compiled=bool(scalars) or None,
            optimizer_known=False,
        )
        return Description(model, join.tensors, (Skip("(model)", NO_CONFIGURATION),))
    if not isinstance(config.get("class_name"), str):
        raise UnreadableModelError("the configuration does not describe a Keras model")
    check_configuration(config, "the configuration")
    join.root_frozen = freezes_all(config)
    join.walk(config, _groups(stored, _outermost(config)))
    layers = [_trained(layer, trained, known=False) for layer in join.layers]
    model = make_model(config, layers, keras_version=None, compiled=_compiled(config, scalars))
    return Description(model, join.tensors, tuple(join.skipped))


def _outermost(model: Serialized) -> dict[str, str]:
    """Return the layer of the model that holds each layer, by name; not for names of several."""
    found: dict[str, str] = {}
    doubled = set()
    for layer in members(model):
        stack = [(layer, 0)]
        while stack:
            one, depth = stack.pop()
            name, outer = name_of(one), name_of(layer)
            if found.setdefault(name, outer) != outer:
                doubled.add(name)
            if layers_of(one) and depth < allowed().layer_depth:
                stack += [(inner, depth + 1) for inner in members(one)]
    own = {name_of(layer) for layer in members(model)}
    return {name: outer for name, outer in found.items() if name in own or name not in doubled} | {
        name: name for name in own
    }


def _groups(
    stored: Mapping[str, tuple[str, Tensor]], outermost: Mapping[str, str]
) -> dict[str, Stored]:
    """Return variables by the outermost layer that their paths name, else by where these begin."""
    groups: dict[str, dict[str, tuple[str, Tensor]]] = {}
    for path, place in stored.items():
        *owners, _ = path.split("/")
        begins = owners[0] if owners else ""
        group = next((outermost[name] for name in owners if name in outermost), begins)
        groups.setdefault(group, {})[path] = place
    return dict(groups)


def _trained(layer: Layer, trained: AbstractSet[str], *, known: bool) -> Layer:
    """Return a layer with what the checkpoint says of its variables: which are trained.

    Their order in it, which is that of the alphabet, means nothing.
    """

    def told(weight: Weight) -> Weight:
        weight = replace(weight, loads_from=None, named_for=None)
        if known or not layer.known:
            trainable = weight.stored_path in trained
            weight = replace(weight, trainable=trainable, trainable_known=True)
        return weight

    return replace(layer, weights=tuple(map(told, layer.weights)))


def _compiled(config: Serialized, scalars: Mapping[str, Tensor]) -> CompileState:
    """Return how the model was compiled, with the steps and the rate of its optimizer."""
    numbers = {name: float(next(one.blocks())[0]) for name, one in scalars.items()}
    steps = numbers.get("iteration")
    stored = config.get("compile_config")
    if not stored and not scalars:
        return CompileState(optimizer_known=False)
    return compiled_by(
        stored,
        "optimizer",
        None,
        steps=None if steps is None else int(steps),
        rate=numbers.get("learning_rate"),
        has_state=bool(scalars),
    )
