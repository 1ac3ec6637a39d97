"""What changed between two audits: regularizers, weights with their numbers, and findings."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from importlib import import_module
from math import inf, isclose, isfinite
from typing import NamedTuple

from msgspec import Struct

from regaudit.changes.regularizers import RegularizerChange, Row, configured, regularizer_changes
from regaudit.model import Layer, Model, Weight
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

    def differs(self, alike: bool) -> bool:
        """Whether it changed.

        Args:
            alike: whether both were measured alike. A weight whose role one file does not tell is
                added up in another order there, and not by units.
        """
        if alike or self.old is None or self.new is None:
            return alike and self.old != self.new
        return not isclose(self.old, self.new, rel_tol=1e-9, abs_tol=1e-12)


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
        told = self.old.role_known == self.new.role_known
        if any(self.numbers[name].differs(told) for name in NUMBERS):
            return "changed"
        return "renamed" if told and self.old.path != self.new.path else "same"


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
        if not configured(self.old, self.new):
            return len(self.weights)
        return sum(
            any(weight and not weight.regularizer_known for weight in (one.old, one.new))
            for one in self.weights
        )

    def __repr__(self) -> str:
        """Name the files and what came out."""
        words = import_module("regaudit.changes.spelling")
        return f"<Changes {self.old.file} -> {self.new.file}: {words.verdict(self)}>"

    def _repr_html_(self) -> str:
        """Show itself in a notebook."""
        page: str = import_module("regaudit.changes.notebook").changes_html(self)
        return page

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

    Weights are matched by path; those of weights alone, whose roles are not known, by where they
    are stored; what is left over, by class of the layer, role and shape in order, because Keras
    numbers unnamed layers anew in each session.

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
        tuple(regularizer_changes(pairs, old, new, renamed)),
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


def _rows(report: Report) -> list[Row]:
    return list(report.model.weights()) if report.model else []


def _both(pairs: Sequence[tuple[Row | None, Row | None]]) -> Iterator[tuple[Row, Row]]:
    for a, b in pairs:
        if a is not None and b is not None:
            yield a, b


def _pairs(old: Sequence[Row], new: Sequence[Row]) -> Iterator[tuple[Row | None, Row | None]]:
    """Match weights; first what is in the new file, in its order, then what was removed."""
    before = {weight.path: (layer, weight) for layer, weight in old}
    now = {weight.path for _, weight in new}
    gone = [row for row in old if row[1].path not in now]
    there = {weight.stored_path: (layer, weight) for layer, weight in gone}
    for _, weight in new:
        held = there.get(weight.stored_path)
        if held and weight.path not in before and weight.role_known != held[1].role_known:
            before[weight.path] = held
            gone.remove(held)
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
