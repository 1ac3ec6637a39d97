"""How changes between two audits are written, the same in every format."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from regaudit.changes.compare import Changes, Shift, WeightChange
from regaudit.changes.regularizers import RegularizerChange
from regaudit.model import Regularizer
from regaudit.report import sentences, spelling

SIDES = ("old", "new")

Spell = Callable[[float | None], str]
"""Turns a number, or the lack of one, into text."""


def verdict(changes: Changes) -> str:
    """Say in one sentence how the comparison came out."""
    if changes.same:
        return "Nothing differs."
    kinds = Counter(one.kind for one in changes.findings)
    parts = [spelling.count(kinds["new"], "new finding")] if kinds["new"] else []
    parts += [f"{kinds['worse']:,} worse than before"] if kinds["worse"] else []
    return ", ".join(parts) or "Nothing is worse than before."


def left(changes: Changes) -> str:
    """Say what is wrong with the new file, new or not; empty where nothing is."""
    return f"In all, the new file has {sentences.verdict(changes.new)}." * bool(
        changes.new.findings
    )


def parameters(changes: Changes) -> str:
    """Format the size of the model, twice if it changed."""
    old, new = (
        report.model.parameters if report.model else 0 for report in (changes.old, changes.new)
    )
    return f"{old:,}" if old == new else f"{old:,} -> {new:,}"


def penalty(changes: Changes) -> str:
    """Format the total penalty before and after."""
    shift = Shift(changes.old.told_penalty, changes.new.told_penalty)
    if (shift.old is None) != (shift.new is None):
        old, new = ("not known" if n is None else spelling.number(n) for n in shift)
        return f"{old} -> {new}"
    change = f" ({signed(shift.relative)})" if shift.relative else ""
    complete = changes.old.penalty_complete and changes.new.penalty_complete
    return arrow(shift, spelling.number) + change + ("" if complete else ", as far as is known")


def untold(changes: Changes) -> str:
    """Say of how many weights the regularizers were not compared; empty for none."""
    if not changes.untold:
        return ""
    weights = spelling.count(changes.untold, "weight")
    return f"regularizers of {weights} are not compared: one of the files does not tell them"


def redirected(changes: Changes) -> Iterator[str]:
    """Say of which file the server led to another host, and where."""
    for side, report in zip(SIDES, (changes.old, changes.new), strict=True):
        if led := sentences.redirected(report):
            yield f"{side} was {led}"


def optimizers(changes: Changes) -> str:
    """Format the optimizer before and after."""
    old, new = (spelling.optimizer(report.model) for report in (changes.old, changes.new))
    return f"{old} -> {new}"


def regularizers(changes: Changes) -> str:
    """Count what happened to regularizers."""
    return f"Regularizers: {_counted(one.kind for one in changes.regularizers)}"


def weights(changes: Changes) -> str:
    """Count what happened to weights."""
    kinds = Counter(one.kind for one in changes.weights)
    same = kinds.pop("same", 0)
    counts = _counted(kind for kind, many in kinds.items() for _ in range(many))
    text = f"Weights: {counts}" if counts else "Weights"
    return f"{text}{', ' if counts else ': '}{same:,} the same" if same else text


def findings(changes: Changes) -> str:
    """Count what happened to findings."""
    return f"Findings: {_counted(one.kind for one in changes.findings)}"


def _counted(kinds: Iterable[str]) -> str:
    return ", ".join(f"{many:,} {kind}" for kind, many in Counter(kinds).items())


def regularizer(value: Regularizer | None) -> str:
    """Format a regularizer, and its status unless it is in force."""
    if value is None:
        return "none"
    status = "" if value.status == "in force" else f" {value.status}"
    return f"{spelling.regularizer(value)}{status}"


def sides(change: RegularizerChange) -> tuple[str, str]:
    """Format a regularizer before and after."""
    return regularizer(change.old), regularizer(change.new)


def name(change: WeightChange) -> str:
    """Return the path of a weight, both if it was renamed."""
    if change.old and change.new and change.old.path != change.new.path:
        return f"{change.old.path} -> {change.new.path}"
    return change.path


def what(change: WeightChange) -> str:
    """Say what happened to a weight: `changed`, `added 3x3`, `3x3 -> 3x4`."""
    old, new = change.old, change.new
    if change.kind == "reshaped" and old and new:
        return f"{spelling.shape(old.shape)} -> {spelling.shape(new.shape)}"
    if change.kind == "retyped" and old and new:
        return f"{old.dtype} -> {new.dtype}"
    weight = new or old
    if change.kind in {"added", "removed"} and weight:
        return f"{change.kind} {spelling.shape(weight.shape)}"
    return change.kind


def arrow(shift: Shift, spell: Spell, sign: str = " -> ") -> str:
    """Format a number before and after, or once if no difference is visible."""
    old, new = spell(shift.old), spell(shift.new)
    if shift.old is None or shift.new is None:
        return old if shift.new is None else new
    return new if old == new else f"{old}{sign}{new}"


def signed(relative: float | None) -> str:
    """Format a relative change: `+12.7%`, from tenfold on `x12`."""
    if relative is None:
        return spelling.MISSING
    if relative and abs(relative) < 0.001:
        return "<0.1%"
    return f"{relative:+.1%}" if abs(relative) < 10 else f"x{relative + 1:,.0f}"


def units(value: float | None) -> str:
    """Format a number of units."""
    return spelling.MISSING if value is None else f"{value:,.0f}"
