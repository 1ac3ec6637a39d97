"""Which edits can act on which layers, and why others cannot."""

import pytest
from msgspec.structs import replace
from rule_values import evidence, kernel, layer

import regaudit
from regaudit.editing.validity import keys_of, matching, refusal, shared
from regaudit.errors import RefusedEditError, UsageError
from regaudit.keras_semantics.dialect import Dialect
from regaudit.report.proposal import Edit

L2 = {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.01}}
ORTHOGONAL = {
    "module": "keras.regularizers",
    "class_name": "OrthogonalRegularizer",
    "config": {"factor": 0.01, "mode": "rows"},
}
KERAS_3 = Dialect((3, 15, 1))


def dense(path, class_name="Dense", config=(), **changes):
    return layer(path, class_name, (kernel(path, (4, 3), **changes),), **dict(config))


def model(*layers, keras="3.15.1"):
    return evidence(*layers, keras=keras).model


def why_not(one, key="kernel_regularizer", value=L2, *, force=False, keras="3.15.1"):
    return refusal(model(one, keras=keras), Edit(one.path, key, value), force=force)


class TestMatching:
    layers = model(dense("enc/a"), dense("enc/b"), dense("dec/a"))

    @pytest.mark.parametrize(
        ("glob", "paths"),
        [
            ("enc/a", ["enc/a"]),
            ("enc/*", ["enc/a", "enc/b"]),
            ("*/a", ["enc/a", "dec/a"]),
            ("*", ["enc/a", "enc/b", "dec/a"]),
            ("enc/[b]", ["enc/b"]),
        ],
    )
    def test_layers_are_found_by_path_or_glob(self, glob, paths):
        assert [one.path for one in matching(self.layers, glob)] == paths

    def test_a_name_with_signs_of_globs_is_taken_literally_first(self):
        odd = model(dense("a[b]"), dense("ab"))
        assert [one.path for one in matching(odd, "a[b]")] == ["a[b]"]

    @pytest.mark.parametrize(
        ("glob", "said"), [("enc/c", "did you mean 'enc/"), ("Enc/*", "no layer matches")]
    )
    def test_nothing_found_is_a_usage_error(self, glob, said):
        with pytest.raises(UsageError, match=said):
            matching(self.layers, glob)

    def test_what_lies_inside_a_layer_is_explained(self):
        query = replace(kernel("mha"), path="mha/query/kernel")
        inside = model(layer("mha", "MultiHeadAttention", (query,)))
        with pytest.raises(UsageError, match="is inside mha"):
            matching(inside, "mha/query")


class TestRefusal:
    def test_a_plain_kernel_can_be_edited(self):
        assert why_not(dense("a")) == ""

    @pytest.mark.parametrize(
        ("one", "said"),
        [
            (dense("a", trainable=False), "is frozen"),
            (dense("a", dtype="float16"), "is float16"),
        ],
    )
    def test_what_acts_later_can_be_forced(self, one, said):
        assert said in why_not(one)
        assert why_not(one, force=True) == ""

    @pytest.mark.parametrize(
        ("one", "said"),
        [
            (dense("a", dtype="int8"), "is quantized"),
            (dense("a", config={"lora_rank": 4}, trainable=False), "is frozen by LoRA"),
        ],
    )
    def test_what_never_acts_cannot(self, one, said):
        assert said in why_not(one)
        assert said in why_not(one, force=True)

    @pytest.mark.parametrize(
        ("key", "config", "said"),
        [
            ("bias_regularizer", {"use_bias": False}, "has no bias: its options switch that off"),
            ("bias_regularizer", {"use_bias": True}, "the layer was not built"),
            ("recurrent_regularizer", {}, "has no slot recurrent: it has kernel"),
        ],
    )
    def test_a_key_without_a_weight_says_why(self, key, config, said):
        assert said in why_not(dense("a", config=config), key)

    def test_removing_is_never_refused(self):
        assert why_not(dense("a"), value=None) == ""  # it is so already, and nothing is written
        there = dense("a", config={"kernel_regularizer": L2})
        assert why_not(there, value=None) == ""

    @pytest.mark.parametrize(
        ("shape", "mode", "said"),
        [
            ((4, 3), "rows", ""),
            ((1, 3), "rows", "has only one of its rows"),
            ((1, 3), "columns", ""),
            ((3, 1), "columns", "has only one of its columns"),
            ((3, 3, 4, 8), "rows", "is not a matrix"),
        ],
    )
    def test_orthogonality_takes_a_matrix_of_several(self, shape, mode, said):
        one = layer("a", weights=(kernel("a", shape),))
        value = {**ORTHOGONAL, "config": {"factor": 0.01, "mode": mode}}
        found = why_not(one, value=value)
        assert said in found
        assert bool(said) is bool(found)

    @pytest.mark.parametrize(
        ("class_name", "keras", "said"),
        [
            ("Dense", "3.15.1", ""),
            ("SimpleRNN", "3.15.1", "accepts it and never applies it"),
            ("EinsumDense", "3.15.1", ""),
            ("EinsumDense", "2.15.0", "accepts it and never applies it"),
            ("ActivityRegularization", "3.15.1", "is itself a regularizer"),
        ],
    )
    def test_activity_regularizers_have_their_own_exceptions(self, class_name, keras, said):
        found = why_not(dense("a", class_name), "activity_regularizer", keras=keras)
        assert said in found
        assert bool(said) is bool(found)

    def test_a_custom_layer_takes_the_keys_of_its_configuration(self):
        own = replace(dense("a", "my>Own", {"my_regularizer": None}), known=False)
        assert why_not(own, "my_regularizer") == ""
        assert "whose configuration has no kernel_regularizer" in why_not(own)

    @pytest.mark.parametrize(
        ("edit", "said"),
        [
            (Edit("b", "kernel_regularizer", L2), "no layer is called 'b'"),
            (Edit("a", "units", L2), "is not the key of a regularizer"),
            (
                Edit("a", "kernel_regularizer", {"class_name": "Mine"}),
                "a, kernel_regularizer: the value of an edit",
            ),
        ],
    )
    def test_what_means_nothing_is_a_usage_error(self, edit, said):
        with pytest.raises(UsageError, match=said):
            refusal(model(dense("a")), edit)


