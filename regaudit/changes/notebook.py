"""Changes as a piece of HTML for notebooks."""

from collections.abc import Iterator, Sequence

from regaudit.changes import spelling as words
from regaudit.changes.charts import NORMS, changes_charts
from regaudit.changes.compare import Changes, WeightChange
from regaudit.pages.fragment import folded, piece, table, text
from regaudit.pages.pictures import plot_picture
from regaudit.report import spelling
from regaudit.report.view import View

SHOWN = 100
"""Changes of a kind that are shown; the rest is counted."""


def changes_html(changes: Changes) -> str:
    """Return the verdict, what changed in regularizers and findings, and the weights, folded."""
    return piece("".join(_parts(changes)))


def _parts(changes: Changes) -> Iterator[str]:
    files = f"{text(changes.old.file)} \u2192 {text(changes.new.file)}"
    yield f"<p><b>{files}</b>: {text(words.verdict(changes))}</p>"
    facts = [f"parameters: {words.parameters(changes)}", f"penalty: {words.penalty(changes)}"]
    if changes.retuned:
        facts.append(f"optimizer: {words.optimizers(changes)}")
    if untold := words.untold(changes):
        facts.append(untold)
    yield f"<p>{'<br>'.join(map(text, facts))}</p>"
    if changes.regularizers:
        rows = [(one.path, one.kind, *words.sides(one)) for one in changes.regularizers[:SHOWN]]
        yield f"<p><b>{text(words.regularizers(changes))}</b></p>"
        yield table(("place", "what", "before", "now"), rows, left=4)
        yield _more(changes.regularizers)
    if changes.findings:
        found = [
            (one.kind, one.code, one.item.path or "(model)", one.item.message)
            for one in changes.findings[:SHOWN]
        ]
        yield f"<p><b>{text(words.findings(changes))}</b></p>"
        yield table(("what", "rule", "place", "message"), found, left=4)
        yield _more(changes.findings)
    if norms := changes_charts(changes, View()).norms:
        yield plot_picture("Size against before", NORMS, norms)
    if changes.moved:
        moved = [_row(one) for one in changes.moved[:SHOWN]]
        head = ("weight", "what", "L2 norm", "change", "sparsity")
        yield folded(words.weights(changes), table(head, moved, left=2) + _more(changes.moved))


def _row(change: WeightChange) -> tuple[str, ...]:
    norm = change.numbers["l2_norm"]
    return (
        words.name(change),
        words.what(change),
        words.arrow(norm, spelling.number),
        words.signed(norm.relative),
        words.arrow(change.numbers["sparsity"], spelling.percent),
    )


def _more(each: Sequence[object]) -> str:
    left = len(each) - SHOWN
    return f"<p>and {left:,} more</p>" if left > 0 else ""
