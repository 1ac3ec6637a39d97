"""One line a finding, for grep and editors: `file:layer/weight: CODE message`.

What could not be audited has a line of its own; a model without findings has none.
"""

from collections.abc import Iterator, Sequence
from typing import IO, ClassVar

from regaudit.renderers.interface import StreamingRenderer
from regaudit.report import escape, sentences
from regaudit.report.report import Report
from regaudit.report.streams import Joined, as_bytes
from regaudit.report.view import View
from regaudit.rules.interface import About


class Concise(StreamingRenderer):
    name: ClassVar[str] = "concise"

    def part(self, report: Report, rules: Sequence[About], view: View) -> bytes:
        return as_bytes(escape.page(_lines(report)))

    def stream(self, file: IO[bytes], rules: Sequence[About], view: View) -> Joined:
        return Joined(file)


def _lines(report: Report) -> Iterator[str]:
    file = escape.plain(report.file)
    if report.failure:
        yield f"{file}: could not be audited: {escape.plain(report.failure.message)}"
    if led := sentences.redirected(report):
        yield f"{file}: {led}"
    yield from (f"{file}: {sentences.failed_rule(rule)}" for rule in report.failed_rules)
    for finding in report.findings:
        for item in finding.items:
            place = escape.plain(item.path) or "(model)"
            yield f"{file}:{place}: {finding.code} {escape.plain(item.message)}"
