"""Values that stay on disk: HDF5, TensorFlow checkpoints, quantized weights."""
