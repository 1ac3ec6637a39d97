"""REG207: a paper's weight decay taken for the strength of Keras's L2."""

from collections.abc import Iterator
from math import isclose
from typing import ClassVar

from regaudit.advice.recipes import RECIPES, above, recognized
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.model import Weight
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule


class PaperDecayNotHalved(Rule):
    about: ClassVar[About] = About(
        code="REG207",
        name="paper-decay-not-halved",
        title="L2 strength equal to a paper's weight decay",
        severity=Severity.NOTE,
        confidence="medium",
        what=(
            "Recognizes VGG, ResNet, DenseNet, Inception V3, MobileNet and EfficientNet by their "
            "layers, also inside other models, and looks for kernels whose L2 strength is the "
            "weight decay that the authors used."
        ),
        rationale=(
            "A weight decay of d adds d w to the gradient; TensorFlow's l2_loss contains the "
            "factor 1/2 that this needs. Keras's L2(s) does not contain it and adds 2 s w: with "
            "s = d the model is decayed twice as fast as in the paper."
        ),
        source=(
            "keras/src/regularizers/regularizers.py: L2.__call__; the papers: Simonyan and "
            "Zisserman (2015) for VGG, He et al. (2016) for ResNet, Huang et al. (2017) for "
            "DenseNet, Chollet (2017) and TensorFlow's own code for Inception V3, Sandler et al. "
            "(2018) for MobileNet, Tan and Le (2019) for EfficientNet"
        ),
        fix=(
            "Halve the strength, as shown, to train as the paper did. MobileNet's authors put "
            "little or no decay on depthwise kernels."
        ),
        false_positives="A strength that was tuned and happens to have this value.",
        bad="""
l2 = keras.regularizers.L2(5e-4)
model = keras.Sequential([keras.layers.Input((32, 32, 3))])
for filters, convolutions in ((2, 2), (4, 2), (8, 3), (16, 3), (16, 3)):  # VGG16, but slim
    for _ in range(convolutions):
        model.add(keras.layers.Conv2D(
            filters, 3, padding="same", activation="relu", kernel_regularizer=l2
        ))
    model.add(keras.layers.MaxPooling2D())
model.add(keras.layers.Flatten())
model.add(keras.layers.Dense(10, activation="softmax", kernel_regularizer=l2))
model.compile("sgd", "sparse_categorical_crossentropy")
""",
        good="""
l2 = keras.regularizers.L2(5e-4 / 2)
model = keras.Sequential([keras.layers.Input((32, 32, 3))])
for filters, convolutions in ((2, 2), (4, 2), (8, 3), (16, 3), (16, 3)):  # VGG16, but slim
    for _ in range(convolutions):
        model.add(keras.layers.Conv2D(
            filters, 3, padding="same", activation="relu", kernel_regularizer=l2
        ))
    model.add(keras.layers.MaxPooling2D())
model.add(keras.layers.Flatten())
model.add(keras.layers.Dense(10, activation="softmax", kernel_regularizer=l2))
model.compile("sgd", "sparse_categorical_crossentropy")
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)
    about_strength: ClassVar[bool] = True

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        suspects = [pair for pair in evidence.regularized() if _has_a_papers_decay(pair[1])]
        architectures = recognized(evidence.model) if suspects else {}
        for layer, weight in suspects:
            recipe = next(
                (architectures[at] for at in above(layer.path) if at in architectures), None
            )
            if recipe is None or not _has(weight, recipe.decay):
                continue
            yield self.item(
                weight,
                f"L2 of {recipe.decay:g} equals the weight decay that {recipe.name} was trained "
                f"with, but in Keras this L2 is a weight decay of {2 * recipe.decay:g}",
                l2=recipe.decay,
                architecture=recipe.name,
            )


def _has_a_papers_decay(weight: Weight) -> bool:
    return any(_has(weight, decay) for decay in {recipe.decay for recipe in RECIPES})


def _has(weight: Weight, decay: float) -> bool:
    """Whether a kernel has an L2 penalty of this strength, and no L1."""
    regularizer = weight.regularizer
    if regularizer is None or weight.role not in KERNEL_ROLES or regularizer.l1:
        return False
    return bool(regularizer.l2) and isclose(regularizer.l2 or 0.0, decay, rel_tol=1e-6)
