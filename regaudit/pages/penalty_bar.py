"""What the penalty is made of, as one bar, and next to it the chance loss."""

from msgspec import Struct

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.training_facts import Facts
from regaudit.pages.chart_geometry import drawable
from regaudit.pages.charts import BLUE, GREEN, GREY, ORANGE, RED
from regaudit.pages.strip import PURPLE
from regaudit.report import spelling
from regaudit.report.report import Report

COLORS = (BLUE, ORANGE, GREEN, PURPLE, RED)
"""Of the weights that add most; the others together are grey."""


class Part(Struct, frozen=True):
    """A weight's part of the penalty, or that of all the others."""

    name: str
    value: str
    color: str
    left: float
    width: float
    """In percent of the penalty."""


class PenaltyBar(Struct, frozen=True):
    """The bar, and what to hold it against."""

    parts: tuple[Part, ...]
    total: str
    chance: str
    """The chance loss and where it comes from; empty where it is not known."""
    penalty_width: float
    chance_width: float
    """In percent of the larger of the two."""
    share: str
    """Of the penalty in the chance loss."""


def penalty_bar(report: Report) -> PenaltyBar | None:
    """Return the bar of a report; None where nothing is known to add to the loss."""
    if report.model is None or not drawable(report.penalty):
        return None
    adding = sorted(
        (
            (value, weight.path)
            for _, weight in report.model.weights()
            if (value := report.penalties.get(weight.stored_path)) and drawable(value)
        ),
        reverse=True,
    )
    named = [(path, value, color) for (value, path), color in zip(adding, COLORS, strict=False)]
    rest = adding[len(named) :]
    if rest:
        title = spelling.count(len(rest), "other weight")
        named.append((title, sum(value for value, _ in rest), GREY))
    parts, left = [], 0.0
    total = sum(value for value, _ in adding)
    for name, value, color in named:
        width = 100 * value / total
        told = f"{spelling.number(value)}, {spelling.percent(value / total)}"
        parts.append(Part(name, told, color, left, width))
        left += width
    evidence = Evidence(report.model, report.moments, report.penalties, Facts(), report.measured)
    chance = evidence.chance
    known = chance is not None and drawable(chance.value)
    level = chance.value if chance is not None and known else total
    return PenaltyBar(
        parts=tuple(parts),
        total=spelling.number(total),
        chance=f"{spelling.number(level)}, {chance.basis}" if chance and known else "",
        penalty_width=100 * total / max(total, level),
        chance_width=100 * level / max(total, level),
        share=spelling.percent(total / level),
    )
