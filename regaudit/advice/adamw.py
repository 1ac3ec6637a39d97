"""AdamW in place of penalties, as a proposal."""

from msgspec.structs import replace

from regaudit.advice.losses import remarks_on
from regaudit.advice.places import Place
from regaudit.advice.strength import rounded
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.optimizer_state import EFFECTIVE_DECAY, Training
from regaudit.keras_semantics.dialect import Dialect
from regaudit.report.proposal import UNTESTED, Decision, Proposal, Purpose
from regaudit.report.spelling import count

MOST = 0.005
"""Share of every weight that a decay may take off in a step: half of what REG305 warns of."""

MOST_TIMES = 30
"""Width of the useful range, as the paper found it."""


def with_adamw(evidence: Evidence, places: tuple[Place, ...], purpose: Purpose) -> Proposal:
    """Propose weight decay at the lower end of its useful range, for penalties on kernels."""
    training, remarks = evidence.training, tuple(remarks_on(evidence))
    decision, refusal = _why_not(evidence, training)
    empty = Proposal(
        decision,
        "adamw",
        purpose,
        refusal,
        remarks=remarks,
        train_loss=evidence.facts.train_loss,
        val_loss=evidence.facts.val_loss,
        before=evidence.total_penalty,
    )
    if refusal or training is None or not training.learning_rate or not training.steps:
        return empty
    decay = rounded(min(1 / training.steps, MOST) / training.learning_rate)
    if decay * training.learning_rate * training.steps <= EFFECTIVE_DECAY:
        few = count(training.steps, "step")
        return replace(
            empty,
            decision="unknown",
            verdict=f"No decay is proposed: none acts in {few}, as many as it was trained for.",
        )
    changes = []
    for place in places:
        if place.l2 and not place.fixed:
            then = place.given(place.l1, 0.0, UNTESTED, "replaced by weight decay")
            changes.append(then.change_from(place))
    return replace(
        empty,
        decision="decouple",
        changes=tuple(change for change in changes if change),
        remarks=(*remarks, *_remarks(evidence, training, decay)),
        verdict=f"An {UNTESTED}: weight decay of {decay:g} by AdamW{_range(evidence, decay)}.",
        decay=decay,
    )


def _range(evidence: Evidence, decay: float) -> str:
    """Say how far to sweep: not to what REG305 calls too strong."""
    epoch, training = evidence.facts.steps_per_epoch, evidence.training
    rate = training.learning_rate if training else None
    most = 2 * MOST if epoch is None else 1 / epoch
    # Rates are stored as float32, which is off by 1e-7.
    times = min(MOST_TIMES, int(1.001 * most / (decay * rate))) if rate else 0
    return f"; try 1 to {times} times that" if times > 1 else ""


def _why_not(evidence: Evidence, training: Training | None) -> tuple[Decision, str]:
    """Say why no weight decay is proposed; empty if one is."""
    if training is None or training.class_name not in {"Adam", "AdamW"}:
        optimizer = training or evidence.model.optimizer
        name = optimizer.class_name if optimizer else "not in the file"
        return "leave", f"No move to AdamW: only Adam can become it; the optimizer is {name}."
    if evidence.overfits is False:
        return "leave", f"Leave it: a gap of {evidence.facts.gap:.3g} is no overfitting."
    if training.weight_decay:
        had = f"it already has a weight decay of {training.weight_decay:g}"
        return "leave", f"No move to AdamW: {had}; --aim l2 looks at the penalties."
    if not training.learning_rate or not training.steps:
        return "unknown", "No decay can be proposed: the file lacks the learning rate or the steps."
    return "decouple", ""


def _remarks(evidence: Evidence, training: Training, decay: float) -> tuple[str, ...]:
    least = "the smallest useful decay, 1 / (rate x steps), for as many steps as before"
    why = f"{least} ({training.steps:,})"
    if training.steps and training.learning_rate and 1 / training.steps > MOST:
        would = 1 / (training.steps * training.learning_rate)
        why = f"it takes {MOST:.1%} off every weight in a step; {why}, would be {would:.2g}"
    found = [
        (
            f"write keras.optimizers.AdamW(learning_rate={training.learning_rate:g}, "
            f"weight_decay={decay:g}): {why}"
        ),
        (
            "the decay acts on biases and normalizations too: call exclude_from_weight_decay "
            "after every load, because it is not saved"
        ),
    ]
    per_epoch = evidence.facts.steps_per_epoch
    if per_epoch is not None and training.learning_rate:
        most = 1 / (training.learning_rate * per_epoch)
        found.append(f"the largest useful decay is 1 / (rate x steps per epoch) = {most:.2g}")
    if Dialect.of(evidence.model.keras_version).before_keras_3:
        found.append("Keras 2 has AdamW since 2.11")
    return tuple(found)
