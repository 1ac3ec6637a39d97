"""REG402: outputs of a layer that are there and do nothing, or next to nothing."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.advice.pruning import MIN_DEAD, MIN_UNITS, Dead, dead_units
from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import VALUES
from regaudit.measures.moments import Moments
from regaudit.model import Layer, Status, Weight
from regaudit.report import spelling
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
            "them, and what removing them would save, including the inputs of the next layer. "
            "Also counts the effective units of a penalized layer, the fewest that carry 99% of "
            "what all of them do, by the weights into and out of them, and reports layers where "
            "they are fewer than half. Not where a normalization follows, which makes small "
            "outputs large again."
        ),
        rationale=(
            "The output of a dead unit no longer depends on its input. Dead units cost memory "
            "and time and add nothing. Many of them in a layer with a penalty mean that the "
            "penalty is too strong for the layer. Under Adam and L1 no unit is dead: its steps "
            "are of one size, so that values tremble about zero without reaching it, and whole "
            "kernels shrink together. Few effective units then tell what is left."
        ),
        source=(
            "Wen et al. (2016), Learning Structured Sparsity in Deep Neural Networks, "
            "arXiv:1608.03665; the half was measured on small tasks: of the units of hidden layers "
            "without L1 75 to 100% were effective, under L1(0.01) and Adam 11 to 50%"
        ),
        fix=(
            "Prune the dead units and add the constant output of each to the next bias (exact "
            "except at the borders of padded convolutions), or retrain with a weaker penalty on "
            "the layer. With few effective units: train a narrower layer, or prune by the norm of "
            "the weights and compare the predictions."
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

    min_share: Threshold = MIN_DEAD
    """Layers with a smaller share of dead units pass."""
    max_effective: Threshold = 0.5
    """Penalized layers with a larger share of effective units pass."""
    min_units: Threshold = MIN_UNITS
    """Layers with fewer units pass."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        pruned = tuple(
            f"{layer.path}/"
            for layer in evidence.model.layers
            if layer.class_name == "PruneLowMagnitude"
        )
        for layer, weight in evidence.model.weights():
            if weight.role == "gamma" or weight.shared_with is not None:
                continue  # a gamma counts with the layer before it
            measured, found = evidence.measured(weight), dead_units(evidence, layer, weight)
            if measured is None or found is None or found.units < self.min_units:
                continue
            many = found.dead and found.dead >= self.min_share * found.units
            few = self._few(evidence, layer, weight, measured)
            if not many and not few:
                continue
            unknown = measured.effective_units is None
            parameters = found.own if found.kept else found.own + found.next
            said = [_dead(found)] if many else []
            said += [_effective(measured)] if few else []
            yield self.item(
                weight,
                "; ".join((*said, _cause(weight, pruned))),
                rank=parameters if many else weight.size * (1 - _share(measured)),
                dead_units=found.dead,
                dead_by_gamma=found.by_gamma,
                effective_units="unknown" if unknown else measured.effective_units,
                units=found.units,
                parameters=parameters,
                threshold=measured.threshold,
            )

    def _few(self, evidence: Evidence, layer: Layer, weight: Weight, measured: Moments) -> bool:
        """Whether a penalty has left few units with anything to do."""
        regularizer = weight.regularizer
        penalized = weight.regularized and regularizer and (regularizer.l1 or regularizer.l2)
        if not penalized or weight.role not in {"kernel", "pointwise_kernel"}:
            return False  # of a recurrent layer, its kernel speaks for both
        if measured.effective_units is None or _share(measured) >= self.max_effective:
            return False
        return not evidence.next_normalization(layer)


def _dead(found: Dead) -> str:
    return (
        f"{found.dead:,} of {found.units:,} units are dead "
        f"({found.dead / found.units:.0%}){_where(found)}; {_saving(found)}"
    )


def _effective(measured: Moments) -> str:
    text = (
        f"{measured.effective_units:,} of {measured.units:,} units are effective "
        f"({_share(measured):.0%}): all others together carry 1% of what the layer does"
    )
    small = measured.small_share
    return text if small is None else f"{text}; {small:.1%} of its values are below 0.001"


def _share(measured: Moments) -> float:
    """Share of effective units; all of them where that is not known."""
    if measured.effective_units is None or not measured.units:
        return 1.0
    return measured.effective_units / measured.units


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


def _cause(weight: Weight, pruned: tuple[str, ...]) -> str:
    """Whether pruning or a regularizer explains it."""
    if f"{weight.path}/".startswith(pruned):
        return "PruneLowMagnitude pruned them"
    regularizer = weight.regularizer
    if not weight.regularizer_known:
        return "the file does not say whether a regularizer explains it"
    if regularizer is None or regularizer.status is not Status.IN_FORCE:
        return "no regularizer explains it"
    if not regularizer.negative and (regularizer.l1 or regularizer.l2):
        return f"its {spelling.penalty(regularizer)} penalty may be too strong"
    return f"its {regularizer.class_name} does not explain it"
