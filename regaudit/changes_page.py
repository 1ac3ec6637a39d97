"""How changes between two audits are shown: in a terminal and as Markdown."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap
from typing import Any

from tabulate import tabulate

from regaudit import wording
from regaudit.changes import Changes, FindingChange, RegularizerChange, Shift, WeightChange
from regaudit.finding import Report
from regaudit.renderer import View

SHOWN = 20
"""Weights shown before `--verbose` is needed, those whose norm changed most."""

HEADERS = ("weight", "what", "L2 norm", "change", "sparsity", "dead")

SPARE = (3, 4, 1)
"""Columns beside the paths that are left out first when the terminal is narrow."""

MIN_PATH = 24
"""Columns that paths get before others are shown."""

MARKS = {
    "added": ("+", "32"),
    "removed": ("-", "31"),
    "changed": ("~", "33"),
    "new": ("+", "31"),
    "worse": ("!", "31"),
    "milder": ("~", "33"),
    "fixed": ("-", "32"),
}
"""What stands before a line, and its colour."""


def terminal(changes: Changes, view: View) -> str:
    """Return the changes for a terminal of `view.width` columns."""
    blocks = ["\n".join(_head(changes, view))]
    if changes.same:
        return f"{blocks[0]}\n\nNothing differs.\n"
    if changes.regularizers:
        lines = [line for one in changes.regularizers for line in _regularizer_line(one, view)]
        blocks.append("\n".join((_bold(_regularizer_title(changes), view), *lines)))
    blocks.append("\n".join(_weights(changes, view)))
    if changes.findings:
        lines = [line for one in changes.findings for line in _finding_line(one, view)]
        blocks.append("\n".join((_bold(_finding_title(changes), view), *lines)))
        blocks.append(_next(changes))
    return "\n\n".join(blocks) + "\n"


def markdown(changes: Changes, view: View) -> str:
    """Return the changes as Markdown, for a pull request."""
    blocks = [
        f"## {wording.markdown(changes.old.file)} → {wording.markdown(changes.new.file)}",
        f"- penalty: {_penalty(changes)}\n- parameters: {_parameters(changes)}",
    ]
    if changes.same:
        return "\n\n".join((*blocks, "Nothing differs.")) + "\n"
    if changes.regularizers:
        rows = [
            (wording.markdown(one.path), one.key, one.kind, *map(wording.markdown, _spelled(one)))
            for one in changes.regularizers
        ]
        blocks += [f"### {_regularizer_title(changes)}", _pipes(rows, ("at", "key", "", *_SIDES))]
    moved, left = _moved(changes, view)
    blocks.append(f"### {_weight_title(changes)}")
    if moved:
        rows = [(wording.markdown(_name(one)), *_cells(one)) for one in moved]
        blocks.append(_pipes(rows, HEADERS) + (f"\n\nand {left:,} more" if left else ""))
    if changes.findings:
        blocks += [
            f"### {_finding_title(changes)}",
            "\n".join(
                f"- **{one.kind}** {one.item.severity} {one.code} {one.name}: "
                f"{wording.markdown(one.item.path or '(model)')}: "
                f"{wording.markdown(one.item.message)}"
                for one in changes.findings
            ),
        ]
    return "\n\n".join(blocks) + "\n"


_SIDES = ("old", "new")


def _head(changes: Changes, view: View) -> Iterator[str]:
    for title, report in (("old", changes.old), ("new", changes.new)):
        yield f"{_bold(f'{title:<10}', view)} {_file(report)}"
    yield f"{_bold('parameters', view)} {_parameters(changes)}"
    yield f"{_bold('penalty   ', view)} {_penalty(changes)}"


def _file(report: Report) -> str:
    version = report.model.keras_version if report.model else None
    keras = f", Keras {wording.plain(version)}" if version else ""
    return f"{wording.plain(report.file)}, {wording.file_size(report.size)}{keras}"


def _parameters(changes: Changes) -> str:
    old, new = (
        report.model.parameters if report.model else 0 for report in (changes.old, changes.new)
    )
    return f"{old:,}" if old == new else f"{old:,} -> {new:,}"


def _penalty(changes: Changes) -> str:
    shift = Shift(changes.old.penalty, changes.new.penalty)
    change = f" ({_signed(shift.relative)})" if shift.relative else ""
    complete = changes.old.penalty_complete and changes.new.penalty_complete
    return _arrow(shift, wording.number) + change + ("" if complete else ", as far as is told")


def _regularizer_title(changes: Changes) -> str:
    return f"Regularizers: {_counted(one.kind for one in changes.regularizers)}"


def _weight_title(changes: Changes) -> str:
    kinds = Counter(one.kind for one in changes.weights)
    same = kinds.pop("same", 0)
    counts = _counted(kind for kind, many in kinds.items() for _ in range(many))
    text = f"Weights: {counts}" if counts else "Weights"
    return f"{text}{', ' if counts else ': '}{same:,} the same" if same else text


def _finding_title(changes: Changes) -> str:
    return f"Findings: {_counted(one.kind for one in changes.findings)}"


def _counted(kinds: Iterable[str]) -> str:
    return ", ".join(f"{many:,} {kind}" for kind, many in Counter(kinds).items())


def _regularizer_line(change: RegularizerChange, view: View) -> Iterator[str]:
    old, new = _spelled(change)
    what = f"{wording.plain(change.path)}: {old} -> {new}"
    if change.key == "activity_regularizer":
        what = f"{wording.plain(change.path)} (activity): {old} -> {new}"
    yield from _marked(change.kind, what, view)


def _spelled(change: RegularizerChange) -> tuple[str, str]:
    def spell(regularizer: Any) -> str:
        if regularizer is None:
            return "none"
        status = "" if regularizer.status == "in force" else f" {regularizer.status}"
        return f"{wording.regularizer(regularizer)}{status}"

    return spell(change.old), spell(change.new)


def _finding_line(change: FindingChange, view: View) -> Iterator[str]:
    item = change.item
    where = wording.plain(item.path) or "(model)"
    letter = str(item.severity)[0].upper()
    text = f"{change.kind} {letter} {change.code} {where}: {wording.plain(item.message)}"
    yield from _marked(change.kind, text, view)


def _marked(kind: str, text: str, view: View) -> Iterator[str]:
    mark, color = MARKS[kind]
    first, *rest = wrap(text, max(view.width, 40) - 4, break_on_hyphens=False) or [""]
    yield f"  {_paint(mark, color, view)} {first}"
    yield from (f"      {line}" for line in wrap(" ".join(rest), max(view.width, 40) - 6))


def _weights(changes: Changes, view: View) -> Iterator[str]:
    """The weights that changed, those whose norm did most first."""
    yield _bold(_weight_title(changes), view)
    moved, left = _moved(changes, view)
    if not moved:
        return
    cells = [_cells(one) for one in moved]
    columns = [*zip(*cells, strict=True)]
    keep = [n for n, column in enumerate(columns) if n == 0 or set(column) != {wording.MISSING}]
    widths = {n: max(len(HEADERS[n + 1]) + 2, *map(len, columns[n])) + 2 for n in keep}
    needed = min(max(len(_name(one)) for one in moved), MIN_PATH)
    for spare in SPARE:
        if spare in keep and sum(widths[n] for n in keep) + needed > view.width:
            keep.remove(spare)
    room = max(view.width - sum(widths[n] for n in keep), MIN_PATH // 2)
    rows = [
        (wording.shortened(wording.plain(_name(one)), room), *(row[n] for n in keep))
        for one, row in zip(moved, cells, strict=True)
    ]
    headers = [HEADERS[0], *(HEADERS[n + 1] for n in keep)]
    align = ["left", *("left" if n == 0 else "right" for n in keep)]
    yield from tabulate(
        rows, headers, tablefmt="simple", disable_numparse=True, colalign=align
    ).splitlines()
    if left:
        yield f"and {left:,} more (--verbose)"


def _moved(changes: Changes, view: View) -> tuple[list[WeightChange], int]:
    """Return the weights to show, and how many are left out."""
    moved = [
        one
        for one in changes.weights
        if one.kind != "same" and view.shows(one.path, one.path.rpartition("/")[0])
    ]
    order = {"removed": 0, "added": 0, "reshaped": 1, "retyped": 1}
    moved.sort(key=lambda one: (order.get(one.kind, 2), -_size_of(one.numbers["l2_norm"])))
    shown = moved if view.verbose else moved[:SHOWN]
    return shown, len(moved) - len(shown)


def _size_of(shift: Shift) -> float:
    if shift.relative is None:
        return float("inf") if shift.old != shift.new else 0.0
    return abs(shift.relative)


def _name(change: WeightChange) -> str:
    if change.old and change.new and change.old.path != change.new.path:
        return f"{change.old.path} -> {change.new.path}"
    return change.path


def _cells(change: WeightChange) -> tuple[str, str, str, str, str]:
    norm, numbers = change.numbers["l2_norm"], change.numbers
    what = change.kind
    if what == "reshaped" and change.old and change.new:
        what = f"{wording.shape(change.old.shape)} -> {wording.shape(change.new.shape)}"
    if what == "retyped" and change.old and change.new:
        what = f"{change.old.dtype} -> {change.new.dtype}"
    if what in {"added", "removed"}:
        weight = change.new or change.old
        what = f"{what} {wording.shape(weight.shape)}" if weight else what
    return (
        what,
        _arrow(norm, wording.number),
        _signed(norm.relative),
        _arrow(numbers["sparsity"], wording.percent),
        _arrow(numbers["dead_units"], lambda value: f"{value:.0f}" if value is not None else "-"),
    )


def _arrow(shift: Shift, spell: Any) -> str:
    """Spell a number that moved, and once if it did not, as far as can be seen."""
    old, new = spell(shift.old), spell(shift.new)
    if shift.old is None or shift.new is None:
        return str(old if shift.new is None else new)
    return str(new) if old == new else f"{old} -> {new}"


def _signed(relative: float | None) -> str:
    if relative is None:
        return wording.MISSING
    if relative and abs(relative) < 0.001:
        return "<0.1%"
    return f"{relative:+.1%}" if abs(relative) < 10 else f"x{relative + 1:,.0f}"


def _next(changes: Changes) -> str:
    """What to do next: look into what is new, else be glad."""
    fresh = [one.code for one in changes.findings if one.kind in {"new", "worse"}]
    if fresh:
        return f"Why and what to do: regaudit explain {fresh[0]}"
    return "Nothing is worse than before."


def _pipes(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True)


def _bold(text: str, view: View) -> str:
    return _paint(text, "1", view)


def _paint(text: str, color: str, view: View) -> str:
    return f"\x1b[{color}m{text}\x1b[0m" if view.color else text
