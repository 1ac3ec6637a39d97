"""REG405: an L1 penalty that has made nothing sparse."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.initializers import is_untouched
from regaudit.evidence.needs import REGULARIZERS, VALUES
from regaudit.keras_semantics.layer_table import KERNEL_ROLES
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold


class L1WithoutSparsity(Rule):
    about: ClassVar[About] = About(
        code="REG405",
        name="l1-without-sparsity",
        title="L1 penalty without sparse weights",
        severity=Severity.NOTE,
        confidence="medium",
        what=(
            "Looks for trained kernels with an L1 penalty in force, of which less than 1% of the "
            "values are near zero."
        ),
        rationale=(
            "L1 is used for sparse weights, but Keras adds it to the loss like any other term: "
            "gradient steps move a weight across zero and back, and do not stop at zero. Exact "
            "zeros need a threshold. A kernel without small values has not even come close."
        ),
        source=(
            "Langford, Li and Zhang (2009), Sparse Online Learning via Truncated Gradient, JMLR "
            "10: why subgradient steps give no exact zeros"
        ),
        fix=(
            "Set small values to zero after training (magnitude pruning) and check the loss; "
            "use L2 if sparsity was not the aim."
        ),
        false_positives="L1 used as a robust shrinkage, not for zeros.",
        bad="""
model = keras.Sequential([
    keras.layers.Input((20,)),
    keras.layers.Dense(
        16, activation="relu", kernel_regularizer=keras.regularizers.L1(1e-5)
    ),
    keras.layers.Dense(2, activation="softmax", kernel_regularizer=keras.regularizers.L1(1e-5)),
])
model.compile("sgd", "sparse_categorical_crossentropy")
inputs = np.random.default_rng(0).normal(size=(64, 20))
model.fit(inputs, (inputs[:, 0] > 0).astype("int32"), epochs=5, verbose=0)
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((20,)),
    keras.layers.Dense(
        16, activation="relu", kernel_regularizer=keras.regularizers.L1(1e-5)
    ),
    keras.layers.Dense(2, activation="softmax", kernel_regularizer=keras.regularizers.L1(1e-5)),
])
model.compile("sgd", "sparse_categorical_crossentropy")
inputs = np.random.default_rng(0).normal(size=(64, 20))
model.fit(inputs, (inputs[:, 0] > 0).astype("int32"), epochs=5, verbose=0)
kernel = model.layers[0].kernel.numpy()
model.layers[0].kernel.assign(np.where(np.abs(kernel) < 0.05, 0.0, kernel))
""",
    )
    needs: ClassVar[tuple[str, ...]] = (VALUES, REGULARIZERS)

    min_share: Threshold = 0.01
    """Kernels with a larger share of near-zero values pass."""
    min_parameters: Threshold = 256
    """Kernels with fewer values pass."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        training = evidence.training
        if training is not None and training.steps == 0:
            return
        for layer, weight in evidence.regularized():
            regularizer, measured = weight.regularizer, evidence.measured(weight)
            if regularizer is None or measured is None or weight.role not in KERNEL_ROLES:
                continue
            if not regularizer.l1 or weight.size < self.min_parameters or measured.nonfinite:
                continue
            share = measured.near_zeros / weight.size
            if share >= self.min_share or is_untouched(layer, weight, evidence.moments):
                continue
            yield self.item(
                weight,
                f"L1 of {regularizer.l1:.3g}, but {share:.2%} of its {weight.size:,} values are "
                f"near zero (below {measured.threshold:.2g})",
                l1=regularizer.l1,
                near_zero_share=share,
                threshold=measured.threshold,
            )
