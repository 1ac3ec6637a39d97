"""REG101: a large kernel that nothing regularizes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from regaudit.finding import Edit, Finding, Severity, Suggestion
from regaudit.keras_layers import KERNEL_ROLES
from regaudit.model import Layer, Status, Weight
from regaudit.rule import About, Evidence, Rule
from regaudit.strength import budget_strength, chance_loss


@dataclass(frozen=True)
class LargeLayerUnregularized(Rule):
    about: ClassVar[About] = About(
        code="REG101",
        name="large-layer-unregularized",
        title="Large trainable kernel without a regularizer in force",
        severity=Severity.ERROR,
        confidence="medium",
        rationale=(
            "A large kernel can memorize the training set. Weight penalties, dropout and weight "
            "decay are the usual means against it. The finding is an error when the file shows "
            "none of them, a warning when only dropout, noise, a constraint or normalization "
            "acts on the layer, and a note when the optimizer's weight decay has had effect "
            "(learning rate x weight decay x steps > 0.02)."
        ),
        source="Goodfellow, Bengio and Courville (2016), Deep Learning, chapter 7",
        fix="Regularize the layer; start a sweep (x0.1, x1, x10) at the strength shown.",
        false_positives=(
            "Training that the file knows nothing of: data augmentation outside the model, early "
            "stopping, or so much data that nothing overfits."
        ),
        bad="""
model = keras.Sequential([
    keras.layers.Input((400,)),
    keras.layers.Dense(300, activation="relu"),
    keras.layers.Dense(10, activation="softmax"),
])
model.compile("adam", "categorical_crossentropy")
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((400,)),
    keras.layers.Dense(300, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-4)),
    keras.layers.Dense(10, activation="softmax"),
])
model.compile("adam", "categorical_crossentropy")
""",
    )

    min_parameters: int = 100_000
    """Kernels with fewer values pass."""
    effective_decay: float = 0.02
    """Learning rate x weight decay x steps above this counts as regularization."""

    def check(self, evidence: Evidence) -> Iterator[Finding]:
        decay = self._decay(evidence)
        for layer, weight in evidence.model.weights():
            if not self._is_large_and_bare(weight):
                continue
            instead = _instead(evidence, layer, weight)
            if decay:
                severity, weighed = Severity.NOTE, (decay, *instead)
            elif instead:
                severity, weighed = Severity.WARNING, instead
            else:
                severity, weighed = Severity.ERROR, ()
            having = f"; it has only {' and '.join(weighed)}" if weighed else " and nothing instead"
            yield self.finding(
                weight,
                f"{weight.size:,} parameters, no regularizer in force{having}",
                severity=severity,
                evidence=weighed,
                suggestion=_suggest(evidence, layer, weight),
                parameters=weight.size,
                min_parameters=self.min_parameters,
            )

    def _is_large_and_bare(self, weight: Weight) -> bool:
        return (
            weight.role in KERNEL_ROLES
            and weight.size >= self.min_parameters
            and weight.trainable
            and weight.shared_with is None
            and (weight.regularizer is None or weight.regularizer.status is Status.INERT)
        )

    def _decay(self, evidence: Evidence) -> str:
        """Describe the optimizer's weight decay if it has had effect."""
        optimizer = evidence.model.optimizer
        if optimizer is None or not optimizer.weight_decay:
            return ""
        rate, steps = optimizer.learning_rate, optimizer.iterations
        if rate is None or steps is None:
            return f"{optimizer.class_name}'s weight decay of {optimizer.weight_decay:g}"
        shrinkage = rate * optimizer.weight_decay * steps
        if shrinkage <= self.effective_decay:
            return ""
        return (
            f"{optimizer.class_name}'s weight decay of {optimizer.weight_decay:g} "
            f"over {steps:,} steps"
        )


def _instead(evidence: Evidence, layer: Layer, weight: Weight) -> tuple[str, ...]:
    """What else regularizes a layer, in words."""
    found = []
    noise = evidence.noise_around(layer)
    rate = next(
        (layer.config[key] for key in ("dropout", "recurrent_dropout") if layer.config.get(key)), 0
    )
    if noise:
        found.append(f"{noise} beside it")
    if rate:
        found.append(f"dropout of {rate:g} inside it")
    if weight.constraint:
        found.append(f"the constraint {weight.constraint}")
    normalization = evidence.next_normalization(layer)
    if normalization:
        found.append(f"{normalization} after it")
    return tuple(found)


def _suggest(evidence: Evidence, layer: Layer, weight: Weight) -> Suggestion | None:
    """A starting point: what the model's own layers of the kind use, else the budget rule."""
    measured = evidence.measured(weight)
    if measured is None or measured.l2_norm is None or weight.regularizer_key is None:
        return None
    strength, reason = _own_strength(evidence, layer, weight)
    if strength is None:
        if evidence.next_normalization(layer):
            return None  # its scale is free: a penalty would set the effective learning rate
        strength, reason = _budget(evidence)
    if strength is None:
        return None
    value = {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": strength}}
    return Suggestion(
        weight=weight.path,
        code=f"{weight.regularizer_key}=keras.regularizers.L2({strength:g})",
        edits=(Edit(layer.path, weight.regularizer_key, {**value, "registered_name": None}),),
        penalty=strength * measured.l2_norm**2,
        reason=reason,
    )


def _own_strength(evidence: Evidence, layer: Layer, weight: Weight) -> tuple[float | None, str]:
    """The L2 strength that regularized weights of the same class and role agree on."""
    strengths = {
        other.regularizer.l2
        for peer, other in evidence.model.weights()
        if peer.class_name == layer.class_name
        and other.role == weight.role
        and other.regularizer
        and other.regularizer.status is Status.IN_FORCE
        and other.regularizer.l2
    }
    if len(strengths) != 1:
        return None, ""
    return strengths.pop(), f"the strength of the model's own regularized {layer.class_name} layers"


def _budget(evidence: Evidence) -> tuple[float | None, str]:
    """The budget rule over all kernels whose scale no normalization undoes."""
    chance = chance_loss(evidence.model)
    if chance is None:
        return None, ""
    squares = []
    for layer, weight in evidence.model.weights():
        measured = evidence.measured(weight)
        kernel = weight.role in KERNEL_ROLES and weight.trainable and weight.shared_with is None
        if kernel and measured and measured.l2_norm and not evidence.next_normalization(layer):
            squares.append(measured.l2_norm**2)
    reason = (
        f"start of a sweep (x0.1, x1, x10): all kernels together then cost 5 % of the chance loss "
        f"({chance.basis})"
    )
    return budget_strength(chance, squares), reason
