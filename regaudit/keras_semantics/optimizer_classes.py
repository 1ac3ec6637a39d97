"""Optimizers that are known by their class: Keras's own, and those of TensorFlow Addons."""

from collections.abc import Mapping
from typing import Any

from regaudit.keras_semantics.dialect import Dialect

RATES: Mapping[str, float] = {
    "Adadelta": 0.001,
    "Adafactor": 0.001,
    "Adagrad": 0.001,
    "Adam": 0.001,
    "AdamW": 0.001,
    "Adamax": 0.001,
    "Ftrl": 0.001,
    "Lamb": 0.001,
    "Lion": 0.001,
    "Muon": 0.001,
    "Nadam": 0.001,
    "RMSprop": 0.001,
    "SGD": 0.01,
    "ScheduleFreeAdamW": 0.0025,
}
"""Keras's own optimizers, each with its default rate in Keras 2.11 to 3.15."""

_DECAYS: Mapping[str, Mapping[str, float]] = {
    "AdamW": {"weight_decay": 0.004},
    "Muon": {"weight_decay": 0.004, "adam_weight_decay": 0.004},
}
"""Default decays; the other classes have none."""

REBUILDERS = frozenset({"Ftrl", "ScheduleFreeAdamW"})
"""Keras's own that make weights anew out of their state: what decay comes to is not known."""

UNSCALED = frozenset(
    {
        "Addons>AdamW",
        "Addons>SGDW",
        "Addons>OptimizerWithDecoupledWeightDecay",
        "OptimizerWithDecoupledWeightDecay",
    }
)
"""Optimizers of TensorFlow Addons: each step takes the whole decay off, whatever the rate."""

WITHOUT_DECAY = frozenset(
    {
        "Addons>ConditionalGradient",
        "Addons>LazyAdam",
        "Addons>ProximalAdagrad",
        "Addons>Yogi",
    }
)
"""Optimizers of TensorFlow Addons that have none, but for penalties of their own."""

AVERAGES = frozenset({"Addons>MovingAverage", "Addons>SWA"})
"""Optimizers around one that keep an average of the weights, and train as it does."""

LOSS_SCALES = frozenset(
    {"LossScaleOptimizer", "LossScaleOptimizerV1", "LossScaleOptimizerV2", "LossScaleOptimizerV3"}
)
"""Optimizers around one that only keep its gradients from vanishing."""

PENALTIES = (
    "l1_regularization_strength",
    "l2_regularization_strength",
    "l2_shrinkage_regularization_strength",
)
"""Settings of Ftrl and others that shrink weights by rules of their own."""

_BY_NAME = {name.lower(): name for name in RATES}
_FIRST, _LION = (2, 11, 0), 1e-4
"""The first version of these defaults; the rate of Lion in Keras 2."""


def named(name: str) -> str:
    """Return Keras's class of a name such as `adam`; the name itself if there is none."""
    return _BY_NAME.get(name.lower(), name)


def defaults(class_name: str, dialect: Dialect | None) -> Mapping[str, Any]:
    """Return what one of Keras's classes sets by itself; nothing where the version is not known."""
    if dialect is None or dialect.version < _FIRST:
        return {}
    old_lion = class_name == "Lion" and dialect.before_keras_3
    rate = _LION if old_lion else RATES[class_name]
    return {"learning_rate": rate, "weight_decay": None, **_DECAYS.get(class_name, {})}
