"""Results that were written as JSON lines, read back: the reports, as far as they were written.

A report read back is written again as it was, in every format; what the schema "regaudit/1" leaves
out (configurations of layers, the graph, histograms) is not in it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite, prod
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from regaudit.dataclass import dataclass
from regaudit.errors import UsageError
from regaudit.measures.moments import Moments
from regaudit.report.document import SCHEMA
from regaudit.report.report import UNREAD, Report
from regaudit.report.typed_json import made
from regaudit.storage.location import redacted_name
from regaudit.storage.plain_file import open_plain

FILE_BYTES, LINE_BYTES = 4 << 30, 128 << 20
"""Largest file of results, and the longest of its lines."""

VALUES, DEPTH = 10_000_000, 100
"""Most values in one line, and how deep they may be nested."""

REPORTS = 1_000_000
"""Most lines, and reports in one line."""

MOST = 1 << 62
"""Largest count, size, or product of a shape."""

RANK = 64
"""Most dimensions of a shape."""

_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
"""Perhaps lone: one half of a pair looks the same."""

_MEASURED = (
    "nonfinite",
    "zeros",
    "near_zeros",
    "l1_norm",
    "l2_norm",
    "max_abs",
    "mean",
    "std",
    "units",
    "dead_units",
)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that is not a report."""

    file: str
    line: int
    reason: str


def read_results(file: Path) -> Iterator[Report | Malformed]:
    """Yield the reports of a file, one line in memory at a time.

    Args:
        file: JSON lines; a document of `--format json` is one such line with many reports.

    Raises:
        UsageError: it cannot be read.
    """
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
    """Yield each line; None for one that is too long."""
    while line := stream.readline(LINE_BYTES + 1):
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
        raise ValueError(f"{text[:20]} is no finite number")
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
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else reason[:200]
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


