"""What NumPy alone takes for the singular values of all kernels of an archive of Keras.

`python -m benchmarks.numpy_svd FILE` prints the largest one of each, by the number of its values.
"""

import io
import json
import sys
import zipfile
from typing import Any

import h5py
import numpy as np


def kernels(file: str) -> list[Any]:
    """Return each stored array of two or more dimensions as a matrix of (rows, units)."""
    with zipfile.ZipFile(file) as archive:
        weights = io.BytesIO(archive.read("model.weights.h5"))
    found: list[Any] = []

    def visit(_name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim > 1:
            found.append(item[()].reshape(-1, item.shape[-1]))

    with h5py.File(weights) as stored:
        stored.visititems(visit)
    return found


if __name__ == "__main__":
    norms = [float(np.linalg.svd(matrix, compute_uv=False)[0]) for matrix in kernels(sys.argv[1])]
    print(json.dumps(sorted(norms)))
