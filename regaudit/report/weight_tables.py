"""Weights as tables for a terminal: what each is, what it adds to the loss, its spectrum."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from regaudit.model import Layer, Status, Weight
from regaudit.report import escape, spelling
from regaudit.report.report import Report
from regaudit.report.spectrum_table import HEADERS, spectrum_rows
from regaudit.report.tables import Column, fitted_table, informative
from regaudit.report.view import View

MIN_PATH = 16
"""Narrowest column of paths."""

BAR = 6
"""Columns of a bar for a share of one."""


def weights_table(report: Report, view: View) -> list[str]:
    """Return the table of weights, with the columns that say something and fit."""
    weights = list(view.weights(report))
    if not weights:
        return ["no weights to show"]
    columns = list(_columns(report, weights, view))
    if view.wide:
        return fitted_table(columns, None, least=MIN_PATH)
    comfort = max(MIN_PATH, view.width * 2 // 5)
    return fitted_table(informative(columns), view.width, least=MIN_PATH, comfort=comfort)


def spectra_table(report: Report, view: View) -> list[str]:
    """Return the table of spectra; nothing where there are none."""
    rows = list(spectrum_rows(report, view))
    if not rows:
        return []
    paths = Column("weight", [escape.plain(row.weight.path) for row in rows])
    matrix, *numbers = zip(*(row.cells for row in rows), strict=True)
    columns = [
        paths,
        Column(HEADERS[0], matrix, rank=2),
        *(
            Column(title, cells, right=True)
            for title, cells in zip(HEADERS[1:], numbers, strict=True)
        ),
    ]
    return fitted_table(columns, None if view.wide else view.width, least=MIN_PATH)


class _Quantity(NamedTuple):
    """One column of the table of weights."""

    title: str
    cell: Callable[[Report, Layer, Weight], str]
    rank: int
    """As of a `Column`."""
    right: bool = False


def _columns(report: Report, weights: list[tuple[Layer, Weight]], view: View) -> Iterator[Column]:
    cells = {one.title: [one.cell(report, *row) for row in weights] for one in _QUANTITIES}
    if view.unicode:
        shares = [report.share(weight) for _, weight in weights]
        cells["share"] = list(map(_bar, shares, cells["share"]))
    # Where the statuses are left out, a regularizer that is not in force says so itself.
    with_status = [
        text if status in {str(Status.IN_FORCE), spelling.MISSING} else f"{text} {status}"
        for text, status in zip(cells["regularizer"], cells["status"], strict=True)
    ]
    for one in _QUANTITIES:
        instead = Column("regularizer", with_status) if one.title == "status" else None
        yield Column(one.title, cells[one.title], one.rank, one.right, instead)


def _bar(share: float | None, text: str) -> str:
    """Draw a share of one, in eighths of `BAR` columns, before its number."""
    if not share:
        return text
    eighths = max(round(min(share, 1.0) * BAR * 8), 1)
    blocks = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    return f"{blocks:<{BAR}} {text:>5}"


def _measured(name: str) -> Callable[[Report, Layer, Weight], str]:
    def cell(report: Report, _layer: Layer, weight: Weight) -> str:
        moments = report.moments.get(weight.stored_path)
        return spelling.number(getattr(moments, name)) if moments else spelling.MISSING

    return cell


def _sparsity(report: Report, _layer: Layer, weight: Weight) -> str:
    moments = report.moments.get(weight.stored_path)
    return spelling.percent(moments.sparsity) if moments else spelling.MISSING


def _small(report: Report, _layer: Layer, weight: Weight) -> str:
    moments = report.moments.get(weight.stored_path)
    return spelling.percent(moments.small_share if moments else None)


def _units(name: str) -> Callable[[Report, Layer, Weight], str]:
    def cell(report: Report, _layer: Layer, weight: Weight) -> str:
        moments = report.moments.get(weight.stored_path)
        return spelling.units(getattr(moments, name), moments) if moments else spelling.MISSING

    return cell


def _penalty(report: Report, _layer: Layer, weight: Weight) -> str:
    if weight.regularizer is None and weight.regularizer_known:
        return spelling.MISSING
    value = report.penalties.get(weight.stored_path)
    if_applied = report.penalty_if_applied(weight)
    if value is None and if_applied is None:
        return spelling.UNKNOWN
    return spelling.paid(value, if_applied)


def _share(report: Report, _layer: Layer, weight: Weight) -> str:
    return spelling.percent(report.share(weight)) if weight.regularizer else spelling.MISSING


def _status(_report: Report, _layer: Layer, weight: Weight) -> str:
    return spelling.status_of(weight)


def _place(_report: Report, layer: Layer, weight: Weight) -> str:
    below = weight.path.removeprefix(layer.path).removesuffix(weight.role).strip("/")
    return escape.plain("/".join(filter(None, (layer.path, below))) or "(model)")


_QUANTITIES = (
    _Quantity("layer", _place, 0),
    _Quantity("class", lambda _r, layer, _w: escape.plain(layer.class_name or "?"), 6),
    _Quantity("role", lambda _r, _l, weight: escape.plain(weight.role), 0),
    _Quantity("shape", lambda _r, _l, weight: spelling.shape(weight.shape), 5),
    _Quantity("params", lambda _r, _l, weight: f"{weight.size:,}", 4, right=True),
    _Quantity("regularizer", lambda _r, _l, weight: spelling.regularizer_of(weight), 0),
    _Quantity("status", _status, 3),
    _Quantity("penalty", _penalty, 1, right=True),
    _Quantity("share", _share, 3, right=True),
    _Quantity("L1", _measured("l1_norm"), 8, right=True),
    _Quantity("L2", _measured("l2_norm"), 2, right=True),
    _Quantity("max", _measured("max_abs"), 9, right=True),
    _Quantity("sparsity", _sparsity, 5, right=True),
    _Quantity("<0.001", _small, 7, right=True),
    _Quantity("dead", _units("dead_units"), 4, right=True),
    _Quantity("effective", _units("effective_units"), 4, right=True),
)
