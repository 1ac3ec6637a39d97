"""SARIF 2.1.0, for GitHub code scanning and other viewers of findings.

A model is a binary file: its findings are at line 1, and the weight is their logical location.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote

from regaudit.renderers.interface import Renderer
from regaudit.report import advice, escape, sentences
from regaudit.report.escape import Escaped, command, json_text, page
from regaudit.report.proposal import UNTESTED, WORTH_OF_A_START
from regaudit.report.report import Occurrence, Report
from regaudit.report.severity import Severity
from regaudit.report.view import View
from regaudit.rules import documentation
from regaudit.rules.interface import About
from regaudit.storage.repository import relative
from regaudit.version import VERSION

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

RESULTS = 5_000
"""Results that GitHub shows of a run; it refuses a run with more than 25,000."""

NOTIFICATIONS = 1_000
"""Remarks on reading that are kept."""

LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}

PROBLEMS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "recommendation"}
"""What GitHub calls severities of rules that are not about security."""


class Sarif(Renderer):
    name: ClassVar[str] = "sarif"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> Escaped:
        content = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(reports, rules, view)]}
        return page([json_text(content, indent=2, allow_nan=False)])


def _run(reports: Sequence[Report], rules: Sequence[About], view: View) -> dict[str, Any]:
    tools = _tools(reports, rules)
    results = [one for report in reports for one in _results(report, tools, view)]
    results.sort(key=lambda one: -one["rank"])  # stable: worst first, else in the order of files
    notifications = [one for report in reports for one in _notifications(report, view)]
    cut = len(results) - RESULTS
    if cut > 0:
        text = f"{cut:,} of {len(results):,} results are left out, the mildest; JSON has all"
        notifications.insert(0, {"level": "warning", "message": {"text": text}})
    if len(notifications) > NOTIFICATIONS:
        left = len(notifications) - NOTIFICATIONS + 1
        text = f"{left:,} more remarks are left out; JSON has all"
        notifications[NOTIFICATIONS - 1 :] = [{"level": "note", "message": {"text": text}}]
    return {
        "tool": {
            "driver": {
                "name": "regaudit",
                "version": VERSION,
                "semanticVersion": VERSION,
                "rules": [_rule(about, view) for about in tools[0].rules],
            },
            **({"extensions": [_extension(one, view) for one in tools[1:]]} if tools[1:] else {}),
        },
        "invocations": [
            {
                "executionSuccessful": all(report.complete for report in reports),
                "toolExecutionNotifications": notifications,
            }
        ],
        "artifacts": [_artifact(report, view) for report in reports],
        "results": results[:RESULTS],
    }


class _Tool(NamedTuple):
    """A distribution, and its rules."""

    name: str
    version: str
    rules: list[About]


def _tools(reports: Sequence[Report], rules: Sequence[About]) -> list[_Tool]:
    """Return regaudit and the distributions that took part, each with its rules."""
    used = dict.fromkeys((one.name, one.version) for each in reports for one in each.plugins)
    whose = {
        code: (one.name, one.version)
        for each in reports
        for one in each.plugins
        for code in one.rules
    }
    own = _Tool("regaudit", VERSION, [about for about in rules if about.code not in whose])
    return [
        own,
        *(_Tool(*one, [about for about in rules if whose.get(about.code) == one]) for one in used),
    ]


def _extension(tool: _Tool, view: View) -> dict[str, Any]:
    rules = [_rule(about, view) for about in tool.rules]
    return {"name": tool.name, "version": tool.version, "rules": rules}


def _rule(about: About, view: View) -> dict[str, Any]:
    address = view.page_of(about.code) or about.url
    more = "" if address else f"More: {command('regaudit explain {}', about.code)}"
    return {
        "id": about.code,
        "name": "".join(word.capitalize() for word in about.name.split("-")),
        "shortDescription": {"text": about.title},
        "fullDescription": {"text": about.rationale},
        **({"helpUri": address} if address else {}),
        "help": {
            "text": f"{about.fix} {more}".rstrip(),
            "markdown": documentation.help_page(about) + (f"\n{more}\n" if more else ""),
        },
        "defaultConfiguration": {"level": LEVELS[about.severity]},
        "properties": {
            "precision": about.confidence,
            "problem.severity": PROBLEMS[about.severity],
            "tags": ["keras", "regularization", about.name],
        },
    }


def _results(report: Report, tools: list[_Tool], view: View) -> Iterator[dict[str, Any]]:
    """Yield a result for each place of each finding, those that are accepted among them."""
    places = {
        about.code: (number, index)
        for number, tool in enumerate(tools)
        for index, about in enumerate(tool.rules)
    }
    found = [
        (finding.code, item, None) for finding in report.findings for item in finding.items
    ] + [(one.code, one.item, one.reason) for one in report.suppressed]
    seen: Counter[tuple[str, str]] = Counter()
    for code, item, reason in found:
        seen[code, item.path] += 1
        result = _result(code, item, report, view, seen[code, item.path])
        tool, index = places.get(code, (0, -1))
        if index >= 0:
            result["ruleIndex"] = index
        if tool:  # the index is in the rules of an extension then
            component = {"index": tool - 1}
            result["rule"] = {"id": code, "index": index, "toolComponent": component}
        accepted = {"kind": "external", "status": "accepted", "justification": reason}
        result["suppressions"] = [] if reason is None else [accepted]
        yield result


def _result(code: str, item: Occurrence, report: Report, view: View, number: int) -> dict[str, Any]:
    """Return one result; `number` counts those of one rule at one place."""
    uri = _uri(report.file, view)
    fingerprint = sha256(f"{code} {uri} {item.path}".encode("utf-8", "replace")).hexdigest()
    path = item.path or "(model)"
    text = f"{escape.plain(path)}: {escape.plain(item.message)}."
    suggestion = advice.tested(item)
    if suggestion:
        text += f" Write {suggestion.code}: {escape.plain(suggestion.reason)}."
    elif item.suggestion:
        text += f" An {UNTESTED}: {item.suggestion.code}; {WORTH_OF_A_START}."
    return {
        "ruleId": code,
        "level": LEVELS[item.severity],
        "rank": {Severity.ERROR: 100.0, Severity.WARNING: 50.0, Severity.NOTE: 10.0}[item.severity],
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [
                    {"name": path.rpartition("/")[2], "fullyQualifiedName": path, "kind": "object"}
                ],
            }
        ],
        # The one that GitHub keeps alerts by; by itself it would take the line, always the first.
        "partialFingerprints": {"primaryLocationLineHash": f"{fingerprint[:32]}:{number}"},
    }


def _notifications(report: Report, view: View) -> Iterator[dict[str, Any]]:
    """Yield what could not be read, and what was not examined, and rules that did not run."""
    where = [{"physicalLocation": {"artifactLocation": {"uri": _uri(report.file, view)}}}]
    if report.failure:
        yield {
            "level": "error",
            "descriptor": {"id": report.failure.kind},
            "message": {"text": escape.plain(report.failure.message)},
            "locations": where,
        }
    if unjudged := sentences.unjudged(report):
        level = "error" if view.fail_on_unknown else "warning"
        message = {"text": escape.plain(unjudged)}
        yield {"level": level, "message": message, "locations": where}
    for rule in report.failed_rules:
        yield {
            "level": "error",
            "associatedRule": {"id": rule.code},
            "message": {"text": sentences.failed_rule(rule)},
            "locations": where,
        }
    said = [f"{escape.plain(skip.path)}: {escape.plain(skip.reason)}" for skip in report.skipped]
    said += sentences.not_run_together([rule for rule in report.not_run if not rule.failure])
    for text in said:
        yield {"level": "note", "message": {"text": text}, "locations": where}


def _artifact(report: Report, view: View) -> dict[str, Any]:
    artifact: dict[str, Any] = {
        "location": {"uri": _uri(report.file, view)},
        "roles": ["analysisTarget"],
    }
    return artifact if report.size is None else {**artifact, "length": report.size}


def _uri(file: str, view: View) -> str:
    """Return a URI: relative to the top of the repository for what lies in it."""
    path = relative(file, view.root)
    quoted = quote(path, safe="/:" if "://" in path else "/", errors="replace")
    return f"file://{quoted}" if path.startswith("/") else quoted
