"""The terminal: tables fitted to its width, findings wrapped, colour where it is wanted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import ClassVar, NamedTuple

from tabulate import tabulate

from regaudit.model import Layer, Model, Status, Weight
from regaudit.renderers.interface import Renderer
from regaudit.report import sentences, spelling
from regaudit.report.report import Occurrence, Report
from regaudit.report.severity import Severity
from regaudit.report.spectrum_table import CAPTION, HEADERS, spectrum_rows
from regaudit.report.view import View
from regaudit.rules.interface import About

SHOWN = 3
"""Findings of one rule shown before `--verbose` is needed."""

MIN_PATH = 16
"""Narrowest column of paths."""

COLORS = {Severity.ERROR: "31", Severity.WARNING: "33", Severity.NOTE: "36"}
"""ANSI colours; the letter beside them says the same."""


GREEN = "32"
DIM = "2"
BOLD = "1"

BAR = 6
"""Columns of a bar for a share of one."""


class Column(NamedTuple):
    """One column of the table of weights."""

    title: str
    cell: Callable[[Report, Layer, Weight], str]
    rank: int
    """Columns of the highest rank are left out first when the terminal is narrow."""
    right: bool = False


def _measured(name: str) -> Callable[[Report, Layer, Weight], str]:
    def cell(report: Report, _layer: Layer, weight: Weight) -> str:
        moments = report.moments.get(weight.stored_path)
        return spelling.number(getattr(moments, name)) if moments else spelling.MISSING

    return cell


def _sparsity(report: Report, _layer: Layer, weight: Weight) -> str:
    moments = report.moments.get(weight.stored_path)
    return spelling.percent(moments.sparsity) if moments else spelling.MISSING


def _dead(report: Report, _layer: Layer, weight: Weight) -> str:
    moments = report.moments.get(weight.stored_path)
    if moments is None or moments.units is None:
        return spelling.MISSING
    return f"{moments.dead_units}/{moments.units}"


def _penalty(report: Report, _layer: Layer, weight: Weight) -> str:
    if weight.regularizer is None:
        return spelling.MISSING
    value = report.penalties.get(weight.stored_path)
    return "?" if value is None else spelling.number(value)


def _share(report: Report, _layer: Layer, weight: Weight) -> str:
    return spelling.percent(report.share(weight)) if weight.regularizer else spelling.MISSING


def _status(_report: Report, _layer: Layer, weight: Weight) -> str:
    return str(weight.regularizer.status) if weight.regularizer else spelling.MISSING


def _place(_report: Report, layer: Layer, weight: Weight) -> str:
    below = weight.path.removeprefix(layer.path).removesuffix(weight.role).strip("/")
    return spelling.plain("/".join(filter(None, (layer.path, below))) or "(model)")


LAYER = Column("layer", _place, 0)
REGULARIZER = Column(
    "regularizer", lambda _r, _l, weight: spelling.regularizer(weight.regularizer), 0
)
STATUS = Column("status", _status, 3)
PENALTY = Column("penalty", _penalty, 0, right=True)
SHARE = Column("share", _share, 3, right=True)
COLUMNS = (
    LAYER,
    Column("class", lambda _r, layer, _w: spelling.plain(layer.class_name or "?"), 6),
    Column("role", lambda _r, _l, weight: spelling.plain(weight.role), 0),
    Column("shape", lambda _r, _l, weight: spelling.shape(weight.shape), 5),
    Column("params", lambda _r, _l, weight: f"{weight.size:,}", 4, right=True),
    REGULARIZER,
    STATUS,
    PENALTY,
    SHARE,
    Column("L1", _measured("l1_norm"), 8, right=True),
    Column("L2", _measured("l2_norm"), 2, right=True),
    Column("max", _measured("max_abs"), 9, right=True),
    Column("sparsity", _sparsity, 5, right=True),
    Column("dead", _dead, 4, right=True),
)


class Terminal(Renderer):
    name: ClassVar[str] = "terminal"

    def render(self, reports: Sequence[Report], rules: Sequence[About], view: View) -> str:
        paragraphs = [
            "\n".join(_inspection(report, view) if view.tables else _check(report, view))
            for report in reports
        ]
        closing = _closing(reports, view)
        return "\n\n".join([*paragraphs, *closing]) + "\n"


def _inspection(report: Report, view: View) -> Iterator[str]:
    """Everything about one model."""
    if report.model is None:
        yield from _check(report, view)
        return
    yield from _header(report, report.model, view)
    yield ""
    yield _table(report, view)
    yield from _spectra(report, view)
    yield from _activity(report.model, view)
    yield from _unplaced(report.model, view)
    yield ""
    yield from _wrapped(f"{sentences.summary(report)} {sentences.coverage(report)}.", view)
    yield from _skipped(report, view)
    yield from _not_run(report, view)
    yield from _suppressed(report, view)
    if report.findings:
        yield ""
        yield from _findings(report, view)


def _check(report: Report, view: View) -> Iterator[str]:
    """The verdict on one model."""
    yield _headline(report, view)
    yield from _findings(report, view)
    yield from _suppressed(report, view)
    if report.model:
        for line in _wrapped(f"{sentences.coverage(report)}.", view, "  "):
            yield _paint(line, DIM, view)
    yield from _not_run(report, view)


def _headline(report: Report, view: View) -> str:
    color = COLORS[Severity(report.worst)] if report.worst else GREEN
    if report.failure:
        color = COLORS[Severity.ERROR]
    verdict = _paint(sentences.verdict(report), color, view)
    return f"{_paint(spelling.plain(report.file), BOLD, view)}: {verdict}"


def _header(report: Report, model: Model, view: View) -> Iterator[str]:
    keras = f", Keras {spelling.plain(model.keras_version)}" if model.keras_version else ""
    layers = spelling.count(len(model.layers), "layer")
    facts = [
        ("file", f"{spelling.plain(report.file)}, {spelling.file_size(report.size)}{keras}"),
        ("model", f"{spelling.kind(model)}, {layers}, {spelling.parameters(model)}"),
        ("optimizer", spelling.optimizer(model.optimizer)),
        ("penalty", sentences.total_penalty(report)),
    ]
    for title, text in facts:
        lines = wrap(text, max(view.width - 11, 20)) or [""]
        yield f"{_paint(f'{title:<9}', BOLD, view)}  {lines[0]}"
        yield from (f"{'':<11}{line}" for line in lines[1:])


def _table(report: Report, view: View) -> str:
    """The table of weights, with the columns that say something and fit."""
    weights = list(view.weights(report))
    if not weights:
        return "no weights to show"
    cells = {column: [column.cell(report, *row) for row in weights] for column in COLUMNS}
    if view.unicode:
        shares = [report.share(weight) for _, weight in weights]
        cells[SHARE] = list(map(_bar, shares, cells[SHARE]))
    if not view.wide:
        cells = {
            column: values
            for column, values in cells.items()
            if not column.rank or set(values) != {spelling.MISSING}
        }
        _fit(cells, view.width)
    return tabulate(
        list(zip(*cells.values(), strict=True)),
        headers=[column.title for column in cells],
        tablefmt="simple",
        disable_numparse=True,
        colalign=["right" if column.right else "left" for column in cells],
    )


def _spectra(report: Report, view: View) -> Iterator[str]:
    """A table of the spectra, if there are any."""
    rows = list(spectrum_rows(report, view))
    if not rows:
        return
    yield ""
    yield from _wrapped(CAPTION, view)
    paths = [spelling.plain(row.weight.path) for row in rows]
    columns = dict(zip(HEADERS, zip(*(row.cells for row in rows), strict=True), strict=True))
    if not view.wide:
        if _room(columns, view) < max(map(len, paths)):
            del columns[HEADERS[0]]
        room = max(_room(columns, view), MIN_PATH)
        paths = [spelling.shortened(path, room) for path in paths]
    yield ""
    yield tabulate(
        list(zip(paths, *columns.values(), strict=True)),
        headers=["weight", *columns],
        tablefmt="simple",
        disable_numparse=True,
        colalign=["left", *("left" if title == HEADERS[0] else "right" for title in columns)],
    )


def _room(columns: Mapping[str, Sequence[str]], view: View) -> int:
    """Width that these columns leave to a first one; tabulate keeps two spaces beside a header."""
    taken = sum(max(len(title) + 2, *map(len, texts)) + 2 for title, texts in columns.items())
    return view.width - taken


def _bar(share: float | None, text: str) -> str:
    """Draw a share of one, in eighths of `BAR` columns, before its number."""
    if not share:
        return text
    eighths = max(round(min(share, 1.0) * BAR * 8), 1)
    blocks = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    return f"{blocks:<{BAR}} {text:>5}"


def _fit(cells: dict[Column, list[str]], width: int) -> None:
    """Leave out columns, then shorten paths, until the table is no wider than `width`.

    Where the column of statuses goes, a regularizer that is not in force says so itself.
    """
    needed = min(_width(LAYER, cells[LAYER]), max(MIN_PATH, width * 2 // 5))
    while _others(cells) + needed > width and any(column.rank for column in cells):
        column = max(cells, key=lambda column: column.rank)
        values = cells.pop(column)
        if column is STATUS:
            cells[REGULARIZER] = [
                text if status in {str(Status.IN_FORCE), spelling.MISSING} else f"{text} {status}"
                for text, status in zip(cells[REGULARIZER], values, strict=True)
            ]
    if _others(cells) + min(needed, MIN_PATH) > width:
        del cells[PENALTY]
    room = max(width - _others(cells), MIN_PATH)
    cells[LAYER] = [spelling.shortened(path, room) for path in cells[LAYER]]


def _others(cells: dict[Column, list[str]]) -> int:
    """Width of all columns but that of the paths."""
    return sum(_width(c, values) + 2 for c, values in cells.items() if c is not LAYER)


def _width(column: Column, values: list[str]) -> int:
    """Width of a column; tabulate keeps two spaces beside a header."""
    return max(len(column.title) + 2, *map(len, values))


def _activity(model: Model, view: View) -> Iterator[str]:
    """Regularizers of outputs, a line each."""
    for layer in model.layers:
        regularizer = layer.activity_regularizer
        if regularizer is None or not view.shows(layer.path):
            continue
        why = f" ({regularizer.why})" if regularizer.why else ""
        yield from _wrapped(
            f"activity regularizer of {spelling.plain(layer.path)}: "
            f"{spelling.regularizer(regularizer)}, {regularizer.status}{spelling.plain(why)}",
            view,
        )


def _unplaced(model: Model, view: View) -> Iterator[str]:
    """Regularizers that no weight takes up, a line each."""
    for layer in model.layers:
        for key, regularizer in layer.unplaced.items():
            if view.shows(layer.path):
                yield from _wrapped(
                    f"{spelling.plain(key)} of {spelling.plain(layer.path)}: "
                    f"{spelling.regularizer(regularizer)}, {regularizer.status} "
                    f"({spelling.plain(regularizer.why)})",
                    view,
                )


def _skipped(report: Report, view: View) -> Iterator[str]:
    skipped = report.skipped if view.verbose else report.skipped[: 2 * SHOWN]
    for skip in skipped:
        yield from _wrapped(f"- {spelling.plain(skip.path)}: {spelling.plain(skip.reason)}", view)
    if len(report.skipped) > len(skipped):
        yield f"- and {len(report.skipped) - len(skipped):,} more (--verbose)"


def _findings(report: Report, view: View) -> Iterator[str]:
    """Findings, worst first, each with its worst places."""
    for finding in report.findings:
        title = f"{_letter(finding.severity)} {finding.code} {finding.name}"
        many = f" ({len(finding.items):,} places)" if len(finding.items) > 1 else ""
        yield _paint(title, COLORS[finding.severity], view) + many
        shown = finding.items if view.verbose else finding.items[:SHOWN]
        reason = None
        for item in shown:
            milder = "" if item.severity is finding.severity else f"{_letter(item.severity)} "
            yield from _item(item, milder, reason, view)
            reason = item.suggestion.reason if item.suggestion else reason
        if len(finding.items) > len(shown):
            yield f"    and {len(finding.items) - len(shown):,} more (--verbose)"


def _letter(severity: Severity) -> str:
    return str(severity)[0].upper()


def _item(item: Occurrence, mark: str, said: str | None, view: View) -> Iterator[str]:
    """One place; the reason of its suggestion only if it was not said just before."""
    path = spelling.plain(item.path) or "(model)"
    yield from _wrapped(f"{mark}{path}: {spelling.plain(item.message)}", view, "    ")
    suggestion = item.suggestion
    if suggestion:
        yield f"      {_paint(suggestion.code, GREEN, view)}"
        text = f"adds {spelling.number(suggestion.penalty)} to the loss"
        if suggestion.reason != said:
            text += f"; {suggestion.reason}"
        yield from _wrapped(spelling.plain(text), view, "      ")


def _suppressed(report: Report, view: View) -> Iterator[str]:
    """What an ignore or the baseline accepts: a count, or each with its reason."""
    if view.verbose:
        for one in report.suppressed:
            yield from _wrapped(sentences.suppressed(one), view, "  ")
    elif report.suppressed:
        places = spelling.count(len(report.suppressed), "place")
        yield f"  {places} accepted by an ignore or the baseline (--verbose)"


def _not_run(report: Report, view: View) -> Iterator[str]:
    """Rules that lacked a fact, for who asked for everything."""
    if view.verbose or view.wide:
        for rule in report.not_run:
            yield from _wrapped(sentences.not_run(rule), view, "  ")


def _closing(reports: Sequence[Report], view: View) -> list[str]:
    """How all of it came out, and what to do next."""
    audited = sum(report.model is not None for report in reports)
    failed = sum(report.failure is not None for report in reports)
    lines = []
    if audited + failed > 1:
        bad = f", {failed:,} could not be audited" if failed else ""
        lines.append(
            f"{spelling.count(audited, 'model')} audited{bad}: {sentences.total(reports)}."
        )
    if not view.tables:
        lines += _gate(reports, failed, view)
    codes = {finding.code: None for report in reports for finding in report.findings}
    lacking = {rule.code: None for report in reports for rule in report.not_run}
    if codes:
        lines.append(f"Why and what to do: regaudit explain {next(iter(codes))}")
    elif lacking and not view.verbose:
        rules = spelling.count(len(lacking), "rule")
        lines.append(f"{rules} could not be asked: --verbose says what they need.")
    return ["\n".join(lines)] if lines else []


def _gate(reports: Sequence[Report], failed: int, view: View) -> Iterator[str]:
    """Say whether a check fails, and by what."""
    found = [finding for report in reports for finding in report.findings]
    bad = sum(finding.severity >= view.fail_on for finding in found)
    why = []
    if failed:
        why.append(
            spelling.count(failed, "file that could not be read", "files that could not be read")
        )
    if bad:
        why.append(f"{spelling.count(bad, 'finding')} at or above {Severity(view.fail_on)}")
    if why:
        yield _paint(f"Failed: {' and '.join(why)}.", COLORS[Severity.ERROR], view)
    elif found:
        yield _paint("Passed.", GREEN, view)


def _wrapped(text: str, view: View, indent: str = "") -> Iterator[str]:
    hanging = indent + "  "
    width = max(view.width, 40)
    yield from wrap(text, width, initial_indent=indent, subsequent_indent=hanging) or [""]


def _paint(text: str, color: str, view: View) -> str:
    return f"\x1b[{color}m{text}\x1b[0m" if view.color else text
