"""REG102: kernels without a regularizer next to regularized ones."""

from collections.abc import Iterator
from typing import ClassVar

from msgspec import Struct

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import REGULARIZERS
from regaudit.keras_semantics.dialect import Dialect
from regaudit.model import Layer, Weight
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold

_PLAIN = frozenset({"Conv1D", "Conv2D", "Conv3D", "Convolution1D", "Convolution2D"})
_DEPTHWISE = frozenset(
    {"DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"}
    | {"SeparableConvolution2D"}
)

Kernels = list[tuple[Layer, Weight]]


class PartlyRegularizedStack(Rule):
    about: ClassVar[About] = About(
        code="REG102",
        name="partly-regularized-stack",
        title="Kernels without a regularizer next to regularized ones",
        severity=Severity.WARNING,
        confidence="medium",
        what=(
            "Looks for trainable kernels without a regularizer in a model that regularizes "
            "similar kernels: a kernel whose class is regularized elsewhere in the model "
            "(kernels with and without a normalization after them are compared separately), one "
            "of the two kernels of a recurrent layer, the output kernel, and depthwise and "
            "separable convolutions next to regularized plain ones. The last is a warning in "
            "files of Keras 2, which accepts kernel_regularizer for these layers and ignores it."
        ),
        rationale=(
            "A model can fit by the kernels that pay nothing. In a chain of ReLU layers that is "
            "exact: the scale can move from one kernel to the next without changing the output, "
            "so a kernel without a penalty grows by what the penalty takes from its neighbours. "
            "Other layers do not rescale so; there the question is only whether the kernel was "
            "left out on purpose. On the tasks of this project's benchmark, leaving out the "
            "output layer gave worse results."
        ),
        source=(
            "Neyshabur, Salakhutdinov and Srebro (2015), Path-SGD, arXiv:1506.02617, on the "
            "rescaling of ReLU layers; tensorflow/tensorflow#41093 on the ignored key"
        ),
        fix=(
            "Give these kernels a penalty too, with the key of their layer: DepthwiseConv2D "
            "takes depthwise_regularizer, SeparableConv2D also pointwise_regularizer, recurrent "
            "layers recurrent_regularizer."
        ),
        false_positives=(
            "Kernels left out on purpose: MobileNet's authors put little or no decay on depthwise "
            "filters, which have few parameters."
        ),
        bad="""
layers, decay = keras.layers, keras.regularizers.L2(1e-3)
model = keras.Sequential([
    layers.Input((8, 4)),
    layers.Dense(16, activation="relu", kernel_regularizer=decay),
    layers.Dense(16, activation="relu", kernel_regularizer=decay),
    layers.GRU(8, kernel_regularizer=decay),
    layers.Dense(3, activation="softmax"),
])
""",
        good="""
layers, decay = keras.layers, keras.regularizers.L2(1e-3)
model = keras.Sequential([
    layers.Input((8, 4)),
    layers.Dense(16, activation="relu", kernel_regularizer=decay),
    layers.Dense(16, activation="relu", kernel_regularizer=decay),
    layers.GRU(8, kernel_regularizer=decay, recurrent_regularizer=decay),
    layers.Dense(3, activation="softmax", kernel_regularizer=decay),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (REGULARIZERS,)
    about_strength: ClassVar[bool] = True

    min_share: Threshold = 0.5
    """Of the kernels of a kind: where fewer are regularized, those that are not pass."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        kernels = [
            (layer, one)
            for layer, one in evidence.kernels()
            if one.regularizer_known and not one.rewarded
        ]
        counts = _Counts(evidence, kernels)
        if counts.all.regularized in {0, len(kernels)}:
            return
        for layer, weight in kernels:
            found = self._judge(evidence, layer, weight, counts) if weight.bare else None
            if found:
                severity, message = found
                yield self.item(
                    weight,
                    message,
                    severity=severity,
                    kernels=len(kernels),
                    regularized=counts.all.regularized,
                )

    def _judge(
        self, evidence: Evidence, layer: Layer, weight: Weight, counts: "_Counts"
    ) -> tuple[Severity, str] | None:
        """Say why a bare kernel looks left out; None when it does not."""
        if "kernel_regularizer" in layer.unplaced:
            return None  # REG103 says it: the key is there, and it is the wrong one
        alike = counts.kinds[_kind(evidence, layer, weight)]
        if layer.class_name in _DEPTHWISE and counts.plain.regularized and not alike.regularized:
            message = f"no regularizer, while {counts.plain} plain convolutions are regularized"
            # Kernels of custom layers may be plain convolutions, too.
            plain = _Count(counts.plain.kernels + len(evidence.untold), counts.plain.regularized)
            dialect = Dialect.of(evidence.model.keras_version)
            if dialect.before_keras_3 and self._mostly(plain):
                return Severity.WARNING, f"{message}; Keras 2 ignores kernel_regularizer here"
            return Severity.NOTE, message
        if other := _other_half(layer, weight):
            return (
                Severity.NOTE,
                f"no regularizer, while the {other.role} of the same layer has one",
            )
        if self._mostly(alike):
            return Severity.NOTE, f"no regularizer, while {alike} kernels of this kind have one"
        others = _Count(counts.all.kernels - 1, counts.all.regularized)
        if evidence.graph.heads_of(layer) and self._mostly(others):
            message = f"no regularizer on this output kernel, while {others} others have one"
            return Severity.NOTE, message
        return None

    def _mostly(self, count: "_Count") -> bool:
        """Whether enough of some kernels are regularized to call the others left out."""
        return count.regularized > 0 and count.regularized >= self.min_share * count.kernels


class _Count(Struct):
    """How many of some kernels are regularized."""

    kernels: int = 0
    regularized: int = 0

    def add(self, weight: Weight) -> None:
        self.kernels += 1
        self.regularized += not weight.bare

    def __str__(self) -> str:
        return f"{self.regularized:,} of {self.kernels:,}"


class _Counts:
    """All kernels, those of plain convolutions, and those of each kind."""

    def __init__(self, evidence: Evidence, kernels: Kernels) -> None:
        self.all, self.plain = _Count(), _Count()
        self.kinds: dict[tuple[str, str, bool], _Count] = {}
        for layer, weight in kernels:
            self.all.add(weight)
            self.kinds.setdefault(_kind(evidence, layer, weight), _Count()).add(weight)
            if layer.class_name in _PLAIN:
                self.plain.add(weight)


def _kind(evidence: Evidence, layer: Layer, weight: Weight) -> tuple[str, str, bool]:
    return layer.class_name, weight.role, bool(evidence.next_normalization(layer))


def _other_half(layer: Layer, weight: Weight) -> Weight | None:
    """The regularized kernel of a recurrent layer whose other kernel is bare."""
    if not any(other.role == "recurrent_kernel" for other in layer.weights):
        return None
    pair = [other for other in layer.weights if other.role in {"kernel", "recurrent_kernel"}]
    others = (other for other in pair if other is not weight and not other.rewarded)
    return next((other for other in others if not other.bare), None)
