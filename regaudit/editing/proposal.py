"""What a whole model should change: one strength a key, with the evidence, or "leave it".

The rules advise weight by weight; this weighs the model as a whole, by the two losses where they
are known. How well it does is measured by `benchmarks/advice.py`.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from regaudit.advice.strength import BUDGET, rounded
from regaudit.dataclass import dataclass
from regaudit.editing.optimizer_edit import OPTIMIZER
from regaudit.editing.validity import refusal
from regaudit.errors import RefusedEditError, UsageError
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.training_facts import Facts
from regaudit.formats.interface import formats
from regaudit.keras_semantics.dialect import Dialect
from regaudit.model import Layer, Regularizer, Status, Weight
from regaudit.report.report import Edit, Report
from regaudit.report.spelling import count

Aim = Literal["l2", "l1", "adamw"]

CAREFUL = 0.5
"""Share of the gap that the penalties are given together."""
NO_CHANGE = 0.05
"""Gaps below this share of the chance loss ask for nothing."""
TOO_MUCH = 0.5
"""Penalties above this share of the chance loss are scaled down, whatever the losses."""
OVER_GAP = 10.0
"""Penalties above this many gaps are scaled down."""
FEW = 200
"""Validation samples below which the gap is mostly noise."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One key of one layer, with the kernels that it governs."""

    layer: Layer
    key: str
    weights: tuple[Weight, ...]
    l1_norm: float
    squared_norm: float
    penalty: float
    """What they add to the loss now."""

    @property
    def regularizer(self) -> Regularizer | None:
        """The one in force now."""
        found = self.weights[0].regularizer
        return found if found and found.status is Status.IN_FORCE else None


