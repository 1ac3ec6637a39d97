"""The Keras callback, in a real training."""

from pathlib import Path

import numpy as np
import pytest

import regaudit
from regaudit.settings.config import Config

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept")
"""Keras itself, on saving, with NumPy 2."""


@pytest.fixture
def model():
    keras = pytest.importorskip("keras")
    layer = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.01), name="out")
    made = keras.Sequential([keras.layers.Input((4,)), layer])
    made.compile("sgd", "mse")
    return made


def train(model, epochs, **settings):
    callback = regaudit.audit_callback(**settings)
    x, y = np.ones((8, 4), "float32"), np.zeros((8, 3), "float32")
    model.fit(x, y, epochs=epochs, verbose=0, callbacks=[callback])
    return callback.reports


@pytest.mark.keras
@pytest.mark.parametrize(
    ("every", "epochs", "audits"), [(None, 3, 1), (1, 3, 3), (2, 4, 2), (2, 5, 3)]
)
def test_it_audits_when_it_should(model, every, epochs, audits, capsys):
    reports = train(model, epochs, every=every)
    assert len(reports) == audits
    printed = capsys.readouterr().out
    assert printed.count("regaudit, epoch ") == audits
    assert printed.count("REG204") == audits
    penalty = float(sum(model.losses))
    assert reports[-1].penalty == pytest.approx(penalty, rel=1e-5)


@pytest.mark.keras
def test_it_takes_settings_and_can_be_quiet(model, capsys):
    (report,) = train(model, 1, config=Config.default(preset="strict"), verbose=False)
    assert "REG204" in {finding.code for finding in report.findings}
    assert capsys.readouterr().out == ""


@pytest.mark.keras
def test_tensorboard_reads_the_log(model, tmp_path):
    tf = pytest.importorskip("tensorflow")
    reports = train(model, 2, every=1, log_dir=tmp_path, verbose=False)
    (file,) = Path(tmp_path).iterdir()
    read = {}
    for record in tf.data.TFRecordDataset(str(file)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            number = tf.make_ndarray(value.tensor)
            number = float(number) if number.ndim == 0 else number
            read.setdefault(value.tag, []).append((event.step, number))
    for name, weight in zip(("kernel", "bias"), model.weights, strict=True):
        (_, last) = read.pop(f"regaudit_values/{weight.path}")[-1]
        values = weight.numpy().ravel()
        assert weight.path.endswith(name)
        assert last[:, 2].sum() == values.size
        assert (last[0, 0], last[-1, 1]) == pytest.approx((values.min(), values.max()))
    assert set(read) == {
        "regaudit/penalty",
        "regaudit/findings",
        "regaudit_penalty/out/kernel",
        "regaudit_l2_norm/out/kernel",
        "regaudit_l2_norm/out/bias",
        "regaudit_dead_units/out/kernel",
        "regaudit_effective_units/out/kernel",
    }
    expected = [(epoch, pytest.approx(one.penalty)) for epoch, one in enumerate(reports)]
    assert read["regaudit/penalty"] == expected


def test_a_wrong_number_of_epochs_is_refused():
    with pytest.raises(regaudit.UsageError, match="at least 1"):
        regaudit.audit_callback(every=0)
