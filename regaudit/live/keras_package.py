"""Keras itself, imported when it is asked for: the one door to it and to TensorFlow."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any


def keras_package(name: str) -> Any:
    """Import `keras` or `tf_keras`, which takes seconds."""
    if name == "tf_keras":
        import tf_keras as keras  # noqa: PLC0415 - in processes that need it
    else:
        import keras  # noqa: PLC0415 - in processes that need it
    return keras


def make_deterministic(keras: Any) -> None:
    """Have TensorFlow compute the same every time, where it is what computes."""
    if hasattr(keras, "config") and keras.config.backend() != "tensorflow":
        return
    import tensorflow as tf  # noqa: PLC0415 - it is loaded anyway

    with suppress(RuntimeError):  # it has begun to compute
        tf.config.experimental.enable_op_determinism()


def compiled(keras: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Have TensorFlow compile a function of arrays, where it is what computes.

    Losses know there that an output is a softmax of something, and use that, as `evaluate` does.
    """
    if hasattr(keras, "config") and keras.config.backend() != "tensorflow":
        return function
    import tensorflow as tf  # noqa: PLC0415 - it is loaded anyway

    graph: Callable[..., Any] = tf.function(function, reduce_retracing=True)
    return graph
