"""What `suggest` prints: a table, Keras code to paste, or JSON."""

import shutil
import sys
import textwrap

from msgspec import to_builtins

from regaudit.report import advice
from regaudit.report.document import proposal_record
from regaudit.report.escape import Escaped, command, json_text, page, plain, python_class
from regaudit.report.proposal import Proposal
from regaudit.report.report import Report
from regaudit.report.spelling import MISSING, number, regularizer
from regaudit.report.tables import Column, fitted_table


def table(report: Report, proposal: Proposal, options: list[tuple[str, str]]) -> Escaped:
    """Return the changes as a table, with what they rest on.

    Args:
        report: of the model.
        proposal: for it.
        options: that lead to the same proposal, each with a value to quote for its {}.
    """
    lines: list[str] = [plain(report.file), *map(wrapped, advice.proposed(proposal))]
    after = report.penalty + proposal.jump
    model = report.model
    present = {one.path: one.regularizer for _, one in model.weights()} if model else {}
    rows = [
        [
            plain("/".join(filter(None, (change.layer, change.key.removesuffix("_regularizer"))))),
            regularizer(present[change.weights[0]]),
            _spelled(change.l1, change.l2),
            number(change.before),
            number(change.after),
            f"{change.after / after:.0%}" if after else MISSING,
            change.confidence,
        ]
        for change in proposal.changes
    ]
    if rows:
        lines += ["", *_fitted(rows), ""]
        reasons = dict.fromkeys(change.reason for change in proposal.changes)
        lines += [wrapped(f"why: {reason}") for reason in reasons]
        way = "higher" if proposal.jump > 0 else "lower"
        lines.append(
            wrapped(
                f"penalty {number(report.penalty, 6)} -> {number(after, 6)}: the training loss "
                f"will be {number(abs(proposal.jump))} {way} from the first step"
            )
        )
    if proposal.edits and proposal.why_not:
        lines += ["", wrapped(f"It cannot be written into a copy: {proposal.why_not}")]
    elif proposal.edits:
        lines += ["", "Write it into a copy, OUT:"]
        line = " ".join(["regaudit apply {} -o OUT --suggested", *(word for word, _ in options)])
        names = [name for _, name in options if name]
        lines.append("  " + command(line, report.file, *names))
    return page(line for text in lines for line in text.split("\n"))


HEADERS = ("weight", "now", "suggested", "penalty", "then", "share", "confidence")

RANKS = (0, 2, 0, 3, 0, 4, 5)
"""Of the columns: the highest are left out first where the terminal is narrow."""


def _fitted(rows: list[list[str]]) -> list[str]:
    """Return the lines of the table, with the columns for which there is room."""
    columns = [
        Column(title, cells, rank, right=title in {"penalty", "then", "share"})
        for title, cells, rank in zip(HEADERS, zip(*rows, strict=True), RANKS, strict=True)
    ]
    return [line.rstrip() for line in fitted_table(columns, _width(), least=16)]


def _width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 80


def wrapped(text: str) -> str:
    """Escape a line, and break it at the width of the terminal."""
    return textwrap.fill(
        plain(text),
        _width(),
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _spelled(l1: float, l2: float) -> str:
    parts = [f"{name}({value:g})" for name, value in (("l1", l1), ("l2", l2)) if value]
    return f"l1_l2({l1:g}, {l2:g})" if len(parts) == 2 else next(iter(parts), "none")


def code(report: Report, proposal: Proposal) -> Escaped:
    """Return the changes as Keras code to paste."""
    layers = {layer.path: layer for layer in report.model.layers} if report.model else {}
    lines = [f"# {plain(text)}" for text in (proposal.verdict, *proposal.remarks)]
    for change in proposal.changes:
        name = python_class(layers[change.layer].python_class)
        lines.append(f"{name}(..., {change.code})  # {plain(change.layer)}")
    return page(lines)


def json(report: Report, proposal: Proposal) -> Escaped:
    """Return the proposal as reports have it, and its edits for `apply --from`."""
    edits = [{"layer": edit.layer, "key": edit.key, "value": edit.value} for edit in proposal.edits]
    content = {
        "file": report.file,
        **to_builtins(proposal_record(proposal)),
        "penalty_jump": proposal.jump,
        "edits": edits,
    }
    return page([json_text(content, indent=2, default=dict)])
