"""What files store for custom classes, as `[tool.regaudit.layers]` to paste and mend."""

from collections.abc import Iterable, Iterator

from regaudit.errors import UsageError
from regaudit.keras_semantics.declared_roles import checked_roles
from regaudit.model import Layer
from regaudit.report.escape import Escaped, page, plain, shortened, visible
from regaudit.report.report import Report
from regaudit.settings.to_toml import toml

SHOWN = 20
"""Weights of a layer that a comment lists at most."""


def roles_page(reports: Iterable[Report]) -> Escaped:
    """Return the custom classes of models, with the roles of their weights as stored."""
    classes: dict[str, list[Layer]] = {}
    for layer in (layer for one in reports if one.model for layer in one.model.layers):
        if layer.class_name and layer.weights and not layer.known:
            classes.setdefault(layer.class_name, []).append(layer)
    return page(_lines(classes))


def _lines(classes: dict[str, list[Layer]]) -> Iterator[str]:
    if not classes:
        yield "# no weights of custom classes"
        return
    yield "# [layers] in regaudit.toml. A list may be a class of Keras instead, which it reads as."
    yield "[tool.regaudit.layers]"
    for name, layers in classes.items():
        first, value = layers[0], _value(layers)
        stored = [_stored(weight.role, weight.shape) for weight in first.weights[:SHOWN]]
        more = ["..."] if len(first.weights) > SHOWN else []
        yield plain(f"# {first.path}: {', '.join(stored + more)}")
        line = f"{toml(name)} = {toml(value)}"
        # What could not be read back is not to be pasted.
        yield visible(line if _is_valid(name, value) else f"# {line}")


def _stored(role: str, shape: tuple[int, ...]) -> str:
    return f"{shortened(role, 100)} ({' x '.join(map(str, shape))})"


def _value(layers: list[Layer]) -> str | list[str]:
    """Return the roles of a class; the parent of one whose weights lie in parts of it."""
    (parent, *others) = {layer.placed_as for layer in layers}
    below = any(
        weight.path != f"{one.path}/{weight.role}" for one in layers for weight in one.weights
    )
    return parent if parent and below and not others else _roles(layers)


def _roles(layers: list[Layer]) -> list[str]:
    """Return the roles of all layers of a class; with a mark, where some lack it."""
    stored = [[weight.role for weight in layer.weights] for layer in layers]
    union = dict.fromkeys(role for roles in stored for role in roles)
    doubled = any(len(set(roles)) < len(roles) for roles in stored)
    if doubled:
        return stored[0]
    common = set(union).intersection(*stored)
    return [role if role in common else f"{role}?" for role in union]


def _is_valid(name: str, value: str | list[str]) -> bool:
    try:
        checked_roles({name: value})
        name.encode()  # TOML has no halves of characters
    except (UnicodeError, UsageError):
        return False
    return True
