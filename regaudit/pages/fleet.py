"""Many models, the riskiest first: one row a model, however many states of it are known."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from regaudit.pages.riskiest import Risk
from regaudit.pages.trends import Checkpoint, Trends, checkpoint, trends
from regaudit.report import sentences, spelling
from regaudit.report.report import Report
from regaudit.report.severity import Severity

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


class Entry(Struct, frozen=True):
    """One report, in what the page shows of it: thousands of reports do not fit into memory."""

    anchor: str
    """Of its part of the page."""
    page: str
    """Its own page, where it has one; else empty."""
    file: str
    saved_at: str | None
    state: str
    """`failed`, the worst severity, or `clean`."""
    verdict: str
    counts: tuple[int, int, int]
    """Findings by severity, errors first."""
    codes: tuple[tuple[str, str, Severity, int], ...]
    """Code, name, severity and places of each finding, the worst first."""
    where: str
    """Path of the worst finding."""
    share: str
    """How much of the trainable parameters is regularized."""
    regularized: str
    """How many weights are."""
    remark: str
    """What was not examined; empty where all was."""
    parameters: int | None
    penalty: float | None
    complete: bool
    """Whether all of the penalty is known from the file."""
    shown: Checkpoint | None
    """None where the file could not be audited."""
    structure: int
    """A hash of the model's name and of what weights it has."""
    is_model: bool
    """Whether it is no report on settings."""

    @property
    def risk(self) -> Risk:
        """What sorts models: what nobody could look at, then findings, then size."""
        return (self.state == "failed", *self.counts, self.parameters or 0)

    @property
    def key(self) -> object:
        """What two reports on one state of a file have in common."""
        norm = self.shown.norm if self.shown else None
        return (self.saved_at, norm, self.shown is None)


class Row(Struct, frozen=True):
    """One model: its files, or the states of its one file, in order of time."""

    entries: tuple[Entry, ...]

    @property
    def latest(self) -> Entry:
        """The state that counts."""
        return self.entries[-1]

    @property
    def change(self) -> str:
        """How its findings and its penalty changed from the first state to the latest."""
        read = [entry for entry in self.entries if entry.shown]
        if len(read) < 2:
            return spelling.MISSING
        first, last = read[0], read[-1]
        counts = zip(("error", "warning", "note"), first.counts, last.counts, strict=True)
        parts = [
            f"{spelling.count(new, name)} (was {old})" for name, old, new in counts if old != new
        ]
        if first.penalty != last.penalty:
            before, after = spelling.number(first.penalty), spelling.number(last.penalty)
            parts.append(f"penalty {after} (was {before})")
        return ", ".join(parts) or "the same"

    @property
    def trends(self) -> Trends | None:
        """How it changed, in charts."""
        return trends([entry.shown for entry in self.entries if entry.shown])


class Fault(Struct, frozen=True):
    """One rule over all models, in the latest state of each."""

    code: str
    name: str
    severity: Severity
    found: tuple[Entry, ...]
    """Models in which it found something, the riskiest first."""
    places: int

    @property
    def models(self) -> int:
        """How many models those are."""
        return len(self.found)


class Fleet(Struct, frozen=True):
    """All models."""

    rows: tuple[Row, ...]
    """The riskiest first."""
    reports: int
    """That were given, repeated ones too."""
    faults: tuple[Fault, ...]
    """Those of most models first, within a severity."""
    trends: Trends | None
    """Where all are states of one model: how that changed. Faults are then of all states."""

    @property
    def states(self) -> Counter[str]:
        """How many models are in which state."""
        return Counter(row.latest.state for row in self.rows if row.latest.is_model)

    @property
    def series(self) -> tuple[Row, ...]:
        """Models with several known states."""
        return tuple(row for row in self.rows if len(row.entries) > 1)

    @property
    def shown(self) -> tuple[Entry, ...]:
        """What has a part of its own, in order: of a run each state, of models the latest."""
        if self.trends:
            return tuple(entry for row in self.rows for entry in row.entries)
        return tuple(row.latest for row in self.rows)


