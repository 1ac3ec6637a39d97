"""The losses of each candidate of a sweep over its epochs, all on the same axes."""

from msgspec import Struct

from regaudit.pages.chart_geometry import LEFT, MARGIN, RIGHT, Kind, Mark, Plot, Scale, Tick
from regaudit.pages.charts import BLUE, ORANGE
from regaudit.report import spelling
from regaudit.sweeping.loss_axis import down, joined, loss_scale, rows, shows
from regaudit.sweeping.outcome import Candidate, Epoch, Sweep

TALL = 130
"""Pixels of the axis."""

POINTS, MARKED = 60, 20
"""Most points of a curve, and up to how many have marks."""

EDGE = 85
"""Percent across beyond which a label would leave the chart if its middle were there."""

VALIDATION = Kind("validation loss", "circle", BLUE)
TRAINING = Kind("training loss", "ring", ORANGE)
BEST = Kind("the epoch whose weights it has", "halo", "currentColor")
KINDS = (VALIDATION, TRAINING, BEST)


class EpochChart(Struct, frozen=True):
    """How the losses of one candidate went."""

    candidate: Candidate
    plot: Plot


def epoch_charts(sweep: Sweep) -> tuple[EpochChart, ...]:
    """Draw each candidate that has a curve; one that diverged leaves the axis where it must."""
    trained = [one for one in sweep.candidates if _losses(one)]
    steady = [one for one in trained if not one.diverged] or trained
    if not trained:
        return ()
    scale = loss_scale([loss for one in steady for loss in _losses(one)])
    most = max(epoch.epoch for one in trained for epoch in one.curve)
    return tuple(EpochChart(one, _plot(one, scale, most)) for one in trained)


def _losses(one: Candidate) -> list[float]:
    both = (loss for epoch in one.curve for loss in (epoch.val_loss, epoch.train_loss))
    return [loss for loss in both if shows(loss)]


def _plot(one: Candidate, scale: Scale, most: int) -> Plot:
    every = -(-len(one.curve) // POINTS)
    shown = [
        epoch
        for number, epoch in enumerate(one.curve)
        if number % every == 0 or epoch is one.curve[-1] or epoch.epoch == one.best_epoch
    ]

    def across(epoch: int) -> float:
        return LEFT + (RIGHT - LEFT) * (epoch + 0.5) / (most + 1)

    def marks(epochs: list[Epoch], kind: Kind, title: str = "") -> list[Mark]:
        losses = [e.train_loss if kind is TRAINING else e.val_loss for e in epochs]
        return [
            Mark(
                f"{across(epoch.epoch):.1f}",
                f"{down(loss, scale, TALL):.1f}",
                kind.shape,
                kind.color,
                f"epoch {epoch.epoch}: {title or kind.name} {spelling.number(loss)}",
            )
            for epoch, loss in zip(epochs, losses, strict=True)
            if shows(loss)
        ]

    training, validation = marks(shown, TRAINING), marks(shown, VALIDATION)
    best = marks([epoch for epoch in shown if epoch.epoch == one.best_epoch], BEST, "best weights,")
    every_mark = training + validation if len(shown) <= MARKED else []
    ends = {shown[-1].epoch: f"{shown[-1].epoch}", shown[0].epoch: f"epoch {shown[0].epoch}"}
    return Plot(
        MARGIN + TALL + MARGIN,
        (*every_mark, *best),
        (*joined(training, dashed=True), *joined(validation)),
        tuple(rows(scale, TALL)),
        tuple(
            Tick(f"{across(epoch):.1f}", text, "end" if across(epoch) > EDGE else "middle")
            for epoch, text in ends.items()
        ),
        KINDS,
        1,
    )
