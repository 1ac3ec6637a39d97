"""What changed of the regularizers of two audits, as far as both files tell them."""

from collections.abc import Iterator, Mapping, Sequence
from math import isclose
from typing import NamedTuple

from regaudit.model import Layer, Regularizer, Weight
from regaudit.report.report import Report

Row = tuple[Layer, Weight]
"""A weight with its layer."""


class RegularizerChange(NamedTuple):
    """A regularizer of a weight, or of a layer's output."""

    path: str
    """Of the weight; of the layer, for an activity regularizer."""
    key: str
    """`kernel_regularizer`, `activity_regularizer`, ..."""
    old: Regularizer | None
    new: Regularizer | None

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"


def regularizer_changes(
    pairs: Sequence[tuple[Row | None, Row | None]],
    old: Report,
    new: Report,
    renamed: Mapping[str, str],
) -> Iterator[RegularizerChange]:
    """Yield the changes of weights, then those of layers.

    Args:
        pairs: weights that belong together; None where one of the files lacks it.
        old: the one audit.
        new: the other.
        renamed: old paths of layers by the new ones.
    """
    told = configured(old, new)
    for a, b in pairs if told else ():
        if any(row and not row[1].regularizer_known for row in (a, b)):
            continue  # one of the files does not tell: that is no change
        was, now = (a[1].regularizer if a else None), (b[1].regularizer if b else None)
        if not _alike(was, now):
            weight = (b or a or pairs[0][0])[1]  # type: ignore[index] # one of the two is there
            key = weight.regularizer_key or (a[1].regularizer_key if a else None)
            yield RegularizerChange(weight.path, key or f"{weight.role}_regularizer", was, now)
    before = {layer.path: layer for layer in (old.model.layers if old.model else ())}
    for layer in new.model.layers if new.model and told else ():
        was_layer = before.pop(renamed.get(layer.path, layer.path), None)
        sides = [side for side in (was_layer, layer) if side]
        activity = all(side.activity_known for side in sides)
        yield from _loose_changes(
            layer.path,
            _loose(was_layer, activity=activity) if was_layer else {},
            _loose(layer, activity=activity),
        )
    for path, was_layer in before.items() if told else ():
        yield from _loose_changes(path, _loose(was_layer), {})


def configured(*sides: Report) -> bool:
    """Whether no side is of weights alone, whose regularizers are not known."""
    return all(side.model is None or bool(side.model.class_name) for side in sides)


def _loose(layer: Layer, *, activity: bool = True) -> dict[str, Regularizer]:
    """Return the regularizers of a layer that are on no weight, by key."""
    found = dict(layer.unplaced)
    if activity and layer.activity_regularizer is not None:
        found["activity_regularizer"] = layer.activity_regularizer
    return found


def _loose_changes(
    path: str, old: Mapping[str, Regularizer], new: Mapping[str, Regularizer]
) -> Iterator[RegularizerChange]:
    for key in (*new, *(key for key in old if key not in new)):
        if not _alike(old.get(key), new.get(key)):
            yield RegularizerChange(path, key, old.get(key), new.get(key))


def _alike(old: Regularizer | None, new: Regularizer | None) -> bool:
    if old is None or new is None:
        return old is new
    if old.status != new.status or (old.l1 is None) != (new.l1 is None):
        return False
    if old.l1 is None or old.l2 is None or new.l1 is None or new.l2 is None:
        return (old.class_name, old.config) == (new.class_name, new.config)
    return isclose(old.l1, new.l1, rel_tol=1e-6) and isclose(old.l2, new.l2, rel_tol=1e-6)
