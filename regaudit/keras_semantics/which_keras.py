"""Which Keras loads a configuration: 2 and 3 do not load each other's.

The weights beside it may be of the other one, which loads them all the same.
"""

from regaudit.keras_semantics.config_graph import Serialized, config_of, layers_of
from regaudit.keras_semantics.dialect import CURRENT, Dialect


def loading_version(config: Serialized, saved: str | None) -> str | None:
    """Return the version of the Keras that loads a configuration; None if nothing tells it.

    Args:
        config: of the model, as `to_json()` writes it.
        saved: version of the Keras that saved the weights beside it, if they name it.
    """
    told = config.get("keras_version")
    told = told if isinstance(told, str) else None
    old = Dialect.of(told).before_keras_3 if told else _is_before_keras_3(config)
    if saved and old in {None, Dialect.of(saved).before_keras_3}:
        return saved
    if told or old is None:
        return told
    return "2.15.0 (assumed)" if old else f"{'.'.join(map(str, CURRENT))} (assumed)"


def _is_before_keras_3(config: Serialized) -> bool | None:
    """Whether Keras 2 wrote a configuration; None if nothing shows it."""
    module = str(config.get("module") or "")
    if ".engine." in module or module.startswith("tf_keras"):
        return True
    keys = {key for layer in (config, *layers_of(config)) for key in config_of(layer)}
    if "batch_input_shape" in keys:
        return True
    return False if module or "batch_shape" in keys else None
