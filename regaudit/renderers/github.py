"""Annotations of GitHub Actions: the worst findings next to the files, all of them in the log.

GitHub shows ten annotations of each level a step; the step's summary, which the command line
writes as Markdown, has the rest.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple

from regaudit.renderers.interface import Renderer
from regaudit.report import advice, escape, sentences, spelling
from regaudit.report.escape import Escaped, by_format
from regaudit.report.report import Finding, Occurrence, Report
from regaudit.report.severity import Severity
from regaudit.report.view import View
from regaudit.rules.interface import About
from regaudit.storage.repository import relative

ANNOTATIONS = 10
"""Annotations of one level that GitHub shows of a step."""

LENGTH = 4_000
"""Characters of a message, of the 4,096 that a log line keeps."""

COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


class Annotation(NamedTuple):
    """One workflow command."""

    severity: Severity
    file: str
    title: str
    message: str

    def command(self) -> Escaped:
        """Return the line that GitHub acts on."""
        file, title = _property(self.file), _property(self.title)
        message = _data(self.message[:LENGTH])
        return by_format(f"::{COMMANDS[self.severity]} file={file},title={title}::{message}")


class Github(Renderer):
    name: ClassVar[str] = "github"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> Escaped:
        found = [one for report in reports for one in _annotations(report, view)]
        lines: list[str] = [line for level in reversed(Severity) for line in _shown(found, level)]
        for report in reports:
            lines += _log(report)
        return escape.page(lines)


def _annotations(report: Report, view: View) -> Iterator[Annotation]:
    file = relative(report.file, view.root)
    if report.failure:
        yield Annotation(Severity.ERROR, file, "not audited", escape.plain(report.failure.message))
    if led := sentences.redirected(report):
        yield Annotation(Severity.NOTE, file, "redirected", led)
    if unjudged := sentences.unjudged(report):
        level = Severity.ERROR if view.fail_on_unknown else Severity.NOTE
        yield Annotation(level, file, "regularizers not known", escape.plain(unjudged))
    for rule in report.failed_rules:
        text = sentences.failed_rule(rule)
        yield Annotation(Severity.ERROR, file, f"{rule.code} failed", text)
    for finding in report.findings:
        title = f"{finding.code} {finding.name}"
        yield Annotation(finding.severity, file, title, _message(finding))


def _message(finding: Finding) -> str:
    """The worst place of a finding, and how many more there are."""
    item, more = finding.items[0], len(finding.items) - 1
    text = _sentence(item)
    return f"{text}\nand {spelling.count(more, 'more place')}, in the log" if more else text


def _sentence(item: Occurrence) -> str:
    text = f"{escape.plain(item.path) or '(model)'}: {escape.plain(item.message)}"
    suggestion = advice.tested(item)
    return f"{text}; write {suggestion.code}" if suggestion else text


def _shown(found: Sequence[Annotation], level: Severity) -> Iterator[Escaped]:
    """Yield as many annotations of a level as GitHub shows; the last says what was left out."""
    ours = [one for one in found if one.severity is level]
    kept = ours if len(ours) <= ANNOTATIONS else ours[: ANNOTATIONS - 1]
    yield from (one.command() for one in kept)
    if len(kept) < len(ours):
        more = spelling.count(len(ours) - len(kept), "more finding")
        message = f"{more} of this level: see the step's summary or its log"
        yield by_format(f"::{COMMANDS[level]} title=regaudit::{_data(message)}")


def _log(report: Report) -> Iterator[str]:
    """Every place of every finding, folded, as lines that are no commands."""
    title = f"{escape.plain(report.file)}: {sentences.verdict(report)}"
    yield by_format(f"::group::{_data(title)}")
    if led := sentences.redirected(report):
        yield led
    yield from map(sentences.failed_rule, report.failed_rules)
    if used := sentences.plugins([report]):
        yield f"with plug-ins: {used}"
    for finding in report.findings:
        for item in finding.items:
            yield f"{item.severity} {finding.code} {finding.name}: {_sentence(item)}"
    yield by_format("::endgroup::")


def _data(text: str) -> str:
    """Escape the message of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a property of a command."""
    return _data(escape.plain(text)).replace(":", "%3A").replace(",", "%2C")
