"""What a user of WeightWatcher would write: load the model, analyze it.

`PYTHON -m benchmarks.weightwatcher_analyze FILE`, by a Python that has WeightWatcher and Keras.
WeightWatcher prints what it likes; the answer is the last line.
"""

import json
import sys

import keras
import weightwatcher

model = keras.models.load_model(sys.argv[1], compile=False)
details = weightwatcher.WeightWatcher(model=model).analyze()
columns = ["longname", "layer_type", "N", "M", "rf", "stable_rank", "sv_max", "alpha"]
print()
print(json.dumps(details[columns].to_dict("records"), default=float))
