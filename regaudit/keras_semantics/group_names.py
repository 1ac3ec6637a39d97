"""How Keras names the groups of its weights files: by class and counter, variables by number."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from regaudit.keras_semantics.config_graph import name_of
from regaudit.keras_semantics.layer_table import python_name
from regaudit.tensors.tensor import Tensor, TensorGroup


def group_names(layers: list[Any], container: TensorGroup | None) -> list[str]:
    """Return the group of each layer of a container: snake-cased class and a counter.

    Where the groups carry layer names and these contradict the count, the names decide.
    """
    counts: Counter[str] = Counter()
    names: list[str] = []
    bases = [snake_case(python_name(name)) for name in map(_class_name, layers)]
    for base in bases:
        names.append(base if not counts[base] else f"{base}_{counts[base]}")
        counts[base] += 1
    if container is None:
        return names
    again = [bool(layer.get("shared_object_id")) for layer in layers]
    names = _as_stored(names, bases, again, container)
    names_in_file = {key: noted_name(group) for key, group in container.groups.items()}
    by_name = {name: key for key, name in names_in_file.items() if name is not None}
    for index, layer in enumerate(layers):
        key = by_name.get(name_of(layer))
        if names_in_file.get(names[index]) not in {None, name_of(layer)} and key is not None:
            names[index] = key
    return names


def _class_name(layer: Any) -> str:
    """Return the class without the package that Keras 2 puts before a custom one."""
    return str(layer.get("class_name")).rpartition(">")[2]


def _as_stored(
    names: list[str], bases: list[str], again: list[bool], container: TensorGroup
) -> list[str]:
    """Follow the numbers in the file where they have gaps: Keras 2.12 counts layers twice.

    As many groups of a class as there are layers of it are these layers, in order of the numbers.
    Keras 2.14 and later count no layer that they have met before, in another nested model.

    Args:
        names: of the groups, as counted.
        bases: the names without the numbers.
        again: whether a layer is known to be in the configuration before.
        container: the groups.
    """
    result = list(names)
    for base in set(bases):
        places = [index for index, other in enumerate(bases) if other == base]
        pattern = re.compile(rf"{re.escape(base)}(?:_(\d+))?")
        found = {
            int(match[1] or 0): key
            for key in container.groups
            if (match := pattern.fullmatch(key)) and (match[1] or "").isascii()
        }
        first = [place for place in places if not again[place]]
        if len(found) == len(first) < len(places):
            result = [
                "" if other == base else name for name, other in zip(result, bases, strict=True)
            ]
            places = first
        keys = set(found.values())
        if len(found) == len(places) and not all(result[place] in keys for place in places):
            for place, number in zip(places, sorted(found), strict=True):
                result[place] = found[number]
    return result


def unfolded(root: TensorGroup) -> tuple[TensorGroup, dict[str, str]]:
    r"""Return the tree of a weights file with groups such as `layers\dense` as two.

    On Windows, tf.keras 2.12 and 2.13 joined the names of groups by backslashes.

    Returns:
        The tree, and by the path of each group that was unfolded its name in the file.
    """
    folded = [key for key in root.groups if "\\" in key and all(key.split("\\"))]
    if not folded:
        return root, {}
    names: dict[str, str] = {}
    tree = {key: group for key, group in root.groups.items() if key not in folded}
    for key in folded:
        path = key.replace("\\", "/")
        names[path] = key
        tree = _planted(tree, path.split("/"), root.groups[key])
    return replace(root, groups=tree), names


def _planted(
    groups: Mapping[str, TensorGroup], path: list[str], group: TensorGroup
) -> dict[str, TensorGroup]:
    """Return groups with one more at a path below them."""
    first, *rest = path
    there = groups.get(first, TensorGroup())
    if rest:
        placed = replace(there, groups=_planted(there.groups, rest, group))
    else:
        placed = replace(group, groups={**there.groups, **group.groups})
    return {**groups, first: placed}


def noted_name(group: TensorGroup) -> str | None:
    """Return the name of the layer that a group notes; Keras 3.6 and later do."""
    variables = group.groups.get("vars")
    return variables.name if variables else None


def snake_case(name: str) -> str:
    """Return a class name as Keras writes its group: `Conv2DTranspose` -> `conv2d_transpose`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def variables_of(group: TensorGroup | None) -> list[tuple[str, Tensor]]:
    """Return the variables of a layer's group in stored order."""
    variables = group.groups.get("vars") if group else None
    if variables is None:
        return []
    return sorted(variables.tensors.items(), key=lambda item: number_first(item[0]))


def number_first(key: str) -> tuple[int, str]:
    """Order keys by number, `9` before `10`, names that are not numbers last."""
    return (int(key) if key.isascii() and key.isdigit() else 1 << 62, key)
