from math import sqrt

import pytest
from rule_values import adam, evidence, kernel, layer

import regaudit
from regaudit.rules.reg404_untrained_layer import UntrainedLayer
from regaudit.settings.config import Config

GLOROT = {"class_name": "GlorotUniform", "config": {}}
STD = sqrt(2 / 150)
DRAWN = {"mean": 0.0, "std": STD, "l1_norm": 5000 * STD * sqrt(3) / 2, "max_abs": STD * sqrt(3)}


def dense(path, **changes):
    return layer(path, weights=(kernel(path, (100, 50), **changes),), kernel_initializer=GLOROT)


class TestUntrainedLayer:
    check = staticmethod(lambda found: [item.path for item in UntrainedLayer().check(found)])

    def test_one_among_trained_ones_is_found(self):
        found = evidence(dense("a"), dense("b"), numbers={"b/kernel": DRAWN})
        assert self.check(found) == ["b/kernel"]

    def test_a_model_without_any_training_passes(self):
        numbers = {"a/kernel": DRAWN, "b/kernel": DRAWN}
        assert not self.check(evidence(dense("a"), dense("b"), numbers=numbers))
        found = evidence(
            dense("a"), dense("b"), numbers={"b/kernel": DRAWN}, optimizer=adam(steps=0)
        )
        assert not self.check(found)

    def test_frozen_kernels_pass(self):
        frozen = dense("b", trainable=False)
        assert not self.check(evidence(dense("a"), frozen, numbers={"b/kernel": DRAWN}))


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_a_head_that_was_frozen_in_training_and_thawed_is_found(tmp_path):
    keras = pytest.importorskip("keras")
    np = pytest.importorskip("numpy")
    model = keras.Sequential(
        [
            keras.layers.Input((20,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(10, name="head", trainable=False),
        ]
    )
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 20)), np.ones((8, 10)), verbose=0)
    model.layers[-1].trainable = True
    model.save(tmp_path / "model.keras")
    report = regaudit.audit(tmp_path / "model.keras", Config.default(select=["REG404"]))
    assert [finding.path for finding in report.findings] == ["head/kernel"]
