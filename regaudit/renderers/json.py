"""JSON, for programs: everything, at full precision."""

from collections.abc import Sequence
from typing import IO, ClassVar

from regaudit.renderers.interface import StreamingRenderer
from regaudit.report.document import document, record
from regaudit.report.escape import json_text
from regaudit.report.report import Report
from regaudit.report.streams import Joined, as_bytes
from regaudit.report.view import View
from regaudit.rules.interface import About


class Json(StreamingRenderer):
    name: ClassVar[str] = "json"

    def part(self, report: Report, rules: Sequence[About], view: View) -> bytes:
        content = record(report)
        content["layers"] = view.records(content["layers"])
        return as_bytes(json_text(content, allow_nan=False))

    def stream(self, file: IO[bytes], rules: Sequence[About], view: View) -> Joined:
        head, tail = as_bytes(json_text(document([]))).rsplit(b"]", 1)
        return Joined(file, head, b", ", b"]" + tail + b"\n")
