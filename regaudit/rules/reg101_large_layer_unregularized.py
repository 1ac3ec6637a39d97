"""REG101: a large kernel that nothing regularizes."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.model import Layer, Weight
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold


class LargeLayerUnregularized(Rule):
    about: ClassVar[About] = About(
        code="REG101",
        name="large-layer-unregularized",
        title="Large trainable kernel without a regularizer in force",
        severity=Severity.ERROR,
        confidence="medium",
        what=(
            "Looks for trainable kernels with many parameters and no regularizer in force. "
            "Recurrent, depthwise and pointwise kernels and embeddings count as kernels. It is "
            "an error when the file shows no other regularization of the layer; a warning when "
            "only dropout, noise, a constraint, data augmentation inside the model or "
            "normalization acts on the layer; and a note when the optimizer's weight decay has "
            "had an effect (learning rate x weight decay x steps > 0.02), or may have had because "
            "the file does not tell how the model was compiled, or where both losses show no "
            "overfitting. Custom layers may be any of these. "
            "Where the file keeps an optimizer without telling its weight decay, it is not run."
        ),
        rationale=(
            "A large kernel can memorize the training set. Weight penalties, dropout and weight "
            "decay are the usual means against it."
        ),
        source="Goodfellow, Bengio and Courville (2016), Deep Learning, chapter 7",
        fix=(
            "Find out whether the model overfits: `regaudit suggest` with --train-loss and "
            "--val-loss says so, and how strong a penalty should be; `regaudit sweep` finds that "
            "by validation. Early stopping, dropout and weight decay are other cures."
        ),
        false_positives=(
            "Regularization that the file does not record: data augmentation outside the model, "
            "early stopping, or so much data that nothing overfits."
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
    keras.layers.Dense(10, activation="softmax", kernel_regularizer=keras.regularizers.L2(1e-4)),
])
model.compile("adam", "categorical_crossentropy")
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)
    about_strength: ClassVar[bool] = True

    min_parameters: Threshold = 100_000
    """Kernels with fewer values pass."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for layer, weight in self.undecayed(evidence):
            if evidence.decay_unknown(weight):
                continue
            reasons = evidence.weigh(layer, weight)
            weighed = tuple(reason.text for reason in reasons)
            severity = Severity.WARNING if reasons else Severity.ERROR
            if any(reason.kind == "decay" for reason in reasons) or layer.class_name == "Embedding":
                severity = Severity.NOTE  # a penalty on a table acts on rows that no batch holds
            having = (
                f"; it has only {' and '.join(weighed)}"
                if weighed
                else ", and no other regularization"
            )
            milder = tuple(_milder(evidence))
            if milder:
                severity = Severity.NOTE
                weighed += milder
                having += f"; {' and '.join(milder)}"
            yield self.item(
                weight,
                f"{weight.size:,} parameters, no regularizer in force{having}",
                severity=severity,
                evidence=weighed,
                parameters=weight.size,
                min_parameters=self.min_parameters,
            )

    def undecayed(self, evidence: Evidence) -> Iterator[tuple[Layer, Weight]]:
        for layer, weight in evidence.kernels():
            if weight.size >= self.min_parameters and weight.bare:
                yield layer, weight


def _milder(evidence: Evidence) -> Iterator[str]:
    """Yield what of the model as a whole makes it no fault that nothing regularizes a kernel."""
    if not evidence.has_task_head:
        yield "the outputs are of no classifier, in a model that was not compiled"
    if evidence.overfits is False:
        yield "the losses show no overfitting"
