from math import prod

import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, layer

import regaudit
from regaudit.rules.reg318_frozen_attention_thaws import FrozenAttentionThaws


def attention(class_name="MultiHeadAttention", *, trainable=True):
    made = layer("attention", class_name, (kernel("attention", trainable=trainable),))
    return replace(made, trainable=False)


class TestFrozenAttentionThaws:
    check = staticmethod(lambda found: list(FrozenAttentionThaws().check(found)))

    @pytest.mark.parametrize(
        ("class_name", "version", "count"),
        [
            ("MultiHeadAttention", "3.15.1", 1),
            ("GroupQueryAttention", "3.0.5", 1),
            ("ConvLSTM2D", "3.15.1", 1),
            ("MultiHeadAttention", "2.15.0", 0),
            ("Dense", "3.15.1", 0),
        ],
    )
    def test_layers_that_make_their_sublayers_thaw_in_keras_3(self, class_name, version, count):
        assert len(self.check(evidence(attention(class_name), keras=version))) == count

    def test_a_frozen_functional_model_keeps_it_frozen(self):
        assert not self.check(evidence(attention(trainable=False)))

    @pytest.mark.keras
    @pytest.mark.filterwarnings("ignore")
    def test_keras_thaws_what_it_says_and_nothing_else(self, tmp_path):
        keras = pytest.importorskip("keras")
        inputs = keras.layers.Input((4, 8))
        frozen = keras.layers.MultiHeadAttention(2, 4, trainable=False, name="frozen")
        dense = keras.layers.Dense(2, trainable=False, name="dense")
        keras.Model(inputs, dense(frozen(inputs, inputs))).save(tmp_path / "m.keras")
        loaded = keras.models.load_model(tmp_path / "m.keras")
        thawed = {v.path.split("/")[0] for v in loaded.trainable_weights}
        report = regaudit.audit(tmp_path / "m.keras")
        (finding,) = [f for f in report.findings if f.code == "REG318"]
        assert thawed == {finding.path} == {"frozen"}
        counted = sum(prod(v.shape) for v in loaded.trainable_weights)
        assert finding.items[0].observed["parameters"] == counted
