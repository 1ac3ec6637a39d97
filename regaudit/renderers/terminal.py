"""The terminal: tables fitted to its width, findings wrapped, colour where it is wanted."""

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import ClassVar

from regaudit.model import Model
from regaudit.renderers.interface import Renderer
from regaudit.report import advice, escape, sentences, spelling
from regaudit.report.escape import Escaped
from regaudit.report.glossary import explained
from regaudit.report.report import Occurrence, Report
from regaudit.report.severity import Severity
from regaudit.report.spectrum_table import CAPTION
from regaudit.report.statistics import statistics
from regaudit.report.tables import Column, fitted_table
from regaudit.report.view import View
from regaudit.report.weight_tables import spectra_table, weights_table
from regaudit.rules.documentation import where_to_read
from regaudit.rules.interface import About

SHOWN = 3
"""Findings of one rule shown before `--verbose` is needed."""

COLORS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.NOTE: "36"}
"""ANSI colours; the letter next to them says the same."""


GREEN = "32"
DIM = "2"
BOLD = "1"


class Terminal(Renderer):
    name: ClassVar[str] = "terminal"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> Escaped:
        closing = [] if view.quiet else list(_closing(reports, view))
        if view.statistics:
            return escape.page([*_statistics(reports, view), *closing])
        if view.quiet:
            reports = [one for one in reports if one.findings or not one.complete]
        one = _quiet if view.quiet else _inspection if view.tables else _check
        paragraphs = [list(one(report, view)) for report in reports]
        if not view.quiet:
            closing = [*_glossary(paragraphs, view), *closing]
        paragraphs += [closing] if closing else []
        first, *rest = paragraphs or [[]]
        return escape.page([*first, *(line for lines in rest for line in ("", *lines))])


def _inspection(report: Report, view: View) -> Iterator[str]:
    """Everything about one model."""
    if report.model is None:
        yield from _check(report, view)
        return
    yield from _header(report, report.model, view)
    yield ""
    yield from weights_table(report, view)
    yield from _spectra(report, view)
    yield from _activity(report.model, view)
    yield from _unplaced(report.model, view)
    yield ""
    yield from _wrapped(f"{sentences.summary(report)} {sentences.coverage(report)}.", view)
    yield from _skipped(report, view)
    yield from _failed(report, view)
    yield from _not_run(report, view)
    yield from _suppressed(report, view)
    if report.findings:
        yield ""
        yield from _findings(report, view)
        yield ""
        for line in advice.proposed(report.proposal):
            yield from _wrapped(line, view)
        if where := advice.unseen(report, architecture=view.architecture):
            yield where


def _check(report: Report, view: View) -> Iterator[str]:
    """The verdict on one model."""
    yield _headline(report, view)
    if led := sentences.redirected(report):
        yield from _wrapped(f"{led}.", view, "  ")
    yield from _findings(report, view)
    yield from _suppressed(report, view)
    if report.model:
        for line in _wrapped(f"{sentences.coverage(report)}.", view, "  "):
            yield _paint(line, DIM, view)
    if unjudged := sentences.unjudged(report):
        yield from _wrapped(f"{unjudged}.", view, "  ")
    yield from _failed(report, view)
    yield from _not_run(report, view)


def _glossary(paragraphs: Sequence[Sequence[str]], view: View) -> Iterator[str]:
    """Explain the terms that these paragraphs use."""
    for line in explained("\n".join(line for lines in paragraphs for line in lines)):
        yield from (_paint(part, DIM, view) for part in _wrapped(line, view))


def _quiet(report: Report, view: View) -> Iterator[str]:
    """What was found in one model, and no more."""
    yield _headline(report, view)
    yield from _findings(report, view)
    yield from _failed(report, view)


def _statistics(reports: Sequence[Report], view: View) -> Iterator[str]:
    """A table of rules by what they found."""
    found = statistics(reports)
    if not found:
        return
    columns = [
        Column("rule", [f"{_letter(one.severity)} {one.code}" for one in found]),
        Column("places", [f"{one.places:,}" for one in found], right=True),
        Column("models", [f"{one.models:,}" for one in found], right=True),
        Column("name", [escape.plain(one.name) for one in found]),
    ]
    yield from fitted_table(columns, view.width, least=8)
    yield from [""] * (not view.quiet)


def _headline(report: Report, view: View) -> str:
    color = COLORS[Severity(report.worst)] if report.worst else GREEN
    if not report.complete:
        color = COLORS[Severity.ERROR]
    verdict = _paint(sentences.verdict(report), color, view)
    return _paint(escape.plain(report.file), BOLD, view) + ": " + verdict


