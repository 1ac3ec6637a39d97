"""A model as one strip along its depth: a cell for each layer or block, and what is known of it.

Places across are thousandths of the width, drawn in boxes that stretch; places down are pixels.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import hypot, log2, log10
from typing import Protocol

from msgspec import Struct

from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.measures.moments import Moments
from regaudit.model import Layer, Status, Weight
from regaudit.pages.chart_geometry import drawable
from regaudit.pages.charts import BLUE, GREEN, GREY, ORANGE, RED, times
from regaudit.report import spelling
from regaudit.report.folded_rows import blocks, common_name
from regaudit.report.severity import Severity

MOST = 90
"""Cells; layers of larger models are put together block by block."""

WIDE = 1000
"""Units across."""

TALL = 26
"""Pixels of a lane."""

PURPLE = "#8a5cc2"

KINDS = {
    "L1": ORANGE,
    "L2": BLUE,
    "L1 and L2": PURPLE,
    "other": GREEN,
    "none": RED,
    "not known": GREY,
}
"""Colour of each kind of regularizer."""


class Measured(Protocol):
    """A weight as the table of the page has it."""

    @property
    def anchor(self) -> str:
        """Of its row."""

    @property
    def layer(self) -> Layer:
        """That has it."""

    @property
    def weight(self) -> Weight:
        """What the file says of it."""

    @property
    def moments(self) -> Moments | None:
        """What was measured."""

    @property
    def growth(self) -> float | None:
        """Root mean square in units of what the initializer gives."""

    @property
    def faults(self) -> tuple[tuple[Severity, str], ...]:
        """Severity and code of what was found in it."""


class Cell(Struct, frozen=True):
    """One layer, or a block of layers that follow each other."""

    anchor: str
    """Of the row with its worst fault, or else of its first row."""
    left: float
    width: float
    """In percent."""
    title: str
    fault: str
    """Worst severity of its faults; empty for none."""

    @property
    def middle(self) -> str:
        """Where it is, in percent."""
        return f"{self.left + self.width / 2:.2f}"


class Shape(Struct, frozen=True):
    """What one colour fills in a lane: an SVG path in a box `WIDE` wide and `TALL` high."""

    outline: str
    color: str
    idle: bool = False
    """Whether it stands for what is not in force: it is hatched."""


class Lane(Struct, frozen=True):
    """One quantity along the depth."""

    title: str
    shapes: tuple[Shape, ...]
    line: int = TALL
    """Where its zero is, in pixels from its top."""


class Bracket(Struct, frozen=True):
    """A model inside the model."""

    name: str
    left: float
    width: float
    """In percent."""


class Strip(Struct, frozen=True):
    """The whole picture."""

    cells: tuple[Cell, ...]
    lanes: tuple[Lane, ...]
    brackets: tuple[Bracket, ...]
    kinds: tuple[tuple[str, str, bool], ...]
    """Name, colour and whether it is hatched, of what the first lane shows."""
    layers: int

    @property
    def text(self) -> str:
        """The picture in words."""
        found = Counter(cell.fault for cell in self.cells if cell.fault)
        said = ", ".join(f"{number} with {severity}s" for severity, number in found.items())
        return f"{spelling.count(len(self.cells), 'cell')}, {said or 'none with a finding'}"


def strip(rows: Sequence[Measured], nested: Iterable[str] = ()) -> Strip | None:
    """Draw the layers of a model that have weights; None where there are none.

    Args:
        rows: their weights, in the order of the model.
        nested: paths of the models inside it.
    """
    if not rows:
        return None
    layers = [list(run) for _, run in groupby(rows, key=lambda row: row.layer.path)]
    runs = blocks([run[0].layer.path for run in layers], MOST)
    held = [[row for at in run for row in layers[at]] for run in runs]
    sizes = [log2(2 + sum(row.weight.size for row in cell)) for cell in held]
    scale, left, cells = 100 / sum(sizes), 0.0, []
    for size, cell in zip(sizes, held, strict=True):
        cells.append(_cell(cell, left, size * scale))
        left += size * scale
    lanes, kinds = _regularizers(held, cells)
    return Strip(
        cells=tuple(cells),
        lanes=(lanes, *_numbers(held, cells)),
        brackets=tuple(_brackets(nested, held, cells)),
        kinds=kinds,
        layers=len(layers),
    )


def _cell(rows: Sequence[Measured], left: float, width: float) -> Cell:
    faults = [(severity, row.anchor) for row in rows for severity, _ in row.faults]
    worst, anchor = max(faults, default=(None, rows[0].anchor), key=lambda one: one[0] or 0)
    codes = dict.fromkeys(code for row in rows for _, code in row.faults)
    name = common_name([row.layer.path for row in rows])
    layers = len({row.layer.path for row in rows})
    said = [
        f"{name}" if layers == 1 else f"{name} ({layers} layers)",
        *dict.fromkeys(spelling.regularizer_of(row.weight) for row in _kernels(rows)),
        *codes,
    ]
    return Cell(anchor, left, width, ", ".join(filter(None, said)), str(worst) if worst else "")


def _kernels(rows: Iterable[Measured]) -> list[Measured]:
    return [row for row in rows if row.weight.role in KERNEL_ROLES]


def _kind(weight: Weight) -> tuple[str, float, bool]:
    """Return the kind of a kernel's regularizer, its strength, and whether it is idle."""
    found = weight.regularizer
    if found is None:
        return ("none" if weight.regularizer_known else "not known"), 0.0, False
    idle = found.status is not Status.IN_FORCE
    if found.l1 is None or found.l2 is None:
        return "other", 0.0, idle
    kind = "L1 and L2" if found.l1 and found.l2 else "L1" if found.l1 else "L2"
    return kind, max(found.l1, found.l2), idle


