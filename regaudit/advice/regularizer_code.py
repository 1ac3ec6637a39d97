"""L1 and L2 penalties as Keras writes them: in a configuration, and in a program."""

from collections.abc import Mapping
from typing import Any


def serialized(strengths: Mapping[str, float]) -> dict[str, Any] | None:
    """Return the configuration of a regularizer, the value of an edit.

    Args:
        strengths: by argument, `l1` and `l2`; those of zero are left out.

    Returns:
        None where no strength is left: the value that removes a regularizer.
    """
    config = {name: strength for name, strength in strengths.items() if strength}
    if not config:
        return None
    return {
        "module": "keras.regularizers",
        "class_name": "L1L2" if len(config) == 2 else next(iter(config)).upper(),
        "config": config,
        "registered_name": None,
    }


def argument(key: str, value: Mapping[str, Any] | None) -> str:
    """Return the argument of a Keras layer: `kernel_regularizer=keras.regularizers.L2(0.01)`.

    Args:
        key: of the layer's configuration.
        value: as `serialized` returns it.
    """
    if value is None:
        return f"{key}=None"
    config = value["config"]
    strengths = ", ".join(
        f"{name}={strength:g}" if len(config) > 1 else f"{strength:g}"
        for name, strength in config.items()
    )
    return f"{key}=keras.regularizers.{value['class_name']}({strengths})"