@dataclass(frozen=True, slots=True)
class StrengthChange:
    """One strength that should change."""

    layer: str
    key: str
    weights: tuple[str, ...]
    """Paths of the kernels that the key governs."""
    present: Regularizer | None
    l1: float
    l2: float
    before: float
    """Penalty now."""
    after: float
    """Penalty at today's weights with the new strength."""
    confidence: Literal["high", "medium", "low"]
    reason: str

    @property
    def edit(self) -> Edit:
        """The change as data."""
        if not self.l1 and not self.l2:
            return Edit(self.layer, self.key, None)
        config = {name: value for name, value in (("l1", self.l1), ("l2", self.l2)) if value}
        name = "L1L2" if len(config) == 2 else next(iter(config)).upper()
        value = {"module": "keras.regularizers", "class_name": name, "config": config}
        return Edit(self.layer, self.key, {**value, "registered_name": None})

    @property
    def code(self) -> str:
        """The Keras constructor argument."""
        value = self.edit.value
        if value is None:
            return f"{self.key}=None"
        config = (("l1", self.l1), ("l2", self.l2))
        arguments = ", ".join(f"{name}={number:g}" for name, number in config if number)
        return f"{self.key}=keras.regularizers.{value['class_name']}({arguments})"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to change in one model, and what to know about it."""

    report: Report
    facts: Facts
    aim: Aim
    changes: tuple[StrengthChange, ...]
    remarks: tuple[str, ...]
    """What to do first, and what the numbers given do not bear."""
    verdict: str
    """One sentence: what is proposed, or why nothing is."""
    decay: float | None = None
    """Weight decay for AdamW, in place of penalties."""
    why_not: str = ""
    """Why `apply` cannot write it into a copy of the file; empty if it can."""

    @property
    def edits(self) -> tuple[Edit, ...]:
        """For `apply`."""
        edits = tuple(change.edit for change in self.changes)
        if self.decay is None:
            return edits
        return (*edits, Edit("", OPTIMIZER, {"class_name": "AdamW", "weight_decay": self.decay}))

    @property
    def jump(self) -> float:
        """How much higher the training loss will read."""
        return sum(change.after - change.before for change in self.changes)


def suggest(
    report: Report, facts: Facts | None = None, aim: Aim = "l2", *, with_penalty: bool = False
) -> Proposal:
    """Propose strengths for a model.

    Args:
        report: its audit.
        facts: what is known of its training: with both losses the gap rule speaks.
        aim: kind of penalty, or weight decay by AdamW.
        with_penalty: whether the losses contain the penalty, as `model.evaluate` prints them.

    Raises:
        UsageError: losses that cannot be.
        RefusedEditError: there is nothing in the file to advise on.
    """
    model = report.model
    if model is None or report.failure:
        raise RefusedEditError(report.failure.message if report.failure else "nothing was read")
    if not model.class_name:
        raise RefusedEditError("it holds weights only: which of them are regularized is not known")
    given = Evidence(model, report.moments, report.penalties, facts or Facts())
    facts = _without_penalty(
        report, given.facts, with_penalty=with_penalty, floor=given.chance is not None
    )
    evidence = replace(given, facts=facts)
    remarks = tuple(_remarks(evidence))
    broken = [weight.path for _, weight in evidence.kernels() if _is_broken(evidence, weight)]
    if broken:
        more = f" and {count(len(broken) - 1, 'more kernel')}" if len(broken) > 1 else ""
        verdict = (
            f"Restore it first: there are NaN or infinite values in {broken[0]}{more}; go back to "
            "the last checkpoint without."
        )
        return Proposal(report, facts, aim, (), (), verdict)
    places = tuple(_places(evidence))
    if not places:
        verdict = "Leave it: no trainable kernel takes a regularizer."
        return Proposal(report, facts, aim, (), remarks, verdict)
    why_not = next((one.why_not for one in formats() if one.name == report.format), "")
    if aim == "adamw":
        nothing = Proposal(report, facts, aim, (), remarks, "", why_not=why_not)
        return _adamw(nothing, evidence, places)
    changes, verdict = _decide(evidence, places, aim)
    changes = [*_both_ways(changes)]
    refused = [why for change in changes if (why := refusal(model, change.edit))]
    if refused and not why_not:
        remarks += (f"apply refuses {len(refused)} of {len(changes)}: {refused[0]}",)
    return Proposal(report, facts, aim, tuple(changes), remarks, verdict, why_not=why_not)


def _without_penalty(report: Report, facts: Facts, *, with_penalty: bool, floor: bool) -> Facts:
    """Take the penalty out of the losses, and refuse numbers that no training gives."""
    losses = {name: getattr(facts, name) for name in ("train_loss", "val_loss")}
    for name, loss in losses.items():
        if loss is None:
            continue
        key = name.replace("_", "-")
        if with_penalty:
            if loss < report.penalty:
                raise UsageError(
                    f"{key} {loss:g} is below the penalty of {report.penalty:.4g} it should contain"
                )
            losses[name] = loss - report.penalty
        if floor and loss < 0:
            raise UsageError(f"{key} {loss:g} is below zero, which no loss of this kind can be")
    return replace(facts, **losses)


def _remarks(evidence: Evidence) -> Iterator[str]:
    """Yield what to do first, and where the losses look like the usual mistakes."""
    facts, gap, penalty = evidence.facts, evidence.facts.gap, evidence.total_penalty
    chance = evidence.chance
    if gap is None:
        if facts.train_loss is not None or facts.val_loss is not None:
            yield "one loss alone tells nothing: give both --train-loss and --val-loss"
        return
    if chance is not None and gap > NO_CHANGE * chance.value:
        yield (
            "first: keras.callbacks.EarlyStopping(restore_best_weights=True); where it was "
            "measured it did as much as the strengths below, or more"
        )
    loss = facts.train_loss or 0.0
    if 0 < penalty <= loss < 1.5 * penalty:
        yield (
            f"the training loss {loss:.4g} is barely above the penalty {penalty:.4g}: it probably "
            "contains it (model.evaluate adds it); --with-penalty subtracts it from both"
        )
    if gap < 0:
        yield (
            "the training loss is above the validation loss: the number that fit prints is an "
            "average over the epoch, with dropout on; take model.evaluate on both sets"
        )
    if chance is not None and max(loss, facts.val_loss or 0.0) > 3 * chance.value:
        yield f"a loss above three times {chance.basis} is worse than guessing: check the numbers"
    if facts.val_size is not None and facts.val_size < FEW:
        yield f"{facts.val_size} validation samples are few: the gap is uncertain below {FEW}"


def _is_broken(evidence: Evidence, weight: Weight) -> bool:
    measured = evidence.measured(weight)
    return measured is not None and measured.nonfinite > 0


def _places(evidence: Evidence) -> Iterator[Slot]:
    """Yield the keys of the trainable kernels; an attention layer has one for all of its own."""
    groups: dict[tuple[str, str], list[Weight]] = defaultdict(list)
    layers = {}
    for layer, weight in evidence.kernels():
        measured = evidence.measured(weight)
        if weight.regularizer_key and layer.known and measured and measured.l2_norm:
            groups[layer.path, weight.regularizer_key].append(weight)
            layers[layer.path] = layer
    for (path, key), weights in groups.items():
        moments = [evidence.moments[weight.stored_path] for weight in weights]
        yield Slot(
            layers[path],
            key,
            tuple(weights),
            sum(found.l1_norm or 0.0 for found in moments),
            sum((found.l2_norm or 0.0) ** 2 for found in moments),
            sum(evidence.penalty(weight) for weight in weights),
        )


def _decide(
    evidence: Evidence, places: Sequence[Slot], aim: Aim
) -> tuple[list[StrengthChange], str]:
    """Choose between scaling down, the gap rule, a starting point and leaving it."""
    chance, gap, penalty = evidence.chance, evidence.facts.gap, evidence.total_penalty
    paying = [place for place in places if place.regularizer and place.penalty]
    if chance is not None and penalty > TOO_MUCH * chance.value and paying:
        factor = BUDGET * chance.value / penalty
        why = f"the penalty {penalty:.3g} is over half the chance loss ({chance.basis})"
        return _scaled(paying, factor, why), f"Weaken the penalties: {why}."
    if gap is None:
        return _start(evidence, places, aim)
    if chance is None:
        lacking = evidence.lacks("chance_loss")
        return [], f"Leave it: without {lacking} a gap cannot be told from a small one."
    floor = max(gap, 0.01 * chance.value)
    if penalty > OVER_GAP * floor and paying:
        why = f"the penalty {penalty:.3g} is over ten times the gap of {gap:.3g}"
        return _scaled(paying, floor / penalty, why), f"Weaken the penalties: {why}."
    if gap <= NO_CHANGE * chance.value:
        return [], (
            f"Leave it: a gap of {gap:.3g} between validation and training loss is within 5 % of "
            f"the chance loss ({chance.basis}); it does not overfit."
        )
    count = sum(len(place.weights) for place in places)
    why = f"half the gap of {gap:.3g} over {count} kernels, each an equal part"
    changes: list[StrengthChange] = []
    for place in places:
        part = CAREFUL * gap * len(place.weights) / count
        norm = place.squared_norm if aim == "l2" else place.l1_norm
        changes += _strengthened(place, rounded(part / norm), aim, "medium", why)
    if not changes:
        return [], "Leave it: the present strengths are those that the gap asks for, or more."
    return changes, (
        f"Regularize: the validation loss is {gap:.3g} above the training loss, "
        f"{gap / chance.value:.0%} of the chance loss ({chance.basis})."
    )


def _start(
    evidence: Evidence, places: Sequence[Slot], aim: Aim
) -> tuple[list[StrengthChange], str]:
    """Without losses nothing tells the strength: name a place to start a sweep at."""
    chance = evidence.chance
    bare = [place for place in places if place.weights[0].regularizer is None]
    free = [place for place in places if not evidence.next_normalization(place.layer)]
    if not bare:
        return [], "Leave it: every kernel has a regularizer, and without losses none is too much."
    known = {place.regularizer.l2 for place in places if place.regularizer}
    changes: list[StrengthChange] = []
    total = sum(place.squared_norm if aim == "l2" else place.l1_norm for place in free)
    for place in bare:
        if aim == "l2" and len(known) == 1 and (peer := next(iter(known))):
            why = "what the model's own regularized layers use; sweep x0.1, x1, x10"
            changes += _strengthened(place, peer, aim, "low", why)
        elif chance is not None and total and place in free:
            why = f"all kernels together 5 % of the chance loss ({chance.basis}); sweep x0.1 to x10"
            strength = rounded(BUDGET * chance.value / total)
            changes += _strengthened(place, strength, aim, "low", why)
    if not changes:
        lacking = evidence.lacks("chance_loss") or "both losses"
        return [], f"Nothing can be named without {lacking}."
    return changes, (
        "A starting point, no more: without --train-loss and --val-loss nothing in a file tells "
        "whether this model overfits, or how strong a penalty should be."
    )


def _strengthened(
    place: Slot, strength: float, aim: Aim, confidence: Literal["medium", "low"], why: str
) -> Iterator[StrengthChange]:
    """Yield the change to a strength, unless what is there is as strong."""
    l1, l2 = (strength, 0.0) if aim == "l1" else (0.0, strength)
    after = l1 * place.l1_norm + l2 * place.squared_norm
    if place.penalty < after:
        yield _change(place, (l1, l2), after, confidence, why)


def _scaled(paying: Sequence[Slot], factor: float, why: str) -> list[StrengthChange]:
    changes = []
    for place in paying:
        regularizer = place.regularizer
        l1, l2 = (
            rounded(value * factor) if value else 0.0
            for value in ((regularizer.l1, regularizer.l2) if regularizer else (0.0, 0.0))
        )
        after = l1 * place.l1_norm + l2 * place.squared_norm
        if l1 or l2:
            changes.append(_change(place, (l1, l2), after, "high", why))
    return changes


def _change(
    place: Slot,
    strengths: tuple[float, float],
    after: float,
    confidence: Literal["high", "medium", "low"],
    why: str,
) -> StrengthChange:
    layer, weights = place.layer.path, tuple(weight.path for weight in place.weights)
    present, before = place.weights[0].regularizer, place.penalty
    return StrengthChange(
        layer, place.key, weights, present, *strengths, before, after, confidence, why
    )


def _both_ways(changes: Sequence[StrengthChange]) -> Iterator[StrengthChange]:
    """Give the two directions of a Bidirectional one strength: Keras 2 stores one for both."""
    for change in changes:
        base, _, name = change.layer.rpartition("/")
        direction, _, rest = name.partition("_")
        other = {"forward": "backward", "backward": "forward"}.get(direction, "")
        twin = f"{base}/{other}_{rest}"
        pair = next((c for c in changes if other and (c.layer, c.key) == (twin, change.key)), None)
        if pair is None:
            yield change
            continue
        l1, l2 = min(change.l1, pair.l1), min(change.l2, pair.l2)
        scale = (l1 or l2) / (change.l1 or change.l2)
        yield replace(change, l1=l1, l2=l2, after=change.after * scale)


def _adamw(empty: Proposal, evidence: Evidence, places: Sequence[Slot]) -> Proposal:
    """Propose weight decay at the lower end of its useful range, for penalties on kernels."""
    training = evidence.training
    gap, chance = evidence.facts.gap, evidence.chance
    if training is None or training.class_name not in {"Adam", "AdamW"}:
        name = training.class_name if training else "not in the file"
        verdict = f"Leave it: AdamW takes over from Adam only; the optimizer is {name}."
        return replace(empty, verdict=verdict)
    if gap is not None and chance is not None and gap <= NO_CHANGE * chance.value:
        return replace(empty, verdict=f"Leave it: a gap of {gap:.3g} is no overfitting.")
    if training.weight_decay:
        return replace(empty, verdict=f"Leave it: it has a decay of {training.weight_decay:g}.")
    if not training.learning_rate or not training.steps:
        return replace(empty, verdict="Nothing can be named: the file tells no rate or no steps.")
    decay = rounded(1 / (training.learning_rate * training.steps))
    before_keras_3 = Dialect.of(evidence.model.keras_version).before_keras_3
    name = "keras.optimizers.AdamW"
    remarks = [
        *empty.remarks,
        (
            f"{name}(learning_rate={training.learning_rate:g}, weight_decay={decay:g}): its lower "
            f"useful end, 1 / (rate x steps), for as many steps as before ({training.steps:,})"
        ),
        (
            "the decay reaches biases and normalizations too: exclude_from_weight_decay, after "
            "every load, for it is not saved"
        ),
    ]
    per_epoch = evidence.facts.steps_per_epoch
    if per_epoch is not None:
        most = 1 / (training.learning_rate * per_epoch)
        remarks.append(f"the upper useful end is 1 / (rate x steps an epoch) = {most:.2g}")
    if before_keras_3:
        remarks.append("Keras 2 has AdamW from 2.11 on")
    why = "weight decay takes its place"
    changes = tuple(
        _change(place, (0.0, 0.0), 0.0, "low", why) for place in places if place.regularizer
    )
    verdict = f"A starting point: weight decay of {decay:g} by AdamW; sweep x1 to x30."
    return replace(empty, changes=changes, remarks=tuple(remarks), verdict=verdict, decay=decay)
