"""AdamW in place of penalties, as a proposal."""

from collections.abc import Sequence

from msgspec.structs import replace

from regaudit.advice.strength import overfits, rounded
from regaudit.editing.proposal import Proposal
from regaudit.editing.slots import Slot
from regaudit.evidence.evidence import Evidence
from regaudit.keras_semantics.dialect import Dialect


def with_adamw(empty: Proposal, evidence: Evidence, places: Sequence[Slot]) -> Proposal:
    """Propose weight decay at the lower end of its useful range, for penalties on kernels."""
    training = evidence.training
    gap, chance = evidence.facts.gap, evidence.chance
    if training is None or training.class_name not in {"Adam", "AdamW"}:
        optimizer = training or evidence.model.optimizer
        name = optimizer.class_name if optimizer else "not in the file"
        verdict = f"Leave it: only Adam can become AdamW; the optimizer is {name}."
        return replace(empty, verdict=verdict)
    if gap is not None and chance is not None and not overfits(gap, chance):
        return replace(empty, verdict=f"Leave it: a gap of {gap:.3g} is not overfitting.")
    if training.weight_decay:
        return replace(
            empty, verdict=f"Leave it: it already has a weight decay of {training.weight_decay:g}."
        )
    if not training.learning_rate or not training.steps:
        return replace(
            empty,
            verdict="No decay can be proposed: the file lacks the learning rate or the steps.",
        )
    decay = rounded(1 / (training.learning_rate * training.steps))
    before_keras_3 = Dialect.of(evidence.model.keras_version).before_keras_3
    name = "keras.optimizers.AdamW"
    remarks = [
        *empty.remarks,
        (
            f"{name}(learning_rate={training.learning_rate:g}, weight_decay={decay:g}): the "
            f"smallest useful decay, 1 / (rate x steps), for as many steps as before "
            f"({training.steps:,})"
        ),
        (
            "the decay acts on biases and normalizations too: call exclude_from_weight_decay "
            "after every load, because it is not saved"
        ),
    ]
    per_epoch = evidence.facts.steps_per_epoch
    if per_epoch is not None:
        most = 1 / (training.learning_rate * per_epoch)
        remarks.append(f"the largest useful decay is 1 / (rate x steps per epoch) = {most:.2g}")
    if before_keras_3:
        remarks.append("Keras 2 has AdamW since 2.11")
    why = "replaced by weight decay"
    changes = tuple(
        place.changed((0.0, 0.0), 0.0, "low", why) for place in places if place.regularizer
    )
    verdict = f"A starting point: weight decay of {decay:g} by AdamW; sweep x1 to x30."
    return replace(empty, changes=changes, remarks=tuple(remarks), verdict=verdict, decay=decay)
