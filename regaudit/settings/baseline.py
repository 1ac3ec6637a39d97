"""Findings that are known and accepted for now: only new and worse ones count."""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from errno import ENOENT
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from regaudit.errors import UsageError, why_no_text
from regaudit.evidence.training_facts import is_number
from regaudit.report.escape import Escaped, command, json_text, page
from regaudit.report.report import NotRun, Occurrence, Report
from regaudit.report.severity import Level, Severity
from regaudit.storage.container_names import split_name
from regaudit.storage.plain_file import read_plain
from regaudit.storage.presence import exists

SCHEMA = "regaudit-baseline/1"

BASELINE_BYTES = 64 << 20
"""Largest baseline."""

WORSE = 1.1
"""A finding is worse than accepted when its rank has grown by more than this factor."""


class Key(NamedTuple):
    """Which fault it is; never by its numbers, which change with every training."""

    model: str
    """Path from the folder of the baseline file, with slashes."""
    code: str
    path: str
    """Of the weight or layer; empty for the model as a whole."""


class Accepted(NamedTuple):
    """How bad it was when it was accepted."""

    severity: Severity
    rank: float
    """`Occurrence.rank`."""


class Baseline(Struct, frozen=True):
    """The content of a baseline file."""

    file: Path
    """Absolute, so that its folder stays the same."""
    entries: Mapping[Key, Accepted] = {}

    def accepts(self, model: str, code: str, item: Occurrence) -> bool:
        """Whether a place of a fault is known and no worse than it was."""
        known = self.entries.get(self._key(model, code, item.path))
        if known is None or item.severity > known.severity:
            return False
        return item.rank <= WORSE * known.rank or item.severity < known.severity

    def knows(self, model: str, code: str, item: Occurrence) -> bool:
        """Whether a place of a fault is known, worse now or not."""
        return self._key(model, code, item.path) in self.entries

    def written(self, reports: Sequence[Report]) -> "Baseline":
        """Return a baseline of everything found; entries of models that failed stay."""
        failed = [report.file for report in reports if report.failure]
        names = {name for file in failed for name in (self._model(file), self._relative(file))}
        kept = {
            key: one
            for key, one in self.entries.items()
            if any(name in names for name in (key.model, *_folders(key.model)))
        }
        return Baseline(self.file, {**kept, **self._worst(reports)})

    def updated(self, reports: Iterable[Report]) -> "Baseline":
        """Return this baseline with what is found now; entries of other models stay."""
        return Baseline(self.file, {**self.pruned(reports).entries, **self._worst(reports)})

    def pruned(self, reports: Iterable[Report]) -> "Baseline":
        """Return this baseline without what is no longer found in the models audited."""
        gone = set(self.stale(reports))
        return Baseline(self.file, {k: v for k, v in self.entries.items() if k not in gone})

    def stale(self, reports: Iterable[Report]) -> Iterator[Key]:
        """Yield the entries that are no longer found in the models audited."""
        kept = [report for report in reports if report.failure is None]
        models = {self._model(report.file) for report in kept}
        found = {key for key, _ in self._found(kept)}
        skipped: dict[tuple[str, str], list[NotRun]] = {}
        for file, rule in ((report.file, rule) for report in kept for rule in report.not_run):
            skipped.setdefault((self._model(file), rule.code), []).append(rule)
        for key in self.entries:
            missed = any(rule.concerns(key.path) for rule in skipped.get(key[:2], ()))
            if key.model in models and key not in found and not missed:
                yield key

    def text(self) -> Escaped:
        """Return the content of the file, in an order that makes differences readable."""
        content = {
            "schema": SCHEMA,
            "findings": [
                {**key._asdict(), "severity": str(one.severity), "rank": one.rank}
                for key, one in sorted(self.entries.items())
            ],
        }
        return page([json_text(content, indent=2)])

    def _worst(self, reports: Iterable[Report]) -> dict[Key, Accepted]:
        """Return what is found; the worst where a rule says several things of one place."""
        found: dict[Key, Accepted] = {}
        for key, one in self._found(reports):
            found[key] = max(one, found.get(key, one))
        return found

    def _found(self, reports: Iterable[Report]) -> Iterator[tuple[Key, Accepted]]:
        for report in reports:
            pairs = [(one.code, item) for one in report.findings for item in one.items]
            pairs += [(one.code, one.item) for one in report.suppressed if one.ignore is None]
            for code, item in pairs:
                key = self._key(report.file, code, item.path)
                yield key, Accepted(item.severity, min(item.rank, sys.float_info.max))

    def _key(self, model: str, code: str, path: str) -> Key:
        return Key(self._model(model), code, path)

    def _model(self, file: str) -> str:
        """Name a model from the folder of the file; unchanged, if it is not a file."""
        return self._relative(file) if exists(split_name(file)[0]) else file

    def _relative(self, file: str) -> str:
        try:
            return Path(os.path.relpath(file, self.file.parent)).as_posix()
        except ValueError:  # on another drive
            return Path(file).absolute().as_posix()


def _folders(model: str) -> Iterator[str]:
    """Yield the folders that a model lies in, which may be what could not be searched."""
    return (parent.as_posix() for parent in PurePosixPath(model).parents)


def read_baseline(file: Path) -> Baseline:
    """Read a baseline file.

    Raises:
        UsageError: there is none, or it is none.
    """
    try:
        entries = _entries(json.loads(read_plain(file, BASELINE_BYTES)))
    except OSError as error:
        write = command("regaudit baseline write --baseline {}", file)
        hint = f"; `{write}` makes one" if error.errno == ENOENT else ""
        raise UsageError(f"{file}: cannot be read ({error.strerror}){hint}") from error
    except (RecursionError, ValueError) as error:
        raise UsageError(f"{file}: not a baseline of regaudit ({why_no_text(error)})") from error
    return Baseline(file.absolute(), entries)


class _Entry(Struct, frozen=True):
    """One finding as the file has it."""

    model: str
    code: str
    path: str
    severity: Level
    rank: Any  # msgspec 0.20 cannot convert an integer beyond a float's range


class _Content(Struct, frozen=True):
    """What the file has."""

    schema: str
    findings: tuple[_Entry, ...]


def _entries(read: Any) -> dict[Key, Accepted]:
    try:
        content = msgspec.convert(read, _Content)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    if content.schema != SCHEMA:
        raise ValueError(f"its schema is not {SCHEMA}")
    for number, one in enumerate(content.findings):
        if not is_number(one.rank):
            raise ValueError(f"findings[{number}].rank is not a finite number")
    return {
        Key(one.model, one.code, one.path): Accepted(Severity[one.severity.upper()], one.rank)
        for one in content.findings
    }
