"""REG307: a weight decay on variables that are not there to be small."""

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from regaudit.evidence.evidence import Evidence
from regaudit.evidence.needs import CONFIGURATION
from regaudit.evidence.optimizer_state import Training
from regaudit.report.report import Occurrence
from regaudit.report.severity import Severity
from regaudit.rules.interface import About, Rule

_SPARED = {"bias": "biases", "gamma": "gammas", "beta": "betas"}
"""Roles that are commonly left out of weight decay, and their plurals."""


class DecayReachesNormsAndBiases(Rule):
    about: ClassVar[About] = About(
        code="REG307",
        name="decay-reaches-norms-and-biases",
        title="Weight decay on biases and normalization",
        severity=Severity.NOTE,
        confidence="medium",
        what=(
            "Looks for trainable biases, and gamma and beta of normalizations, in a model whose "
            "optimizer has a weight decay."
        ),
        rationale=(
            "Keras decays every trainable variable that `exclude_from_weight_decay` does not "
            "name. Biases and beta are offsets, and gamma is a scale around one: pulling them "
            "towards zero makes the fit worse and the function no simpler. The exclusion is not "
            "saved: after `load_model` all of them are decayed again."
        ),
        source=(
            "keras/src/optimizers/base_optimizer.py: exclude_from_weight_decay and get_config; "
            "He et al. (2019), Bag of Tricks for Image Classification with Convolutional Neural "
            "Networks, section 3.1: no bias decay"
        ),
        fix=(
            "Call `model.optimizer.exclude_from_weight_decay(var_names=['bias', 'gamma', 'beta'])` "
            "after every load, before training; in tf-keras on a new optimizer, before `compile`."
        ),
        false_positives="Training code that already excludes them: the file does not record it.",
        bad="""
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, use_bias=False),
    keras.layers.LayerNormalization(),
    keras.layers.Dense(2),
])
model.compile(keras.optimizers.SGD(0.1, weight_decay=5e-4), "mse")
""",
        good="""
l2 = keras.regularizers.L2(2.5e-4)
model = keras.Sequential([
    keras.layers.Input((8,)),
    keras.layers.Dense(4, use_bias=False),
    keras.layers.LayerNormalization(),
    keras.layers.Dense(2, kernel_regularizer=l2),
])
model.compile(keras.optimizers.SGD(0.1), "mse")
""",
    )
    needs: ClassVar[tuple[str, ...]] = (CONFIGURATION,)

    def check(self, evidence: Evidence) -> Iterator[Occurrence]:
        reached: dict[tuple[str, float], tuple[Training, Counter[str]]] = {}
        for _, weight in evidence.model.weights():
            training = evidence.training_of(weight)
            if training is None or training.weight_decay <= 0:
                continue
            if weight.role in _SPARED and weight.trainable and weight.shared_with is None:
                key = (training.class_name, training.weight_decay)
                reached.setdefault(key, (training, Counter()))[1][weight.role] += 1
        for training, found in reached.values():
            yield self._item(training, found)

    def _item(self, training: Training, found: Counter[str]) -> Occurrence:
        """Say how many variables an optimizer decays."""
        listed = [
            f"{found[role]:,} {many if found[role] > 1 else role}"
            for role, many in _SPARED.items()
            if found[role]
        ]
        *others, last = listed
        reached = f"{', '.join(others)} and {last}" if others else last
        unless = ", unless training code excludes them after every load"
        return self.item(
            None,
            f"{training.class_name}'s weight decay of {training.weight_decay:.3g} also decays "
            f"{reached}{'' if training.scales_decay is False else unless}",
            weight_decay=training.weight_decay,
            variables=sum(found.values()),
        )
