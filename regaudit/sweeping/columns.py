"""The table of a sweep in words: the same columns in the terminal, in Markdown and on the page."""

from collections.abc import Callable, Iterator
from math import floor, isfinite, log10

from msgspec import Struct

from regaudit.report import spelling
from regaudit.report.spelling import MISSING
from regaudit.sweeping.outcome import Candidate, Sweep

PLAIN = {"", "val_loss"}
"""Names of what is monitored that mean the validation loss."""

KINDS = {
    "l2": "L2 penalty of kernels",
    "l1": "L1 penalty of kernels",
    "activity": "L2 penalty of what layers put out",
    "adamw": "weight decay by AdamW",
}
"""What each kind of regularization is."""


ABOUT = {
    "model": (
        "what was compared: the model as it is, as it is when trained on without a penalty, and "
        "with so many times the suggested strength (x1 is the suggestion); a soup is the mean of "
        "the weights of several"
    ),
    "result": (
        "the chosen one has the lowest validation loss; one that is no different is as good, as "
        "far as this validation set can tell; the loss of a diverged one grew beyond all numbers"
    ),
    "strength": "factor of the penalty, or the weight decay; two numbers where layers differ",
    "epochs": "how many it was trained for, and after which of them it had the weights it has",
    "val. loss": (
        "loss on the validation set, which it was not trained with; lower is better. Behind it is "
        "its standard error: how far it may be off by chance"
    ),
    "tempered": (
        "validation loss after a temperature T: one number by which the outputs before softmax are "
        "divided, so that the model is only as sure as it is right. That needs no training and "
        "changes no answer; what a penalty gains beyond it is worth the training"
    ),
    "shrunk": (
        "validation loss after one number by which the predictions are shrunk towards their mean; "
        "that needs no training, and what a penalty gains beyond it is worth the training"
    ),
    "accuracy": "share of the validation set that it gets right",
    "R2": (
        "share of the variance of the targets that it explains: 1 is perfect, 0 is no better than "
        "their mean"
    ),
    "train loss": "loss on the data that it was trained with",
    "gap": "validation loss less training loss: the larger, the more was learnt by heart",
    "penalty": "what the regularizers of its weights add to the loss; no loss here includes it",
    "near zero": "share of the values of kernels that are near zero; an L1 penalty makes them so",
    "effective units": "the fewest outputs of layers that carry 99% of what all of them do",
}
"""What each column is, for somebody who has never regularized a model."""


class SweepColumn(Struct, frozen=True):
    """One column, with a cell for each candidate."""

    title: str
    rank: int
    """Columns of the highest rank are left out first where there is no room."""
    cells: tuple[str, ...]
    about: str

    @property
    def right(self) -> bool:
        """Whether it holds numbers."""
        return self.title not in {"model", "result"}


def columns(sweep: Sweep, between: str = " +- ") -> list[SweepColumn]:
    """Return the columns that say something of any candidate; names of models come first.

    Args:
        sweep: to show.
        between: stands between a value and its standard error.
    """
    otherwise = "what the best weights were chosen by"
    found = [
        SweepColumn(title, rank, tuple(map(spell, drawn(sweep))), ABOUT.get(title, otherwise))
        for title, rank, spell in _columns(sweep, between)
    ]
    return [one for one in found if one.rank < 2 or set(one.cells) != {MISSING}]


def _columns(sweep: Sweep, between: str) -> Iterator[tuple[str, int, Callable[[Candidate], str]]]:
    how = sweep.setting
    yield "model", 0, lambda one: one.name
    yield "result", 0, lambda one: result(sweep, one)
    yield "strength", 4, strength
    yield "epochs", 7, _epochs
    yield "val. loss", 0, lambda one: with_error(one.val_loss, one.val_error, between)
    if how.measure == "R2":
        yield "shrunk", 3, lambda one: _tempered(one, "by")
    else:
        yield "tempered", 3, lambda one: _tempered(one, "T")
    if how.measure == "R2":
        yield "R2", 1, lambda one: spelling.number(known(one.accuracy), 3)
    elif how.measure:
        yield "accuracy", 1, lambda one: spelling.percent(known(one.accuracy))
    if how.monitor not in PLAIN:
        yield how.monitor, 2, lambda one: spelling.number(known(one.monitored))
    yield "train loss", 5, lambda one: spelling.number(known(one.train_loss))
    yield "gap", 6, lambda one: spelling.number(known(one.gap), 3)
    yield "penalty", 8, lambda one: spelling.number(known(one.penalty), 3)
    yield "near zero", 9, lambda one: spelling.percent(known(one.near_zeros))
    yield "effective units", 10, _units


