"""REG403: a penalized kernel that has shrunk to next to nothing."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.collapse import MIN_SHARE, MIN_VALUE, shrunk
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS, VALUES
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.report import spelling
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold


class CollapsedLayer(Rule):
    about: ClassVar[About] = About(
        code="REG403",
        name="collapsed-layer",
        title="Penalized kernel that has collapsed",
        severity=Severity.ERROR,
        confidence="high",
        what=(
            "Looks for kernels with an L1 or L2 penalty in force whose largest value is below "
            "0.001, or whose norm is below 1% of its norm at initialization, or below 10% where "
            "99% of the values are below 0.001 and no units stand out (90% of them are "
            "effective). It is a warning where a normalization follows, because that scales the "
            "outputs up again."
        ),
        rationale=(
            "The layer outputs almost nothing but its bias, so the model predicts nearly the "
            "same for every input. Almost no gradient passes through the layer, and further "
            "training does not bring it back."
        ),
        source=(
            "keras/src/initializers/random_initializers.py gives the norm to start from; the "
            "direction was measured: of 162 runs on 41 small tasks, those with collapsed layers "
            "were far from their best strength"
        ),
        fix="Divide the strength by ten and train again from the start.",
        false_positives="A layer that was switched off on purpose, such as a pruned branch.",
        bad="""
regularizer = keras.regularizers.L2(0.005)
model = keras.Sequential([
    keras.layers.Input((20,)),
    keras.layers.Dense(12, activation="relu", kernel_regularizer=regularizer),
    keras.layers.Dense(3, activation="softmax", kernel_regularizer=regularizer),
])
model.layers[0].kernel.assign(1e-3 * model.layers[0].kernel)
""",
        good="""
regularizer = keras.regularizers.L2(0.0005)
model = keras.Sequential([
    keras.layers.Input((20,)),
    keras.layers.Dense(12, activation="relu", kernel_regularizer=regularizer),
    keras.layers.Dense(3, activation="softmax", kernel_regularizer=regularizer),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (VALUES, REGULARIZERS)
    about_strength: ClassVar[bool] = True

    min_value: Threshold = MIN_VALUE
    """Kernels with a larger value have not collapsed, unless by their norm."""
    min_share: Threshold = MIN_SHARE
    """Of the initial norm: kernels below it have collapsed."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        training = evidence.training
        if training is not None and training.steps == 0:
            return
        trained = bool(training and training.steps)
        for layer, weight in evidence.regularized():
            regularizer = weight.regularizer
            if regularizer is None or weight.role not in KERNEL_ROLES:
                continue
            if not (regularizer.l1 or regularizer.l2):
                continue
            found = shrunk(layer, weight, evidence.measured(weight), trained=trained)
            if found is None or not found.collapsed(self.min_value, self.min_share):
                continue
            part = f", {found.share:.2g} of its initial norm" if found.share is not None else ""
            normalization = evidence.next_normalization(layer)
            free = normalization or evidence.graph.may_be_normalized(layer)
            after = f"; the {normalization} after it scales it up again" if normalization else ""
            yield self.item(
                weight,
                f"its largest value is {found.largest:.3g}{part}, under "
                f"{spelling.penalty(regularizer)}{after}",
                severity=Severity.WARNING if free else Severity.ERROR,
                max_abs=found.largest,
                l2_norm=found.norm,
                initial_norm="unknown" if found.start is None else found.start,
            )
