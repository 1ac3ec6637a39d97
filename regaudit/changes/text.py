"""How changes between two audits are shown: in a terminal and as Markdown."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from textwrap import wrap
from typing import TypeVar

from regaudit.changes import spelling as words
from regaudit.changes.compare import Changes, FindingChange, WeightChange
from regaudit.changes.regularizers import RegularizerChange
from regaudit.report import escape, spelling
from regaudit.report.report import Report
from regaudit.report.tables import Column, fitted_table, informative, pipe_table
from regaudit.report.view import View
from regaudit.rules.documentation import where_to_read

SHOWN = 20
"""Changes of a kind shown before `--verbose` is needed, the weights whose norm changed most."""

HEADERS = ("weight", "what", "L2 norm", "change", "sparsity", "dead")

RANKS = (0, 3, 2, 5, 4)
"""Of the columns next to the paths: the highest are left out first where a terminal is narrow."""

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


def terminal(changes: Changes, view: View) -> escape.Escaped:
    """Return the changes for a terminal of `view.width` columns."""
    blocks: list[Iterable[str]] = [_head(changes, view)]
    if changes.same:
        return _page([*blocks, [words.verdict(changes), *_left(changes)]])
    if changes.regularizers:
        lines = _lines(changes.regularizers, _regularizer_line, view)
        blocks.append([_bold(words.regularizers(changes), view), *lines])
    blocks.append(_weights(changes, view))
    if changes.findings:
        lines = _lines(changes.findings, _finding_line, view)
        blocks.append([_bold(words.findings(changes), view), *lines])
        blocks.append(_next(changes))
    return _page(blocks)


def _page(blocks: Iterable[Iterable[str]]) -> escape.Escaped:
    """Join blocks of lines, with an empty line between two."""
    lines = [line for block in blocks for line in (*block, "")]
    return escape.page(lines[:-1])


def markdown(changes: Changes, view: View) -> escape.Escaped:
    """Return the changes as Markdown, for a pull request."""
    facts = [f"- penalty: {words.penalty(changes)}", f"- parameters: {words.parameters(changes)}"]
    if changes.retuned:
        facts.append(f"- optimizer: {escape.markdown(words.optimizers(changes))}")
    if untold := words.untold(changes):
        facts.append(f"- {untold}")
    facts += [f"- {escape.markdown(led)}" for led in words.redirected(changes)]
    files = map(escape.markdown, (changes.old.file, changes.new.file))
    blocks: list[Iterable[str]] = [[f"## {' → '.join(files)}"], facts]
    if changes.same:
        return _page([*blocks, [words.verdict(changes), *_left(changes)]])
    if changes.regularizers:
        rows = [
            tuple(map(escape.markdown, (one.path, one.key, one.kind, *words.sides(one))))
            for one in changes.regularizers
        ]
        headers = ("at", "key", "", *words.SIDES)
        blocks += [[f"### {words.regularizers(changes)}"], pipe_table(rows, headers)]
    moved, left = _moved(changes, view)
    blocks.append([f"### {words.weights(changes)}"])
    if moved:
        cells = [(escape.markdown(words.name(one)), *_cells(one)) for one in moved]
        blocks.append(pipe_table(cells, HEADERS))
        blocks += [[f"and {left:,} more"]] if left else []
    if changes.findings:
        blocks.append([f"### {words.findings(changes)}"])
        blocks.append([_bullet(one) for one in changes.findings])
    return _page(blocks)


def _bullet(change: FindingChange) -> str:
    item = change.item
    where, message = map(escape.markdown, (item.path or "(model)", item.message))
    rule = escape.markdown(f"{change.code} {change.name}")
    return f"- **{change.kind}** {item.severity} {rule}: {where}: {message}"


def _head(changes: Changes, view: View) -> Iterator[str]:
    facts = {
        "old": _file(changes.old),
        "new": _file(changes.new),
        "parameters": words.parameters(changes),
        "penalty": words.penalty(changes),
    }
    if changes.retuned:
        facts["optimizer"] = words.optimizers(changes)
    if untold := words.untold(changes):
        facts["unknown"] = untold
    if led := "; ".join(words.redirected(changes)):
        facts["redirected"] = led
    for title, text in facts.items():
        first, *rest = wrap(text, max(view.width, 40) - 11, break_on_hyphens=False) or [""]
        yield _bold(f"{title:<10}", view) + f" {first}"
        yield from (f"{'':<10} {line}" for line in rest)


def _file(report: Report) -> str:
    version = report.model.keras_version if report.model else None
    keras = f", Keras {escape.plain(version)}" if version else ""
    return f"{escape.plain(report.file)}, {spelling.file_size(report.size)}{keras}"


_Change = TypeVar("_Change")


def _lines(
    each: Sequence[_Change], spell: Callable[[_Change, View], Iterator[str]], view: View
) -> Iterator[str]:
    """Yield the lines of the changes for which there is room, and count the rest."""
    shown = each if view.verbose else each[:SHOWN]
    yield from (line for one in shown for line in spell(one, view))
    if len(shown) < len(each):
        yield f"  and {len(each) - len(shown):,} more (--verbose)"


def _regularizer_line(change: RegularizerChange, view: View) -> Iterator[str]:
    old, new = words.sides(change)
    what = f"{escape.plain(change.path)}: {old} -> {new}"
    if change.key == "activity_regularizer":
        what = f"{escape.plain(change.path)} (activity): {old} -> {new}"
    yield from _marked(change.kind, what, view)


def _finding_line(change: FindingChange, view: View) -> Iterator[str]:
    item = change.item
    where = escape.plain(item.path) or "(model)"
    letter = str(item.severity)[0].upper()
    text = f"{change.kind} {letter} {change.code} {where}: {escape.plain(item.message)}"
    yield from _marked(change.kind, text, view)


def _marked(kind: str, text: str, view: View) -> Iterator[str]:
    mark, color = MARKS[kind]
    first, *rest = wrap(text, max(view.width, 40) - 4, break_on_hyphens=False) or [""]
    yield "  " + _paint(mark, color, view) + f" {first}"
    yield from (f"      {line}" for line in wrap(" ".join(rest), max(view.width, 40) - 6))


def _weights(changes: Changes, view: View) -> Iterator[str]:
    """The weights that changed, those whose norm did most first."""
    title = wrap(words.weights(changes), max(view.width, 40), subsequent_indent="  ")
    yield from (_bold(line, view) for line in title)
    moved, left = _moved(changes, view)
    if not moved:
        return
    names = [escape.plain(words.name(one)) for one in moved]
    cells = zip(*map(_cells, moved), strict=True)
    columns = [
        Column(title, column, rank, right=rank > 0)
        for title, column, rank in zip(HEADERS[1:], cells, RANKS, strict=True)
    ]
    shown = [Column(HEADERS[0], names), *informative(columns)]
    yield from fitted_table(shown, view.width, least=MIN_PATH // 2, comfort=MIN_PATH)
    if left:
        yield f"and {left:,} more (--verbose)"


def _moved(changes: Changes, view: View) -> tuple[Sequence[WeightChange], int]:
    """Return the weights to show, and how many are left out."""
    moved = [one for one in changes.moved if view.shows(one.path, one.path.rpartition("/")[0])]
    shown = moved if view.verbose else moved[:SHOWN]
    return shown, len(moved) - len(shown)


def _cells(change: WeightChange) -> tuple[str, str, str, str, str]:
    norm, numbers = change.numbers["l2_norm"], change.numbers
    return (
        words.what(change),
        words.arrow(norm, spelling.number),
        words.signed(norm.relative),
        words.arrow(numbers["sparsity"], spelling.percent),
        words.arrow(numbers["dead_units"], words.units),
    )


def _next(changes: Changes) -> Iterator[str]:
    """What to do next: look into what is new, else be glad."""
    fresh = [one for one in changes.findings if one.kind in {"new", "worse"}]
    if fresh:
        yield from where_to_read((one.item.severity, one.code) for one in fresh)
    else:
        yield words.verdict(changes)
    yield from _left(changes)


def _left(changes: Changes) -> Iterator[str]:
    """Say what is wrong with the new file, whether it was before or not."""
    if said := words.left(changes):
        yield said


def _bold(text: str, view: View) -> escape.Escaped:
    return _paint(text, "1", view)


def _paint(text: str, color: str, view: View) -> escape.Escaped:
    return escape.paint(text, color if view.color else "")
