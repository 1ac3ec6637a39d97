"""A model of one layer whose kernel is measured in several parts, in all ways to store it."""

import io
import json
import zipfile

import h5py
import ml_dtypes
import numpy as np

ROWS, UNITS = 3_500, 3_001
"""Not quite three parts."""


def write(file, dtype="float16", packing=zipfile.ZIP_STORED, **storage):
    """Write a `.keras` with dead units, unlike scales and a NaN; return where it lies."""
    values = np.tile(np.linspace(-1, 1, UNITS, dtype=np.float32), (ROWS, 1))
    values[ROWS // 2 :] *= 1_000  # what the first block says of the rest is wrong
    values[:, 7] = 0
    bias = np.zeros(UNITS, np.float32)
    bias[5] = np.nan
    raw = io.BytesIO()
    with h5py.File(raw, "w") as weights:
        folder = weights.create_group("layers/dense/vars")
        if dtype == "bfloat16":
            folder.create_dataset("0", data=values.astype(ml_dtypes.bfloat16).view("V2"), **storage)
        else:
            folder.create_dataset("0", data=values.astype(dtype), **storage)
        folder["1"] = bias
    dense = {"name": "dense", "units": UNITS, "dtype": dtype, "use_bias": True}
    layers = [
        {"class_name": "InputLayer", "config": {"name": "input", "batch_shape": [None, ROWS]}},
        {
            "class_name": "Dense",
            "config": {**dense, "kernel_regularizer": None},
            "build_config": {"input_shape": [None, ROWS]},
        },
    ]
    config = {"class_name": "Sequential", "config": {"name": "large", "layers": layers}}
    with zipfile.ZipFile(file, "w", packing) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.10.0"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", raw.getvalue())
    return file
