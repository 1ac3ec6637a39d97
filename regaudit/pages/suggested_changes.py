"""What a report suggests to change: each weight then and now, and all of it as a program."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from regaudit.model import Weight
from regaudit.report import escape, spelling
from regaudit.report.proposal import Suggestion
from regaudit.report.report import Report


class SuggestedChange(Struct, frozen=True):
    """A suggestion, with what there is today."""

    code: str
    """Of the worst rule that it is a cure for; empty where none spoke."""
    suggestion: Suggestion
    before: str
    penalty: float | None
    """What the weight adds to the loss today."""


def suggested_changes(report: Report) -> Iterator[SuggestedChange]:
    """Yield what the proposal changes, then what findings ask for that is none of strength."""
    weights = {w.path: w for _, w in report.model.weights()} if report.model else {}
    items = [(finding.code, item) for finding in report.findings for item in finding.items]
    proposed = report.proposal.changes if report.proposal else ()
    for change in proposed:
        code = next((code for code, item in items if item.path in change.weights), "")
        for path in change.weights:
            yield _change(code, change.suggestion(path), weights.get(path), report)
    for code, item in items:
        if item.suggestion and (item.suggestion.basis is None or not proposed):
            yield _change(code, item.suggestion, weights.get(item.suggestion.weight), report)


def _change(
    code: str, suggestion: Suggestion, weight: Weight | None, report: Report
) -> SuggestedChange:
    return SuggestedChange(
        code=code,
        suggestion=suggestion,
        before=spelling.regularizer(weight.regularizer) if weight else spelling.MISSING,
        penalty=report.penalties.get(weight.stored_path) if weight else None,
    )


def program(report: Report, changes: Sequence[SuggestedChange]) -> Iterator[str]:
    """Yield the lines of the suggestions as a program, a layer at a time.

    Of two suggestions for one weight it takes the first, which is of the worse finding.
    """
    classes = {layer.path: layer for layer in (report.model.layers if report.model else ())}
    first = {change.suggestion.weight: change.suggestion for change in reversed(changes)}
    wanted: dict[str, list[str]] = {}
    for change in changes:
        suggestion = change.suggestion
        if first[suggestion.weight] is suggestion and suggestion.edits:
            wanted.setdefault(suggestion.edits[0].layer, []).append(suggestion.code)
    for path, arguments in wanted.items():
        layer = classes.get(path)
        name = escape.python(layer.name if layer else path)
        given = ", ".join(escape.plain(argument) for argument in dict.fromkeys(arguments))
        class_name = escape.python_class(layer.python_class if layer else None)
        yield f"{class_name}(..., name={name}, {given})"
