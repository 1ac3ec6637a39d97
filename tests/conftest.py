"""What tests in every folder share."""

import json
import os
import tempfile
from pathlib import Path

import pytest

from regaudit.live import loader, verify

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


@pytest.hookimpl(tryfirst=True)
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


@pytest.fixture
def keras_in_this_process(keras, monkeypatch):
    """Have Keras answer here, as the child process of `verify` does: each takes many seconds."""

    def answered(request):
        keras.utils.clear_session(free_memory=False)
        with tempfile.TemporaryDirectory() as folder:
            question, answer = Path(folder, "request.json"), Path(folder, "answer.json")
            question.write_text(json.dumps(request), encoding="utf-8")
            loader.main(question, answer)
            return json.loads(answer.read_text(encoding="utf-8"))

    monkeypatch.setattr(verify, "_ask", answered)
