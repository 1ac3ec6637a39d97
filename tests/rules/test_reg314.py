import pytest
from rule_values import evidence, kernel, layer

from regaudit.model import Node
from regaudit.rules.reg314_extreme_dropout import ExtremeDropout


def dense(path):
    return layer(path, weights=(kernel(path, (4, 4)),), units=4)


def dropout(path, rate, class_name="Dropout"):
    return layer(path, class_name, rate=rate)


def check(*layers, **given):
    return list(ExtremeDropout().check(evidence(*layers, **given)))


class TestExtremeDropout:
    @pytest.mark.parametrize(("rate", "found"), [(0.7, True), (0.699, False)])
    @pytest.mark.parametrize("class_name", ["Dropout", "SpatialDropout1D", "GaussianDropout"])
    def test_one_with_a_high_rate(self, class_name, rate, found):
        one = dropout("d", rate, class_name)
        assert bool(check(dense("a"), one, dense("out"))) is found

    @pytest.mark.parametrize(("second", "found"), [(0.41, True), (0.39, False)])
    def test_two_in_a_row_together(self, second, found):
        # Both keep (1 - 0.5) (1 - second): 0.295 and 0.305.
        between = layer("r", "ReLU")
        chain = dense("a"), dropout("d", 0.5), between, dropout("e", second), dense("out")
        assert [item.path for item in check(*chain)] == (["e"] if found else [])

    def test_kernels_between_them_make_them_two(self):
        chain = dense("a"), dropout("d", 0.5), dense("b"), dropout("e", 0.5), dense("out")
        assert not check(*chain)

    def test_noise_of_another_kind_does_not_add_up(self):
        noise = layer("n", "GaussianNoise", stddev=0.9)
        assert not check(dense("a"), dropout("d", 0.5), noise, dropout("e", 0.1), dense("out"))

    def test_inside_recurrent_layers(self):
        one = layer("l", "LSTM", (kernel("l", (4, 4)),), dropout=0.2, recurrent_dropout=0.8)
        (item,) = check(one, dense("out"))
        assert item.message == "recurrent dropout of 0.8 keeps a share of only 0.2"

    def test_on_the_logits_every_rate_is_too_much(self):
        (item,) = check(dense("a"), dense("out"), dropout("d", 0.1), layer("s", "Softmax"))
        assert item.path == "d"
        assert "predictions" in item.message

    @pytest.mark.parametrize("rate", [0.0, -1.0, None, "0.9", True, float("nan"), 10**400])
    def test_a_rate_of_zero_drops_nothing_and_other_values_are_no_rates(self, rate):
        assert not check(dense("a"), dense("out"), dropout("d", rate))
        inside = layer("l", "LSTM", (kernel("l", (4, 4)),), recurrent_dropout=rate)
        assert not check(inside, dense("out"))

    def test_dropout_on_an_output_that_is_no_classification_passes(self):
        chain = dense("a"), dense("out"), dropout("d", 0.1)
        assert check(*chain)
        assert not check(*chain, loss="cosine_similarity")

    def test_dropout_on_a_way_beside_the_output_passes(self):
        nodes = (
            Node("a", "Dense", ()),
            Node("d", "Dropout", ("a",)),
            Node("b", "Dense", ("d",)),
            Node("out", "Dense", ("a",)),
        )
        layers = dense("a"), dropout("d", 0.1), dense("b"), dense("out")
        assert not check(*layers, nodes=nodes)

    def test_a_shared_dropout_called_twice_in_a_row(self):
        nodes = (
            Node("a", "Dense", ()),
            Node("d", "Dropout", ("a",)),
            Node("d@2", "Dropout", ("d",), "d"),
            Node("out", "Dense", ("d@2",)),
        )
        assert check(dense("a"), dropout("d", 0.5), dense("out"), nodes=nodes)
        assert not check(dense("a"), dropout("d", 0.4), dense("out"), nodes=nodes)
