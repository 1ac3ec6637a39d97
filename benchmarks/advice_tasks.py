"""The tasks of `benchmarks/advice.py`: data of scikit-learn and made-up sequences, small models.

Which tasks are for development and which are held out was written down before any was run; those
that a first benchmark held out and read are for development now.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
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
        x, y = make(random_state=seed, **options)[:2]
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


def _pixels(seed: int) -> Data:
    x, y = _images(seed)
    return x.reshape(len(x), -1), y


def _noisy(data: Callable[[int], Data], classes: int) -> Callable[[int], Data]:
    """Give a fifth of the samples any label."""

    def noisy(seed: int) -> Data:
        x, y = data(seed)
        rng = np.random.default_rng(seed + 1)
        return x, np.where(rng.random(len(y)) < 0.2, rng.integers(0, classes, len(y)), y)

    return noisy


def _patches(seed: int) -> Data:
    """Patches of 8 x 8 of the two photographs that scikit-learn ships: which one?"""
    rng = np.random.default_rng(seed)
    photographs = datasets.load_sample_images().images
    y = rng.integers(0, 2, 1200)
    x = np.empty((1200, 8, 8, 3), np.float32)
    for number, which in enumerate(y):
        image = photographs[which]
        row, column = (rng.integers(0, size - 8) for size in image.shape[:2])
        x[number] = image[row : row + 8, column : column + 8]
    mean = x.mean((1, 2), keepdims=True)
    return (x - mean) / 64, y.astype("int32")


def _turned_patches(seed: int) -> Data:
    """The same, half of them upside down: which photograph, and which way up?"""
    x, y = _patches(seed)
    turned = np.random.default_rng(seed + 2).integers(0, 2, len(y))
    x = np.where(turned[:, None, None, None] == 1, x[:, ::-1], x)
    return x, (2 * y + turned).astype("int32")


def _lines(*packages: str) -> Callable[[int], Data]:
    """Lines of the source of packages of Python itself, as 40 bytes each: which package?"""

    def data(seed: int) -> Data:
        rng = np.random.default_rng(seed)
        x, y = [], []
        for number, package in enumerate(packages):
            folder = Path(str(import_module(package).__file__)).parent
            text = "\n".join(file.read_text("utf-8") for file in sorted(folder.glob("*.py")))
            lines = [line.strip() for line in text.split("\n") if len(line.strip()) > 20]
            for at in rng.permutation(len(lines))[:500]:
                x.append(np.frombuffer(lines[at].encode()[:40].ljust(40), np.uint8) & 127)
                y.append(number)
        return np.stack(x).astype("int32"), np.array(y, "int32")

    return data


def _bn_mlp(*units: int) -> Callable[[Any], list[Any]]:
    def layers(k: Any) -> list[Any]:
        found: list[Any] = []
        for n in units:
            found += [k.layers.Dense(n, use_bias=False), k.layers.BatchNormalization()]
            found += [k.layers.ReLU()]
        return found

    return layers


def _deep_bn_cnn(k: Any) -> list[Any]:
    block: list[Any] = []
    for filters in (16, 16, 32):
        block += [k.layers.Conv2D(filters, 3, padding="same", use_bias=False)]
        block += [k.layers.BatchNormalization(), k.layers.ReLU()]
    return [*block, k.layers.MaxPooling2D(), k.layers.Flatten()]


def _pooled(k: Any) -> list[Any]:
    return [k.layers.Embedding(128, 24), k.layers.GlobalAveragePooling1D(), *_mlp(32)(k)]


def _convolved(k: Any) -> list[Any]:
    pooled = k.layers.GlobalMaxPooling1D()
    return [k.layers.Embedding(128, 16), k.layers.Conv1D(48, 5, activation="relu"), pooled]


def _bn_conv1d(k: Any) -> list[Any]:
    found: list[Any] = []
    for filters in (16, 32):
        found += [k.layers.Conv1D(filters, 3, use_bias=False), k.layers.BatchNormalization()]
        found += [k.layers.ReLU()]
    return [*found, k.layers.Flatten()]


def _bn_line(k: Any) -> list[Any]:
    return [k.layers.Embedding(128, 16), *_bn_conv1d(k)]


def _line_gru(k: Any) -> list[Any]:
    return [k.layers.Embedding(128, 16), k.layers.GRU(32)]


def _token_lstm(k: Any) -> list[Any]:
    return [k.layers.Embedding(20, 16), k.layers.LSTM(32)]


def _deep_words(k: Any) -> list[Any]:
    pooled = k.layers.GlobalAveragePooling1D()
    return [k.layers.Embedding(400, 64), pooled, *_mlp(64, 32)(k)]


_five = {"n_samples": 1500, "n_features": 20, "n_informative": 8, "n_classes": 5, "flip_y": 0.05}
_three = {"n_samples": 1500, "n_features": 30, "n_informative": 6, "n_classes": 3, "flip_y": 0.1}
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
    # development: held out in a first benchmark, and read since
    Task(
        "breast cancer, MLP",
        False,
        _bundled(datasets.load_breast_cancer),
        _mlp(64, 32),
        *(150, 150, 80, 2),
    ),
    Task("diabetes, MLP", False, _bundled(datasets.load_diabetes), _mlp(64, 32), 150, 120, 120, 0),
    Task("digits, CNN", False, _images, _cnn, 300, 300, 40, 10),
    Task("digits, separable CNN", False, _images, _separable, 300, 300, 60, 10),
    Task("digits by rows, LSTM", False, _rows, _lstm, 300, 300, 80, 10),
    Task("waves, bidirectional LSTM", False, _waves, _bidirectional, 400, 400, 40, 3),
    Task("topics, embeddings", False, _words, _words_model, 300, 400, 60, 4),
    Task("order of tokens, transformer", False, _order, _transformer, 600, 400, 40, 2),
    Task(
        "quantiles, MLP",
        False,
        _made(datasets.make_gaussian_quantiles, n_samples=1500, n_features=8, n_classes=3),
        _mlp(96, 48),
        *(200, 300, 80, 3),
    ),
    Task(
        "circles, MLP",
        False,
        _made(datasets.make_circles, n_samples=1500, noise=0.25, factor=0.5),
        _mlp(128, 64),
        *(100, 200, 200, 2),
    ),
    Task(
        "friedman 2, MLP",
        False,
        _made(datasets.make_friedman2, n_samples=1500, noise=150.0),
        _mlp(64, 64),
        *(100, 300, 150, 0),
    ),
    Task(
        "moons, small MLP, 5,000",
        False,
        _made(datasets.make_moons, n_samples=8000, noise=0.3),
        _mlp(12),
        *(5000, 1000, 15, 2),
    ),
    # development: other depths, batch norm, embeddings, few validation samples, noisy labels
    Task(
        "digits, deep MLP, noisy labels",
        False,
        _noisy(_pixels, 10),
        _mlp(64, 64, 64),
        300,
        300,
        60,
        10,
    ),
    Task("digits, deep CNN with batch norm", False, _images, _deep_bn_cnn, 300, 100, 30, 10),
    Task(
        "breast cancer, MLP with batch norm",
        False,
        _bundled(datasets.load_breast_cancer),
        _bn_mlp(64, 64),
        150,
        150,
        60,
        2,
    ),
    Task("wine, deep MLP", False, _bundled(datasets.load_wine), _mlp(32, 32, 32), 60, 30, 100, 3),
    Task(
        "diabetes, MLP with batch norm",
        False,
        _bundled(datasets.load_diabetes),
        _bn_mlp(64),
        150,
        120,
        80,
        0,
    ),
    Task(
        "friedman 3, MLP",
        False,
        _made(datasets.make_friedman3, n_samples=1500, noise=0.3),
        _mlp(64, 64),
        150,
        300,
        100,
        0,
    ),
    Task(
        "swiss roll, MLP",
        False,
        _made(datasets.make_swiss_roll, n_samples=1200, noise=1.0),
        _mlp(64, 64),
        100,
        200,
        100,
        0,
    ),
    Task(
        "sparse linear, deep MLP",
        False,
        _made(datasets.make_sparse_uncorrelated, n_samples=1500, n_features=20),
        _mlp(64, 64, 64),
        150,
        200,
        60,
        0,
    ),
    Task(
        "blobs, noisy labels, MLP",
        False,
        _noisy(
            _made(datasets.make_blobs, n_samples=1500, centers=5, n_features=10, cluster_std=4.0), 5
        ),
        _mlp(128),
        200,
        200,
        80,
        5,
    ),
    Task(
        "5 classes, 20 features, MLP",
        False,
        _made(datasets.make_classification, **_five),
        _mlp(96, 48),
        300,
        100,
        60,
        5,
    ),
    Task("patches of two photographs, CNN", False, _patches, _cnn, 300, 300, 30, 2),
    Task(
        "lines of two packages, embeddings",
        False,
        _lines("email", "asyncio"),
        _pooled,
        400,
        300,
        40,
        2,
    ),
    Task(
        "lines of two packages, Conv1D",
        False,
        _lines("json", "logging", "email"),
        _convolved,
        400,
        300,
        30,
        3,
    ),
    Task("waves, Conv1D with batch norm", False, _waves, _bn_conv1d, 300, 300, 40, 3),
    Task("order of tokens, LSTM", False, _order, _token_lstm, 500, 150, 40, 2),
    Task("topics, deep embeddings", False, _words, _deep_words, 300, 100, 50, 4),
    # held out: read once, after the choice was written down
    Task("iris, MLP", True, _bundled(datasets.load_iris), _mlp(64, 32), 60, 45, 120, 3),
    Task("digits, CNN, noisy labels", True, _noisy(_images, 10), _cnn, 300, 300, 30, 10),
    Task("digits, MLP with batch norm", True, _pixels, _bn_mlp(96, 96), 250, 250, 50, 10),
    Task(
        "photographs, which and which way up, CNN",
        True,
        _turned_patches,
        _separable,
        400,
        300,
        40,
        4,
    ),
    Task(
        "lines of three packages, GRU",
        True,
        _lines("http", "unittest", "xml"),
        _line_gru,
        400,
        300,
        30,
        3,
    ),
    Task(
        "lines of four packages, Conv1D with batch norm",
        True,
        _lines("http", "unittest", "urllib", "ctypes"),
        _bn_line,
        500,
        300,
        30,
        4,
    ),
    Task(
        "100 features, regression, MLP",
        True,
        _made(
            datasets.make_regression, n_samples=1500, n_features=100, n_informative=10, noise=60.0
        ),
        _mlp(64, 32),
        200,
        300,
        80,
        0,
    ),
    Task(
        "s curve, MLP",
        True,
        _made(datasets.make_s_curve, n_samples=1200, noise=0.4),
        _mlp(96, 96),
        100,
        200,
        100,
        0,
    ),
    Task(
        "hastie, MLP, 400",
        True,
        _made(datasets.make_hastie_10_2, n_samples=3000),
        _mlp(64, 64),
        400,
        400,
        60,
        2,
    ),
    Task("waves, LSTM", True, _waves, _lstm, 400, 80, 40, 3),
    Task(
        "3 classes, few to validate, MLP",
        True,
        _made(datasets.make_classification, **_three),
        _mlp(128),
        200,
        80,
        80,
        3,
    ),
    Task(
        "moons, small MLP, 4,000",
        True,
        _made(datasets.make_moons, n_samples=7000, noise=0.35),
        _mlp(16),
        4000,
        1000,
        15,
        2,
    ),
)