def _header(report: Report, model: Model, view: View) -> Iterator[str]:
    keras = f", Keras {escape.plain(model.keras_version)}" if model.keras_version else ""
    layers = spelling.count(len(model.layers), "layer")
    facts = [
        ("file", f"{escape.plain(report.file)}, {spelling.file_size(report.size)}{keras}"),
        ("model", f"{spelling.kind(model)}, {layers}, {spelling.parameters(model)}"),
        ("optimizer", spelling.optimizer(model)),
        ("penalty", sentences.total_penalty(report)),
    ]
    for title, text in facts:
        lines = wrap(text, max(view.width - 11, 20)) or [""]
        yield _paint(f"{title:<9}", BOLD, view) + f"  {lines[0]}"
        yield from (f"{'':<11}{line}" for line in lines[1:])


def _spectra(report: Report, view: View) -> Iterator[str]:
    """A table of the spectra, if there are any."""
    table = spectra_table(report, view)
    if table:
        yield ""
        yield from _wrapped(CAPTION, view)
        yield ""
        yield from table


def _activity(model: Model, view: View) -> Iterator[str]:
    """Regularizers of outputs, a line each."""
    for layer in model.layers:
        regularizer = layer.activity_regularizer
        if regularizer is None or not view.shows(layer.path):
            continue
        why = f" ({regularizer.why})" if regularizer.why else ""
        yield from _wrapped(
            f"activity regularizer of {escape.plain(layer.path)}: "
            f"{spelling.regularizer(regularizer)}, {regularizer.status}{escape.plain(why)}",
            view,
        )


def _unplaced(model: Model, view: View) -> Iterator[str]:
    """Regularizers that no weight takes up, a line each."""
    for layer in model.layers:
        for key, regularizer in layer.unplaced.items():
            if view.shows(layer.path):
                yield from _wrapped(
                    f"{escape.plain(key)} of {escape.plain(layer.path)}: "
                    f"{spelling.regularizer(regularizer)}, {regularizer.status} "
                    f"({escape.plain(regularizer.why)})",
                    view,
                )


def _skipped(report: Report, view: View) -> Iterator[str]:
    skipped = report.skipped if view.verbose else report.skipped[: 2 * SHOWN]
    for skip in skipped:
        yield from _wrapped(f"- {escape.plain(skip.path)}: {escape.plain(skip.reason)}", view)
    if len(report.skipped) > len(skipped):
        yield f"- and {len(report.skipped) - len(skipped):,} more (--verbose)"


def _findings(report: Report, view: View) -> Iterator[str]:
    """Findings, worst first, each with its worst places."""
    said: dict[tuple[str, str], str] = {}
    verdict = report.proposal.verdict if report.proposal else ""  # said once, below all of them
    for finding in report.findings:
        page = view.page_of(finding.code) if view.links else ""
        code = f"{_letter(finding.severity)} " + escape.linked(finding.code, page)
        title = code + f" {finding.name}"
        many = f" ({len(finding.items):,} places)" if len(finding.items) > 1 else ""
        yield _paint(title, COLORS[finding.severity], view) + many
        shown = finding.items if view.verbose else finding.items[:SHOWN]
        reason = None
        for item in shown:
            milder = "" if item.severity is finding.severity else f"{_letter(item.severity)} "
            path = escape.plain(item.path) or "(model)"
            yield from _wrapped(f"{milder}{path}: {escape.plain(item.message)}", view, "    ")
            if item.no_suggestion != verdict:
                yield from _cure(item, finding.code, said, reason, view)
            reason = item.suggestion.reason if item.suggestion else item.no_suggestion or reason
        if len(finding.items) > len(shown):
            yield f"    and {len(finding.items) - len(shown):,} more (--verbose)"


def _letter(severity: Severity) -> str:
    return str(severity)[0].upper()


def _cure(
    item: Occurrence, code: str, said: dict[tuple[str, str], str], reason: str | None, view: View
) -> Iterator[str]:
    """What to write at a place, or why nothing; its reason only if it was not said just before."""
    suggestion, indent = item.suggestion, "      "
    tested = advice.tested(item) is not None
    if suggestion is None:
        if item.no_suggestion and item.no_suggestion != reason and view.tables:
            yield from _wrapped(escape.plain(advice.unchanged(item)), view, indent)
    elif not tested and not view.tables:
        return  # a check is no place for a start of a sweep
    elif first := advice.elsewhere(item, code, said):
        yield from _wrapped(f"the change beside {first} is for this, too", view, indent)
    elif tested:
        yield indent + _paint(escape.plain(suggestion.code), GREEN, view)
        text = advice.sentence(suggestion)
        if suggestion.reason == reason:
            text = f"adds {spelling.number(suggestion.penalty)} to the loss"
        yield from _wrapped(escape.plain(text), view, indent)
    else:
        text = f"untested start of a sweep: {suggestion.code}"
        yield from _wrapped(escape.plain(text), view, indent)


