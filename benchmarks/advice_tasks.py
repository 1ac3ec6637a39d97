"""The tasks of `benchmarks/advice.py`: data of scikit-learn and made-up sequences, small models.

Which tasks are for development and which are held out was written down before any was run.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct
from sklearn import datasets

Data = tuple[Any, Any]


class Task(Struct, frozen=True, dict=True):
    """One data set and one model."""

    name: str
    held_out: bool
    data: Callable[[int], Data]
    """Inputs and targets for a seed."""
    layers: Callable[[Any], list[Any]]
    """Layers of a Sequential, given `keras`, without input and output."""
    train: int
    """Samples to train on."""
    val: int
    epochs: int
    outputs: int
    """Classes; 0 for a regression."""


def _standard(x: Any, y: Any) -> Data:
    x = (x - x.mean(0)) / (x.std(0) + 1e-9)
    if y.dtype.kind == "f":
        y = (y - y.mean()) / y.std()
    return x.astype("float32"), y.astype("float32" if y.dtype.kind == "f" else "int32")


def _bundled(load: Callable[..., Any]) -> Callable[[int], Data]:
    return lambda _seed: _standard(*load(return_X_y=True))


def _made(make: Callable[..., Any], **options: Any) -> Callable[[int], Data]:
    def data(seed: int) -> Data:
        x, y = make(random_state=seed, **options)
        return _standard(x, (y > 0).astype(int) if set(np.unique(y)) == {-1.0, 1.0} else y)

    return data


def _images(_seed: int) -> Data:
    x, y = datasets.load_digits(return_X_y=True)
    return (x / 16).astype("float32").reshape(-1, 8, 8, 1), y.astype("int32")


def _rows(seed: int) -> Data:
    x, y = _images(seed)
    return x.reshape(-1, 8, 8), y


def _words(seed: int) -> Data:
    """Bags of 30 words out of 400, from 4 topics that share most words."""
    rng = np.random.default_rng(seed)
    topics = rng.dirichlet(np.full(400, 0.3), 4) * 0.5 + 0.5 / 400
    y = rng.integers(0, 4, 1500)
    x = np.stack([rng.choice(400, 30, p=topics[topic]) for topic in y])
    return x.astype("int32"), y.astype("int32")


def _order(seed: int) -> Data:
    """Whether token 1 comes before token 2 in 16 tokens, with a tenth of the answers wrong."""
    rng = np.random.default_rng(seed)
    x = rng.integers(3, 20, (2000, 16))
    places = np.stack([rng.permutation(16)[:2] for _ in x])
    x[np.arange(2000), places[:, 0]], x[np.arange(2000), places[:, 1]] = 1, 2
    y = (places[:, 0] < places[:, 1]) ^ (rng.random(2000) < 0.1)
    return x.astype("int32"), y.astype("int32")


def _waves(seed: int) -> Data:
    """Three kinds of noisy waves, 24 steps of 2 channels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 1500)
    time, phase = np.arange(24)[None], rng.random((1500, 1)) * 6.3
    wave = np.sin(time * (0.4 + 0.1 * y[:, None]) + phase)
    x = np.stack([wave, np.roll(wave, 1, 1)], -1) + rng.normal(0, 0.9, (1500, 24, 2))
    return x.astype("float32"), y.astype("int32")


def _mlp(*units: int) -> Callable[[Any], list[Any]]:
    return lambda k: [k.layers.Dense(n, activation="relu") for n in units]


def _cnn(k: Any) -> list[Any]:
    return [
        k.layers.Conv2D(24, 3, activation="relu"),
        k.layers.Flatten(),
        k.layers.Dense(128, activation="relu"),
    ]


def _bn_cnn(k: Any) -> list[Any]:
    block: list[Any] = []
    for filters in (16, 32):
        block += [k.layers.Conv2D(filters, 3, use_bias=False), k.layers.BatchNormalization()]
        block += [k.layers.ReLU()]
    return [*block, k.layers.Flatten()]


def _separable(k: Any) -> list[Any]:
    return [
        k.layers.SeparableConv2D(32, 3, activation="relu"),
        k.layers.SeparableConv2D(64, 3, activation="relu"),
        k.layers.Flatten(),
        k.layers.Dense(64, activation="relu"),
    ]


