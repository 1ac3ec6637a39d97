"""Models that look trained without a training."""

import numpy as np
import pytest


@pytest.fixture
def save(keras, tmp_path):
    """Return what compiles a model, makes it look trained, and saves it."""
    keras.utils.set_random_seed(0)

    def saved(model, optimizer="adam", loss="sparse_categorical_crossentropy", steps=2_000):
        model.compile(optimizer, loss)
        model.optimizer.build(model.trainable_variables)
        model.optimizer.iterations.assign(steps)
        rng = np.random.default_rng(0)
        for variable in model.trainable_variables:
            values = variable.numpy()
            variable.assign(values + rng.normal(0, 0.1 * values.std() + 1e-3, values.shape))
        file = tmp_path / "model.keras"
        model.save(file)
        return file

    return saved
