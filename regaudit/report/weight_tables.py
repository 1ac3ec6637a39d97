"""Weights as tables for a terminal: what each is, what it adds to the loss, its spectrum."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from math import hypot
from textwrap import wrap
from typing import NamedTuple

from regaudit.model import Layer, Status, Weight
from regaudit.report import escape, spelling
from regaudit.report.folded_rows import Row, Rows, rows_of
from regaudit.report.report import Report
from regaudit.report.spectrum_table import HEADERS, spectrum_rows
from regaudit.report.tables import Column, fitted, fitted_table, informative
from regaudit.report.view import View

MIN_PATH = 16
"""Narrowest column of paths."""

BAR = 6
"""Columns of a bar for a share of one."""


def weights_table(report: Report, view: View) -> list[str]:
    """Return the table of weights, with the columns that say something and fit.

    Below it stands what is not in it, and how to see that.
    """
    weights = list(view.weights(report))
    if not weights:
        return ["no weights to show"]
    found = Rows([Row(layer.path, ((layer, weight),)) for layer, weight in weights])
    if not view.every:
        found = rows_of(weights, ordered=view.sort == "model")
    columns = list(_columns(report, found.rows, view))
    if view.wide:
        table = fitted_table(columns, None, least=MIN_PATH)
        return [*table, *_not_shown(found.hidden, [], view)]
    comfort = max(MIN_PATH, view.width * 2 // 5)
    telling = informative(columns)
    shown, table = fitted(telling, view.width, least=MIN_PATH, comfort=comfort)
    titles = {column.title for column in shown}
    narrow = [column.title for column in telling if column.title not in titles]
    return [*table, *_not_shown(found.hidden, narrow, view)]


def _not_shown(rows: str, columns: list[str], view: View) -> Iterator[str]:
    told = [f"{rows} (--all)"] * bool(rows)
    told += [f"{spelling.count(len(columns), 'column')} (--wide)"] * bool(columns)
    if told:
        yield ""
        text = f"Not shown: {'; '.join(told)}."
        yield from wrap(text, max(view.width, 40), subsequent_indent="  ", break_on_hyphens=False)


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
    together: Callable[[Report, Row], str] = lambda _report, _row: spelling.MISSING
    """Of a row for several weights; by default nothing is said of them."""


def _columns(report: Report, rows: list[Row], view: View) -> Iterator[Column]:
    cells = {one.title: [_cell(one, report, row) for row in rows] for one in _QUANTITIES}
    if view.unicode:
        shares = [_shares(report, row) for row in rows]
        cells["share"] = list(map(_bar, shares, cells["share"]))
    # Where the statuses are left out, a regularizer that is not in force says so itself.
    with_status = [
        text if status in {str(Status.IN_FORCE), spelling.MISSING} else f"{text} {status}"
        for text, status in zip(cells["regularizer"], cells["status"], strict=True)
    ]
    for one in _QUANTITIES:
        instead = Column("regularizer", with_status) if one.title == "status" else None
        yield Column(one.title, cells[one.title], one.rank, one.right, instead)


def _cell(quantity: _Quantity, report: Report, row: Row) -> str:
    if len(row.pairs) > 1:
        return quantity.together(report, row)
    return quantity.cell(report, *row.pairs[0])


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


def _shares(report: Report, row: Row) -> float | None:
    """Return what the weights of a row add up to of the penalty."""
    known = [share for _, weight in row.pairs if (share := report.share(weight)) is not None]
    return sum(known) if known else None


def _penalties(report: Report, row: Row) -> str:
    """Add up penalties; one that is not known leaves the sum unknown."""
    if all(weight.regularizer is None and weight.regularizer_known for _, weight in row.pairs):
        return spelling.MISSING
    values = [report.penalties.get(weight.stored_path) for _, weight in row.pairs]
    known = [value for value in values if value is not None]
    return spelling.number(sum(known)) if len(known) == len(values) else spelling.UNKNOWN


def _values(report: Report, row: Row, name: str) -> list[float] | None:
    """Return a number of each weight of a row; None where one has none."""
    found = [report.moments.get(weight.stored_path) for _, weight in row.pairs]
    values = [getattr(one, name) for one in found if one]
    return values if len(values) == len(found) and None not in values else None


def _of_all(name: str, merge: Callable[[Iterable[float]], float]) -> Callable[[Report, Row], str]:
    def cell(report: Report, row: Row) -> str:
        values = _values(report, row, name)
        return spelling.MISSING if values is None else spelling.number(merge(values))

    return cell


def _norm(norms: Iterable[float]) -> float:
    return hypot(*norms)


def _share_of_all(name: str) -> Callable[[Report, Row], str]:
    def cell(report: Report, row: Row) -> str:
        values = _values(report, row, name)
        size = sum(weight.size for _, weight in row.pairs)
        return spelling.percent(sum(values) / size if values and size else None)

    return cell


def _class(_report: Report, layer: Layer, _weight: Weight) -> str:
    return escape.plain(layer.class_name or "?")


def _classes(_report: Report, row: Row) -> str:
    names = dict.fromkeys(layer.class_name or "?" for layer, _ in row.pairs)
    return escape.plain(", ".join(names))


def _roles(_report: Report, row: Row) -> str:
    """Count the weights of a row by their roles: all kernels together, whatever their kind."""
    names = (weight.role if weight.role_known else "variable" for _, weight in row.pairs)
    roles = Counter("kernel" if name.endswith("_kernel") else name for name in names)
    return ", ".join(spelling.count(many, escape.plain(role)) for role, many in roles.items())


def _first(cell: Callable[[Report, Layer, Weight], str]) -> Callable[[Report, Row], str]:
    """Say of all what is so of the first: what rows are put together by."""
    return lambda report, row: cell(report, *row.pairs[0])


def _regularizer(_report: Report, _layer: Layer, weight: Weight) -> str:
    return spelling.regularizer_of(weight)


_QUANTITIES = (
    _Quantity("layer", _place, 0, together=lambda _r, row: escape.plain(row.name)),
    _Quantity("class", _class, 7, together=_classes),
    _Quantity("role", lambda _r, _l, weight: escape.plain(weight.role), 0, together=_roles),
    _Quantity("shape", lambda _r, _l, weight: spelling.shape(weight.shape), 6),
    _Quantity(
        "params",
        lambda _r, _l, weight: f"{weight.size:,}",
        4,
        right=True,
        together=lambda _r, row: f"{sum(weight.size for _, weight in row.pairs):,}",
    ),
    _Quantity("regularizer", _regularizer, 0, together=_first(_regularizer)),
    _Quantity("status", _status, 3, together=_first(_status)),
    _Quantity("penalty", _penalty, 1, right=True, together=_penalties),
    _Quantity(
        "share",
        _share,
        3,
        right=True,
        together=lambda report, row: spelling.percent(_shares(report, row)),
    ),
    _Quantity("L1", _measured("l1_norm"), 9, right=True, together=_of_all("l1_norm", sum)),
    _Quantity("L2", _measured("l2_norm"), 2, right=True, together=_of_all("l2_norm", _norm)),
    _Quantity("max", _measured("max_abs"), 10, right=True, together=_of_all("max_abs", max)),
    _Quantity("sparsity", _sparsity, 6, right=True, together=_share_of_all("zeros")),
    _Quantity("<0.001", _small, 8, right=True, together=_share_of_all("small_values")),
    _Quantity("dead", _units("dead_units"), 5, right=True),
    _Quantity("effective", _units("effective_units"), 5, right=True),
)
