"""REG315: a norm constraint on a convolution that takes its norms along the wrong axes."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import CONFIGURATION
from regaudit.model import Layer, Weight
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule

_NORMS = {
    "MaxNorm": "MaxNorm",
    "max_norm": "MaxNorm",
    "UnitNorm": "UnitNorm",
    "unit_norm": "UnitNorm",
    "MinMaxNorm": "MinMaxNorm",
    "min_max_norm": "MinMaxNorm",
}


class MaxNormAxis(Rule):
    about: ClassVar[About] = About(
        code="REG315",
        name="max-norm-axis",
        title="Norm constraint along the first axis of a convolution kernel",
        severity=Severity.WARNING,
        confidence="high",
        what=(
            "Looks for MaxNorm, MinMaxNorm and UnitNorm with axis=0, the default, on trainable "
            "kernels of convolutions."
        ),
        rationale=(
            "The constraint is meant to limit the weights into each unit. In a Dense kernel "
            "these lie along axis 0. In a Conv2D kernel of shape (rows, columns, inputs, "
            "filters), axis 0 is only the height: norms are taken over 3 values of a 3 x 3 "
            "filter. They hardly ever reach a limit meant for whole filters, and UnitNorm gives "
            "filters a norm that depends on their size."
        ),
        source=(
            "keras/src/constraints/constraints.py: MaxNorm, on axis: for Conv2D with "
            'data_format="channels_last", set axis to [0, 1, 2]'
        ),
        fix=(
            "Pass the axes shown, all except that of the filters: [0, 1, 2] for Conv2D, [0, 1] "
            "for Conv1D and DepthwiseConv2D."
        ),
        false_positives="A limit that is meant for each column of a filter.",
        bad="""
layers, held = keras.layers, keras.constraints.MaxNorm(2)
model = keras.Sequential([
    layers.Input((8, 8, 4)),
    layers.Conv2D(8, 3, activation="relu", kernel_constraint=held),
])
""",
        good="""
layers, held = keras.layers, keras.constraints.MaxNorm(2, axis=[0, 1, 2])
model = keras.Sequential([
    layers.Input((8, 8, 4)),
    layers.Conv2D(8, 3, activation="relu", kernel_constraint=held),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (CONFIGURATION,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for layer, weight in evidence.kernels():
            norm = _NORMS.get(weight.constraint or "")
            axes = _axes_into_units(layer, weight)
            if norm is None or axes in {(), (0,)} or not _is_along_first(layer, weight):
                continue
            whole = prod(weight.shape[axis] for axis in axes)
            yield self.item(
                weight,
                f"{norm} with axis=0 takes norms over {weight.shape[0]:,} values each; a unit has "
                f"{whole:,} weights: use axis={list(axes)}",
                values=weight.shape[0],
                values_of_unit=whole,
            )


def _axes_into_units(layer: Layer, weight: Weight) -> tuple[int, ...]:
    """Return the axes along which the weights into one unit lie; only convolutions have them."""
    rank = len(weight.shape)
    if "Conv" not in layer.class_name or rank < 3 or not layer.known:
        return ()
    if "Transpose" in layer.class_name or "Deconvolution" in layer.class_name:
        return (*range(rank - 2), rank - 1)
    if weight.role == "depthwise_kernel" or layer.class_name.startswith("Depthwise"):
        return tuple(range(rank - 2))
    return tuple(range(rank - 1))


def _is_along_first(layer: Layer, weight: Weight) -> bool:
    """Whether a constraint has the axis 0, given or by default."""
    key = (weight.regularizer_key or "").replace("_regularizer", "_constraint")
    constraint = layer.config.get(key)
    if isinstance(constraint, str):
        return True
    config = constraint.get("config") if isinstance(constraint, Mapping) else None
    axis = config.get("axis", 0) if isinstance(config, Mapping) else 0
    return axis in (0, [0])
