"""Edits into Keras's JSON: where a layer's configuration lies, and how each Keras writes a value.

Nothing is built or imported: a copy of the parsed configuration is changed and handed back.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from math import isclose
from typing import Any, NamedTuple

from regaudit.errors import RefusedEditError, UsageError
from regaudit.keras_semantics.config_graph import config_of, layers_of, name_of
from regaudit.keras_semantics.dialect import CURRENT, Dialect
from regaudit.keras_semantics.held_layers import held_layers
from regaudit.keras_semantics.regularizers import parse_regularizer
from regaudit.limits import allowed
from regaudit.model import Regularizer, Status
from regaudit.report.proposal import Edit

_MODULES = (2, 13, 0)
"""From here on, Keras 2 writes the module of a regularizer next to its class."""
_L1_AND_L2 = (2, 4, 0)
"""Before it, Keras 2 knows the class `L1L2` only."""
_ORTHOGONAL = (2, 8, 0)
"""Keras 2 has orthogonal regularizers from here on."""
_LETTERS = {"kernel": "W", "embeddings": "W", "recurrent": "U", "bias": "b"}
WEAKEST, STRONGEST = 1e-12, 100.0
"""A strength outside this range is a mistake."""
_FLOAT32 = 2.0**-24
"""The most that rounding to float32 changes, relatively."""


class Written(NamedTuple):
    """One value in a configuration that an edit replaces."""

    place: str
    """Layer and key: `dense: kernel_regularizer`."""
    old: Any
    new: Any


def entries(config: Mapping[str, Any], dialect: Dialect) -> dict[str, dict[str, Any]]:
    """Return the serialized layers of a configuration, by the paths that the audit gives them.

    A layer that is written once and made twice, such as the two directions of a Bidirectional of
    Keras 2, stands under both paths.

    Args:
        config: the root of the model's configuration, as parsed.
        dialect: of the Keras that saved it.
    """
    found: dict[str, dict[str, Any]] = {}
    for path, layer in _members(config, "", dialect, 0):
        found.setdefault(path, layer)
    return found


def _members(
    model: Mapping[str, Any], prefix: str, dialect: Dialect, depth: int
) -> Iterator[tuple[str, Any]]:
    for layer in layers_of(model):
        yield from _entry(layer, prefix + name_of(layer), dialect, depth)


def _entry(layer: Any, path: str, dialect: Dialect, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > allowed().layer_depth:
        return
    yield path, layer
    if layers_of(layer):
        yield from _members(layer, f"{path}/", dialect, depth + 1)
        return
    for held in held_layers(layer, before_keras_3=dialect.before_keras_3):
        for name, inner in zip(held.names, held.layers, strict=True):
            yield from _entry(inner, f"{path}/{name}", dialect, depth + 1)


def edited(
    config: Mapping[str, Any], edits: tuple[Edit, ...], dialect: Dialect
) -> tuple[dict[str, Any], tuple[Written, ...]]:
    """Put regularizers into a configuration, and take others out.

    Returns:
        The new configuration, and what is new in it, in the order of its layers.

    Raises:
        RefusedEditError: a layer is not in the configuration, or two share its path; or two edits
            share one place and disagree.
        UsageError: see `spelled`.
    """
    result: dict[str, Any] = deepcopy(dict(config))
    before, places = entries(config, dialect), entries(result, dialect)
    counted = Counter(path for path, _ in _members(result, "", dialect, 0))
    values: dict[tuple[int, str], Any] = {}
    touched = {(edit.layer, edit.key) for edit in edits}
    written: dict[str, list[Written]] = {path: [] for path in places}
    for edit in edits:
        layer = places.get(edit.layer)
        if layer is None or not isinstance(layer.get("config"), dict):
            raise RefusedEditError(f"{edit.layer} has no entry of its own in the configuration")
        if counted[edit.layer] > 1:
            raise RefusedEditError(f"the file has more than one layer called {edit.layer}")
        alike = [path for path, other in places.items() if other is layer]
        missing = [path for path in alike if (path, edit.key) not in touched]
        value = None if edit.value is None else spelled(edit.value, dialect)
        place = (id(layer), edit.key)
        if missing or values.setdefault(place, value) != value:
            raise RefusedEditError(
                f"the file keeps one configuration for {' and '.join(alike)}: give all of them "
                f"the same {edit.key}"
            )
        key = edit.key
        if dialect.keras_1 and key not in layer["config"]:
            key = _key_of_keras_1(key)
        layer["config"][key] = value
        old = config_of(before[edit.layer]).get(key)
        written[edit.layer].append(Written(f"{edit.layer}: {key}", old, value))
    return result, tuple(one for found in written.values() for one in found)


def _key_of_keras_1(key: str) -> str:
    stem, _, option = key.rpartition("_")
    return f"{_LETTERS[stem]}_{option}" if stem in _LETTERS else key


def understood(value: Mapping[str, Any]) -> Regularizer:
    """Return the regularizer that the value of an edit means.

    Raises:
        UsageError: it is not one of Keras's own with a strength that makes sense.
    """
    config = config_of(value)
    if type(config.get("factor")) is int:  # written as the float that Keras needs
        value = {**value, "config": {**config, "factor": float(str(config["factor"]))}}
    found = parse_regularizer(value, Dialect(CURRENT))
    if found is None or found.status is Status.OPAQUE or not found.class_name:
        raise UsageError(
            "the value of an edit is a regularizer of Keras: L1, L2, L1L2 or orthogonal"
        )
    names = {"L1": {"l1"}, "L2": {"l2"}, "L1L2": {"l1", "l2"}}
    taken = names.get(found.class_name, {"factor", "mode"})
    surplus = sorted(config.keys() - taken)
    if surplus:
        raise UsageError(
            f"{found.class_name} takes {' and '.join(sorted(taken))}, not {surplus[0]}"
        )
    if found.config.get("mode", "rows") not in ("rows", "columns"):
        raise UsageError("the mode of an orthogonal regularizer is rows or columns")
    if found.status is Status.UNKNOWN:
        raise UsageError("a strength must be a finite number above zero")
    if found.status is Status.INERT:
        raise UsageError("a strength of zero does nothing: remove the regularizer instead")
    strengths = [found.l1 or 0.0, found.l2 or 0.0, found.config.get("factor", 0.0)]
    for strength in filter(None, strengths):
        if not WEAKEST <= strength <= STRONGEST:
            raise UsageError(
                f"a strength of {strength:g} is not plausible: "
                f"it must be between {WEAKEST:g} and {STRONGEST:g}"
            )
    return found


def same(stored: Any, value: Mapping[str, Any] | None, dialect: Dialect) -> bool:
    """Whether what a file keeps under a key means what an edit would put there.

    `"l2"` means L2(0.01), L1L2 with one strength what L1 or L2 means, and strengths that are one
    in float32 are equal: Keras 2 wrote them rounded to it.

    Raises:
        UsageError: see `understood`.
    """
    if value is None or stored is None:
        return value is stored
    present = parse_regularizer(stored, dialect)
    if present is None or present.status is not Status.IN_FORCE or present.why:
        return False
    old, new = _terms(present), _terms(understood(value))
    return old.keys() == new.keys() and all(
        isclose(old[term], new[term], rel_tol=_FLOAT32) for term in old
    )


def _terms(regularizer: Regularizer) -> dict[str, float]:
    """Return the strengths of what a built-in regularizer adds to the loss."""
    if regularizer.class_name == "OrthogonalRegularizer":
        return {f"orthogonal {regularizer.config['mode']}": regularizer.config["factor"]}
    return {"l1": regularizer.l1 or 0.0, "l2": regularizer.l2 or 0.0}


def spelled(value: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Return a regularizer as one version of Keras writes it, so that it loads it.

    Raises:
        UsageError: see `understood`.
        RefusedEditError: that version has no such regularizer.
    """
    regularizer = understood(value)
    class_name = regularizer.class_name
    l1, l2 = regularizer.l1 or 0.0, regularizer.l2 or 0.0
    if class_name == "OrthogonalRegularizer":
        if dialect.version < _ORTHOGONAL:
            raise RefusedEditError("the Keras that saved the file has no orthogonal regularizer")
        config = {key: regularizer.config[key] for key in ("factor", "mode")}
    elif dialect.keras_1:
        kind = "L1L2Regularizer" if dialect.version >= (1, 2, 0) else "WeightRegularizer"
        return {"name": kind, "l1": l1, "l2": l2}
    elif class_name == "L1L2" or dialect.version < _L1_AND_L2:
        class_name, config = "L1L2", {"l1": l1, "l2": l2}
    else:
        config = {"l1": l1} if class_name == "L1" else {"l2": l2}
    if dialect.version < _MODULES:
        return {"class_name": class_name, "config": config}
    return {
        "module": "keras.regularizers",
        "class_name": class_name,
        "config": config,
        "registered_name": None,
    }
