"""REG304: a weight decay that did nothing in the steps the model has taken."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.optimizer_state import EFFECTIVE_DECAY, Training
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.report.spelling import count
from regaudit.rules.interface import About, Rule, Threshold


class WeightDecayInert(Rule):
    about: ClassVar[About] = About(
        code="REG304",
        name="weight-decay-inert",
        title="Weight decay too weak to have had an effect",
        severity=Severity.WARNING,
        confidence="high",
        what=(
            "Multiplies the learning rate, the weight decay and the number of training steps, "
            "all from the file: the product says how much the decay has shrunk the weights. With "
            "a schedule it uses the largest rate. The decay of AdamW and SGDW of TensorFlow "
            "Addons is not multiplied by the rate. Optimizers whose rule is not known pass."
        ),
        rationale=(
            "The model looks as if it were decayed, but it is not. Measured in 240 runs: below "
            "0.02 the test loss changed by less than 1.7% in 90% of them. AdamW's default, "
            "0.004 at a rate of 0.001, needs 5,000 steps to reach that."
        ),
        source=(
            "Measured: a benchmark of this project, 240 runs. The useful range: Wang and "
            "Aitchison (2025), How to set AdamW's weight decay as you scale model and dataset "
            "size: 1 / (rate x decay) should lie between one epoch and the whole training"
        ),
        fix=(
            "Choose a decay between 1 / (rate x steps) and 1 / (rate x steps per epoch), or "
            "remove it and regularize the kernels."
        ),
        false_positives=(
            "A file saved early in a longer training, or a model trained further after its "
            "optimizer was reset."
        ),
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, use_bias=False),
])
model.compile(keras.optimizers.AdamW(0.001), "mse")
rng = np.random.default_rng(0)
model.fit(rng.random((64, 8)), rng.random((64, 4)), batch_size=1, verbose=0)
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, use_bias=False),
])
model.compile(keras.optimizers.AdamW(0.01, weight_decay=0.2), "mse")
rng = np.random.default_rng(0)
model.fit(rng.random((64, 8)), rng.random((64, 4)), batch_size=1, verbose=0)
""",
    )

    effective: Threshold = EFFECTIVE_DECAY
    """Shrinkage above it passes."""

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        for training in evidence.trainings:
            shrinkage = training.shrinkage
            if not training.steps or shrinkage is None or not 0 < shrinkage <= self.effective:
                continue
            most = "at most " if training.schedule and training.scales_decay else ""
            yield self.item(
                None,
                f"{training.class_name}'s weight decay of {training.weight_decay:.3g} shrank "
                f"weights by {most}{shrinkage:.2g} over {count(training.steps, 'step')}; "
                f"{_range(training, evidence.facts.steps_per_epoch)}",
                weight_decay=training.weight_decay,
                steps=training.steps,
                shrinkage=shrinkage,
            )


def _range(training: Training, epoch: float | None) -> str:
    """Say which decay would act in as many steps."""
    steps = training.steps or 0
    least = training.weight_decay / (training.shrinkage or 1.0)  # 1 / (rate x steps)
    if steps < (100 if epoch is None else 2 * epoch):
        return "no weight decay is useful in so few steps"
    if epoch is None:
        return f"for this many steps, a decay of {least:.2g} or more is useful"
    return f"a decay from {least:.2g} to {least * steps / epoch:.2g} is useful"
