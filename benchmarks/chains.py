"""Models made without Keras, in the layout that it writes: chains of dense layers of any size."""

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

_COPY = 16 << 20
"""Bytes written at once."""


class Chain(Struct, frozen=True):
    """A model to make: a chain of dense layers."""

    widths: tuple[int, ...]
    """Of the inputs, and of each layer."""
    format: str = "keras"
    """`keras` or `h5`."""


def make(chain: Chain, file: Path, *, values: bool = False) -> None:
    """Make a model.

    Args:
        chain: what to make.
        file: where.
        values: whether its kernels hold random numbers; else all weights are a hole in the file.
    """
    layers = [_layer(index, units) for index, units in enumerate(chain.widths[1:])]
    inputs = {"batch_shape": [None, chain.widths[0]], "dtype": "float32", "name": "input_layer"}
    first = {"class_name": "InputLayer", "config": inputs, "module": "keras.layers"}
    config = {
        "class_name": "Sequential",
        "config": {"name": "sequential", "layers": [first, *layers]},
        "module": "keras",
    }
    if chain.format == "h5":
        _legacy(chain, config, file)
        if values:
            _fill(file)
        return
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        weights = Path(folder) / "model.weights.h5"
        _weights(chain, weights)
        if values:
            _fill(weights)
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
            archive.writestr("config.json", json.dumps(config))
            archive.write(weights, weights.name)


def _layer(index: int, units: int) -> dict[str, Any]:
    regularizer = {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 1e-4}}
    config = {
        "name": _name(index),
        "trainable": True,
        "dtype": "float32",
        "units": units,
        "activation": "relu",
        "use_bias": True,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        "kernel_regularizer": regularizer,
        "bias_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
    }
    return {"class_name": "Dense", "config": config, "module": "keras.layers"}


def _name(index: int) -> str:
    return f"dense_{index}" if index else "dense"


def _weights(chain: Chain, file: Path) -> None:
    """Lay weights out as Keras 3 does."""
    import h5py  # noqa: PLC0415 - the process that measures stays small

    with h5py.File(file, "w") as hdf5:
        hdf5.create_group("vars")
        for index, (inputs, units) in enumerate(_pairs(chain)):
            group = hdf5.create_group(f"layers/{_name(index)}/vars")
            group.attrs["name"] = _name(index)
            _hole(group, "0", (inputs, units))
            _hole(group, "1", (units,))


def _legacy(chain: Chain, config: dict[str, Any], file: Path) -> None:
    """Lay a whole model out as Keras 2 does."""
    import h5py  # noqa: PLC0415 - the same

    with h5py.File(file, "w") as hdf5:
        hdf5.attrs["keras_version"] = "2.15.0"
        hdf5.attrs["model_config"] = json.dumps(config)
        root = hdf5.create_group("model_weights")
        names = [_name(index) for index in range(len(chain.widths) - 1)]
        root.attrs["layer_names"] = [name.encode() for name in names]
        for name, (inputs, units) in zip(names, _pairs(chain), strict=True):
            group = root.create_group(name)
            stored = [f"{name}/kernel:0", f"{name}/bias:0"]
            group.attrs["weight_names"] = [path.encode() for path in stored]
            _hole(group, stored[0], (inputs, units))
            _hole(group, stored[1], (units,))


def _pairs(chain: Chain) -> Iterator[tuple[int, int]]:
    """Yield inputs and units of each layer."""
    return zip(chain.widths, chain.widths[1:], strict=False)


def _hole(group: Any, name: str, shape: tuple[int, ...]) -> None:
    """Make a dataset with its place in the file, and nothing in it."""
    import h5py  # noqa: PLC0415 - the same

    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    folder, _, name = name.rpartition("/")
    place = group.require_group(folder) if folder else group
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(place.id, name.encode(), h5py.h5t.IEEE_F32LE, space, properties)


def _fill(file: Path) -> None:
    """Write random numbers over the holes; the same ones again and again."""
    import h5py  # noqa: PLC0415 - the process that measures stays small
    import numpy as np  # noqa: PLC0415 - the same

    places: list[tuple[int, int]] = []

    def note(_: str, found: Any) -> None:
        if isinstance(found, h5py.Dataset) and found.ndim == 2:
            places.append((found.id.get_offset(), found.nbytes))

    with h5py.File(file, "r") as hdf5:
        hdf5.visititems(note)
    numbers = np.random.default_rng(0).normal(0, 0.02, _COPY // 4).astype("<f4").tobytes()
    with file.open("r+b") as stream:
        for offset, size in places:
            stream.seek(offset)
            for at in range(0, size, _COPY):
                stream.write(numbers[: size - at])
