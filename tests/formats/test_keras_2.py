"""Files of Keras 2 against what that Keras makes of them: see fixtures/keras_2.py."""

import h5py
import pytest
from oracles import oracle_of
from paths import FIXTURES

import regaudit
from regaudit.settings.config import Config

FILES = sorted((FIXTURES / "keras_2").glob("*.h5"))


def in_order(file):
    """Return where the weights lie, in the order in which a load takes them."""
    with h5py.File(file) as hdf5:
        groups = hdf5["model_weights"]
        return [
            f"model_weights/{layer}/{name}"
            for layer in map(str, groups.attrs["layer_names"])
            for name in map(str, groups[layer].attrs["weight_names"])
        ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_trains_and_what_it_costs(file):
    oracle = oracle_of(file)
    report = regaudit.audit(file)
    audited = {weight.stored_path: weight for _, weight in report.model.weights()}
    for path, (_, shape, trainable) in zip(in_order(file), oracle["weights"], strict=True):
        weight = audited[path]
        assert list(weight.shape) == shape
        assert weight.trainable is trainable or not weight.trainable_known
    assert report.penalty == pytest.approx(sum(oracle["losses"]), rel=1e-6)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_alarm_where_every_weight_comes_back(file):
    assert oracle_of(file)["same"]
    assert not regaudit.audit(file, Config.default(select=["REG905"])).findings
