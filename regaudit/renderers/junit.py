"""JUnit XML, for test dashboards: a suite for each model, a test case for each rule.

The dialect of Jenkins's xUnit plugin (junit-10.xsd), which pytest writes too. Without times: the
same audit gives the same bytes.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from regaudit.renderers.interface import Renderer
from regaudit.report import advice, escape, sentences, spelling
from regaudit.report.escape import Escaped
from regaudit.report.report import Finding, Occurrence, Report
from regaudit.report.view import View
from regaudit.rules.interface import About
from regaudit.storage.repository import relative

READ = "readable"
"""Name of the test case for reading the file."""

KNOWN = "regularizers known"
"""Name of the test case of a model of which no regularizer is known."""


class Junit(Renderer):
    name: ClassVar[str] = "junit"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> Escaped:
        root = Element("testsuites", name="regaudit")
        suites = [_suite(root, report, rules, view) for report in reports]
        for count in ("tests", "failures", "errors"):
            root.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
        indent(root)
        text = f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(root, "unicode")}\n'
        return escape.by_format(text)


def _suite(root: Element, report: Report, rules: Sequence[About], view: View) -> Element:
    file = _text(relative(report.file, view.root))
    suite = SubElement(root, "testsuite", name=file)
    read = SubElement(suite, "testcase", classname=file, name=READ)
    if report.failure:
        kind, why = _text(report.failure.kind), _text(report.failure.message)
        SubElement(read, "error", type=kind, message=why).text = why
    elif report.skipped:
        lines = (f"{skip.path}: {skip.reason}" for skip in report.skipped)
        SubElement(read, "system-out").text = _lines(lines)
    if unjudged := sentences.unjudged(report):
        case = SubElement(suite, "testcase", classname=file, name=KNOWN)
        kind = "failure" if view.fail_on_unknown else "skipped"
        SubElement(case, kind, type="unknown", message=_text(unjudged))
    if not report.failure:
        names = {about.code: about.name for about in rules}
        names |= {finding.code: finding.name for finding in report.findings}
        names |= {rule.code: rule.name for rule in report.failed_rules}
        for code in sorted(names):
            case = SubElement(
                suite, "testcase", classname=file, name=_text(f"{code} {names[code]}")
            )
            _judge(case, code, report, view)
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite.findall("testcase"))))
    return suite


def _judge(case: Element, code: str, report: Report, view: View) -> None:
    """Write into a test case how a rule came out."""
    said = []
    for finding in report.findings:
        if finding.code == code:
            failing = [item for item in finding.items if item.severity >= view.fail_on]
            if failing:
                failure = SubElement(case, "failure", type=str(finding.severity))
                failure.set("message", _text(_message(finding)))
                failure.text = _lines(map(_line, failing))
            said += [_line(item) for item in finding.items if item not in failing]
    for rule in report.not_run:
        if rule.code == code and rule.failure:
            why = _text(rule.failure.message)
            SubElement(case, "error", type=rule.failure.kind, message=why).text = why
        elif rule.code == code and not rule.partly:
            SubElement(case, "skipped", type="not run", message=_text(f"needs {rule.needs}"))
        elif rule.code == code:
            said.append(sentences.not_run(rule))
    said += [
        f"accepted: {_line(one.item)} ({one.reason})"
        for one in report.suppressed
        if one.code == code
    ]
    if said:
        SubElement(case, "system-out").text = _lines(said)


def _message(finding: Finding) -> str:
    more = len(finding.items) - 1
    text = f"{finding.path or '(model)'}: {finding.message}"
    return f"{text}, and {spelling.count(more, 'more place')}" if more else text


def _line(item: Occurrence) -> str:
    text = f"{item.severity}: {item.path or '(model)'}: {item.message}"
    suggestion = advice.tested(item)
    return f"{text}; write {suggestion.code}" if suggestion else text


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(map(_text, lines))


def _text(text: str) -> str:
    """Escape what XML does not allow, and what moves a cursor."""
    plain = escape.plain(text)
    return "".join(
        char if ord(char) & 0xFFFE != 0xFFFE else f"\\U{ord(char):08x}" for char in plain
    )
