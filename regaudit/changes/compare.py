"""What changed between two audits: regularizers, weights with their numbers, and findings."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from math import inf, isclose, isfinite
from typing import NamedTuple

from msgspec import Struct

from regaudit.model import Layer, Model, Regularizer, Weight
from regaudit.report.report import Occurrence, Report

NUMBERS = ("l1_norm", "l2_norm", "max_abs", "mean", "std", "nonfinite", "sparsity", "dead_units")
"""Numbers of a weight that are compared: fields of `Moments`."""


class Shift(NamedTuple):
    """One number before and after; None where there is none."""

    old: float | None
    new: float | None

    @property
    def relative(self) -> float | None:
        """The change as a share of the old value; None where there is no such share."""
        if self.old is None or self.new is None or not self.old:
            return 0.0 if self.old is not None and self.old == self.new else None
        moved = self.new - self.old
        share = moved / abs(self.old) if isfinite(moved) else self.new / abs(self.old) + 1
        return share if isfinite(share) else None


class WeightChange(Struct, frozen=True):
    """One weight in both files, or in one of them."""

    old: Weight | None
    new: Weight | None
    numbers: Mapping[str, Shift]
    """`NUMBERS` and `penalty` by name."""

    @property
    def path(self) -> str:
        """Of the new weight, or of the one that was removed."""
        weight = self.new or self.old
        return weight.path if weight else ""

    @property
    def kind(self) -> str:
        """`added`, `removed`, `reshaped`, `retyped`, `renamed`, `changed` or `same`."""
        if self.old is None or self.new is None:
            return "removed" if self.old else "added"
        if self.old.shape != self.new.shape:
            return "reshaped"
        if self.old.dtype != self.new.dtype:
            return "retyped"
        if any(self.numbers[name].old != self.numbers[name].new for name in NUMBERS):
            return "changed"
        return "same" if self.old.path == self.new.path else "renamed"


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


class FindingChange(NamedTuple):
    """One place of a fault that is in one of the files alone, or of another severity in each."""

    kind: str
    """`new`, `fixed`, `worse` or `milder`."""
    code: str
    name: str
    item: Occurrence
    """As it is now; as it was, if it is fixed."""


class Changes(Struct, frozen=True):
    """Everything that differs between two audits."""

    old: Report
    new: Report
    regularizers: tuple[RegularizerChange, ...]
    weights: tuple[WeightChange, ...]
    """Every weight, those that stayed the same among them, in the new order."""
    findings: tuple[FindingChange, ...]
    """New and worse ones first."""

    @property
    def moved(self) -> tuple[WeightChange, ...]:
        """Weights that did not stay the same: those in one file alone, then by change of norm."""
        moved = (change for change in self.weights if change.kind != "same")
        return tuple(sorted(moved, key=_importance))

    @property
    def retuned(self) -> bool:
        """Whether both files keep an optimizer, and its class or its weight decay differs."""
        old, new = (side.model for side in (self.old, self.new))
        if not (old and new and old.optimizer and new.optimizer):
            return False
        return _told(old) != _told(new)

    @property
    def untold(self) -> int:
        """Weights whose regularizers one of the files does not tell: they are not compared."""
        if not _configured(self.old, self.new):
            return len(self.weights)
        return sum(
            any(weight and not weight.regularizer_known for weight in (one.old, one.new))
            for one in self.weights
        )

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.moved or self.regularizers or self.findings or self.retuned)


def _told(model: Model) -> list[object]:
    """Return the optimizers of a model, with what they train and their weight decay."""
    found = [(part.patterns, part.optimizer) for part in model.parts]
    if model.optimizer:
        found.append(((), model.optimizer))
    return [(where, one.class_name, one.around, one.weight_decay) for where, one in found]


def diff(old: Report, new: Report) -> Changes:
    """Compare two audits.

    Weights are matched by path; what is left over, by class of the layer, role and shape in order,
    because Keras numbers unnamed layers anew in each session.

    Args:
        old: the report that changes are counted from.
        new: the report that they lead to.
    """
    pairs = list(_pairs(_rows(old), _rows(new)))
    renamed = {b.path: a.path for (_, a), (_, b) in _both(pairs)}
    renamed |= {b.path: a.path for (a, _), (b, _) in _both(pairs)}
    weights = tuple(
        WeightChange(a and a[1], b and b[1], _numbers(old, a and a[1], new, b and b[1]))
        for a, b in pairs
    )
    return Changes(
        old,
        new,
        tuple(_regularizers(pairs, old, new, renamed)),
        weights,
        tuple(_findings(old, new, renamed)),
    )


def _importance(change: WeightChange) -> tuple[int, float]:
    """Rank a change of a weight: the least comes first."""
    order = {"removed": 0, "added": 0, "reshaped": 1, "retyped": 1}
    norm = change.numbers["l2_norm"]
    if norm.relative is None:
        return order.get(change.kind, 2), -inf if norm.old != norm.new else 0.0
    return order.get(change.kind, 2), -abs(norm.relative)


_Row = tuple[Layer, Weight]


def _rows(report: Report) -> list[_Row]:
    return list(report.model.weights()) if report.model else []


def _both(pairs: Sequence[tuple[_Row | None, _Row | None]]) -> Iterator[tuple[_Row, _Row]]:
    for a, b in pairs:
        if a is not None and b is not None:
            yield a, b


def _pairs(old: Sequence[_Row], new: Sequence[_Row]) -> Iterator[tuple[_Row | None, _Row | None]]:
    """Match weights; first what is in the new file, in its order, then what was removed."""
    before = {weight.path: (layer, weight) for layer, weight in old}
    now = {weight.path for _, weight in new}
    gone = [row for row in old if row[1].path not in now]
    come = [row for row in new if row[1].path not in before]
    matcher = SequenceMatcher(None, [_kind(*r) for r in gone], [_kind(*r) for r in come], False)
    for block in matcher.get_matching_blocks():
        for step in range(block.size):
            before[come[block.b + step][1].path] = gone[block.a + step]
    matched = set()
    for row in new:
        was = before.get(row[1].path)
        if was is not None:
            matched.add(was[1].path)
        yield was, row
    yield from ((row, None) for row in old if row[1].path not in matched)


def _kind(layer: Layer, weight: Weight) -> tuple[str, str, tuple[int, ...]]:
    return layer.class_name, weight.role, weight.shape


def _numbers(
    old: Report, before: Weight | None, new: Report, after: Weight | None
) -> dict[str, Shift]:
    def value(report: Report, weight: Weight | None, name: str) -> float | None:
        if weight is None:
            return None
        if name == "penalty":
            return report.penalties.get(weight.stored_path)
        return getattr(report.moments.get(weight.stored_path), name, None)

    return {
        name: Shift(value(old, before, name), value(new, after, name))
        for name in (*NUMBERS, "penalty")
    }


def _regularizers(
    pairs: Sequence[tuple[_Row | None, _Row | None]],
    old: Report,
    new: Report,
    renamed: Mapping[str, str],
) -> Iterator[RegularizerChange]:
    told = _configured(old, new)
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


def _configured(*sides: Report) -> bool:
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


def _findings(old: Report, new: Report, renamed: Mapping[str, str]) -> Iterator[FindingChange]:
    """Yield what is new, then what is of another severity, then what is fixed."""
    before = {(f.code, item.path): item for f in old.findings for item in f.items}
    fixed = {(f.code, item.path): (f, item) for f in old.findings for item in f.items}
    others = []
    for finding in new.findings:
        for item in finding.items:
            key = (finding.code, renamed.get(item.path, item.path))
            fixed.pop(key, None)
            was = before.get(key)
            if was is None:
                yield FindingChange("new", finding.code, finding.name, item)
            elif was.severity != item.severity:
                kind = "worse" if item.severity > was.severity else "milder"
                others.append(FindingChange(kind, finding.code, finding.name, item))
    yield from sorted(others, key=lambda change: change.kind != "worse")
    missing = [(rule.code, rule) for rule in new.not_run]
    for finding, item in fixed.values():
        if not any(code == finding.code and rule.concerns(item.path) for code, rule in missing):
            yield FindingChange("fixed", finding.code, finding.name, item)
