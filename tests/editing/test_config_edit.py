"""Edits of Keras's JSON: where they go, and how each version spells them."""

from copy import deepcopy

import pytest

from regaudit.editing.config_edit import edited, entries, spelled, understood
from regaudit.errors import RefusedEditError, UsageError
from regaudit.keras_semantics.dialect import Dialect
from regaudit.report.proposal import Edit

KERAS_3 = Dialect((3, 15, 1))
KERAS_2 = Dialect((2, 12, 0))


def value(class_name="L2", **config):
    return {"module": "keras.regularizers", "class_name": class_name, "config": config}


def layer(name, class_name="Dense", **config):
    return {
        "module": "keras.layers",
        "class_name": class_name,
        "config": {"name": name, **config},
        "registered_name": None,
    }


def model(*layers, name="m"):
    return layer(name, "Sequential", layers=list(layers))


class TestSpelled:
    @pytest.mark.parametrize(
        ("version", "expected"),
        [
            ((3, 15, 1), {**value(l2=0.01), "registered_name": None}),
            ((2, 13, 0), {**value(l2=0.01), "registered_name": None}),
            ((2, 12, 0), {"class_name": "L2", "config": {"l2": 0.01}}),
            ((2, 4, 0), {"class_name": "L2", "config": {"l2": 0.01}}),
            ((2, 3, 1), {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.01}}),
            ((1, 2, 2), {"name": "L1L2Regularizer", "l1": 0.0, "l2": 0.01}),
            ((1, 1, 0), {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01}),
        ],
    )
    def test_each_keras_has_its_own_form(self, version, expected):
        assert spelled(value(l2=0.01), Dialect(version)) == expected

    def test_an_old_keras_has_no_orthogonal_regularizer(self):
        orthogonal = value("OrthogonalRegularizer", factor=0.1, mode="columns")
        config = {"factor": 0.1, "mode": "columns"}
        assert spelled(orthogonal, Dialect((2, 8, 0)))["config"] == config
        with pytest.raises(RefusedEditError, match="has no orthogonal regularizer"):
            spelled(orthogonal, Dialect((2, 7, 0)))

    @pytest.mark.keras
    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize(
        "given",
        [
            value("L1", l1=0.02),
            value("L2", l2=0.03),
            value("L1L2", l1=0.02, l2=0.03),
            value("OrthogonalRegularizer", factor=0.1, mode="columns"),
        ],
    )
    def test_keras_reads_it_as_it_was_meant(self, keras, given):
        read = keras.regularizers.deserialize(spelled(given, KERAS_3))
        assert type(read).__name__ == given["class_name"]
        for name, expected in given["config"].items():
            found = getattr(read, name)
            if name == "mode":
                assert found == expected
            else:  # Keras keeps float32
                assert float(found) == pytest.approx(expected)


class TestUnderstood:
    @pytest.mark.parametrize("strength", [1e-12, 1e-4, 100.0, 1])
    def test_strengths_that_make_sense(self, strength):
        assert understood(value(l2=strength)).l2 == strength

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (value(l2=9e-13), "not plausible"),
            (value(l2=100.1), "not plausible"),
            (value("L1L2", l1=1e-3, l2=101), "not plausible"),
            (value("OrthogonalRegularizer", factor=1e3), "not plausible"),
            (value(l2=0.0), "a strength of zero does nothing"),
            (value(l2=-0.1), "finite number above zero"),
            (value(l2=float("nan")), "finite number above zero"),
            (value(l2="0.1"), "finite number above zero"),
            (value(l2=0.1, l1=0.1), "L2 takes l2, not l1"),
            (value("OrthogonalRegularizer", factor=0.1, mode="both"), "rows or columns"),
            (value("Mine"), "a regularizer of Keras"),
            ({"class_name": "L2", "registered_name": "my>L2", "config": {}}, "of Keras"),
            ({}, "a regularizer of Keras"),
        ],
    )
    def test_others_are_usage_errors(self, given, said):
        with pytest.raises(UsageError, match=said):
            understood(given)


class TestEntries:
    def test_paths_go_through_models_and_wrappers(self):
        inner = model(layer("b"), name="inner")
        timed = layer("t", "TimeDistributed", layer=layer("c"))
        found = entries(model(layer("a"), inner, timed), KERAS_3)
        assert list(found) == ["a", "inner", "inner/b", "t", "t/c"]
        assert found["inner/b"]["config"]["name"] == "b"

    def test_both_directions_of_keras_2_are_one_entry(self):
        both = layer("way", "Bidirectional", layer=layer("x", "LSTM"))
        found = entries(model(both), KERAS_2)
        assert found["way/forward_x"] is found["way/backward_x"]

    def test_a_custom_layer_is_searched_for_layers(self):
        own = layer("own", "Own", held=layer("a"), many=[layer("b"), layer("c")], other=3)
        own["registered_name"] = "my>Own"
        assert list(entries(model(own), KERAS_3)) == ["own", "own/a", "own/b", "own/c"]

    def test_what_is_no_layer_is_passed_over(self):
        assert entries({}, KERAS_3) == {}
        assert entries(layer("m", "Sequential", layers=3), KERAS_3) == {}


class TestEdited:
    config = model(layer("a", kernel_regularizer=value(l2=0.5)), model(layer("b"), name="inner"))

    def test_only_the_key_changes_in_a_copy(self):
        before = deepcopy(self.config)
        after, _ = edited(
            self.config, (Edit("inner/b", "bias_regularizer", value(l2=0.1)),), KERAS_3
        )
        assert self.config == before
        inner = after["config"]["layers"][1]["config"]["layers"][0]["config"]
        assert inner == {"name": "b", "bias_regularizer": spelled(value(l2=0.1), KERAS_3)}
        inner.pop("bias_regularizer")
        assert after == before

    def test_a_regularizer_is_taken_away(self):
        edits = (Edit("a", "kernel_regularizer", None),)
        after, (written,) = edited(self.config, edits, KERAS_3)
        assert after["config"]["layers"][0]["config"]["kernel_regularizer"] is None
        assert written == ("a: kernel_regularizer", value(l2=0.5), None)

    def test_a_layer_that_is_not_there_is_refused(self):
        with pytest.raises(RefusedEditError, match="gone has no entry"):
            edited(self.config, (Edit("gone", "kernel_regularizer", None),), KERAS_3)

    def test_one_entry_for_two_directions_takes_the_same_for_both(self):
        both = model(layer("way", "Bidirectional", layer=layer("x", "LSTM")))
        one, other = (
            Edit(f"way/{direction}_x", "kernel_regularizer", value(l2=0.1))
            for direction in ("forward", "backward")
        )
        after, _ = edited(both, (one, other), KERAS_2)
        held = after["config"]["layers"][0]["config"]["layer"]["config"]
        assert held["kernel_regularizer"]["config"] == {"l2": 0.1}
        different = Edit(other.layer, other.key, value(l2=0.2))
        for edits in ((one,), (one, different)):
            with pytest.raises(RefusedEditError, match="one configuration for"):
                edited(both, edits, KERAS_2)

    @pytest.mark.parametrize(
        ("key", "written"),
        [
            ("kernel_regularizer", "W_regularizer"),
            ("recurrent_regularizer", "U_regularizer"),
            ("bias_regularizer", "b_regularizer"),
            ("activity_regularizer", "activity_regularizer"),
        ],
    )
    def test_keras_1_calls_the_keys_by_letters(self, key, written):
        after, _ = edited(model(layer("a")), (Edit("a", key, value(l2=0.1)),), Dialect((1, 2, 2)))
        assert written in after["config"]["layers"][0]["config"]
