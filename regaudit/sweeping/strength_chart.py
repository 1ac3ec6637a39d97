"""The chart of a sweep: validation and training loss over strength, a pair of lines a kind.

Across are multiples of the suggested strength by their logarithm, so that all kinds share an axis;
to the left of them is training on without a penalty, to the right what has no strength of its own.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from math import log2

from msgspec import Struct

from regaudit.pages.chart_geometry import (
    LEFT,
    MARGIN,
    RIGHT,
    STRIP,
    Kind,
    Line,
    Mark,
    Plot,
    Scale,
    Tick,
)
from regaudit.pages.charts import BLUE, GREEN, GREY, ORANGE, RED
from regaudit.sweeping.columns import known, with_error
from regaudit.sweeping.loss_axis import down, joined, loss_scale, rows, shows
from regaudit.sweeping.outcome import Candidate, Sweep

TITLE = "How strong a penalty should be"

TALL = 250
"""Pixels of the axis."""

ROOM = 9
"""Percent across that a label needs."""

APART = 1.2
"""Percent across between kinds at the same multiple."""

_LOOKS = {
    "l2": ("L2", "circle", "ring", BLUE),
    "l1": ("L1", "triangle", "open-triangle", ORANGE),
    "activity": ("activity", "square", "open-square", GREEN),
    "adamw": ("AdamW", "diamond", "open-diamond", RED),
    None: ("", "circle", "ring", GREY),
}
"""Name, and marks of losses on validation and on training data, of each kind.

What is of no kind goes by the names of the candidates: `no penalty`, `soup`.
"""

TODAY = Kind("today: validation loss of the model as it is", "dash", GREY)
SUGGESTED = Kind("suggested strength: x1", "bar", GREY)
CHOSEN = Kind("chosen", "halo", "currentColor")


class _Place(Struct, frozen=True):
    """Where a candidate lies across."""

    x: float
    """Percent."""
    label: str


def strength_chart(sweep: Sweep) -> Plot | None:
    """Draw losses over strength; None where nothing that was trained has a finite loss."""
    trained = [one for one in sweep.candidates if one.role != "as it is"]
    drawn = [one for one in trained if shows(one.val_loss)]
    if not drawn:
        return None
    today = [one.val_loss for one in sweep.candidates if one.role == "as it is"]
    known_today = [loss for loss in today if shows(loss)]
    scale = loss_scale([*_losses(drawn), *known_today])
    places = _places(trained)
    marks: list[Mark] = []
    lines = list(_suggested(trained, places))
    kinds: list[Kind] = []
    for kind in dict.fromkeys(one.kind for one in drawn):
        mine = sorted((o for o in drawn if o.kind == kind), key=lambda one: places[one.name].x)
        name, filled, hollow, color = _LOOKS[kind]
        name = name or ", ".join(one.name for one in mine)
        looks = Kind(f"{name}: validation", filled, color), Kind(f"{name}: training", hollow, color)
        validation = [_mark(one, looks[0], scale, places) for one in mine]
        training = [_mark(o, looks[1], scale, places) for o in mine if shows(o.train_loss)]
        marks += training + validation
        kinds += looks if training else looks[:1]
        if kind is not None:
            lines += joined(training, dashed=True) + joined(validation)
        marks += [
            Mark(mark.x, mark.y, CHOSEN.shape, CHOSEN.color, "chosen")
            for one, mark in zip(mine, validation, strict=True)
            if one.name == sweep.chosen
        ]
    axis = rows(scale, TALL)
    axis += [Tick(f"{down(loss, scale, TALL):.1f}", "", strong=True) for loss in known_today]
    lost = [one for one in trained if one.diverged]
    strip = f"{MARGIN + TALL + STRIP / 2:.1f}"
    marks += [
        Mark(f"{places[one.name].x:.1f}", strip, "cross", RED, f"{one.name}: diverged")
        for one in lost
    ]
    axis += [Tick(strip, "diverged")] if lost else []
    kinds += [CHOSEN] if any(one.name == sweep.chosen for one in drawn) else []
    kinds += [SUGGESTED] if any(one.factor == 1 for one in trained) else []
    kinds += [TODAY] if known_today else []
    height = MARGIN + TALL + (STRIP if lost else 0) + MARGIN
    labels = tuple(_labels(places.values()))
    return Plot(height, tuple(marks), tuple(lines), tuple(axis), labels, tuple(kinds), 1)


def _losses(drawn: Sequence[Candidate]) -> Iterator[float]:
    for one in drawn:
        error = known(one.val_error) or 0.0
        found = (one.train_loss, *((one.val_loss or 0.0) + sign * error for sign in (-1, 0, 1)))
        yield from (loss for loss in found if shows(loss))


def _mark(one: Candidate, kind: Kind, scale: Scale, places: Mapping[str, _Place]) -> Mark:
    """Place a loss; one on validation data with a line as long as its error to either side."""
    what = kind.name.rpartition(" ")[2]
    loss = (one.train_loss if what == "training" else one.val_loss) or 0.0
    error = None if what == "training" else known(one.val_error)
    low, y, high = (f"{down(loss + sign * (error or 0.0), scale, TALL):.1f}" for sign in (-1, 0, 1))
    said = f"{one.name}: {what} loss {with_error(loss, error, ' ± ')}"
    x = f"{places[one.name].x:.1f}"
    return Mark(x, y, kind.shape, kind.color, said, *((low, high) if error else ()))


def _places(trained: Sequence[Candidate]) -> dict[str, _Place]:
    """Return where each candidate lies across, by name."""
    logs = {one.name: log2(one.factor) for one in trained if one.factor and shows(one.factor)}
    ladder = sorted(set(logs.values())) or [0.0]
    gaps = [right - left for left, right in pairwise(ladder)]
    step = max(min(gaps, default=2.0), 0.1)
    beside = {"without": ladder[0] - step}
    at = {one.name: logs.get(one.name, beside.get(one.role, ladder[-1] + step)) for one in trained}
    left, right = min(at.values()) - step / 2, max(at.values()) + step / 2
    kinds = list(dict.fromkeys(one.kind for one in trained if one.kind is not None))

    def place(one: Candidate) -> _Place:
        nth = kinds.index(one.kind) if one.kind is not None else (len(kinds) - 1) / 2
        x = LEFT + (RIGHT - LEFT) * (at[one.name] - left) / (right - left)
        label = {"without": "none", "soup": "soup"}.get(one.role) or f"x{one.factor or 0.0:g}"
        return _Place(x + APART * (nth - (len(kinds) - 1) / 2), label)

    return {one.name: place(one) for one in trained}


def _suggested(trained: Sequence[Candidate], places: Mapping[str, _Place]) -> Iterator[Line]:
    """Yield a line down through the suggested strength, between the kinds that have it."""
    found = [places[one.name].x for one in trained if one.factor == 1]
    if found:
        x = f"{sum(found) / len(found):.1f}"
        yield Line(x, f"{MARGIN}", x, f"{TALL}", GREY, dashed=True)


def _labels(places: Iterable[_Place]) -> Iterator[Tick]:
    """Yield the labels across for which there is room."""
    by_label: dict[str, list[float]] = {}
    for place in places:
        by_label.setdefault(place.label, []).append(place.x)
    last = -float(ROOM)
    for label, found in sorted(by_label.items(), key=lambda pair: min(pair[1])):
        x = sum(found) / len(found)
        if x - last >= ROOM:
            last = x
            yield Tick(f"{x:.2f}", label, "middle")
