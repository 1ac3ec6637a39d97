"""What rules need to know of a model, and whether it is known."""

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.outputs import total_chance
from regaudit.evidence.training_facts import option

CHANCE_LOSS = "chance_loss"
"""A need of rules that weigh penalties: the loss of a model that has learned nothing."""

TOTAL_PENALTY = "total_penalty"
"""A need of rules that compare losses with penalties: that the file contains all of these."""

VALUES = "values"
"""A need of rules that weigh numbers taken from the weights: that these were read."""

DECAY = "the optimizer's weight decay, which the file does not tell"
"""What is missing to rules that would call a weight undecayed, for some layers or for all."""

CONFIGURATION = "configuration"
"""A need of rules that look at layers, their options and what follows them: that it is there."""

REGULARIZERS = "regularizers"
"""A need of rules that look at regularizers: that the file tells them, of each layer judged."""

_UNCONFIGURED = "the model's configuration, which is not in the file"

_UNTOLD = "what regularizes the weights, which custom code decides"

UNSHAPED = "weights that the configuration tells too little of"
"""What is missing to rules that judge the weights of a configuration alone."""

_UNREAD = "the values of the weights (--no-weights does not read them)"

_NO_VALUES = "the values of the weights, which a configuration alone does not have"


def lacks(evidence: Evidence, need: str) -> str | None:
    """Say what is missing of something a rule needs; None when it is there.

    Args:
        evidence: of the model.
        need: a field of `Facts`, `CHANCE_LOSS`, `TOTAL_PENALTY`, `VALUES`, `CONFIGURATION` or
            `REGULARIZERS`.
    """
    if need == CONFIGURATION or (need == REGULARIZERS and not evidence.model.class_name):
        return None if evidence.model.class_name else _UNCONFIGURED
    if need == REGULARIZERS:
        known = any(
            weight.regularizer_known and not layer.placed_as
            for layer, weight in evidence.model.weights()
        )
        if known or not (evidence.untold or evidence.unshaped):
            return None
        return _UNTOLD if evidence.untold else UNSHAPED
    if need == VALUES:
        return None if evidence.values else _unread(evidence)
    if need == CHANCE_LOSS:
        return None if evidence.chance is not None else total_chance(evidence.heads)[1]
    if need == TOTAL_PENALTY:
        unknown = None in evidence.penalties.values()
        if unknown and not evidence.values:
            return _unread(evidence)
        unknown |= not all(layer.tells_penalties for layer in evidence.model.layers)
        return "built-in layers and regularizers, whose penalty can be read" if unknown else None
    return option(need) if getattr(evidence.facts, need) is None else None


def _unread(evidence: Evidence) -> str:
    return _UNREAD if evidence.model.stored else _NO_VALUES
