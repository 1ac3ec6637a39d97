"""Results that were written as JSON lines, read back: the reports, as far as they were written.

A report read back is written again as it was, in every format; what the schema "regaudit/1" leaves
out (configurations of layers, the graph, histograms) is not in it.
"""

import json
import re
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from msgspec import Struct

from regaudit.errors import UsageError, shortened, why_no_text
from regaudit.report.read_record import report_of
from regaudit.report.report import Report
from regaudit.report.schema import SCHEMA
from regaudit.storage.plain_file import open_plain

FILE_BYTES, LINE_BYTES = 4 << 30, 128 << 20
"""Largest file of results, and the longest of its lines."""

VALUES, DEPTH = 10_000_000, 100
"""Most values in one line, and how deep they may be nested."""

REPORTS = 1_000_000
"""Most lines, and reports in one line."""

TABLES = {".csv", ".parquet"}
"""Suffixes of results that are only for other programs."""

_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""Perhaps lone: one half of a pair looks the same."""


class Malformed(Struct, frozen=True):
    """A line that is not a report."""

    file: str
    line: int
    reason: str


def read_results(file: Path) -> Iterator[Report | Malformed]:
    """Yield the reports of a file, one line in memory at a time.

    Args:
        file: JSON lines; a document of `--format json` is one such line with many reports.

    Raises:
        UsageError: it cannot be read, or is a table: rows do not tell what findings say.
    """
    if file.suffix.lower() in TABLES:
        raise UsageError(f"{file}: a table is not read back: give what --format jsonl wrote")
    try:
        with open_plain(file, FILE_BYTES) as stream:
            for number, line in enumerate(_lines(stream), 1):
                if number > REPORTS:
                    yield Malformed(str(file), number, f"there are more than {REPORTS:,} lines")
                    return
                if line is None:
                    yield Malformed(str(file), number, f"longer than {LINE_BYTES:,} bytes")
                elif line.strip():
                    yield from _reports(str(file), number, line)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})") from error


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yield each line; None for one that is too long.

    A line of one brace alone begins a document that was indented, as `jq` does: it is all one line.
    """
    while line := stream.readline(LINE_BYTES + 1):
        if line.strip() == b"{":
            line += stream.read(LINE_BYTES + 1 - len(line))
        yield line if len(line) <= LINE_BYTES else None
        while len(line) > LINE_BYTES and not line.endswith(b"\n"):
            line = stream.readline(LINE_BYTES + 1)


def _parsed(line: bytes) -> Any:
    """Return the content of a line; every number in it is finite, and every text can be written.

    Raises:
        ValueError: it is not such JSON; the message says why.
    """
    if sum(map(line.count, (b",", b"[", b"{"))) > VALUES:
        raise ValueError(f"it has more than {VALUES:,} values")
    content = json.loads(line, parse_float=_real, parse_int=_whole, parse_constant=_no_number)
    if _LONE_SURROGATE.search(line):  # no file and no terminal can be given one
        content = json.loads(json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"))
    level = [content] if isinstance(content, dict | list) else []
    for _ in range(DEPTH):
        level = [
            below
            for above in level
            for below in (above.values() if isinstance(above, dict) else above)
            if isinstance(below, dict | list)
        ]
        if not level:
            return content
    raise ValueError(f"it is nested deeper than {DEPTH} levels")


def _real(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{shortened(text, 20)} is no finite number")
    return number


def _whole(text: str) -> int | float:
    return int(text) if len(text) < 20 else _real(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _reports(file: str, number: int, line: bytes) -> Iterator[Report | Malformed]:
    try:
        content = _parsed(line)
    except (ValueError, RecursionError) as error:
        cut = isinstance(error, json.JSONDecodeError)
        reason = error.msg if isinstance(error, json.JSONDecodeError) else why_no_text(error)
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else reason
        yield Malformed(file, number, f"not JSON ({reason})" + ": it may be truncated" * cut)
        return
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        yield Malformed(file, number, f'not a report of the schema "{SCHEMA}"')
        return
    records = content.get("reports", [content])
    for record in records if isinstance(records, list) else [records]:
        try:
            yield report_of(record)
        except ValueError as error:
            yield Malformed(file, number, f'not a report of the schema "{SCHEMA}": {error}')
