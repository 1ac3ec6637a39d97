"""What `regaudit.sweep` refuses before anything is loaded or written."""

import shutil

import numpy as np
import pytest
from paths import MODELS

import regaudit
from regaudit.errors import UnreadableModelError, UsageError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(MODELS / "digits-cnn.keras", "model.keras")
    for name in ("train.npz", "val.npz"):
        np.savez(name, x=np.zeros((4, 8, 8, 1)), y=np.zeros(4))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"out": "model.keras"}, "model.keras is one of the files that are read"),
        ({"out": "./val.npz"}, "val.npz is one of the files that are read"),
        ({"journal": "model.keras"}, "model.keras is one of the files that are read"),
        ({"out": "new.onnx"}, "new.onnx must end with .keras or .h5"),
        ({"aim": "l3"}, "'l3' is not one of l2, l1, activity, adamw"),
        ({"aim": ()}, "is not one of l2"),
        ({"rungs": 0}, "rungs must be at least 1, not 0"),
        ({"epochs": -1}, "epochs must be at least 1"),
        ({"budget": 0}, "budget must be above 0"),
        ({"repeats": 0}, "repeats must be at least 1"),
    ],
)
def test_what_cannot_be_is_said_at_once(here, arguments, text):
    before = {file.name: file.read_bytes() for file in here.iterdir()}
    with pytest.raises(UsageError, match=text):
        regaudit.sweep("model.keras", "train.npz", "val.npz", **arguments)
    assert {file.name: file.read_bytes() for file in here.iterdir()} == before


@pytest.mark.usefixtures("here")
def test_a_model_that_is_not_there_is_named():
    with pytest.raises(UnreadableModelError, match=r"gone\.keras: no such file"):
        regaudit.sweep("gone.keras", "train.npz", "val.npz")
