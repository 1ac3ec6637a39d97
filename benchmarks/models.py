"""The models that are measured: of `keras.applications` with random weights, and others.

`python -m benchmarks.models NAME FILE` builds one. A process of its own does it, so that the
process that measures stays small.
"""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

LSTM = "LSTM"
"""A language model of two recurrent layers."""

TRANSFORMER = "Transformer"
"""An encoder of the size of BERT's base: 12 blocks of 768 units."""

NAMES = ("ResNet50", "VGG16", LSTM, TRANSFORMER)
"""What is compared with loading; the first two by their names in `keras.applications`."""

DEEP = "Deep300"
"""A residual network of 300 small layers, each kernel with an L2 penalty, after a training step."""

DENSE = "Dense"
"""Dense layers, an embedding and convolutions of one pixel: matrices, whoever looks at them."""


def stored(name: str, cache: Path) -> Path:
    """Return the file of a model, built if the cache does not hold it for this Keras."""
    file = cache / f"{name.lower()}-keras-{version('keras')}.keras"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f"partial-{file.name}")
        subprocess.run([sys.executable, "-m", "benchmarks.models", name, partial], check=True)
        partial.replace(file)
    return file


def build(name: str, file: Path) -> None:
    """Build a model, compile it for classification, and save it."""
    import keras  # noqa: PLC0415 - where no model is to be built, none is needed

    keras.utils.set_random_seed(0)
    made = {DEEP: deep, DENSE: dense, LSTM: lstm, TRANSFORMER: transformer}.get(name)
    if made:
        model = made()
    else:
        model = getattr(keras.applications, name)(weights=None)
        model.compile(optimizer="adam", loss="categorical_crossentropy")
    model.save(file)


def lstm() -> Any:
    """Build a language model."""
    import keras  # noqa: PLC0415 - where no model is to be built, none is needed

    layers = keras.layers
    words = layers.Input((64,), dtype="int32")
    hidden = layers.Embedding(20_000, 512)(words)
    for _ in range(2):
        hidden = layers.LSTM(1024, return_sequences=True)(hidden)
    model = keras.Model(words, layers.Dense(20_000, activation="softmax")(hidden))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def transformer() -> Any:
    """Build an encoder."""
    import keras  # noqa: PLC0415 - the same

    layers = keras.layers
    words = layers.Input((128,), dtype="int32")
    hidden = layers.LayerNormalization()(layers.Embedding(30_522, 768)(words))
    for _ in range(12):
        attended = layers.MultiHeadAttention(12, 64)(hidden, hidden)
        hidden = layers.LayerNormalization()(layers.Add()([hidden, attended]))
        inner = layers.Dense(768)(layers.Dense(3072, activation="gelu")(hidden))
        hidden = layers.LayerNormalization()(layers.Add()([hidden, inner]))
    model = keras.Model(words, layers.Dense(2, activation="softmax")(hidden))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def dense() -> Any:
    """Build a model of large matrices."""
    import keras  # noqa: PLC0415 - the same

    layers = keras.layers
    words = layers.Input((16,), dtype="int32")
    hidden = layers.Embedding(20_000, 512)(words)
    hidden = layers.Reshape((4, 4, 512))(hidden)
    for filters in (512, 1024):
        hidden = layers.Conv2D(filters, 1, activation="relu")(hidden)
    hidden = layers.GlobalAveragePooling2D()(hidden)
    for units in (2048, 2048, 1024):
        hidden = layers.Dense(units, activation="relu")(hidden)
    model = keras.Model(words, layers.Dense(1000, activation="softmax")(hidden))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def deep() -> Any:
    """Build a residual network of 300 layers, and train it for one step."""
    import keras  # noqa: PLC0415 - the same
    import numpy as np  # noqa: PLC0415 - the same

    layers = keras.layers
    inputs = hidden = layers.Input((8, 8, 8))
    for _ in range(37):
        branch = hidden
        for _ in range(2):
            branch = layers.Conv2D(8, 3, padding="same", kernel_regularizer="l2")(branch)
            branch = layers.BatchNormalization()(branch)
            branch = layers.ReLU()(branch)
        branch = layers.Dropout(0.1)(branch)
        hidden = layers.Add()([hidden, branch])
    hidden = layers.GlobalAveragePooling2D()(hidden)
    hidden = layers.Dense(16, activation="relu", kernel_regularizer="l2")(hidden)
    outputs = layers.Dense(10, activation="softmax", kernel_regularizer="l2")(hidden)
    model = keras.Model(inputs, outputs)
    model.compile("adamw", "sparse_categorical_crossentropy")
    model.fit(np.zeros((2, 8, 8, 8)), np.zeros((2,)), verbose=0)
    return model


if __name__ == "__main__":
    build(sys.argv[1], Path(sys.argv[2]))
