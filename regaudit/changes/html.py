"""Changes between two audits as an HTML page: what is worse first, then everything that moved."""

from collections.abc import Iterator, Sequence
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from regaudit.changes import spelling as words
from regaudit.changes.charts import NORMS, ChangesCharts, changes_charts
from regaudit.changes.compare import Changes, Shift, WeightChange
from regaudit.changes.kernel_details import changed_kernels
from regaudit.pages.kernel_details import Details
from regaudit.pages.template import fill
from regaudit.report import escape, spelling
from regaudit.report.report import Finding
from regaudit.report.view import View
from regaudit.rules.interface import About

KINDS = {
    "new": "New",
    "worse": "Worse than before",
    "milder": "Milder than before",
    "fixed": "Fixed",
}
"""What may happen to a finding, worst first, with its heading."""

TOGETHER = 500
"""Weights in a table; those that changed less are folded away below it."""


class FindingGroup(Struct, frozen=True):
    """What happened to the places of one rule, all of them the same."""

    kind: str
    anchor: str
    finding: Finding
    rule: About | None


class WeightRow(Struct, frozen=True):
    """One weight that changed, as the table shows it."""

    anchor: str
    path: str
    cells: tuple[str, ...]
    """What stands below `HEADERS`, but for the path."""


HEADERS = (
    "Weight",
    "What",
    "Old L2 norm",
    "New L2 norm",
    "L2 change",
    "L1 change",
    "Max |w| change",
    "Sparsity",
    "Dead units",
    "Penalty",
)
"""Of the table of weights; changes are relative."""


class ChangesPage(Struct, frozen=True):
    """Everything that the template shows."""

    changes: Changes
    state: str
    """`clean`, or the worst severity of what is wrong with the new file."""
    groups: tuple[FindingGroup, ...]
    blocks: tuple[tuple[WeightRow, ...], ...]
    """Weights that changed, the most changed first, `TOGETHER` at a time."""
    same: tuple[str, ...]
    """Paths of weights that stayed as they were."""
    details: Details
    charts: ChangesCharts
    anchors: dict[str, str]
    """Where in the table each weight is, by path."""

    @property
    def fresh(self) -> tuple[FindingGroup, ...]:
        """What is worse than before."""
        return tuple(group for group in self.groups if group.kind in {"new", "worse"})


def html(changes: Changes, rules: Sequence[About], view: View) -> escape.Escaped:
    """Return one self-contained page.

    Args:
        changes: between two audits.
        rules: that were checked.
        view: what to show.
    """
    return fill(
        "changes.html.j2",
        page=_arranged(changes, rules, view),
        rules=rules,
        view=view,
        words=words,
        headers=HEADERS,
        kinds=KINDS,
        norms=NORMS,
    )


def _arranged(changes: Changes, rules: Sequence[About], view: View) -> ChangesPage:
    groups = tuple(_groups(changes, rules))
    worst = max((finding.severity for finding in changes.new.findings), default=None)
    moved = [one for one in changes.moved if view.shows(one.path, one.path.rpartition("/")[0])]
    rows = [_row(number, one) for number, one in enumerate(moved, 1)]
    each = iter(rows)
    anchors = {
        weight.path: row.anchor
        for row, one in zip(rows, moved, strict=True)
        for weight in (one.old, one.new)
        if weight
    }
    return ChangesPage(
        changes=changes,
        state="clean" if worst is None else str(worst),
        groups=groups,
        blocks=tuple(iter(lambda: tuple(islice(each, TOGETHER)), ())),
        same=tuple(one.path for one in changes.weights if one.kind == "same"),
        details=changed_kernels(changes, moved, anchors),
        charts=changes_charts(changes, view),
        anchors=anchors,
    )


def _groups(changes: Changes, rules: Sequence[About]) -> Iterator[FindingGroup]:
    abouts = {about.code: about for about in rules}
    for kind in KINDS:
        found: dict[tuple[str, str], list[Finding]] = {}
        for one in changes.findings:
            if one.kind == kind:
                item = one.item
                if kind == "fixed":  # there is nothing left to do
                    item = replace(item, suggestion=None, no_suggestion="")
                finding = Finding(one.code, one.name, (item,))
                found.setdefault((one.code, one.name), []).append(finding)
        findings = [
            Finding.of(code, name, (item for one in each for item in one.items))
            for (code, name), each in found.items()
        ]
        for finding in sorted(filter(None, findings), key=lambda one: (-one.severity, one.code)):
            anchor = f"{kind}-{finding.code}"
            yield FindingGroup(kind, anchor, finding, abouts.get(finding.code))


def _row(number: int, change: WeightChange) -> WeightRow:
    def arrow(name: str, spell: words.Spell) -> str:
        return words.arrow(change.numbers[name], spell, " \N{RIGHTWARDS ARROW} ")

    norm = change.numbers["l2_norm"]
    cells = (
        words.what(change),
        spelling.number(norm.old),
        spelling.number(norm.new),
        *(_signed(change.numbers[name]) for name in ("l2_norm", "l1_norm", "max_abs")),
        arrow("sparsity", spelling.percent),
        arrow("dead_units", words.units),
        arrow("penalty", spelling.number),
    )
    return WeightRow(f"w{number}", escape.plain(words.name(change)), cells)


def _signed(shift: Shift) -> str:
    """Format a relative change so that a table can be sorted by it."""
    relative = shift.relative
    if relative is None:
        return spelling.MISSING
    return "0%" if relative == 0 else f"{relative:+,.1%}"
