"""The pages on models: one model; many on one page; many with a page each and one on all."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from msgspec.structs import replace

from regaudit.pages.fleet import Entry, entry_of, fleet
from regaudit.pages.model_section import Section, section
from regaudit.pages.page_names import INDEX, PageNames
from regaudit.pages.riskiest import Riskiest
from regaudit.pages.template import fill, fill_part
from regaudit.report.escape import Escaped
from regaudit.report.report import Report
from regaudit.report.view import View
from regaudit.rules.interface import About

PARTS = 4_000_000
"""Characters that the parts of models have on the page of many; more are left out."""

STRIPS = 1_000_000
"""The same of their small pictures."""

DRAWN = 50
"""Models with several states whose trends are drawn, the riskiest."""


class NamedPage(NamedTuple):
    """A page of a folder."""

    name: str
    content: Escaped


def models_page(reports: Iterable[Report], rules: Sequence[About], view: View) -> Escaped:
    """Return one self-contained page.

    Each report is let go before the next is asked for, and parts of models are kept as long as
    there is room for them.

    Args:
        reports: of all models.
        rules: those that ran; or all, if the view is on results.
        view: what is shown.
    """
    coming = iter(reports)
    first = list(islice(coming, 2))
    if len(first) == 1:
        return _model_page(_section(1, first[0], rules, view), rules, view)
    index, parts = _Index(rules, view), Riskiest(PARTS)
    for number, report in enumerate(chain(first, coming), 1):
        entry = entry_of(report, f"m{number}")
        arranged = None
        if parts.wants(entry.risk) or index.wants(entry):
            arranged = _section(number, report, rules, view, alone=False)
        if arranged and parts.wants(entry.risk):
            part = fill_part("part.html.j2", section=arranged, view=view)
            parts.add(entry.anchor, entry.risk, part)
        index.add(entry, arranged)
    return index.page(parts.kept)


def pages(reports: Iterable[Report], rules: Sequence[About], view: View) -> Iterator[NamedPage]:
    """Yield a page for each model as soon as its report is there, in the end one on all of them.

    Arguments are those of `models_page`.
    """
    names, index = PageNames(), _Index(rules, view)
    for report in reports:
        entry = entry_of(report)
        entry = replace(entry, page=names.of(entry.file, entry.key))
        arranged = _section(1, report, rules, view)
        yield NamedPage(entry.page, _model_page(arranged, rules, view, all_models=INDEX))
        index.add(replace(entry, anchor=entry.page), arranged)
    yield NamedPage(INDEX, index.page({}))


def _section(
    number: int, report: Report, rules: Sequence[About], view: View, *, alone: bool = True
) -> Section:
    """Arrange a report; results do not tell which rules found nothing."""
    arranged = section(number, report, rules, view, alone=alone)
    return replace(arranged, passed=()) if view.of_results else arranged


def _model_page(
    arranged: Section, rules: Sequence[About], view: View, *, all_models: str = ""
) -> Escaped:
    return fill("page.html.j2", section=arranged, rules=rules, view=view, all_models=all_models)


class _Index:
    """What is kept of each model for the page on all of them."""

    def __init__(self, rules: Sequence[About], view: View) -> None:
        self._rules, self._view = rules, view
        self._entries: list[Entry] = []
        self._strips = Riskiest(STRIPS)

    def wants(self, entry: Entry) -> bool:
        """Whether its small picture may be kept."""
        return self._strips.wants(entry.risk)

    def add(self, entry: Entry, arranged: Section | None) -> None:
        """Keep what the page shows of a model; arranged as far as that was wanted."""
        self._entries.append(entry)
        if arranged and self.wants(entry):
            picture = fill_part(
                "small_strip.html.j2", strip=arranged.strip, id=f"{entry.anchor}-small"
            )
            self._strips.add(entry.anchor, entry.risk, picture)

    def page(self, parts: dict[str, str]) -> Escaped:
        """Return the page; parts of models are given by their anchors."""
        found = fleet(self._entries)
        shown = [entry.anchor for entry in found.shown if entry.anchor in parts]
        return fill(
            "models.html.j2",
            fleet=found,
            parts={anchor: parts[anchor] for anchor in shown},
            strips=self._strips.kept,
            titles={rule.code: rule.title for rule in self._rules},
            rules=self._rules,
            view=self._view,
            drawn=DRAWN,
        )
