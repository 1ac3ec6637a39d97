"""REG901: values in the file that no layer of the configuration claims."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import CONFIGURATION
from regaudit.keras_semantics.layer_table import (
    LAYERS,
    LAYERS_OF_KERAS_2,
    MODELS,
    WRAPPED_OF_KERAS_2,
)
from regaudit.keras_semantics.weightless_layers import WEIGHTLESS
from regaudit.model import Layer, Model
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule

_BUILT_IN = frozenset(
    {
        *LAYERS,
        *LAYERS_OF_KERAS_2,
        *MODELS,
        *WRAPPED_OF_KERAS_2,
        *WEIGHTLESS,
    }
) - {"Lambda"}
"""Classes whose weights are all known; others may have weights that no configuration shows."""


class UnattributedWeight(Rule):
    about: ClassVar[About] = About(
        code="REG901",
        name="unattributed-weight",
        title="Stored values that no layer claims",
        severity=Severity.WARNING,
        confidence="medium",
        what=(
            "Looks for arrays in the weights of a whole model that belong to no layer of its "
            "configuration. What custom layers and custom models store is not reported."
        ),
        rationale=(
            "Configuration and weights belong to different models, or something was added to the "
            "file. Keras does not load such values, or loads others in their place, and an audit "
            "cannot say what regularizes them."
        ),
        source="keras/src/saving/saving_lib.py: every weight is loaded by the path of its layer",
        fix="Save the model again from the program that built it.",
        false_positives=(
            "A layer of a newer Keras that regaudit does not know yet; a layer that a functional "
            "model keeps as an attribute and does not call."
        ),
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, name="kept"),
    keras.layers.Dense(4, name="forgotten"),
])

def edit(config):
    config["config"]["layers"].pop()
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, name="kept"),
    keras.layers.Dense(4, name="forgotten"),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (CONFIGURATION,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        model = evidence.model
        if model.class_name not in MODELS:
            return  # weights alone, or a model whose own code says what it contains
        unknown = _unknown_owners(model)
        for layer in model.layers:
            for weight in layer.weights:
                if not layer.claims(weight) and not _is_inside(layer, unknown):
                    yield self.item(
                        weight,
                        f"no layer claims these {weight.size:,} values, stored as "
                        f"{weight.stored_path}",
                        values=weight.size,
                    )


def _unknown_owners(model: Model) -> set[str]:
    """Paths of layers whose weights only their own code knows; "" where that is the model."""
    custom = any(layer.class_name and layer.class_name not in _BUILT_IN for layer in model.layers)
    called = {node.path for node in model.nodes} - {layer.path for layer in model.layers}
    return called | ({""} if custom else set())


def _is_inside(layer: Layer, paths: set[str]) -> bool:
    parts = layer.path.split("/")
    return any("/".join(parts[:count]) in paths for count in range(len(parts) + 1))
