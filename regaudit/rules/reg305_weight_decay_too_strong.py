"""REG305: a weight decay that forgets what a model learned within an epoch."""

from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.optimizer_state import Training
from regaudit.report.report import NotRun, Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule, Threshold


class WeightDecayTooStrong(Rule):
    about: ClassVar[About] = About(
        code="REG305",
        name="weight-decay-too-strong",
        title="Weight decay so strong that weights forget within an epoch",
        severity=Severity.WARNING,
        confidence="medium",
        what=(
            "Looks at learning rate x weight decay, the share of every weight that a step "
            "removes; with a schedule, at its largest rate. If the size of the training set and "
            "the batch size are given, it compares the steps of an epoch with 1 / (rate x "
            "decay), the number of steps that weights remember. Otherwise it compares the share "
            "itself with a limit. AdamW and SGDW of TensorFlow Addons remove the decay itself, "
            "whatever the rate. Optimizers whose rule is not known pass."
        ),
        rationale=(
            "Decayed weights are a moving average of the updates of the last 1 / (rate x decay) "
            "steps. If that is less than an epoch, the weights forget samples before they see "
            "them again."
        ),
        source=(
            "Wang and Aitchison (2025), How to set AdamW's weight decay as you scale model and "
            "dataset size; the limit without sizes, 100 steps, is this project's choice"
        ),
        fix="Lower the weight decay to 1 / (rate x steps per epoch) or less.",
        false_positives=(
            "Without the sizes: an epoch of fewer than 100 steps. With a schedule: a peak that "
            "passes quickly."
        ),
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, use_bias=False),
])
model.compile(keras.optimizers.SGD(0.1, weight_decay=0.5), "mse")
""",
        good="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, use_bias=False),
])
model.compile(keras.optimizers.SGD(0.1, weight_decay=5e-4), "mse")
""",
    )
    wants: ClassVar[tuple[str, ...]] = ("train_size", "batch_size")

    max_share: Threshold = 0.01
    """Of every weight, a step: smaller decays pass where the steps of an epoch are not known."""
    min_epochs: Threshold = 1.0
    """Weights that remember as many epochs or more pass."""

    def not_run(self, evidence: Evidence) -> NotRun | None:
        """Say what is missing, but not for models without decay: the rule does not check those."""
        decays = any(training.weight_decay > 0 for training in evidence.trainings)
        return super().not_run(evidence) if decays else None

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        epoch = evidence.facts.steps_per_epoch
        limit = self.max_share if epoch is None else 1 / (epoch * self.min_epochs)
        for training in evidence.trainings:
            share = training.share
            if share is not None and share > limit and training.weight_decay > 0:
                yield self._item(training, share, epoch)

    def _item(self, training: Training, share: float, epoch: float | None) -> Occurrence:
        """Say what share of every weight goes in a step."""
        scheduled = training.schedule and training.scales_decay
        peak = f" at the largest rate of its {training.schedule}" if scheduled else ""
        said = (
            f"{training.class_name}'s weight decay of {training.weight_decay:.3g} removes "
            f"{share:.2%} of every weight in a step{peak}: weights forget within "
            f"{1 / share:,.3g} steps"
        )
        if epoch is not None:
            most = training.weight_decay / (share * epoch * self.min_epochs)
            said += f", and an epoch has {epoch:,.4g}; use at most {most:.2g}"
        return self.item(
            None,
            said,
            weight_decay=training.weight_decay,
            learning_rate=training.learning_rate,
            share=share,
        )
