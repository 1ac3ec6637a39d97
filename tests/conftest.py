"""What tests in every folder share."""

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


@pytest.fixture
def keras():
    """Real Keras, which names layers as in a fresh process."""
    keras = pytest.importorskip("keras")
    keras.utils.clear_session(free_memory=False)
    return keras
