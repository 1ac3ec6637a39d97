"""Real Keras: models in memory, `verify`, the callback. The only door to Keras."""
