"""JSON lines, for streams: one report a line, each with its schema."""

from collections.abc import Sequence
from typing import IO, ClassVar

from regaudit.renderers.interface import StreamingRenderer
from regaudit.report.document import document
from regaudit.report.escape import Escaped, json_text, page
from regaudit.report.report import Report
from regaudit.report.streams import Joined, as_bytes
from regaudit.report.view import View
from regaudit.rules.interface import About


class Jsonl(StreamingRenderer):
    name: ClassVar[str] = "jsonl"

    def part(self, report: Report, rules: Sequence[About], view: View) -> bytes:
        return as_bytes(page([_line(report, view)]))

    def stream(self, file: IO[bytes], rules: Sequence[About], view: View) -> Joined:
        return Joined(file)


def _line(report: Report, view: View) -> Escaped:
    content = document([report])
    (record,) = content.pop("reports")
    record["layers"] = view.records(record["layers"])
    return json_text({**content, **record}, separators=(",", ":"), allow_nan=False)
