"""The charts of the page on public models; its numbers come from an audit of 428 files."""

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from generated.pages import write_all

STRENGTHS = {"L2 0.01": 38, "L2 0.0001": 26, "L2 0.001": 12, "L1 0.0001": 4}
"""Models by the strength that they use, of 89."""

FINDINGS = {
    "REG306": (0, 0, 72),
    "REG102": (0, 4, 66),
    "REG302": (0, 0, 44),
    "REG101": (29, 13, 0),
    "REG204": (0, 39, 0),
    "REG312": (0, 0, 32),
    "REG402": (0, 22, 0),
    "REG313": (0, 6, 0),
    "REG404": (0, 0, 5),
}
"""Models of 282 by rule, as errors, warnings and notes."""

COLORS = ("#d6455d", "#c2701c", "#3f83cf")
SEVERITIES = ("error", "warning", "note")


def write(folder: Path) -> None:
    """Write what the page includes."""
    strengths = {name: (0, 0, count) for name, count in STRENGTHS.items()}
    charts = {
        "strengths.inc": _chart(strengths, "Models by the strength of their regularizer"),
        "findings.inc": _chart(
            FINDINGS, "Models by what is found in them", SEVERITIES, "../rules/{}.html"
        ),
    }
    write_all(folder, "*.inc", charts)


def _chart(
    rows: Mapping[str, tuple[int, ...]],
    title: str,
    legend: tuple[str, ...] = (),
    address: str = "",
) -> str:
    """Return bars as HTML: a row for each name, in it a part for each colour."""
    most = max(map(sum, rows.values()))
    lines = "\n".join(_row(name, parts, most, address) for name, parts in rows.items())
    keys = "".join(
        f'<span><svg width="12" height="12" aria-hidden="true"><rect width="12" height="12" '
        f'fill="{color}"/></svg> {name}</span>'
        for name, color in zip(legend, COLORS, strict=False)
    )
    caption = f"<figcaption>{escape(title)}. {keys}</figcaption>"
    return f'```{{raw}} html\n<figure class="bars">\n{lines}\n{caption}\n</figure>\n```\n'


def _row(name: str, parts: tuple[int, ...], most: int, address: str) -> str:
    label = f'<a href="{address.format(name)}">{name}</a>' if address else name
    bars = "".join(_bars(parts, most))
    told = ", ".join(
        f"{count} {severity}{'s' * (count != 1)}"
        for count, severity in zip(parts, SEVERITIES, strict=True)
        if count
    )
    text = told if address else f"{sum(parts)} models"
    return (
        f'<div><span>{label}</span><svg role="img" aria-label="{text}" width="100%" height="16">'
        f"{bars}</svg><span>{sum(parts)}</span></div>"
    )


def _bars(parts: tuple[int, ...], most: int) -> Iterator[str]:
    left = 0.0
    for count, color in zip(parts, COLORS, strict=True):
        width = 100 * count / most
        yield f'<rect x="{left:.2f}%" width="{width:.2f}%" height="16" fill="{color}"/>' * (
            count > 0
        )
        left += width