class TestShared:
    twins = model(dense("a"), dense("b", shared_with="a/kernel"), dense("c"))
    first = Edit("a", "kernel_regularizer", L2)

    def test_the_edit_goes_to_all_that_share_the_weight(self):
        second = replace(self.first, layer="b")
        assert shared(self.twins, [self.first]) == (self.first, second)
        assert shared(self.twins, [second]) == (second, self.first)

    def test_other_layers_are_left(self):
        alone = replace(self.first, layer="c")
        assert shared(self.twins, [alone]) == (alone,)
        assert shared(self.twins, []) == ()

    def test_edits_that_disagree_are_refused(self):
        with pytest.raises(RefusedEditError, match="two edits of b"):
            shared(self.twins, [self.first, Edit("b", "kernel_regularizer", None)])


def test_a_slot_has_the_name_of_its_key_and_of_its_weight():
    recurrent = kernel("a", role="recurrent_kernel", regularizer_key="recurrent_regularizer")
    one = layer("a", "LSTM", (kernel("a"), recurrent))
    names = keys_of(one, KERAS_3)
    assert names["kernel"] == "kernel_regularizer"
    assert names["recurrent"] == names["recurrent_kernel"] == "recurrent_regularizer"
    assert names["activity"] == "activity_regularizer"


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda layers: layers.Dense(3), "kernel_regularizer"),
        (lambda layers: layers.Dense(3), "bias_regularizer"),
        (lambda layers: layers.Dense(3, use_bias=False), "bias_regularizer"),
        (lambda layers: layers.Dense(3, trainable=False), "kernel_regularizer"),
        (lambda layers: layers.LayerNormalization(), "gamma_regularizer"),
        (lambda layers: layers.LayerNormalization(scale=False), "gamma_regularizer"),
        (lambda layers: layers.Dense(3), "activity_regularizer"),
    ],
)
def test_it_refuses_what_adds_nothing_in_keras(keras, make, key, tmp_path):
    plain = make(keras.layers)
    keras.Sequential([keras.Input((4,)), plain]).save(tmp_path / "model.keras")
    read = regaudit.audit(tmp_path / "model.keras").model
    refused = refusal(read, Edit(plain.name, key, L2))
    edited = type(plain).from_config({**plain.get_config(), key: keras.regularizers.L2(0.01)})
    model = keras.Sequential([keras.Input((4,)), edited])
    for weight in edited.weights:
        weight.assign(weight + 1.0)
    model(keras.ops.ones((2, 4)))
    assert bool(refused) is not any(float(loss) > 0 for loss in model.losses)


L1 = {"module": "keras.regularizers", "class_name": "L1", "config": {"l1": 0.1}}


@pytest.mark.parametrize(
    ("holder", "keras", "why"),
    [
        ("TimeDistributed", "3.15.1", "runs the layer's call by itself"),
        ("TimeDistributed", "3.0.5", "runs the layer's call by itself"),
        ("TimeDistributed", "2.15.0", ""),
        ("RNN", "3.15.1", "can neither train nor evaluate"),
        ("StackedRNNCells", "3.15.1", "can neither train nor evaluate"),
        ("Bidirectional", "3.15.1", ""),
    ],
)
@pytest.mark.parametrize("path", ["t", "outer/t"])
@pytest.mark.parametrize("known", [True, False])
def test_an_activity_regularizer_is_refused_where_nothing_applies_it(
    holder, keras, why, path, known
):
    inner = dense(f"{path}/d", config={"activity_regularizer": None})
    inner = replace(inner, name="d", known=known)
    both = model(layer(path, holder), inner, keras=keras)
    edit = Edit(inner.path, "activity_regularizer", L1)
    assert why in refusal(both, edit)
    assert bool(refusal(both, edit)) is bool(why)
    assert not refusal(both, replace(edit, value=None))


def test_an_activity_regularizer_of_a_model_in_time_distributed_is_not_refused_for_that():
    both = model(
        layer("t", "TimeDistributed"), replace(dense("t/m/d"), name="d"), layer("t/m", "Sequential")
    )
    assert not refusal(both, Edit("t/m/d", "activity_regularizer", L1))
