"""All models of a fleet, from results of any runs: one row a model, the riskiest first."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from regaudit.pages.chart_geometry import Plot
from regaudit.pages.template import fill
from regaudit.pages.trends import TrendPoint, checkpoint, lines, measured_kernels, norm_of
from regaudit.report import sentences, spelling
from regaudit.report.escape import Escaped
from regaudit.report.report import Report
from regaudit.report.severity import Severity

CHARTS = 50
"""Models whose trend is drawn, the riskiest; the others have it as a table."""

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


class FleetRow(Struct, frozen=True):
    """One report, in what the page shows of it: a fleet's reports would not fit into memory."""

    file: str
    saved_at: str | None
    state: str
    """`failed`, the worst severity, or `clean`."""
    counts: tuple[int, ...]
    """Findings by severity, errors first."""
    worst: tuple[str, str]
    """Code and path of the worst finding; empty where there is none."""
    codes: tuple[tuple[str, str, Severity, int], ...]
    """Code, name, severity and places of each finding."""
    covered: str
    regularized: str
    parameters: int | None
    penalty: float | None
    complete: bool
    """Whether all of the penalty is known from the file."""
    norm: float | None
    """L2 norm of all kernels together."""
    shown: TrendPoint
    structure: int
    """A hash of the model's name and of what weights it has."""


class Row(Struct, frozen=True):
    """One model: its files, or the states of its one file, in order of time."""

    anchor: str
    entries: tuple[FleetRow, ...]

    @property
    def latest(self) -> FleetRow:
        """The state that counts."""
        return self.entries[-1]

    @property
    def trend(self) -> str:
        """How its findings and its penalty changed from the first state to the latest."""
        read = [entry for entry in self.entries if entry.parameters is not None]
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

    def plot(self) -> Plot | None:
        """Draw the penalty and the norm over time."""
        read = [entry for entry in self.entries if entry.norm is not None]
        places = [
            (f"{entry.file} {entry.saved_at or ''}", (entry.saved_at or entry.file)[:10])
            for entry in read
        ]
        norms, penalties = [entry.norm for entry in read], [entry.penalty for entry in read]
        series = {"L2 norm of all kernels": norms, "total penalty": penalties}
        return lines(places, series, spelling.number, log_axis=True)


class Fault(Struct, frozen=True):
    """One rule over the whole fleet, in the latest state of each model."""

    code: str
    name: str
    severity: Severity
    models: int
    places: int


class Fleet(Struct, frozen=True):
    """All models."""

    rows: tuple[Row, ...]
    """The riskiest first."""
    reports: int
    """That were given, repeated ones too."""
    faults: tuple[Fault, ...]
    """Those of most models first, within a severity."""

    @property
    def states(self) -> Counter[str]:
        """How many models are in which state."""
        return Counter(row.latest.state for row in self.rows)

    @property
    def series(self) -> tuple[Row, ...]:
        """Models with several known states."""
        return tuple(row for row in self.rows if len(row.entries) > 1)


def fleet(reports: Iterable[Report]) -> Fleet:
    """Arrange reports as a fleet; each is let go before the next is asked for.

    Reports are of one model if they are of one file, or of files in one folder whose names differ
    in numbers only (`epoch-01.keras`, `epoch-02.keras`) and that hold the same model with the same
    weights. They are ordered by `saved_at`, or as given where one lacks it. Of several reports on
    the same state of a file the last counts.
    """
    count, by_file = 0, dict[str, dict[object, FleetRow]]()
    for report in reports:
        count += 1
        if report.format == "settings":
            continue
        entry = entry_of(report)
        states = by_file.setdefault(entry.file, {})
        key = (entry.saved_at, entry.norm, entry.state == "failed")
        states.pop(key, None)  # the last given is the last known
        states[key] = entry
    models: dict[object, list[FleetRow]] = {}
    for file, states in by_file.items():
        known = [entry for entry in states.values() if entry.parameters is not None]
        folder, name = os.path.split(file)
        same = (folder, _NUMBER.sub("#", name), known[-1].structure) if known else file
        models.setdefault(same, []).extend(states.values())
    ordered = sorted((_in_time(entries) for entries in models.values()), key=_risk)
    rows = tuple(Row(f"m{n}", entries) for n, entries in enumerate(ordered, 1))
    return Fleet(rows, count, _faults(row.latest for row in rows))


def entry_of(report: Report) -> FleetRow:
    """Keep of a report what the page shows."""
    model, kernels = report.model, measured_kernels(report)
    severities = Counter(finding.severity for finding in report.findings)
    first = report.findings[0] if report.findings else None
    weights = [(w.path, w.shape) for _, w in model.weights()] if model else []
    state = str(Severity(report.worst)) if report.worst else "clean"
    return FleetRow(
        file=report.file,
        saved_at=model.saved_at if model else None,
        state="failed" if report.failure else state,
        counts=tuple(severities[level] for level in reversed(Severity)),
        worst=(first.code, first.path) if first else ("", ""),
        codes=tuple((one.code, one.name, one.severity, len(one.items)) for one in report.findings),
        covered=sentences.coverage(report),
        regularized=sentences.summary(report),
        parameters=model.parameters if model else None,
        penalty=report.told_penalty if model else None,
        complete=report.penalty_complete,
        norm=norm_of(kernels) if kernels else None,
        shown=checkpoint(report),
        structure=hash((model.name, model.class_name, tuple(weights))) if model else 0,
    )


def _in_time(entries: Sequence[FleetRow]) -> tuple[FleetRow, ...]:
    if any(entry.saved_at is None for entry in entries):
        return tuple(entries)
    return tuple(sorted(entries, key=lambda entry: entry.saved_at or ""))


def risk(report: Report) -> tuple[object, ...]:
    """Return a key that sorts the riskiest report first: see `fleet`."""
    return _risk((entry_of(report),))


def faults_of(reports: Iterable[Report]) -> tuple[Fault, ...]:
    """Return what is wrong in how many of several models."""
    return _faults(entry_of(report) for report in reports)


def _risk(entries: Sequence[FleetRow]) -> tuple[object, ...]:
    """Return a key that sorts the riskiest first: what nobody could look at, then by findings."""
    latest = entries[-1]
    counts = [-count for count in latest.counts]
    return (latest.state != "failed", *counts, -(latest.parameters or 0), latest.file)


def _faults(entries: Iterable[FleetRow]) -> tuple[Fault, ...]:
    found: dict[str, Fault] = {}
    for entry in entries:
        for code, name, severity, places in entry.codes:
            before = found.get(code, Fault(code, name, severity, 0, 0))
            worst = max(before.severity, severity)
            found[code] = Fault(code, name, worst, before.models + 1, before.places + places)
    return tuple(sorted(found.values(), key=lambda one: (-one.severity, -one.models, one.code)))


def fleet_page(reports: Iterable[Report]) -> Escaped:
    """Return one self-contained HTML page on all models."""
    return fill("fleet.html.j2", fleet=fleet(reports), most=CHARTS)
