"""What Keras's JSON and weight files mean, version by version."""
