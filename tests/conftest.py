"""What tests in every folder share."""

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


def pytest_collection_modifyitems(config, items):
    """Leave out what is `slow` unless `-m` names it: a sample of it is not."""
    if "slow" in config.option.markexpr:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if not item.get_closest_marker("slow")]


@pytest.fixture
def keras():
    """Real Keras, which names layers as in a fresh process."""
    keras = pytest.importorskip("keras")
    keras.utils.clear_session(free_memory=False)
    return keras
