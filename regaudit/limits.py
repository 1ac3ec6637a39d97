"""What regaudit allows a file to cost before it refuses to read on."""

JSON_BYTES = 256 << 20
"""Largest `config.json`."""

GROUP_DEPTH = 64
"""Deepest nesting of HDF5 groups."""

OBJECTS = 1_000_000
"""Most HDF5 groups and datasets in one file."""

CALLS = 100_000
"""Most calls of layers in one model: nested models that call each other multiply."""

OUTPUTS = 1_000
"""Most outputs of one model, nested ones too: these multiply likewise."""

INFLATION = 1_000
"""Largest ratio of declared to stored bytes, of a dataset or of an archive member."""

UNSTORED_BYTES = 1 << 20
"""Largest dataset that may consist of fill values alone."""

CHUNK_BYTES = 256 << 20
"""Largest chunk of a chunked dataset: the least that has to be held in memory."""

LAYER_DEPTH = 100
"""Deepest nesting of models and wrappers."""

GRAPH_BYTES = 1 << 30
"""Largest `saved_model.pb`."""

INDEX_BYTES = 64 << 20
"""Largest index of a TensorFlow checkpoint, packed or with its keys written out."""

KEY_BYTES = 4096
"""Longest key in the index of a TensorFlow checkpoint."""

CHECKED_BYTES = 4 << 20
"""How much of a checkpoint's index has its checksums verified, at about 10 MB per second."""
