"""What a search calls a model is what real Keras loads."""

import json

import h5py
import numpy as np
import pytest
from searched import ARCHIVE, DIRECTORY, put

import regaudit
from regaudit.running.model_search import search

keras = pytest.importorskip("keras")

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore")]


def loads(path):
    try:
        keras.saving.load_model(path, compile=False)
    except Exception:  # noqa: BLE001 - whatever it says
        return False
    return True


def test_folders_of_a_configuration_and_what_lies_beside_it(tmp_path):
    put(DIRECTORY, tmp_path / "unzipped")
    put(ARCHIVE, tmp_path / "unzipped" / "assets" / "best.keras")
    put(DIRECTORY, tmp_path / "bare")
    (tmp_path / "bare" / "metadata.json").unlink()
    put(DIRECTORY, tmp_path / "own")
    (tmp_path / "own" / "metadata.json").unlink()
    (tmp_path / "own" / "config.json").write_text(json.dumps({"learning_rate": 0.1}))
    put(ARCHIVE, tmp_path / "own" / "a.keras")
    put(ARCHIVE, tmp_path / "top.keras")
    found = search(str(tmp_path)).models
    weights = str(tmp_path / "own" / "model.weights.h5")
    assert [path for path in found if not loads(path)] == [weights]
    assert not loads(tmp_path / "own")
    assert str(tmp_path / "own") not in found


def test_data_that_keras_does_not_load(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.save_weights(tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "data.h5", "w") as data:
        data["layers/roads"] = np.zeros((4, 3))
    skipped = []
    (report,) = regaudit.audit_files([str(tmp_path)], isolate=False, skipped=skipped.append)
    assert report.file == str(tmp_path / "model.weights.h5")
    assert [one.file for one in skipped] == [str(tmp_path / "data.h5")]
    assert not loads(tmp_path / "data.h5")


@pytest.mark.parametrize(
    "layers", [[keras.layers.Flatten()], [keras.layers.Dropout(0.5)], [keras.layers.Dense(2)]]
)
def test_weights_of_every_model_are_keras_s(layers, tmp_path):
    """Also of one without variables, in which no place for them holds any."""
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.save_weights(tmp_path / "m.weights.h5")
    report = regaudit.audit(tmp_path / "m.weights.h5")
    assert report.failure is None