def _words_model(k: Any) -> list[Any]:
    pooled = k.layers.GlobalAveragePooling1D()
    return [k.layers.Embedding(400, 32), pooled, k.layers.Dense(32, activation="relu")]


def _transformer(k: Any) -> list[Any]:
    """One block of attention with residuals, as a model inside the model."""
    inputs = k.Input((16, 24))
    attended = k.layers.MultiHeadAttention(2, 12)(inputs, inputs)
    x = k.layers.LayerNormalization()(k.layers.Add()([inputs, attended]))
    fed = k.layers.Dense(24)(k.layers.Dense(48, activation="relu")(x))
    x = k.layers.LayerNormalization()(k.layers.Add()([x, fed]))
    block = k.Model(inputs, x, name="block")
    position = k.layers.Conv1D(24, 3, padding="same")
    return [k.layers.Embedding(20, 24), position, block, k.layers.Flatten()]


def _gru(k: Any) -> list[Any]:
    return [k.layers.Embedding(20, 16), k.layers.GRU(32)]


def _lstm(k: Any) -> list[Any]:
    return [k.layers.LSTM(48)]


def _bidirectional(k: Any) -> list[Any]:
    return [k.layers.Bidirectional(k.layers.LSTM(24))]


_wide = {"n_samples": 1500, "n_features": 50, "n_informative": 10, "flip_y": 0.1}

TASKS = (
    # development
    Task("digits, MLP", False, _bundled(datasets.load_digits), _mlp(128, 64), 300, 300, 60, 10),
    Task("wine, MLP", False, _bundled(datasets.load_wine), _mlp(64), 60, 50, 120, 3),
    Task(
        "moons, MLP",
        False,
        _made(datasets.make_moons, n_samples=1500, noise=0.3),
        _mlp(128, 64),
        *(100, 200, 200, 2),
    ),
    Task(
        "friedman 1, MLP",
        False,
        _made(datasets.make_friedman1, n_samples=1500, noise=2.0),
        _mlp(64, 64),
        *(200, 300, 100, 0),
    ),
    Task(
        "50 features, MLP",
        False,
        _made(datasets.make_classification, **_wide),
        _mlp(64, 32),
        *(200, 300, 60, 2),
    ),
    Task("digits, CNN with batch norm", False, _images, _bn_cnn, 200, 300, 30, 10),
    Task("order of tokens, GRU", False, _order, _gru, 500, 400, 50, 2),
    Task(
        "hastie, MLP, 20,000",
        False,
        _made(datasets.make_hastie_10_2, n_samples=24000),
        _mlp(16),
        *(20000, 1000, 5, 2),
    ),
    # held out
    Task(
        "breast cancer, MLP",
        True,
        _bundled(datasets.load_breast_cancer),
        _mlp(64, 32),
        *(150, 150, 80, 2),
    ),
    Task("diabetes, MLP", True, _bundled(datasets.load_diabetes), _mlp(64, 32), 150, 120, 120, 0),
    Task("digits, CNN", True, _images, _cnn, 300, 300, 40, 10),
    Task("digits, separable CNN", True, _images, _separable, 300, 300, 60, 10),
    Task("digits by rows, LSTM", True, _rows, _lstm, 300, 300, 80, 10),
    Task("waves, bidirectional LSTM", True, _waves, _bidirectional, 400, 400, 40, 3),
    Task("topics, embeddings", True, _words, _words_model, 300, 400, 60, 4),
    Task("order of tokens, transformer", True, _order, _transformer, 600, 400, 40, 2),
    Task(
        "quantiles, MLP",
        True,
        _made(datasets.make_gaussian_quantiles, n_samples=1500, n_features=8, n_classes=3),
        _mlp(96, 48),
        *(200, 300, 80, 3),
    ),
    Task(
        "circles, MLP",
        True,
        _made(datasets.make_circles, n_samples=1500, noise=0.25, factor=0.5),
        _mlp(128, 64),
        *(100, 200, 200, 2),
    ),
    Task(
        "friedman 2, MLP",
        True,
        _made(datasets.make_friedman2, n_samples=1500, noise=150.0),
        _mlp(64, 64),
        *(100, 300, 150, 0),
    ),
    Task(
        "moons, small MLP, 5,000",
        True,
        _made(datasets.make_moons, n_samples=8000, noise=0.3),
        _mlp(12),
        *(5000, 1000, 15, 2),
    ),
)
