"""A sweep as an HTML page, and as a piece of HTML for notebooks."""

from html import escape as escaped
from typing import Literal

from msgspec import Struct

from regaudit.pages.chart_geometry import Plot
from regaudit.pages.pictures import plot_picture
from regaudit.pages.template import fill
from regaudit.report import escape, spelling
from regaudit.sweeping import edits
from regaudit.sweeping.columns import (
    KINDS,
    SweepColumn,
    columns,
    drawn,
    next_steps,
    setting,
    strength,
)
from regaudit.sweeping.epoch_charts import KINDS as CURVES
from regaudit.sweeping.epoch_charts import EpochChart, epoch_charts
from regaudit.sweeping.outcome import Sweep
from regaudit.sweeping.strength_chart import TITLE, strength_chart

BETWEEN = " \N{PLUS-MINUS SIGN} "
"""Stands between a value and its standard error."""


class SweepPage(Struct, frozen=True):
    """Everything that the template shows of a sweep."""

    sweep: Sweep
    verdict: str
    state: Literal["clean", "note", "warning"]
    remarks: tuple[str, ...]
    columns: tuple[SweepColumn, ...]
    rows: tuple[tuple[tuple[str, ...], bool], ...]
    """The cells of each, and whether it is the chosen one."""
    chart: Plot | None
    title: str
    shows: str
    """What the chart shows, in words."""
    curves: tuple[EpochChart, ...]
    changes: tuple[tuple[str, str, str], ...]
    """Layer, argument and value of each edit of the chosen candidate."""
    steps: tuple[str, ...]
    command: str
    """Puts the strengths alone into a copy; empty where there are none."""
    setting: tuple[tuple[str, str], ...]


def page(sweep: Sweep) -> escape.Escaped:
    """Return one self-contained page."""
    return fill("sweep.html.j2", page=_arranged(sweep), curve_kinds=CURVES)


def section(sweep: Sweep) -> escape.Escaped:
    """Return a section for the page of a report."""
    return fill("sweep_part.html.j2", page=_arranged(sweep), curve_kinds=CURVES)


def _arranged(sweep: Sweep) -> SweepPage:
    """Return what a page shows of a sweep."""
    found = tuple(columns(sweep, BETWEEN))
    line = "regaudit apply {} -o OUT --from edits.json"
    return SweepPage(
        sweep=sweep,
        verdict=_typeset(sweep.verdict),
        state=_state(sweep),
        remarks=tuple(map(_sentence, sweep.remarks)),
        columns=found,
        rows=tuple(
            (row, one.name == sweep.chosen)
            for row, one in zip(
                zip(*(one.cells for one in found), strict=True), drawn(sweep), strict=True
            )
        ),
        chart=strength_chart(sweep),
        title=TITLE,
        shows=_shows(sweep),
        curves=epoch_charts(sweep),
        changes=tuple((edits.place(e), e.key, edits.spelled(e)) for e in sweep.edits),
        steps=tuple(next_steps(sweep)),
        command=escape.command(line, sweep.setting.file) if sweep.edits else "",
        setting=tuple(setting(sweep)),
    )


def _typeset(text: str) -> str:
    """Return a text with the signs that a page has for what a terminal writes with two."""
    return text.replace(" -> ", " \N{RIGHTWARDS ARROW} ").replace(" +- ", BETWEEN)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{_typeset(text[1:])}{'' if text.endswith('.') else '.'}"


def _state(sweep: Sweep) -> Literal["clean", "note", "warning"]:
    if sweep.chosen != "as it is":
        return "note"
    return "warning" if sweep.best.diverged else "clean"


def _shows(sweep: Sweep) -> str:
    suggested = _suggested(sweep)
    return (
        "Loss, without the penalty, of each model that was trained: on the validation set, which "
        "it has not seen (filled, with its standard error), and on the training data (hollow). "
        "From left to right the penalty grows, by multiples of the suggested strength on a "
        f"logarithmic axis{f': x1 is {suggested}' if suggested else ''}. The lowest filled mark "
        "is the best; where it lies far above its hollow one, the model has learnt by heart."
    )


def _suggested(sweep: Sweep) -> str:
    """Return what x1 is, of each kind."""
    found = {one.kind: strength(one) for one in sweep.rungs if one.factor == 1 and one.kind}
    return ", ".join(f"{value} ({KINDS[kind]})" for kind, value in found.items())


_LINE = "border-bottom:1px solid rgba(128,128,128,.35)"


def fragment(sweep: Sweep) -> str:
    """Return verdict, chart and table without script or style sheet, for notebooks."""
    found = columns(sweep, BETWEEN)
    heads = "".join(_cell("th", one.title, right=one.right) for one in found)
    cells = [[_cell("td", cell, right=one.right) for cell in one.cells] for one in found]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in zip(*cells, strict=True))
    remarks = "".join(f"<p>{_text(_sentence(remark))}</p>" for remark in sweep.remarks)
    legend = "".join(f"<li><b>{_text(one.title)}</b>: {_text(one.about)}</li>" for one in found)
    chart = strength_chart(sweep)
    drawing = plot_picture(TITLE, _shows(sweep), chart) if chart else ""
    count = spelling.count(len(sweep.candidates), "model")
    return (
        f'<div style="overflow-x:auto"><p><b>{_text(sweep.setting.file)}</b>: '
        f"{_text(_typeset(sweep.verdict))}</p>{remarks}{drawing}<table>"
        f"<caption>{count} compared</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
        f"<details><summary>What the columns mean</summary><ul>{legend}</ul></details></div>"
    )


def _cell(tag: str, text: str, *, right: bool) -> str:
    align = "right" if right else "left"
    scope = ' scope="col"' if tag == "th" else ""
    return f'<{tag}{scope} style="text-align:{align};{_LINE}">{_text(text)}</{tag}>'


def _text(text: str) -> str:
    return escaped(escape.plain(text))
