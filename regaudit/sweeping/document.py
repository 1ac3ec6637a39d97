"""A sweep as JSON, by the schema "regaudit.sweep/1", and read back; as CSV and as Markdown.

The edits of the chosen candidate stand at the top, where `apply --from` looks for them.
"""

import csv
import io
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, to_builtins

from regaudit.errors import UsageError, why_no_text
from regaudit.report import escape
from regaudit.report.escape import Escaped
from regaudit.report.proposal import Edit
from regaudit.report.tables import pipe_table
from regaudit.storage.plain_file import read_plain
from regaudit.sweeping.columns import columns, setting
from regaudit.sweeping.outcome import Candidate, Setting, Sweep
from regaudit.version import VERSION

SCHEMA: Literal["regaudit.sweep/1"] = "regaudit.sweep/1"
"""Changes inside it only add keys."""

FILE_BYTES = 64 << 20
"""Largest document."""

MOST = 10_000
"""Most candidates; a sweep has some tens."""


class Document(Struct, kw_only=True):
    """What a sweep found, as JSON has it; numbers that are not finite are null."""

    schema: Annotated[Literal["regaudit.sweep/1"], Meta(description="of this document")]
    regaudit: Annotated[str, Meta(description="version that wrote it")]
    verdict: Annotated[str, Meta(description="what came out of it, in two sentences")]
    chosen: Annotated[str, Meta(description="name of the best candidate by validation")]
    edits: Annotated[list[Edit], Meta(description="of the chosen candidate, for `apply --from`")]
    remarks: list[str]
    setting: Annotated[Setting, Meta(description="how it was done")]
    candidates: Annotated[
        list[Candidate],
        Meta(description="all that competed, in the order of training", max_length=MOST),
    ]


def to_json(sweep: Sweep) -> Escaped:
    """Return the document of a sweep."""
    content = Document(
        schema=SCHEMA,
        regaudit=VERSION,
        verdict=sweep.verdict,
        chosen=sweep.chosen,
        edits=list(sweep.edits),
        remarks=list(sweep.remarks),
        setting=sweep.setting,
        candidates=list(sweep.candidates),
    )
    return escape.page([escape.json_text(_finite(to_builtins(content)), indent=2)])


def edits(sweep: Sweep) -> Escaped:
    """Return the edits of the chosen candidate alone, for `apply --from`, and what they are."""
    content = {
        "file": sweep.setting.file,
        "verdict": sweep.verdict,
        "chosen": sweep.chosen,
        "edits": to_builtins(sweep.edits),
    }
    return escape.page([escape.json_text(_finite(content), indent=2)])


def _finite(value: Any) -> Any:
    """Return what JSON can hold: null for a NaN, and text of any name of a file."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_finite(key): _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def read_sweep(file: Path) -> Sweep:
    """Read what `sweep --json` wrote.

    Raises:
        UsageError: the file cannot be read, or is something else; in one line.
    """
    try:
        content = msgspec.json.decode(read_plain(file, FILE_BYTES))
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise UsageError(f'{file} is not a sweep: it has not the schema "{SCHEMA}"')
        sweep = _sweep(msgspec.convert(content, Document))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    except msgspec.ValidationError as error:
        raise UsageError(f"{file} is not a sweep as regaudit writes it: {error}") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not valid JSON ({why_no_text(error)})") from error
    if why := _contradiction(sweep):
        raise UsageError(f"{file} is not a sweep as regaudit writes it: {why}")
    return sweep


def _sweep(read: Document) -> Sweep:
    return Sweep(
        read.setting, tuple(read.candidates), read.chosen, read.verdict, tuple(read.remarks)
    )


def _contradiction(sweep: Sweep) -> str:
    """Return what cannot be in a sweep; empty where all of it can."""
    names = [one.name for one in sweep.candidates]
    if len(set(names)) != len(names):
        return "two candidates have the same name"
    if sweep.chosen not in names:
        return "the chosen candidate is not among the candidates"
    for one in sweep.candidates:
        numbers = (one.epochs, one.best_epoch, one.factor, one.val_error, *(one.strength or ()))
        if any(number is not None and number < 0 for number in numbers):
            return "epochs, a strength or an error of a candidate is negative"
    return ""


def why_another(sweep: Sweep, file: str, sha256: str | None) -> str:
    """Return why a sweep is not of this file; empty where it is, as far as can be told.

    Args:
        sweep: that was read.
        file: name of a model.
        sha256: of its content; None for a folder, which has none.
    """
    how = sweep.setting
    if how.sha256 and sha256:
        same, what = how.sha256 == sha256, f"{how.file} with another content (SHA-256)"
    else:
        same, what = Path(how.file).name in {"", Path(file).name}, how.file
    return "" if same else f"it is a sweep of another model: {what}"


def to_csv(sweep: Sweep) -> Escaped:
    """Return a row for each candidate, with its numbers at full precision."""
    text = io.StringIO()
    rows = [one.row for one in sweep.candidates]
    writer = csv.DictWriter(text, ["chosen", *rows[0]], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        chosen = {"chosen": row["name"] == sweep.chosen, **row}
        writer.writerow({key: _cell(value) for key, value in chosen.items()})
    return escape.by_format(text.getvalue())


def _cell(value: Any) -> Any:
    """Keep text from being read as a formula by a spreadsheet."""
    if not isinstance(value, str):
        return value
    text: str = escape.visible(value)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@"} else text


def to_markdown(sweep: Sweep) -> Escaped:
    """Return the verdict, the table, and how it was done."""
    return escape.page([line for block in _blocks(sweep) for line in (*block, "")][:-1])


def _blocks(sweep: Sweep) -> Iterator[list[str]]:
    shown = columns(sweep, " ± ")
    text = escape.markdown
    yield [f"## {text(sweep.setting.file)}"]
    yield [f"**{text(sweep.verdict)}**"]
    yield pipe_table(
        [list(map(text, row)) for row in zip(*(one.cells for one in shown), strict=True)],
        [text(one.title) for one in shown],
        ["right" if one.right else "left" for one in shown],
    )
    yield [f"- {text(one.title)}: {text(one.about)}" for one in shown]
    if sweep.remarks:
        yield [f"- {text(remark)}" for remark in sweep.remarks]
    yield ["### How it was done"]
    yield [f"- {text(name)}: {text(value)}" for name, value in setting(sweep)]
