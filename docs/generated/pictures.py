"""Pictures of the examples of a rule, with the fault and without it: SVG by the code of reports."""

import re
from collections.abc import Callable, Iterator
from html import escape
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import h5py
import numpy as np

from regaudit.pages.model_section import Section, section
from regaudit.pages.template import fill_part
from regaudit.report import spelling
from regaudit.report.report import Report
from regaudit.report.view import View


def pictures(code: str, bad: Report, good: Report) -> Iterator[str]:
    """Yield a figure with both examples, for a rule that a picture helps to understand."""
    if code not in _DRAWN:
        return
    draw, caption = _DRAWN[code]
    pair = [section(number, one, (), View()) for number, one in enumerate((bad, good), 1)]
    drawn = dict(zip(("Before", "After"), draw(pair), strict=True))
    if not all(drawn.values()):
        return
    yield "\n```{raw} html"
    yield '<figure class="rule-picture">'
    for title, svg in drawn.items():
        yield f"<div><strong>{title}</strong>{svg}</div>"
    yield f"<figcaption>{caption}</figcaption>\n</figure>\n```\n"


def _strip(one: Section) -> str:
    """Draw the kernels of the model, one next to the other, in the colours of regularizers."""
    drawn = fill_part("small_strip.html.j2", strip=one.strip, id=f"strip-{one.anchor}")
    return _in_lines(drawn.replace('width="160"', 'width="100%"', 1))


def _penalty(one: Section) -> str:
    """Draw the penalty next to the chance loss."""
    bar = one.penalty_bar
    if bar is None or not bar.chance:
        return ""
    rows = (
        (f"Penalty: {bar.total}", bar.penalty_width, "#3f83cf"),
        (f"Chance loss: {bar.chance.partition(',')[0]}", bar.chance_width, "#7d8590"),
    )
    drawn = "".join(
        f'<text x="0" y="{14 + 34 * n}">{escape(text)}</text>'
        f'<rect x="0" y="{19 + 34 * n}" width="{width:.2f}%" height="9" fill="{color}"/>'
        for n, (text, width, color) in enumerate(rows)
    )
    return _svg(66, drawn, f"{rows[0][0]}; {rows[1][0]}")


def _units(one: Section, highest: float) -> str:
    """Draw the norm of the weights into each unit of the first kernel; a dead unit has no bar."""
    norms = _norms(one)
    width = 100 / len(norms)
    bars = "".join(
        f'<rect x="{n * width:.2f}%" y="{60 - 60 * norm / highest:.1f}" width="{0.7 * width:.2f}%" '
        f'height="{60 * norm / highest:.1f}" fill="#3f83cf"/>'
        for n, norm in enumerate(norms)
    )
    line = '<rect y="60" width="100%" height="1" fill-opacity=".5"/>'
    largest = f"largest: {spelling.number(norms.max())}"
    text = f"norms of the {len(norms)} units, {largest}"
    return _svg(61, bars + line, text) + f"<small>{largest}</small>"


def _norms(one: Section) -> np.ndarray:
    (_, weight) = next(iter(one.report.model.weights()))
    values = _values(Path(one.report.file), weight.stored_path)
    return np.linalg.norm(values.reshape(-1, values.shape[-1]), axis=0)


def _values(file: Path, stored_path: str) -> np.ndarray:
    """Return the values of a weight in an archive of Keras 3."""
    with ZipFile(file) as archive, h5py.File(BytesIO(archive.read("model.weights.h5"))) as weights:
        return weights[stored_path][()]


def _svg(height: int, content: str, text: str) -> str:
    return (
        f'<svg role="img" aria-label="{escape(text)}" width="100%" height="{height}" '
        f'font-size="13" fill="currentColor">{content}</svg>'
    )


def _in_lines(html: str) -> str:
    """Return HTML without empty lines, which would end it in Markdown."""
    return re.sub(r"\n\s*\n", "\n", html)


_ALONG = (
    "The kernels of the model from the first to the last, each as high as its regularizer is "
    "strong: blue is L2, orange L1, purple both, a thin red line none; hatched is one that is not "
    "in force. A mark above it is a finding."
)
_AGAINST = (
    "The chance loss is that of a model that gives every input the same answer: a penalty that "
    "comes near it leaves little to learn for."
)
_UNITS = (
    "The norm of the weights into each unit of the first layer, both times by the same scale. A "
    "unit without a bar puts out the same, whatever comes in."
)


def _each(draw: Callable[[Section], str]) -> Callable[[list[Section]], list[str]]:
    return lambda pair: [draw(one) for one in pair]


def _both_units(pair: list[Section]) -> list[str]:
    highest = max(_norms(one).max() for one in pair)
    return [_units(one, highest) for one in pair]


_DRAWN: dict[str, tuple[Callable[[list[Section]], list[str]], str]] = {
    **dict.fromkeys(("REG101", "REG102", "REG103", "REG201", "REG301"), (_each(_strip), _ALONG)),
    **dict.fromkeys(("REG202", "REG203", "REG204", "REG206"), (_each(_penalty), _AGAINST)),
    **dict.fromkeys(("REG402", "REG403"), (_both_units, _UNITS)),
}
