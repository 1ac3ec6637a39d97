"""SARIF 2.1.0, for GitHub code scanning and other viewers of findings.

A model is a binary file: its findings are at line 1, and the weight is their logical location.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import chain
from typing import IO, Any, ClassVar, NamedTuple
from urllib.parse import quote

import msgspec
from msgspec import Struct

from regaudit.renderers.interface import StreamingRenderer
from regaudit.report import advice, escape, sentences
from regaudit.report.escape import command, json_text
from regaudit.report.proposal import UNTESTED, WORTH_OF_A_START
from regaudit.report.report import Occurrence, PlugIn, Report
from regaudit.report.severity import Severity
from regaudit.report.streams import acts, as_bytes
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


class Part(Struct, frozen=True):
    """What one report adds; JSON but for what the stream has to know."""

    artifact: str
    failed: bool
    plugins: list[PlugIn]
    results: dict[Severity, list[str]]
    notifications: list[str]


class Sarif(StreamingRenderer):
    name: ClassVar[str] = "sarif"

    def part(self, report: Report, rules: Sequence[About], view: View) -> bytes:
        tools = _tools(report.plugins, rules)
        results: dict[Severity, list[str]] = {}
        for severity, result in _results(report, tools, view):
            results.setdefault(severity, []).append(_text(result))
        notifications = [_text(one) for one in _notifications(report, view)]
        artifact, plugins = _text(_artifact(report, view)), list(report.plugins)
        return msgspec.json.encode(
            Part(artifact, not report.complete, plugins, results, notifications)
        )

    def is_part(self, part: bytes) -> bool:
        try:
            one = msgspec.json.decode(part, type=Part)
        except (ValueError, msgspec.MsgspecError):  # which older ones do not make the same
            return False
        texts = (one.artifact, *one.notifications, *chain.from_iterable(one.results.values()))
        return not any(acts(as_bytes(text)) for text in texts)

    def stream(self, file: IO[bytes], rules: Sequence[About], view: View) -> "_Run":
        return _Run(file, rules, view)


class _Run:
    """A run as it is written: first the files, at the end the worst that was found in them."""

    def __init__(self, file: IO[bytes], rules: Sequence[About], view: View) -> None:
        self._file, self._rules, self._view = file, rules, view
        self._lines = 0
        self._found: dict[Severity, list[str]] = {level: [] for level in reversed(Severity)}
        self._results = 0
        self._notifications: list[str] = []
        self._remarks = 0
        self._failed = False
        self._plugins: dict[PlugIn, None] = {}
        self._write(f'{{"$schema": "{SCHEMA}",\n"version": "2.1.0",\n"runs": [{{\n"artifacts": [')

    def add(self, part: bytes) -> None:
        """Write the file, and keep what may have to make room for worse."""
        one = msgspec.json.decode(part, type=Part)
        self._write(",\n" if self._lines else "\n", one.artifact)
        self._lines += 1
        self._failed |= one.failed
        self._plugins |= dict.fromkeys(one.plugins)
        for severity, texts in one.results.items():
            self._results += len(texts)
            kept = self._found[severity]
            kept += texts[: RESULTS - len(kept)]
        self._remarks += len(one.notifications)
        self._notifications += one.notifications[: NOTIFICATIONS - len(self._notifications)]

    def end(self) -> None:
        """Write results, worst first, else in the order of files; then how the run came out."""
        worst = [text for texts in self._found.values() for text in texts][:RESULTS]
        self._write('\n],\n"results": [\n', ",\n".join(worst), '\n],\n"invocations": [{')
        self._write(f'"executionSuccessful": {"false" if self._failed else "true"},\n')
        self._write('"toolExecutionNotifications": [\n', ",\n".join(self._remarked()), "\n]}],\n")
        self._write('"tool": ', json_text(self._tool(), indent=1, allow_nan=False), "}]}\n")

    def _tool(self) -> dict[str, Any]:
        """Return regaudit with its rules, and the distributions that took part."""
        own, *others = _tools(list(self._plugins), self._rules)
        driver = {
            "name": own.name,
            "version": own.version,
            "semanticVersion": own.version,
            "rules": [_rule(about, self._view) for about in own.rules],
        }
        extensions = [_extension(one, self._view) for one in others]
        return {"driver": driver, **({"extensions": extensions} if extensions else {})}

    def _remarked(self) -> list[str]:
        """Return the notifications, with what was left out."""
        remarks, count = list(self._notifications), self._remarks
        if self._results > RESULTS:
            cut = f"{self._results - RESULTS:,} of {self._results:,} results are left out"
            text = f"{cut}, the mildest; JSON has all"
            remarks.insert(0, _text({"level": "warning", "message": {"text": text}}))
            count += 1
        if count > NOTIFICATIONS:
            text = f"{count - NOTIFICATIONS + 1:,} more remarks are left out; JSON has all"
            left = _text({"level": "note", "message": {"text": text}})
            remarks[NOTIFICATIONS - 1 :] = [left]
        return remarks

    def _write(self, *texts: str) -> None:
        self._file.write(as_bytes("".join(texts)))


def _text(content: dict[str, Any]) -> str:
    return str(json_text(content, allow_nan=False))  # of just this type, as messages are


class _Tool(NamedTuple):
    """A distribution, and its rules."""

    name: str
    version: str
    rules: list[About]


def _tools(plugins: Sequence[PlugIn], rules: Sequence[About]) -> list[_Tool]:
    """Return regaudit and the distributions that took part, each with its rules."""
    used = dict.fromkeys((one.name, one.version) for one in plugins)
    whose = {code: (one.name, one.version) for one in plugins for code in one.rules}
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


def _results(
    report: Report, tools: list[_Tool], view: View
) -> Iterator[tuple[Severity, dict[str, Any]]]:
    """Yield a result for each place of each finding, those that are accepted among them."""
    places = {
        about.code: (tool.name, index) for tool in tools for index, about in enumerate(tool.rules)
    }
    found = [
        (finding.code, item, None) for finding in report.findings for item in finding.items
    ] + [(one.code, one.item, one.reason) for one in report.suppressed]
    seen: Counter[tuple[str, str]] = Counter()
    for code, item, reason in found:
        seen[code, item.path] += 1
        result = _result(code, item, report, view, seen[code, item.path])
        tool, index = places.get(code, (tools[0].name, -1))
        if index >= 0:
            result["ruleIndex"] = index
        if tool != tools[0].name:  # the index is in the rules of an extension then
            result["rule"] = {"id": code, "index": index, "toolComponent": {"name": tool}}
        accepted = {"kind": "external", "status": "accepted", "justification": reason}
        result["suppressions"] = [] if reason is None else [accepted]
        yield item.severity, result


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