def fleet(entries: Sequence[Entry]) -> Fleet:
    """Arrange models.

    Entries are of one model if they are of one file, or of files in one folder whose names differ
    in numbers only (`epoch-01.keras`, `epoch-02.keras`) and that hold the same model with the same
    weights; or if that is so of all that could be audited, in whatever folders. They are ordered by
    `saved_at`, or as given where one lacks it. Of several reports on the same state of a file the
    last counts.
    """
    by_file: dict[str, dict[object, Entry]] = {}
    for entry in entries:
        states = by_file.setdefault(entry.file, {})
        states.pop(entry.key, None)
        states[entry.key] = entry
    kept = [entry for states in by_file.values() for entry in states.values()]
    run = _run(kept)
    if changed := trends([entry.shown for entry in run if entry.shown]):
        unread = (Row((entry,)) for entry in kept if not entry.shown)
        faults = _faults(Row((entry,)) for entry in run)
        return Fleet((Row(run), *unread), len(entries), faults, changed)
    models: dict[object, list[Entry]] = {}
    for file, states in by_file.items():
        known = [entry for entry in states.values() if entry.shown]
        folder, name = os.path.split(file)
        same = (folder, _NUMBER.sub("#", name), known[-1].structure) if known else file
        models.setdefault(same, []).extend(states.values())
    found = [Row(_in_time(some)) for some in models.values()]
    found.sort(key=lambda row: ([-part for part in row.latest.risk], row.latest.file))
    return Fleet(tuple(found), len(entries), _faults(found), None)


def _run(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Return what could be audited, if all of it is called like states of one model."""
    read = [entry for entry in entries if entry.shown]
    alike = len({_NUMBER.sub("#", entry.file) for entry in read}) == 1
    return _in_time(read) if alike else ()


def _in_time(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    if any(entry.saved_at is None for entry in entries):
        return tuple(entries)
    return tuple(sorted(entries, key=lambda entry: entry.saved_at or ""))


def entry_of(report: Report, anchor: str = "m1", page: str = "") -> Entry:
    """Keep of a report what the page shows."""
    model = report.model
    severities = Counter(finding.severity for finding in report.findings)
    weights = [(w.path, w.shape) for _, w in model.weights()] if model else []
    state = str(Severity(report.worst)) if report.worst else "clean"
    share, regularized = _regularized(report)
    return Entry(
        anchor=anchor,
        page=page,
        file=report.file,
        saved_at=model.saved_at if model else None,
        state="failed" if report.failure else state,
        verdict=sentences.verdict(report),
        counts=(
            severities[Severity.ERROR],
            severities[Severity.WARNING],
            severities[Severity.NOTE],
        ),
        codes=tuple((one.code, one.name, one.severity, len(one.items)) for one in report.findings),
        where=report.findings[0].path if report.findings else "",
        share=share,
        regularized=regularized,
        remark=_remark(report),
        parameters=model.parameters if model else None,
        penalty=report.told_penalty if model else None,
        complete=report.penalty_complete,
        shown=checkpoint(report),
        structure=hash((model.name, model.class_name, tuple(weights))) if model else 0,
        is_model=report.format != "settings",
    )


def _regularized(report: Report) -> tuple[str, str]:
    """Say how much is regularized: of the parameters, and of the weights."""
    model = report.model
    if model is None or not model.class_name or report.unjudged:
        return (spelling.MISSING if model is None else "unknown"), ""
    weights = [weight for _, weight in model.weights() if weight.shared_with is None]
    of = sum(one.size for one in weights if one.trainable or not one.trainable_known)
    active = sum(one.size for one in weights if one.regularized)
    yes, no, unknown = model.regularized
    share = spelling.percent(active / of) if of else spelling.MISSING
    text = f"{yes:,} of {spelling.count(yes + no + unknown, 'weight')}"
    return share, f"{text}, {unknown:,} unknown" if unknown else text


def _remark(report: Report) -> str:
    covered = report.coverage
    whole = report.measured and covered.measured == covered.weights and not covered.skipped
    return "" if report.model is None or whole else sentences.coverage(report)


def _faults(rows: Iterable[Row]) -> tuple[Fault, ...]:
    found: dict[str, list[tuple[Entry, str, Severity, int]]] = {}
    for row in rows:
        for code, name, severity, places in row.latest.codes:
            found.setdefault(code, []).append((row.latest, name, severity, places))
    faults = [
        Fault(
            code,
            some[0][1],
            max(severity for _, _, severity, _ in some),
            tuple(entry for entry, _, _, _ in some),
            sum(places for _, _, _, places in some),
        )
        for code, some in found.items()
    ]
    return tuple(sorted(faults, key=lambda one: (-one.severity, -one.models, one.code)))
