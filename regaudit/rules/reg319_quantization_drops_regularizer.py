"""REG319: a regularizer that quantization or LoRA has put out of force."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.model import Layer, Status, Weight
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class QuantizationDropsRegularizer(Rule):
    about: ClassVar[About] = About(
        code="REG319",
        name="quantization-drops-regularizer",
        title="Regularizer that quantization or LoRA puts out of force",
        severity=Severity.NOTE,
        confidence="high",
        what=(
            "Looks for int8 and int4 weights, and for weights of layers with LoRA, whose "
            "configuration names a regularizer."
        ),
        rationale=(
            "The configuration looks regularized, but the layer is not: Keras creates a "
            "quantized kernel without the regularizer, and loads a kernel with LoRA as frozen, "
            "while the pair of LoRA matrices starts at a penalty of zero."
        ),
        source=(
            "keras/src/layers/core/dense.py: Dense._int8_build and Dense.enable_lora; measured "
            "on Keras 3.15.1"
        ),
        fix="Remove the regularizer from the layer, or regularize before quantizing.",
        false_positives="A model that is only used for predictions needs no regularizer at all.",
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(1e-4)),
])
model.quantize("int8")
""",
        good="""
model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(4)])
model.quantize("int8")
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for layer, weight in evidence.model.weights():
            regularizer = weight.regularizer
            if weight.shared_with is not None or regularizer is None:
                continue
            if weight.dtype == "int8" and regularizer.status in {Status.INERT, Status.FROZEN}:
                yield self.item(
                    weight, f"quantized: Keras loads it without its {regularizer.class_name}"
                )
            elif _has_lora(layer, weight) and regularizer.status is Status.FROZEN:
                yield self.item(
                    weight,
                    f"LoRA: Keras loads it frozen, and its {regularizer.class_name} adds nothing",
                )


def _has_lora(layer: Layer, weight: Weight) -> bool:
    return bool(layer.config.get("lora_rank")) and weight.role in {"kernel", "embeddings"}
