"""What a user without regaudit would write: load the model, take norms of every weight.

`python -m benchmarks.load_and_measure FILE [--without-compiling]`
"""

import json
import sys

import keras
import numpy as np

model = keras.models.load_model(sys.argv[1], compile="--without-compiling" not in sys.argv)
weights = [
    {
        "layer": layer.name,
        "l1_norm": float(np.sum(np.abs(values), dtype=np.float64)),
        "l2_norm": float(np.sqrt(np.sum(np.square(values), dtype=np.float64))),
        "max_abs": float(np.max(np.abs(values))),
        "zeros": int(np.sum(values == 0)),
    }
    for layer in model.layers
    for values in layer.get_weights()
]
json.dump(weights, sys.stdout, indent=2)