def report_of(record: Any) -> Report:
    """Return the report that a record was made from, as far as it is in the record.

    Raises:
        ValueError: something is missing or of a wrong type; the message says what.
    """
    try:
        found = made(Report, _report(record))
        _check(found)
    except KeyError as error:
        raise ValueError(f"{error.args[0]!r} is missing") from error
    except (TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise ValueError("its structure is another one") from error
    return found


def _report(record: Mapping[str, Any]) -> dict[str, Any]:
    """Arrange a record as `made` takes a report."""
    layers = record["layers"]
    if len(layers) != record["coverage"]["layers"]:
        raise ValueError("it has only some of the layers: write it without --layer")
    weights = [weight for layer in layers for weight in layer["weights"]]
    penalties = {_stored_path(weight): weight["penalty"] for weight in weights}
    certain = record["penalty"]["complete"] or None in penalties.values()
    skipped = [[one["path"], one["reason"]] for one in record["coverage"]["skipped"]]
    spectral = any("spectrum" in weight for weight in weights)
    spectra = {_stored_path(w): w["spectrum"] for w in weights if w.get("spectrum")}
    return {
        # What wrote it may have shown more of a URL.
        "file": redacted_name(_text(record["file"])),
        **{key: record[key] for key in ("format", "size", "not_run", "failure")},
        "model": _model(record, [_layer(layer, certain) for layer in layers]),
        "moments": {_stored_path(w): _moments(w) for w in weights if w["zeros"] is not None},
        "penalties": penalties,
        "spectra": spectra if spectral else None,
        "measured": list(UNREAD) not in skipped,
        "findings": [_finding(one) for one in record["findings"]],
        "suppressed": [_suppressed(one) for one in record["suppressed"]],
        "skipped": skipped,
    }


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _model(record: Mapping[str, Any], layers: Sequence[Any]) -> dict[str, Any] | None:
    model = record["model"]
    if model is None:
        return None
    return {
        **{key: model[key] for key in ("name", "class_name", "loss")},
        **{key: record[key] for key in ("keras_version", "saved_at")},
        "layers": layers,
        "optimizer": _optimizer(model["optimizer"]),
    }


def _optimizer(optimizer: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if optimizer is None:
        return None
    own = ("class_name", "iterations")
    config = {key: value for key, value in optimizer.items() if key not in own}
    return {**{key: optimizer[key] for key in own}, "config": config}


def _layer(layer: Mapping[str, Any], certain: bool) -> dict[str, Any]:
    return {
        **{key: layer[key] for key in ("path", "name", "class_name", "trainable")},
        "config": {},
        # All that hangs on it in a record is whether the penalty is complete.
        "known": certain,
        "weights": [_weight(weight) for weight in layer["weights"]],
        "activity_regularizer": layer["activity_regularizer"],
        "unplaced": layer["unplaced_regularizers"],
    }


def _weight(weight: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("path", "role", "shape", "dtype", "trainable", "regularizer")
    more = ("constraint", "dequantized_from", "shared_with")
    kept = {key: weight[key] for key in (*keys, *more)}
    return {**kept, "stored_path": _stored_path(weight)}


def _stored_path(weight: Mapping[str, Any]) -> Any:
    """Return where the values lie; a model in memory has no stored paths."""
    return weight["stored_path"] or weight["path"]


def _moments(weight: Mapping[str, Any]) -> dict[str, Any]:
    measured = {key: weight[key] for key in _MEASURED}
    # Only an audit compares with the threshold; a record holds what came of it.
    return {"size": _size(weight), "threshold": 0.0, **measured}


def _size(weight: Mapping[str, Any]) -> int:
    """Return how many values were measured: those of the shape, unless they lie packed."""
    packed = weight["dequantized_from"] is not None and weight["sparsity"]
    shape = weight["shape"]
    if len(shape) > RANK or not all(type(n) is int and 0 <= n <= MOST for n in shape):
        raise ValueError("a weight has a shape that none can have")
    size: int = round(weight["zeros"] / packed) if packed else prod(shape)
    return size


def _check(report: Report) -> None:
    """Refuse numbers that nothing can have.

    Raises:
        ValueError: there are some.
    """
    counts = [report.size or 0]
    for _, weight in report.model.weights() if report.model else ():
        if len(weight.shape) > RANK or any(not 0 <= n <= MOST for n in weight.shape):
            raise ValueError(f"{weight.path} has a shape that none can have")
        counts.append(weight.size)
    for one in report.moments.values():
        _check_numbers(one)
        counts += [one.size, one.nonfinite, one.zeros, one.near_zeros]
        counts += [one.units or 0, one.dead_units or 0]
    for spectrum in (report.spectra or {}).values():
        counts += spectrum.shape
        if spectrum.spectral_norm < 0 or spectrum.spectral_norm_error < 0:
            raise ValueError("a norm is below zero")
    if any(not 0 <= count <= MOST for count in counts):
        raise ValueError("a count is below zero, or beyond all sizes")


def _check_numbers(one: Moments) -> None:
    measured = (one.l1_norm, one.l2_norm, one.max_abs, one.std)
    if any(number is not None and number < 0 for number in measured):
        raise ValueError("a norm is below zero")
    if max(one.nonfinite, one.zeros, one.near_zeros) > one.size:
        raise ValueError("more values are counted than a weight has")
    if (one.dead_units or 0) > (one.units or 0):
        raise ValueError("more units are dead than there are")
    if (one.dead_units is None) != (one.units is None):
        raise ValueError("units and dead units are not known both")


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    items = finding["items"]
    if not items:
        raise ValueError("a finding has no items")
    return {**{key: finding[key] for key in ("code", "name")}, "items": items}


def _suppressed(one: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("severity", "path", "message", "observed", "evidence", "suggestion")
    named = {key: one[key] for key in ("code", "reason")}
    return {
        **named,
        "name": one["name"],
        "item": {key: one[key] for key in keys},
        "ignore": named if one["by"] == "ignore" else None,
    }
