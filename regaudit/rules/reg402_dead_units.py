"""REG402: outputs of a layer into which every weight is near zero."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.advice.pruning import Dead, dead_units
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import VALUES
from regaudit.model import Status, Weight
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold


class DeadUnits(Rule):
    about: ClassVar[About] = About(
        code="REG402",
        name="dead-units",
        title="Layer with dead units",
        severity=Severity.WARNING,
        confidence="high",
        what=(
            "Counts the units whose weights are all near zero (below a thousandth of the "
            "weight's root mean square, or below 1e-5), and those that the gamma of the batch "
            "normalization after the layer scales to almost nothing. Reports layers with many of "
            "them, and what removing them would save, including the inputs of the next layer."
        ),
        rationale=(
            "The output of a dead unit no longer depends on its input. Dead units cost memory "
            "and time and add nothing. Many of them in a layer with a penalty mean that the "
            "penalty is too strong for the layer."
        ),
        source=(
            "Wen et al. (2016), Learning Structured Sparsity in Deep Neural Networks, "
            "arXiv:1608.03665"
        ),
        fix=(
            "Prune the dead units and add the constant output of each to the next bias (exact "
            "except at the borders of padded convolutions), or retrain with a weaker penalty on "
            "the layer."
        ),
        false_positives="Sparsity that is wanted: pruned models, or models trained for sparsity.",
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(32, kernel_regularizer=keras.regularizers.L1(0.005)),
])
kernel = model.layers[0].kernel.numpy()
kernel[:, :8] = 0.0
model.layers[0].kernel.assign(kernel)
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(32, kernel_regularizer=keras.regularizers.L1(1e-5)),
])
""",
    )
    needs: ClassVar[tuple[str, ...]] = (VALUES,)

    min_share: Threshold = 0.05
    """Layers with a smaller share of dead units pass."""
    min_units: Threshold = 16
    """Layers with fewer units pass."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for layer, weight in evidence.model.weights():
            if weight.role == "gamma" or weight.shared_with is not None:
                continue  # a gamma counts with the layer before it
            measured, found = evidence.measured(weight), dead_units(evidence, layer, weight)
            if measured is None or found is None or found.units < self.min_units:
                continue
            if not found.dead or found.dead < self.min_share * found.units:
                continue
            yield self.item(
                weight,
                f"{found.dead:,} of {found.units:,} units are dead "
                f"({found.dead / found.units:.0%}){_where(found)}; {_saving(found)}; "
                f"{_cause(weight)}",
                rank=found.own if found.kept else found.own + found.next,
                dead_units=found.dead,
                dead_by_gamma=found.by_gamma,
                units=found.units,
                parameters=found.own if found.kept else found.own + found.next,
                threshold=measured.threshold,
            )


def _where(found: Dead) -> str:
    if not found.by_gamma:
        return ""
    return f", {found.by_gamma:,} of them by the normalization's gamma alone"


def _saving(found: Dead) -> str:
    """Say what cutting them out would save, or why they cannot be cut out."""
    if found.kept:
        return f"they have {found.own:,} parameters ({found.kept})"
    return (
        f"pruning saves {found.own + found.next:,} parameters, {found.next:,} of them in the "
        "layers that read these units"
    )


def _cause(weight: Weight) -> str:
    """Whether a regularizer explains it."""
    regularizer = weight.regularizer
    if not weight.regularizer_known:
        return "the file does not say whether a regularizer explains it"
    if regularizer is None or regularizer.status is not Status.IN_FORCE:
        return "no regularizer explains it"
    if not regularizer.negative and (regularizer.l1 or regularizer.l2):
        return f"its {regularizer.class_name} penalty may be too strong"
    return f"its {regularizer.class_name} does not explain it"