def _suppressed(report: Report, view: View) -> Iterator[str]:
    """What an ignore or the baseline accepts: a count, or each with its reason."""
    if view.verbose:
        for one in report.suppressed:
            yield from _wrapped(sentences.suppressed(one), view, "  ")
    elif report.suppressed:
        places = spelling.count(len(report.suppressed), "place")
        yield f"  {places} accepted by an ignore or the baseline (--verbose)"


def _not_run(report: Report, view: View) -> Iterator[str]:
    """Rules that lacked a fact, with --verbose or --wide."""
    if view.verbose or view.wide:
        lacking = [rule for rule in report.not_run if not rule.failure]
        for text in sentences.not_run_together(lacking):
            yield from _wrapped(text, view, "  ")


def _failed(report: Report, view: View) -> Iterator[str]:
    """Rules of plug-ins that failed."""
    for rule in report.failed_rules:
        for line in _wrapped(sentences.failed_rule(rule), view, "  "):
            yield _paint(line, COLORS[Severity.ERROR], view)


def _closing(reports: Sequence[Report], view: View) -> Iterator[str]:
    """How all of it came out, and what to do next."""
    audited = sum(report.model is not None for report in reports)
    stopped = any(report.interrupted for report in reports)
    failed = sum(report.failure is not None for report in reports) - stopped
    if audited + failed + stopped > 1:
        bad = f", {failed:,} could not be audited" if failed else ""
        bad += ", and then the run was stopped" * stopped
        yield f"{spelling.count(audited, 'model')} audited{bad}: {sentences.total(reports)}."
    if used := sentences.plugins(reports):
        yield from _wrapped(f"With plug-ins: {used}.", view)
    if not view.tables:
        yield from _gate(reports, failed, view)
    found = [(one.severity, one.code) for report in reports for one in report.findings]
    lacking: dict[str, bool] = {}
    for rule in (rule for report in reports for rule in report.not_run):
        if not rule.failure:
            lacking[rule.code] = lacking.get(rule.code, True) and rule.partly
    if found:
        yield from where_to_read(found)
    elif lacking and not view.verbose:
        yield _not_wholly(list(lacking.values()))


def _not_wholly(partly: Sequence[bool]) -> str:
    """Count the rules that did not run, and those that did only in part."""
    some, none = sum(partly), len(partly) - sum(partly)
    found = [f"{spelling.count(none, 'rule')} did not run"] * bool(none)
    if some:
        found.append(f"{f'{some:,}' if none else spelling.count(some, 'rule')} ran only partly")
    return f"{' and '.join(found)}: --verbose shows what they need."


def _gate(reports: Sequence[Report], failed: int, view: View) -> Iterator[str]:
    """Say whether a check fails, and by what."""
    found = [finding for report in reports for finding in report.findings]
    bad = sum(finding.severity >= view.fail_on for finding in found)
    why = []
    if failed:
        why.append(
            spelling.count(failed, "file that could not be read", "files that could not be read")
        )
    if broken := len({rule.code for report in reports for rule in report.failed_rules}):
        why.append(f"{spelling.count(broken, 'rule')} that failed")
    if any(report.interrupted for report in reports):
        why.append("the run was stopped")
    if bad:
        why.append(f"{spelling.count(bad, 'finding')} at or above {Severity(view.fail_on)}")
    unjudged = sum(bool(report.unjudged) for report in reports)
    if unjudged and view.fail_on_unknown:
        models = spelling.count(unjudged, "model")
        why.append(f"{models} of which no regularizer is known (unknown is set to fail)")
    if why:
        yield _paint(f"Failed: {' and '.join(why)}.", COLORS[Severity.ERROR], view)
    elif found:
        yield _paint("Passed.", GREEN, view)
    asked = [advice.more(report, architecture=view.architecture) for report in reports]
    asked = list(filter(None, asked))
    if asked:
        others = f" (and {len(asked) - 1:,} more)" if len(asked) > 1 else ""
        yield f"{asked[0]}{others}"


def _wrapped(text: str, view: View, indent: str = "") -> Iterator[str]:
    hanging = indent + "  "
    width = max(view.width, 40)
    yield from wrap(
        text, width, initial_indent=indent, subsequent_indent=hanging, break_on_hyphens=False
    ) or [""]


def _paint(text: str, color: str, view: View) -> Escaped:
    return escape.paint(text, color if view.color else "")
