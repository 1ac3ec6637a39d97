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


def backend_of(keras: Any) -> str:
    """Return what computes: `tensorflow`, `jax` or `torch`."""
    return str(keras.config.backend()) if hasattr(keras, "config") else "tensorflow"


def opens_arrays_twice(keras: Any) -> bool:
    """Whether `fit` makes two iterators of arrays for an epoch, unless `steps_per_epoch` is given.

    Keras 3.8 and later on TensorFlow; earlier ones run out of data if it is.
    """
    version = tuple(int(part) for part in keras.__version__.split(".")[:2])
    return backend_of(keras) == "tensorflow" and version >= (3, 8)


def make_deterministic(keras: Any) -> None:
    """Have TensorFlow compute the same every time, where it is what computes."""
    if backend_of(keras) != "tensorflow":
        return
    import tensorflow as tf  # noqa: PLC0415 - it is loaded anyway

    with suppress(RuntimeError):  # it has begun to compute
        tf.config.experimental.enable_op_determinism()


def compiled(keras: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Have TensorFlow compile a function of arrays, where it is what computes.

    Losses know there that an output is a softmax of something, and use that, as `evaluate` does.
    """
    if backend_of(keras) != "tensorflow":
        return function
    import tensorflow as tf  # noqa: PLC0415 - it is loaded anyway

    converted = not hasattr(keras, "ops")  # as Keras 3 does not, and that takes a second
    graph: Callable[..., Any] = tf.function(function, autograph=converted, reduce_retracing=True)
    return graph