def _regularizers(
    held: Sequence[Sequence[Measured]], cells: Sequence[Cell]
) -> tuple[Lane, tuple[tuple[str, str, bool], ...]]:
    """Draw the strongest regularizer of each cell; a thin line is a cell without one."""
    found = []
    for cell, rows in zip(cells, held, strict=True):
        kinds = [_kind(row.weight) for row in _kernels(rows)]
        if kinds:
            found.append((cell, max(kinds, key=lambda one: (one[1], one[0] != "none"))))
    strengths = [strength for _, (_, strength, _) in found if drawable(strength)]
    low, high = (log10(bound(strengths)) for bound in (min, max)) if strengths else (0.0, 0.0)
    parts: dict[tuple[str, bool], list[str]] = {}
    for cell, (kind, strength, idle) in found:
        height: float = 3 if kind == "none" else TALL
        if drawable(strength):
            height = TALL * (0.35 + 0.65 * ((log10(strength) - low) / (high - low or 1)))
            height = TALL * 0.65 if high == low else height
        parts.setdefault((kind, idle), []).append(_bar(cell, TALL - height, TALL))
    shapes = tuple(
        Shape("".join(bars), KINDS[kind], idle or kind == "not known")
        for (kind, idle), bars in parts.items()
    )
    scale = ""
    if strengths:
        least, most = spelling.strength(min(strengths)), spelling.strength(max(strengths))
        scale = f": {least}" if least == most else f": {least} (low) to {most} (high)"
    named = tuple((kind, KINDS[kind], idle or kind == "not known") for kind, idle in parts)
    return Lane(f"Regularizer of the kernels{scale}", shapes), named


def _numbers(held: Sequence[Sequence[Measured]], cells: Sequence[Cell]) -> Iterator[Lane]:
    """Draw what was measured; a lane is left out where nothing is known."""
    growths = [_mean(rows) for rows in held]
    known = [abs(log2(value)) for value in growths if value is not None]
    if known:
        most, middle = max(*known, 1.0), TALL // 2
        bars = [
            _bar(cell, middle, middle - middle * log2(value) / most)
            for cell, value in zip(cells, growths, strict=True)
            if value is not None
        ]
        title = f"Size against initialization: {times(2**-most)} to {times(2**most)}"
        yield Lane(title, (Shape("".join(bars), BLUE),), middle)
    for title, color, share in _SHARES:
        values = [share(rows) for rows in held]
        if most_of := max(values):
            bars = [
                _bar(cell, TALL * (1 - value / most_of), TALL)
                for cell, value in zip(cells, values, strict=True)
                if value
            ]
            yield Lane(
                f"{title}: up to {spelling.percent(most_of)}", (Shape("".join(bars), color),)
            )


def _mean(rows: Sequence[Measured]) -> float | None:
    """Return the root mean square growth of the kernels of a cell."""
    known = [row.growth for row in _kernels(rows) if row.growth is not None]
    return hypot(*known) / len(known) ** 0.5 if known else None


def _near_zero(rows: Sequence[Measured]) -> float:
    values = [row.moments for row in _kernels(rows) if row.moments]
    small = sum(one.small_values or 0 for one in values)
    return small / (sum(one.size for one in values) or 1)


def _idle_units(rows: Sequence[Measured]) -> float:
    known = [
        (one.effective_units, one.units)
        for row in _kernels(rows)
        if (one := row.moments) and one.units and one.effective_units is not None
    ]
    units = sum(units for _, units in known)
    return 1 - sum(one for one, _ in known) / units if units else 0.0


def _dead(rows: Sequence[Measured]) -> float:
    known = [
        (one.dead_units, one.units)
        for row in _kernels(rows)
        if (one := row.moments) and one.units and one.dead_units is not None
    ]
    return sum(one for one, _ in known) / (sum(units for _, units in known) or 1)


_SHARES: tuple[tuple[str, str, Callable[[Sequence[Measured]], float]], ...] = (
    ("Values below 0.001", ORANGE, _near_zero),
    ("Units that are not effective", PURPLE, _idle_units),
    ("Dead units", RED, _dead),
)


def _bar(cell: Cell, top: float, bottom: float) -> str:
    """Return a bar of a cell, with a gap to the next; at least two pixels high."""
    if abs(bottom - top) < 2:
        top = bottom - 2 if top <= bottom else bottom + 2
    left, width = cell.left * WIDE / 100, cell.width * WIDE / 100
    wide = max(width - min(1.5, width / 4), 0.5)
    return f"M{left:.1f} {bottom:.1f}V{top:.1f}h{wide:.1f}V{bottom:.1f}z"


def _brackets(
    nested: Iterable[str], held: Sequence[Sequence[Measured]], cells: Sequence[Cell]
) -> Iterator[Bracket]:
    """Yield the outermost models inside the model, with what they span."""
    outer: Mapping[str, None] = dict.fromkeys(path for path in nested if "/" not in path)
    for name in outer:
        inside = [
            cell
            for cell, rows in zip(cells, held, strict=True)
            if rows[0].layer.path.startswith(f"{name}/")
        ]
        if inside:
            left, last = inside[0].left, inside[-1]
            yield Bracket(name, left, last.left + last.width - left)