def known(value: float | None) -> float | None:
    """Return a number that can be shown; None for an infinity and a NaN."""
    return value if value is not None and isfinite(value) else None


def result(sweep: Sweep, one: Candidate) -> str:
    """Return what became of a candidate, in a word or two; empty where nothing is to be said."""
    if one.name == sweep.chosen:
        return "chosen"
    if one.diverged:
        return "diverged"
    return "no different" if one.no_different else ""


def strength(one: Candidate) -> str:
    """Format the strength of a candidate, or the range of those of its layers."""
    if one.strength is None:
        return MISSING
    low, high = map(_strength, one.strength)
    return low if low == high else f"{low} to {high}"


def _strength(value: float) -> str:
    return spelling.strength(float(f"{value:.3g}"))


def with_error(value: float | None, error: float | None, between: str = " +- ") -> str:
    """Format a value and its standard error: two digits of that, and what they leave of the value.

    An error beyond those of usual losses has an exponent, and the value four digits.
    """
    value, error = known(value), known(error)
    if value is None or not error:
        return spelling.number(value)
    if not 1e-6 < error < 100:
        return f"{spelling.number(value)}{between}{spelling.number(error, 2)}"
    decimals = max(1 - floor(log10(error)), 0)
    return f"{value:.{decimals}f}{between}{error:.{decimals}f}"


def _tempered(one: Candidate, by: str) -> str:
    text = spelling.number(known(one.tempered), 3)
    temperature = known(one.temperature)
    return text if text == MISSING or temperature is None else f"{text} ({by} {temperature:.2g})"


def _epochs(one: Candidate) -> str:
    if not one.epochs:
        return MISSING
    return f"{one.epochs:,}" + ("" if one.diverged else f" (best {one.best_epoch:,})")


def _units(one: Candidate) -> str:
    if one.effective_units is None:
        return MISSING
    units = f" of {one.units:,}" if one.units is not None else ""
    return f"{one.effective_units:,}{units}"


def drawn(sweep: Sweep) -> list[Candidate]:
    """Return the candidates in the order of a chart: from no penalty to the strongest, by kind."""
    order = {"as it is": 0, "without": 1, "rung": 2, "soup": 3}
    kinds = list(dict.fromkeys(one.kind for one in sweep.candidates))
    return sorted(
        sweep.candidates,
        key=lambda one: (order[one.role], kinds.index(one.kind), known(one.factor) or 0.0),
    )


def setting(sweep: Sweep) -> list[tuple[str, str]]:
    """Return how it was done: what, and how it was set."""
    how = sweep.setting
    validation = spelling.count(how.val_samples, "sample")
    if how.split is not None:
        validation += f", {how.split:.0%} of the one data set, shuffled by the seed"
    batch = f"{how.batch_size:,}" + ("" if how.batch_size_given else " (assumed: no file tells it)")
    return [
        ("Kinds", "; ".join(KINDS[kind] for kind in how.kinds) or "none"),
        ("Trained", "from new weights" if how.from_scratch else "on from the saved weights"),
        ("Epochs of one candidate", f"{how.epochs:,}; a whole training is {how.whole:,}"),
        (
            "Price",
            f"{how.spent:.3g} trainings, of at most {how.budget:.3g} for each kind",
        ),
        ("Training data", spelling.count(how.train_samples, "sample")),
        ("Validation data", validation),
        ("Samples in a batch", batch),
        ("Loss", how.loss),
        ("Best weights by", "validation loss" if how.monitor in PLAIN else how.monitor),
        ("Seed", f"{how.seed}; {spelling.count(how.repeats, 'repeat')}"),
        ("Keras", f"{how.keras}, {how.backend}"),
    ]


def next_steps(sweep: Sweep) -> list[str]:
    """Return what to do with the result, in sentences; the command to copy is `apply`'s."""
    if sweep.chosen == "as it is":
        return ["Keep the model as it is: there is nothing to write."]
    judge = "Judge it on a test set that neither trained nor chose it."
    if sweep.out is not None:
        return [f"The chosen model is in {sweep.out}, with the weights it was trained to. {judge}"]
    if sweep.model is not None:
        return [judge]
    return ["To keep the chosen model, add -o OUT to the same command, which trains it once more."]
